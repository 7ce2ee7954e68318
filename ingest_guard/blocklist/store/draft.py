"""Getting a new version onto the disk so that a crash at any moment leaves the old one or the new one, whole.

Everything is written into a hidden folder next to the versions, flushed to the disk, renamed to the version's name, and
then named by the pointer, itself replaced by a rename. One builder at a time: others are turned away by a lock that the
kernel lets go of when its holder dies.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.manifest import FileEntry
from ingest_guard.blocklist.store.versions import CURRENT, SIGNATURES, VERSIONS, versions
from ingest_guard.errors import BlocklistError
from ingest_guard.files.atomic import flush, flush_folder, remove_hidden, whole_file
from ingest_guard.files.safe import opened_folder

_LOCK = ".lock"
_TEMPORARY = (".building-", ".removing-")
_FILE_MODE = 0o444
_FOLDER_MODE = 0o555
_STORE_MODE = 0o755
# Another file system, one without links, too many of them, or a file of another owner's.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the store if need be, keep other builders out of it, and clear away what killed ones left.

    Raises
    ------
    BlocklistError
        Another builder is at work, or the folder is writable by others, a version, or no folder.
    """
    if (folder / manifests.NAME).exists():
        raise BlocklistError(f"{folder} is a version of a blocklist; name the folder two levels above it")
    for part in (folder, folder / VERSIONS):
        _make_folder(part)
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlocklistError(
                f"another build is at work in {folder}; wait until it is done, then try again"
            ) from None
        _clear(folder)
        try:
            yield
        except Exception:
            _clear_if_possible(folder)
            raise
        _clear_if_possible(folder)
    finally:
        os.close(descriptor)


@contextmanager
def building(folder: Path) -> Iterator[None]:
    """Hold the store's lock while a version is made; an error of the file system becomes one of this package.

    Raises
    ------
    BlocklistError
        As of :func:`locked`; or something cannot be read or written.
    """
    try:
        with locked(folder):
            yield
    except OSError as error:
        raise BlocklistError(
            f"{error.filename or folder}: {error.strerror}; the blocklist was left as it was"
        ) from error


class VersionDraft:
    """A version in the making: a hidden folder that :meth:`finish` turns into a version."""

    def __init__(self, folder: Path) -> None:
        self._store = folder
        self._folder = folder / VERSIONS / f".building-{uuid4().hex}"
        self._folder.mkdir(mode=0o700)
        self.files: dict[str, FileEntry] = {}

    def write(self, name: str, fill: Callable[[BinaryIO], object]) -> str:
        """Write one file by calling `fill` with it, flush it to the disk, and note size and digest.

        Returns the name that it got: another one where that is taken.
        """
        name = self._free(name)
        path = self._folder / name
        with path.open("xb") as file:
            fill(file)
            os.fchmod(file.fileno(), _FILE_MODE)
            flush(file)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self.files[name] = manifests.FileEntry(size=path.stat().st_size, sha256=digest)
        return name

    def write_array(self, name: str, array: npt.NDArray[Any]) -> str:
        """Write an array in NumPy's own format; see :meth:`write`."""
        return self.write(name, lambda file: np.save(file, array, allow_pickle=False))

    def adopt(self, version: Path, name: str, entry: FileEntry) -> str:
        """Take a file over from another version: as a hard link, or as a copy where the file system has none.

        Its digest is the old manifest's; opening the new version checks whether that is still true.
        """
        free = self._free(name)
        try:
            (self._folder / free).hardlink_to(version / name)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            with (version / name).open("rb") as old:
                self.write(free, lambda file: shutil.copyfileobj(old, file))
        self.files[free] = entry
        return free

    def _free(self, name: str) -> str:
        """Return a name that is not taken, also where upper and lower case are one."""
        taken = {each.lower() for each in self.files}
        number = 1
        free = name
        while free.lower() in taken:
            number += 1
            free = f"{number}.{name}"
        return free

    def finish(self, manifest: bytes) -> Path:
        """Write the manifest and give the folder its name; return its path. Nothing points to it yet."""
        self.write(manifests.NAME, lambda file: file.write(manifest))
        version = manifests.version_of(manifest)
        self._folder.chmod(_FOLDER_MODE)
        flush_folder(self._folder)
        # Within one parent: moving a folder to another parent needs write access to the folder itself.
        self._folder = self._folder.rename(self._store / VERSIONS / version)
        flush_folder(self._store / VERSIONS)
        return self._folder


def point_to(folder: Path, version: str) -> None:
    """Make `version` the current one."""
    with whole_file(folder / CURRENT, _FILE_MODE) as file:
        file.write(f"{version}\n".encode())


def retain(folder: Path, current: str, keep: int) -> list[str]:
    """Remove all but the newest `keep` versions, never the current one; return what was removed.

    Processes that have a removed version mapped go on using it: its pages live until they let go.

    Raises
    ------
    BlocklistError
        An older version cannot be removed.
    """
    others = [version for version in versions(folder) if version != current]
    removed = others[max(keep, 1) - 1 :]
    for version in removed:
        try:
            discard(folder / VERSIONS / version)
        except OSError as error:
            raise BlocklistError(
                f"{folder}: version {current[:12]} is in use, but an older one could not be removed: {error.strerror}; "
                "remove it by hand"
            ) from error
    return removed


def discard(version: Path) -> None:
    """Remove a version that nothing points to; renamed first, so that half of it is never found under its own name."""
    _remove(version.rename(version.with_name(f".removing-{uuid4().hex}")))


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        pass
    else:
        path.chmod(_STORE_MODE)
    with opened_folder(path, str(path)):
        pass  # its mode is what is checked


def _clear(folder: Path) -> None:
    for parent in (folder, folder / VERSIONS):
        for entry in parent.iterdir():
            if entry.name.startswith(_TEMPORARY):
                _remove(entry)
    for parent in (folder, folder / SIGNATURES):
        if parent.is_dir() and not parent.is_symlink():
            remove_hidden(parent)


def _clear_if_possible(folder: Path) -> None:
    """Clear away what was written and is not used, as the next holder of the lock would."""
    with suppress(OSError):
        _clear(folder)


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    path.chmod(0o700)
    shutil.rmtree(path)
