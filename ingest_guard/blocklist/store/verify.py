"""The proof that a version's files are the ones its manifest names.

Each file is opened once, without following symbolic links; its mode, size and SHA-256 are checked on that descriptor,
and that descriptor is mapped. Nothing is looked up by name a second time, so nothing can be put in its place between.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from ingest_guard.blocklist.store.manifest import FileEntry, Manifest

REBUILD = "rebuild it: ingest-guard blocklist build"

_BLOCK = 1 << 20
_THREADS = 2
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: a FIFO put in a file's place must not hold up the start of a crawl.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened_folder(path: Path | str, where: str, *, inside: int | None = None) -> Iterator[int]:
    """Open a folder that nobody but its owner may write to; yield its descriptor.

    Raises
    ------
    BlocklistError
        Missing, a symbolic link, not a folder, or writable by group or others.
    """
    try:
        descriptor = os.open(path, _FOLDER, dir_fd=inside)
    except OSError as error:
        raise cannot_open(error, where) from None
    try:
        check_mode(os.fstat(descriptor), where)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_file(name: str, where: str, *, inside: int) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file that nobody but its owner may write to; yield its descriptor and status.

    Raises
    ------
    BlocklistError
        Missing, a symbolic link, not a regular file, or writable by group or others.
    """
    try:
        descriptor = os.open(name, _FILE, dir_fd=inside)
    except OSError as error:
        raise cannot_open(error, where) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BlocklistError(f"{where} is not a regular file; {REBUILD}")
        check_mode(status, where)
        yield descriptor, status
    finally:
        os.close(descriptor)


def check_mode(status: os.stat_result, where: str) -> None:
    """Refuse what group or others may write to.

    The mode itself is read, rather than access tried: the superuser may write anywhere.
    """
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BlocklistError(
            f"{where} can be written to by its group or by others (mode {stat.S_IMODE(status.st_mode):04o}); whoever "
            f"can change a blocklist can empty it. Find out who did, then: chmod go-w {where}"
        )


def cannot_open(error: OSError, where: str) -> BlocklistError:
    """Return the error that tells why a path could not be opened, and what to do."""
    if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and Path(where).is_symlink()):
        return BlocklistError(f"{where} is a symbolic link, which could be made to point elsewhere; give the real path")
    if error.errno == errno.ENOENT:
        return BlocklistError(f"{where} does not exist; check the path, or build it: ingest-guard blocklist build")
    if error.errno == errno.ENOTDIR:
        return BlocklistError(f"{where} is not a folder; name the folder that ingest-guard blocklist build wrote")
    return BlocklistError(f"{where} cannot be opened: {error.strerror}")


def read_small(name: str, where: str, *, inside: int, limit: int) -> bytes:
    """Return a small file's content; a longer one than `limit` is an error."""
    with opened_file(name, where, inside=inside) as (descriptor, status):
        if status.st_size > limit:
            raise BlocklistError(f"{where} is {status.st_size} bytes long, more than such a file can be; {REBUILD}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)


def verified(
    folder: int, where: Path, version: str, *, later: Container[str] = ()
) -> tuple[Manifest, dict[str, mmap.mmap]]:
    """Check a whole version and map its files.

    Parameters
    ----------
    folder
        Descriptor of the version's folder.
    where
        Its path, for error texts.
    version
        The name that its manifest must hash to.
    later
        Names of files whose digests the caller has checked elsewhere, or will.

    Returns
    -------
    manifest, and file name -> read-only map

    Raises
    ------
    BlocklistError
        Anything is missing, too much, or other than the manifest says.
    """
    data = read_small(manifests.NAME, str(where / manifests.NAME), inside=folder, limit=manifests.MAX_BYTES)
    if manifests.version_of(data) != version:
        raise BlocklistError(f"{where / manifests.NAME} was changed: its digest is not the folder's name; {REBUILD}")
    manifest = manifests.parse(data, str(where / manifests.NAME))
    _check_names(set(os.listdir(folder)), set(manifest.files) | {manifests.NAME}, where)
    # The largest first, so that the two threads end at about the same time.
    names = sorted(manifest.files, key=lambda name: -manifest.files[name].size)
    with ThreadPoolExecutor(_THREADS) as threads:
        maps = threads.map(
            lambda name: _verified_map(
                folder, name, str(where / name), manifest.files[name], has_digest=name not in later
            ),
            names,
        )
        return manifest, dict(zip(names, maps, strict=True))


def _verified_map(folder: int, name: str, where: str, entry: FileEntry, *, has_digest: bool) -> mmap.mmap:
    """Open a file, check it, and map that very descriptor."""
    with opened_file(name, where, inside=folder) as (descriptor, status):
        if status.st_size != entry.size or not entry.size:
            raise BlocklistError(f"{where}: {status.st_size} bytes instead of {entry.size}; {REBUILD}")
        if has_digest and not _matches(descriptor, entry):
            raise BlocklistError(f"{where} was changed: its digest is not the manifest's; {REBUILD}")
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)


def _check_names(found: set[str], expected: set[str], where: Path) -> None:
    if missing := sorted(expected - found):
        raise BlocklistError(f"{where / missing[0]} is missing; {REBUILD}")
    if extra := sorted(found - expected):
        raise BlocklistError(
            f"{where / extra[0]} does not belong to this version; find out who put it there, remove it"
        )


def _matches(descriptor: int, entry: FileEntry) -> bool:
    """Hash what a descriptor reads. Read rather than mapped: the pages stay out of this process's working set."""
    digest = hashlib.sha256()
    block = bytearray(_BLOCK)
    view = memoryview(block)
    offset = 0
    while size := os.preadv(descriptor, [block], offset):
        digest.update(view[:size])
        offset += size
    return offset == entry.size and digest.hexdigest() == entry.sha256
