"""Who vouches for a blocklist: Ed25519 signatures of versions, in ``FOLDER/signatures/<version>.sig``.

A version's name is the SHA-256 of its manifest, and the manifest has the size and SHA-256 of every file, so a signature
of the name vouches for every byte. A signature that does not hold is never returned.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.draft import locked
from ingest_guard.blocklist.store.verify import verify
from ingest_guard.blocklist.store.versions import SIGNATURES, VERSIONS, is_version_name, opened_version
from ingest_guard.errors import BlocklistError
from ingest_guard.files.atomic import whole_file
from ingest_guard.files.safe import opened_folder, read_small
from ingest_guard.signing.signature_file import BLOCKLIST, MAX_BYTES, MAX_SIGNATURES, Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_FILE_MODE = 0o444


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
            verify(descriptor, where, version)
        made = BLOCKLIST.sign(version, key)
        write(folder, version, [made])
        prune(folder)
    return version, made


def require_signature(folder: Path | str, version: str, public_keys: Sequence[bytes]) -> None:
    """Make sure that one of the signers that an operator trusts has signed a version.

    Parameters
    ----------
    folder
        The store, or the version's own folder in it.
    version
        The version's name, which was found to be the digest of its manifest.
    public_keys
        Those of the trusted signers: 32 bytes each, from :func:`ingest_guard.signing.keys.read_public_key`.

    Raises
    ------
    BlocklistError
        None of them has signed it, or a signature does not hold.
    """
    if not public_keys:
        raise BlocklistError("a signer is demanded, but none is named; name the public key of at least one")
    if not any(each.public_key in public_keys for each in stored(folder, version)):
        raise BlocklistError(
            f"{folder}: version {version[:12]} is not signed by a signer that is trusted here; unpack one that is, or "
            f"sign it: ingest-guard blocklist sign {_store_of(Path(folder))} --sign-key FILE"
        )


def stored(folder: Path | str, version: str) -> tuple[Signature, ...]:
    """Return the signatures of a version that a store keeps, by key, each of which holds; none if it keeps none.

    Raises
    ------
    BlocklistError
        The file with them is damaged, a link or writable by others, or a signature in it does not hold.
    """
    where = _store_of(Path(folder)) / SIGNATURES
    path = where / f"{version}.sig"
    if not os.path.lexists(path):
        return ()
    with opened_folder(where, str(where)) as descriptor:
        found = BLOCKLIST.parse(read_small(path.name, str(path), inside=descriptor, limit=MAX_BYTES))
    if found is None or found.digest != version or not all(BLOCKLIST.holds(e, version) for e in found.signatures):
        raise BlocklistError(
            f"{path} was changed or damaged: it holds something else than good signatures; find out why, remove it, "
            "and sign or unpack the version again"
        )
    return found.signatures


def write(folder: Path, version: str, signatures: Iterable[Signature]) -> None:
    """Add signatures to what a store keeps of a version. The caller holds the store's lock.

    A signer's earlier signature is replaced. Signatures kept so far that do not hold are left out.

    Raises
    ------
    BlocklistError
        The signatures cannot be written.
    """
    try:
        known = stored(folder, version)
    except BlocklistError:
        known = ()
    kept = merge(known, signatures)
    if not kept:
        return
    where = folder / SIGNATURES
    try:
        where.mkdir(mode=0o755, exist_ok=True)
        with opened_folder(where, str(where)), whole_file(where / f"{version}.sig", _FILE_MODE) as file:
            file.write(BLOCKLIST.to_bytes(version, kept))
    except OSError as error:
        raise BlocklistError(f"{where} cannot be written: {error.strerror}") from None


def merge(known: Iterable[Signature], more: Iterable[Signature]) -> tuple[Signature, ...]:
    """Return all signatures, sorted, one for each key: of two by one key, that in `more`.

    Raises
    ------
    BlocklistError
        More than a file can hold.
    """
    by_key = {each.public_key: each for each in (*known, *more)}
    if len(by_key) > MAX_SIGNATURES:
        raise BlocklistError(f"{len(by_key)} signers are more than the {MAX_SIGNATURES} that one version can have")
    return tuple(sorted(by_key.values()))


def prune(folder: Path) -> None:
    """Remove the signatures of versions that are gone, where that can be done. The caller holds the store's lock."""
    if not (folder / SIGNATURES).is_dir():
        return
    for path in (folder / SIGNATURES).iterdir():
        if path.suffix == ".sig" and is_version_name(path.stem) and not (folder / VERSIONS / path.stem).exists():
            with suppress(OSError):
                path.unlink()


def _store_of(folder: Path) -> Path:
    """Return the store that a folder is, or that a version's own folder stands in."""
    return folder.resolve().parent.parent if (folder / manifests.NAME).exists() else folder
