"""What opens a keyed blocklist, and who must have signed it: read where the policy says, and kept out of all texts."""

from collections.abc import Mapping

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.store.manifest import NAME as MANIFEST
from ingest_guard.blocklist.store.newest import NewestVersions, Opened
from ingest_guard.errors import BlocklistError
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


def require_trusted(policy: Policy, blocklist: Blocklist, *, remember: bool = True) -> None:
    """Make sure that an opened blocklist is signed as the policy demands, and not older than one that was in use here.

    Parameters
    ----------
    policy
        It names the store, its signers, and the folder in which the newest version is remembered.
    blocklist
        Opened by it.
    remember
        Whether it comes into use now. Without, nothing is written.

    Raises
    ------
    BlocklistError
        A public key cannot be read; none of the signers has signed this version; it is older than one that was in use
        here; or what was in use here cannot be read or remembered.
    """
    version, signers = blocklist.version, tuple[str, ...]()
    if policy.signer:
        from ingest_guard.blocklist.store import signatures  # noqa: PLC0415 - loaded where a policy asks for it

        trusted = [bytes.fromhex(each) for each in _trusted_keys(policy)]
        signatures.require_signature(policy.blocklist, version, trusted)
        signers = tuple(each.public_key.hex() for each in signatures.stored(policy.blocklist, version))
    if (memory := newest_versions(policy)) is None:
        return
    opened, may_go_back = Opened(version, blocklist.created, signers), policy.swap.older == "accept"
    if remember:
        memory.remember(opened, may_go_back=may_go_back)
    elif not may_go_back:
        memory.require_not_older(opened)


def newest_versions(policy: Policy) -> NewestVersions | None:
    """Return what is remembered of the policy's store; None where nothing is.

    Nothing is remembered where the policy says so, where it neither demands a signer nor names a folder (who can write
    into such a store can also build a version of today), and where it names one version instead of a store.

    Raises
    ------
    BlocklistError
        The policy demands a signer, and says nothing of a folder; the folder lies in the store; or a public key cannot
        be read.
    """
    if policy.state == "none" or (policy.state is None and not policy.signer):
        return None
    if (policy.blocklist / MANIFEST).exists():
        return None
    if policy.state is None:
        raise BlocklistError(
            "the policy demands a signer, was not read from a file, and names no folder in which the newest version "
            "of the blocklist is remembered; set state to a folder, or to none"
        )
    if policy.state.resolve().is_relative_to(policy.blocklist.resolve()):
        raise BlocklistError(
            f"{policy.state} lies in the store itself: who can point that back can change it, too; name another folder "
            "in the policy (state)"
        )
    return NewestVersions(policy.state, policy.blocklist, _trusted_keys(policy))


def _trusted_keys(policy: Policy) -> list[str]:
    from ingest_guard.signing import keys  # noqa: PLC0415 - loaded where a policy asks for it

    return [keys.read_public_key(each).hex() for each in policy.signer]
