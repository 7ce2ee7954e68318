"""One version in one file: :func:`pack`. Streamed, verified on the way, and given its name only when it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from uuid import uuid4

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store import signatures, signing
from ingest_guard.blocklist.store.pointer import opened_version
from ingest_guard.blocklist.store.verify import REBUILD, opened_file, read_small
from ingest_guard.blocklist.transfer import encryption
from ingest_guard.blocklist.transfer.pack_format import Header, read_manifest
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest_guard.blocklist.store.manifest import FileEntry, Manifest

_BLOCK = 1 << 20
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class PackReport:
    """What was packed: the version, how many files and bytes, for how many recipients, and who signed it (hex)."""

    version: str
    files: int
    size: int
    recipients: int
    signers: tuple[str, ...]


def pack(
    folder: Path | str, out: Path | str, *, recipients: Sequence[str] = (), sign_key: Path | str | None = None
) -> PackReport:
    """Write the current version of a store, or a version's own folder, to one file that only its owner can read.

    Parameters
    ----------
    folder
        The store.
    out
        The file; an earlier one of that name is replaced when the new one is whole.
    recipients
        age recipients (``age1...``); if there are any, only they can open the pack.
    sign_key
        File with a private Ed25519 key. Signatures that the store has of the version go along in any case.

    Raises
    ------
    BlocklistError
        The version does not verify, a key or recipient is malformed, or the file cannot be written. A file of that name
        is then as it was.
    """
    folder, out = Path(folder), Path(out)
    key = None if sign_key is None else signing.read_signing_key(sign_key)
    with opened_version(folder) as (descriptor, where, version):
        path = str(where / manifests.NAME)
        data = read_small(manifests.NAME, path, inside=descriptor, limit=manifests.MAX_BYTES)
        if manifests.version_of(data) != version:
            raise BlocklistError(f"{path} was changed: its digest is not the folder's name; {REBUILD}")
        signed = [] if key is None else [signing.sign(version, key)]
        header = Header(version, signatures.merged(signatures.stored(folder, version), signed), data)
        manifest = read_manifest(header, str(where))
        source = io.BufferedReader(_Blocks(_blocks(header, manifest, descriptor, where)), _BLOCK)
        with _replacing(out) as file:
            if recipients:
                encryption.encrypt(source, file, recipients)
            else:
                shutil.copyfileobj(source, file, _BLOCK)
    signers = tuple(each.public_key.hex() for each in header.signatures)
    return PackReport(version, len(manifest.files), out.stat().st_size, len(recipients), signers)


def _blocks(header: Header, manifest: Manifest, folder: int, where: Path) -> Iterator[bytes]:
    yield header.to_bytes()
    for name in sorted(manifest.files):
        yield from _file_blocks(name, str(where / name), manifest.files[name], folder)


def _file_blocks(name: str, where: str, entry: FileEntry, folder: int) -> Iterator[bytes]:
    """Yield a file's content; at its end, raise if it was not what the manifest says: no pack is made of it then."""
    digest = hashlib.sha256()
    with opened_file(name, where, inside=folder) as (descriptor, status):
        if status.st_size != entry.size:
            raise BlocklistError(f"{where}: {status.st_size} bytes instead of {entry.size}; {REBUILD}")
        left = entry.size
        while left and (block := _read(descriptor, min(left, _BLOCK), where)):
            digest.update(block)
            left -= len(block)
            yield block
    if left or digest.hexdigest() != entry.sha256:
        raise BlocklistError(f"{where} was changed: its digest is not the manifest's; {REBUILD}")


def _read(descriptor: int, size: int, where: str) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:
        raise BlocklistError(f"{where} cannot be read: {error.strerror}; {REBUILD}") from error


class _Blocks(io.RawIOBase):
    """Blocks, for who reads a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a hidden name; rename it when it is whole and on the disk, remove it when something fails."""
    if path.is_dir():
        raise BlocklistError(f"{path} is a folder; name a file for the pack, such as {path / 'blocklist.igpack'}")
    prefix = f".{path.name}.packing-"
    temporary = path.with_name(f"{prefix}{uuid4().hex}")
    try:
        _clear(path.parent, prefix)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, _MODE)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield cast("BinaryIO", file)
            file.flush()
            os.fsync(descriptor)
            temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise BlocklistError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _clear(folder: Path, prefix: str) -> None:
    """Remove what killed packers left behind: what nobody holds the lock of, which the kernel lets go of at a death."""
    for path in folder.iterdir():
        if not path.name.startswith(prefix) or path.is_symlink():
            continue
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink(missing_ok=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
