"""The proof that a version's files are the ones its manifest names.

Each file is opened once, without following symbolic links; its mode, size and SHA-256 are checked on that descriptor,
and that descriptor is mapped. Nothing is looked up by name a second time, so nothing can be put in its place between.
"""

import hashlib
import mmap
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.manifest import FileEntry, Manifest
from ingest_guard.errors import BlocklistError
from ingest_guard.files.safe import REBUILD, opened_file, read_small

_BLOCK = 1 << 20
_THREADS = 2


def verify(
    folder: int, where: Path, version: str, *, unchecked: Callable[[str], bool] | None = None
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
    unchecked
        Whether the caller has checked the digest of a file elsewhere, or will.

    Returns
    -------
    manifest, and file name -> read-only map

    Raises
    ------
    BlocklistError
        Anything is missing, too much, or other than the manifest says.
    """
    manifest = manifests.parse(read_manifest(folder, where, version), str(where / manifests.NAME))
    _check_names(set(os.listdir(folder)), set(manifest.files) | {manifests.NAME}, where)
    # The largest first, so that the two threads end at about the same time.
    names = sorted(manifest.files, key=lambda name: -manifest.files[name].size)
    with ThreadPoolExecutor(_THREADS) as threads:
        maps = threads.map(
            lambda name: _map_file(
                folder, name, str(where / name), manifest.files[name], check=not (unchecked and unchecked(name))
            ),
            names,
        )
        return manifest, dict(zip(names, maps, strict=True))


def read_manifest(folder: int, where: Path, version: str) -> bytes:
    """Return the bytes of a version's manifest; its name is their digest.

    Parameters
    ----------
    folder, where, version
        As of :func:`verify`.

    Raises
    ------
    BlocklistError
        It cannot be read, or was changed.
    """
    path = str(where / manifests.NAME)
    data = read_small(manifests.NAME, path, inside=folder, limit=manifests.MAX_BYTES)
    if manifests.version_of(data) != version:
        raise BlocklistError(f"{path} was changed: its digest is not the folder's name; {REBUILD}")
    return data


def _map_file(folder: int, name: str, where: str, entry: FileEntry, *, check: bool) -> mmap.mmap:
    """Open a file, check it, and map that very descriptor."""
    with opened_file(name, where, inside=folder) as (descriptor, status):
        if status.st_size != entry.size or not entry.size:
            raise BlocklistError(f"{where}: {status.st_size} bytes instead of {entry.size}; {REBUILD}")
        if check and not _matches(descriptor, entry):
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
