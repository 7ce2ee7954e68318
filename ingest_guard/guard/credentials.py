"""What opens a keyed blocklist, and who must have signed it: read where the policy says, and kept out of all texts."""

from collections.abc import Mapping

from ingest_guard.policy.policy import Policy

_VARIABLES: set[str] = set()


def list_key(policy: Policy) -> bytes | None:
    """Return the key of keyed lists, or None where the policy names none.

    Raises
    ------
    BlocklistError
        The environment variable or the file is missing, or holds no key.
    """
    if policy.list_key is None:
        return None
    from ingest_guard.blocklist.parts.seal import read_key  # noqa: PLC0415 - loaded where a policy asks for it

    if policy.list_key.env is not None:
        _VARIABLES.add(policy.list_key.env)
    return read_key(env=policy.list_key.env, file=policy.list_key.file)


def without_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment for a child process: without the variables that this process read keys from."""
    return {name: value for name, value in environment.items() if name not in _VARIABLES}


def require_signer(policy: Policy, version: str) -> None:
    """Make sure that one of the policy's signers has signed a version of its blocklist.

    Raises
    ------
    BlocklistError
        A public key cannot be read, or none of the signers has signed this version.
    """
    if not policy.signer:
        return
    from ingest_guard.blocklist.store import signatures  # noqa: PLC0415 - loaded where a policy asks for it
    from ingest_guard.signing import keys  # noqa: PLC0415 - loaded where a policy asks for it

    trusted = [keys.read_public_key(each) for each in policy.signer]
    signatures.require_signature(policy.blocklist, version, trusted)
