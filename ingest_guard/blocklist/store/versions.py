"""The folder of versions: ``FOLDER/versions/<sha256 of the manifest>/``; ``FOLDER/current`` names one of them.

The pointer is replaced by a rename, so that at any moment it names one whole version. Polling :func:`current_version`
costs one small read; when it changes, the new version can be opened while the old one is still in use.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.errors import BlocklistError
from ingest_guard.files.safe import opened_folder, read_small

VERSIONS = "versions"
CURRENT = "current"
SIGNATURES = "signatures"

_VERSION = re.compile(r"[0-9a-f]{64}")
_POINTER_BYTES = 66


def is_version_name(name: str) -> bool:
    """Tell whether a folder's name is a version's."""
    return _VERSION.fullmatch(name) is not None


def current_version(folder: Path | str) -> str:
    """Return the version that the pointer names. Cheap: one small file is read, nothing is verified.

    Raises
    ------
    BlocklistError
        No blocklist there, or the pointer is damaged or writable by others.
    """
    folder = Path(folder)
    with opened_folder(folder, str(folder)) as descriptor:
        return _pointer(descriptor, folder)


@contextmanager
def opened_version(folder: Path | str) -> Iterator[tuple[int, Path, str]]:
    """Open the current version of a store, or a version's own folder.

    Yields
    ------
    descriptor of the version's folder, its path, its name

    Raises
    ------
    BlocklistError
        No blocklist there; a folder or the pointer is a symbolic link, or writable by others.
    """
    folder = Path(folder)
    with opened_folder(folder, str(folder)) as top:
        if _has(top, manifests.NAME):
            name = folder.resolve().name
            if not is_version_name(name):
                raise BlocklistError(f"{folder} was renamed: a version's folder bears the digest of its manifest")
            yield top, folder, name
            return
        version = _pointer(top, folder)
        versions = folder / VERSIONS
        with (
            opened_folder(VERSIONS, str(versions), inside=top) as middle,
            opened_folder(version, str(versions / version), inside=middle) as descriptor,
        ):
            yield descriptor, versions / version, version


def versions(folder: Path | str) -> list[str]:
    """Return the names of a store's versions, the newest first; an empty list where there is no store yet."""
    folder = Path(folder) / VERSIONS
    if not folder.is_dir():
        return []
    found = [entry for entry in folder.iterdir() if is_version_name(entry.name) and not entry.is_symlink()]
    return [path.name for path in sorted(found, key=lambda path: (_created(path), path.name), reverse=True)]


def _created(version: Path) -> str:
    """Return when a version was made, in the manifest's notation, which sorts by time; empty if it does not say."""
    try:
        data = (version / manifests.NAME).read_bytes()
        return manifests.parse(data, str(version)).created
    except (OSError, BlocklistError):
        return ""


def _pointer(descriptor: int, folder: Path) -> str:
    where = folder / CURRENT
    if not _has(descriptor, CURRENT):
        raise BlocklistError(
            f"{folder} holds no blocklist; build one: ingest-guard blocklist build {folder} --list ..."
        )
    text = read_small(CURRENT, str(where), inside=descriptor, limit=_POINTER_BYTES).decode("ascii", "replace").strip()
    if not is_version_name(text):
        raise BlocklistError(
            f"{where} does not name a version; build the blocklist again: ingest-guard blocklist build"
        )
    return text


def _has(descriptor: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
