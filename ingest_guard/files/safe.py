"""Opening files that nothing can be put in the place of: no symbolic links, no files that others may write to.

What was opened is checked on its descriptor. Nothing is looked up by name a second time.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest_guard.errors import BlocklistError

REBUILD = "rebuild it: ingest-guard blocklist build"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking: a FIFO put in a file's place must not hold up the start of a crawl.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened_folder(path: Path | str, where: str, *, inside: int | None = None) -> Iterator[int]:
    """Open a folder that only its owner may write to; yield its descriptor.

    Raises
    ------
    BlocklistError
        Missing, a symbolic link, not a folder, or writable by group or others.
    """
    try:
        descriptor = os.open(path, _FOLDER, dir_fd=inside)
    except OSError as error:
        raise _cannot_open(error, where) from None
    try:
        check_mode(os.fstat(descriptor), where)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_file(name: str, where: str, *, inside: int) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file that only its owner may write to; yield its descriptor and status.

    Raises
    ------
    BlocklistError
        Missing, a symbolic link, not a regular file, or writable by group or others.
    """
    try:
        descriptor = os.open(name, _FILE, dir_fd=inside)
    except OSError as error:
        raise _cannot_open(error, where) from None
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
            f"{where} can be written to by its group or by others (mode {stat.S_IMODE(status.st_mode):04o}); who can "
            f"change a blocklist can empty it. Find out who did, then: chmod go-w {where}"
        )


def _cannot_open(error: OSError, where: str) -> BlocklistError:
    """Return the error that says why a path could not be opened, and what to do."""
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
