"""The key of a keyed ("sealed") blocklist: read from an environment variable or a file, never from a command line."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from pathlib import Path

from ingest_guard.errors import BlocklistError

LEAST_BYTES = 32
"""Bytes that a key must have at least."""

_LARGEST_FILE = 1 << 12
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_MAKE_ONE = "make one: openssl rand -hex 32"


def read_key(env: str | None = None, file: Path | str | None = None) -> bytes:
    """Return the key that an environment variable or a file holds, in hex or Base64.

    Parameters
    ----------
    env
        Name of the variable.
    file
        Path of the file, which nobody but its owner may read or write.

    Raises
    ------
    BlocklistError
        Not exactly one of the two is named; nothing there, or no key of 32 bytes or more; others may read the file.
    """
    if (env is None) == (file is None):
        raise BlocklistError("the key of a blocklist comes from one environment variable or one file; name one of them")
    if env is not None:
        text = os.environ.get(env)
        if text is None:
            raise BlocklistError(
                f"environment variable {env} is not set; put the blocklist's key there, or {_MAKE_ONE}"
            )
        return _decoded(text, f"environment variable {env}")
    return _decoded(_read_private(Path(str(file))), f"key file {file}")


def _read_private(path: Path) -> str:
    try:
        # Non-blocking: a FIFO must not hold up the start of a crawl. The mode is that of what was opened.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BlocklistError(f"key file {path} is not a regular file; name the file that holds the key")
            if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise BlocklistError(
                    f"key file {path} is open to its group or to others (mode {stat.S_IMODE(status.st_mode):04o}); "
                    f"make it yours alone: chmod 600 {path}"
                )
            return opened.read(_LARGEST_FILE).decode("ascii", "replace")
    except OSError as error:
        raise BlocklistError(f"key file {path} cannot be read: {error.strerror}; check the path") from error


def _decoded(text: str, where: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if _HEX.fullmatch(text) else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Without its cause, whose text may quote a part of the key.
        raise BlocklistError(f"{where} holds neither hex nor Base64; {_MAKE_ONE}") from None
    if len(key) < LEAST_BYTES:
        raise BlocklistError(f"{where}: a key of {len(key)} bytes is too short, {LEAST_BYTES} are needed; {_MAKE_ONE}")
    return key
