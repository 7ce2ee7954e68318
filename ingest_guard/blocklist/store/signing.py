"""Who vouches for a blocklist: Ed25519 signatures of versions.

A version's name is the SHA-256 of its manifest, and the manifest has the size and SHA-256 of every file, so a signature
of the name vouches for every byte.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.blocklist.store import signatures
from ingest_guard.blocklist.store.draft import locked
from ingest_guard.blocklist.store.pointer import opened_version
from ingest_guard.blocklist.store.signatures import Signature
from ingest_guard.blocklist.store.verify import verified
from ingest_guard.errors import BlocklistError
from ingest_guard.signing.signing_keys import read_public_key, read_signing_key, write_signing_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "read_public_key",
    "read_signing_key",
    "require_signature",
    "sign",
    "sign_store",
    "write_signing_key",
]


def sign(version: str, key: Ed25519PrivateKey) -> Signature:
    """Sign a version."""
    return Signature(key.public_key().public_bytes_raw(), key.sign(signatures.message(version)))


def sign_store(folder: Path | str, key: Ed25519PrivateKey) -> tuple[str, Signature]:
    """Verify the current version of a store and sign it; return its name and the signature.

    Raises
    ------
    BlocklistError
        The version does not open, another build is at work, or the signature cannot be written.
    """
    folder = Path(folder)
    with opened_version(folder):
        pass  # nothing is to be made where there is no store
    with locked(folder):
        with opened_version(folder) as (descriptor, where, version):
            verified(descriptor, where, version)
        made = sign(version, key)
        signatures.write(folder, version, [made])
        signatures.prune(folder)
    return version, made


def require_signature(folder: Path | str, version: str, public_keys: Sequence[bytes]) -> None:
    """Make sure that one of the signers that an operator trusts has signed a version.

    Parameters
    ----------
    folder
        The store, or the version's own folder in it.
    version
        The version's name, of which the manifest was found to be the digest.
    public_keys
        Whoever is trusted: 32 bytes each, from :func:`read_public_key`.

    Raises
    ------
    BlocklistError
        None of them has signed it, or a signature does not hold.
    """
    if not public_keys:
        raise BlocklistError("a signer is demanded, but none is named; name the public key of at least one")
    if not any(each.public_key in public_keys for each in signatures.stored(folder, version)):
        raise BlocklistError(
            f"{folder}: version {version[:12]} is not signed by a signer that is trusted here; unpack one that is, or "
            f"sign it: ingest-guard blocklist sign {signatures.store_of(Path(folder))} --sign-key FILE"
        )
