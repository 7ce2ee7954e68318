"""Files with keys in them: private ones are written for their owner alone and refused where others can read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ingest_guard.blocklist.store.verify import check_mode
from ingest_guard.errors import BlocklistError

PRIVATE = 0o600
PUBLIC = 0o644
MAX_BYTES = 1 << 16


def public_path(path: Path) -> Path:
    """Return where the public half of the key in `path` stands."""
    return path.with_name(path.name + ".pub")


def write_pair(path: Path, private: bytes, public: str) -> Path:
    """Write a private key to `path` and its public half beside it; return the latter's path.

    Raises
    ------
    BlocklistError
        Either exists already, or cannot be written.
    """
    beside = public_path(path)
    for each in (path, beside):
        if os.path.lexists(each):
            raise BlocklistError(f"{each} exists; a key is never written over another: choose a new name")
    _write_new(path, private, PRIVATE)
    _write_new(beside, f"{public}\n".encode(), PUBLIC)
    return beside


def read_private(path: Path | str) -> bytes:
    """Return the content of a file with a secret in it.

    Raises
    ------
    BlocklistError
        It cannot be read, is too long for a key, or others than its owner may read or write it.
    """
    return _read(Path(path), private=True)


def read_public(path: Path | str) -> str:
    """Return the text of a file with public keys in it.

    Raises
    ------
    BlocklistError
        It cannot be read, is too long for keys or no text, or others than its owner may write to it.
    """
    try:
        return _read(Path(path), private=False).decode("ascii")
    except UnicodeDecodeError:
        raise BlocklistError(f"{path} is not a text file, so it holds no key that this release reads") from None


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise BlocklistError(f"{path} cannot be written: {error.strerror}") from None


def _read(path: Path, *, private: bool) -> bytes:
    # Links are followed: mounted secrets are links. What counts is who may change or read the file that is read.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BlocklistError(f"{path} cannot be opened: {error.strerror}; check the path") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise BlocklistError(f"{path} is not a key file; check the path")
        if not private:
            check_mode(status, str(path))
        elif status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BlocklistError(
                f"{path} holds a secret, and others than its owner have access to it (mode "
                f"{stat.S_IMODE(status.st_mode):04o}): chmod 600 {path}, and if others may have read it, make a new key"
            )
        return os.read(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)
