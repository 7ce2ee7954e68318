"""Signatures in a store: ``FOLDER/signatures/<version>.sig``, beside the versions, as a version has no file of its own.

JSON with one spelling only: a file of which any byte was changed is refused. What does not hold is never handed on.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.pointer import VERSIONS, is_version_name
from ingest_guard.blocklist.store.verify import opened_folder, read_small
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FOLDER = "signatures"
MAX_SIGNATURES = 64

_CONTEXT = b"ingest_guard blocklist v1\0"
_FILE_MODE = 0o444
_MAX_BYTES = 1 << 16


def message(version: str) -> bytes:
    """Return what is signed: a text of its own, so that no signature made for another purpose fits; the version."""
    return _CONTEXT + version.encode()


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """An Ed25519 signature of a version: the signer's public key (32 bytes) and the signature itself (64)."""

    public_key: bytes
    signature: bytes = field(repr=False)

    def holds(self, version: str) -> bool:
        """Tell whether it is a signature of `version` by its key."""
        # Here, so that scan workers and crawls without a signer do not load OpenSSL.
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see above

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(self.signature, message(version))
        except (InvalidSignature, ValueError):
            return False
        return True


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class _File(BaseModel):
    """``<version>.sig``."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: Literal["ingest-guard signatures 1"] = "ingest-guard signatures 1"
    algorithm: Literal["ed25519"] = "ed25519"
    version: manifests.Digest
    signatures: Annotated[list[_Record], Field(min_length=1, max_length=MAX_SIGNATURES)]

    def to_bytes(self) -> bytes:
        return (json.dumps(self.model_dump(), sort_keys=True, indent=1) + "\n").encode()


def stored(folder: Path | str, version: str) -> tuple[Signature, ...]:
    """Return the signatures of a version that a store keeps, by key, each of which holds; none if it keeps none.

    Raises
    ------
    BlocklistError
        The file with them is damaged, a link or writable by others, or a signature in it does not hold.
    """
    store = store_of(Path(folder))
    path = store / FOLDER / f"{version}.sig"
    if not os.path.lexists(path):
        return ()
    with opened_folder(store / FOLDER, str(store / FOLDER)) as descriptor:
        data = read_small(path.name, str(path), inside=descriptor, limit=_MAX_BYTES)
    try:
        content = _File.model_validate_json(data)
    except ValidationError:
        content = None
    # The one spelling, so that no byte of the file can be changed unseen.
    if content is None or content.to_bytes() != data or content.version != version:
        raise _damaged(path)
    found = tuple(Signature(bytes.fromhex(e.public_key), bytes.fromhex(e.signature)) for e in content.signatures)
    if not in_order(found) or not all(signature.holds(version) for signature in found):
        raise _damaged(path)
    return found


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
    kept = merged(known, signatures)
    if not kept:
        return
    records = [_Record(public_key=e.public_key.hex(), signature=e.signature.hex()) for e in kept]
    data = _File(version=version, signatures=records).to_bytes()
    # A name that the next holder of the lock clears away, should this process be killed here.
    temporary = folder / f".building-{uuid4().hex}"
    try:
        (folder / FOLDER).mkdir(mode=0o755, exist_ok=True)
        with opened_folder(folder / FOLDER, str(folder / FOLDER)) as descriptor:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), _FILE_MODE)
                os.fsync(file.fileno())
            os.rename(temporary, f"{version}.sig", dst_dir_fd=descriptor)
            os.fsync(descriptor)
    except OSError as error:
        raise BlocklistError(f"{folder / FOLDER} cannot be written: {error.strerror}") from None


def merged(known: Iterable[Signature], more: Iterable[Signature]) -> tuple[Signature, ...]:
    """Return all signatures, sorted, one a key: of two by one key, that in `more`.

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
    if not (folder / FOLDER).is_dir():
        return
    for path in (folder / FOLDER).iterdir():
        if path.suffix == ".sig" and is_version_name(path.stem) and not (folder / VERSIONS / path.stem).exists():
            with suppress(OSError):
                path.unlink()


def in_order(signatures: Sequence[Signature]) -> bool:
    """Tell whether they are sorted by key, one a key: the only order that files have them in."""
    keys = [signature.public_key for signature in signatures]
    return keys == sorted(set(keys))


def store_of(folder: Path) -> Path:
    """Return the store that a folder is, or that a version's own folder stands in."""
    return folder.resolve().parent.parent if (folder / manifests.NAME).exists() else folder


def _damaged(path: Path) -> BlocklistError:
    return BlocklistError(
        f"{path} was changed or damaged: it holds something else than good signatures; find out why, remove it, and "
        "sign or unpack the version again"
    )
