"""Files that appear when they are whole: written under a hidden name in the same folder, flushed, renamed.

A reader finds the old file or the new one at any moment, also after a crash or a power cut. All writers of this package
use the same hidden names, ``.NAME.NUMBER.part``, so that the next writer can remove what a killed one left.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

_HIDDEN = re.compile(r"\.(?P<name>.+)\.\d+\.part", re.DOTALL)
# What a file system answers that cannot flush a folder.
_CANNOT_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EPERM, errno.EACCES}
_MODE = 0o644


def hidden_name(path: Path, number: int | None = None) -> Path:
    """Return the name under which a file is written until it is whole; without a number this process's own."""
    return path.with_name(f".{path.name}.{os.getpid() if number is None else number}.part")


def is_hidden_name(name: str, of: str) -> bool:
    """Return whether a file name is one under which a file of another name is written until it is whole."""
    found = _HIDDEN.fullmatch(name)
    return found is not None and found["name"] == of and "/" not in name


@contextmanager
def whole_file(path: Path, mode: int | None = None, *, replace: bool = True) -> Iterator[BinaryIO]:
    """Open a hidden file for writing; it gets its name when it is whole and on the disk, and goes when something fails.

    Parameters
    ----------
    path
        The name.
    mode
        Permissions, whatever the umask; without it 0644 less the umask.
    replace
        Replace a file that has the name already.

    Raises
    ------
    FileExistsError
        The name is taken, and ``replace`` is False.
    OSError
        The file cannot be written; what had the name before still has it.
    """
    remove_abandoned(path)
    hidden = hidden_name(path, secrets.randbits(48))
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(hidden, flags, _MODE if mode is None else mode)
        with os.fdopen(descriptor, "wb") as file:
            # The kernel lets go of the lock when this process dies. Some file systems have no locks.
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield cast("BinaryIO", file)
            flush(file)
            if replace:
                hidden.replace(path)
            else:
                os.link(hidden, path)
                hidden.unlink()
        flush_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            hidden.unlink()
        raise


def publish(hidden: Path, path: Path, *, replace: bool = False) -> Path:
    """Give a whole file its name, and return that.

    Without ``replace`` a file that is there already stays: the new one gets the next free name, ``x-1.parquet`` and so
    on.

    Raises
    ------
    OSError
        The file cannot be flushed or renamed.
    """
    # What mkstemp and the like make is for the owner alone; records are for everybody who may read the folder.
    flush_closed(hidden, _MODE & ~_umask())
    chosen = path
    if replace:
        hidden.replace(path)
    else:
        number = 0
        while not _take(hidden, chosen):
            number += 1
            chosen = path.with_name(f"{path.stem}-{number}{path.suffix}")
    flush_folder(path.parent)
    return chosen


def flush(file: IO[Any]) -> None:
    """Make sure that what was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_closed(path: Path, mode: int) -> None:
    """Give a file that another program has written its permissions, and make sure that it is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Make sure that the renames in a folder outlast a power cut, where its file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(descriptor)


def remove_hidden(folder: Path, pattern: re.Pattern[str] | None = None) -> int:
    """Remove what was never finished, and return how many files that were.

    Parameters
    ----------
    folder
        A folder that no other process is writing to.
    pattern
        Of the names that the files were to get; all of them without it.
    """
    removed = 0
    for entry in folder.iterdir():
        found = _HIDDEN.fullmatch(entry.name)
        if found and (pattern is None or pattern.fullmatch(found["name"])):
            with contextlib.suppress(FileNotFoundError):
                entry.unlink()
                removed += 1
    return removed


def remove_abandoned(path: Path) -> None:
    """Remove what killed writers of a file left: hidden files of its name that no process holds the lock of."""
    for entry in path.parent.iterdir():
        found = _HIDDEN.fullmatch(entry.name)
        if not found or found["name"] != path.name or entry.is_symlink():
            continue
        with contextlib.suppress(OSError), entry.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            entry.unlink(missing_ok=True)


def _take(hidden: Path, path: Path) -> bool:
    """Rename a file unless the name is taken; return whether it was renamed."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: not atomic there
        if path.exists():
            return False
        hidden.rename(path)
    else:
        hidden.unlink()
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
