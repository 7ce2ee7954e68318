"""The key of a keyed blocklist: read from an environment variable or a file, never from a command line."""

from __future__ import annotations

import base64
import binascii
import os
import re
from pathlib import Path

from ingest_guard.errors import BlocklistError
from ingest_guard.signing.keys import read_private

LEAST_BYTES = 32
"""Bytes that a key must have at least."""

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_MAKE_ONE = "make one: openssl rand -hex 32"


def read_key(env: str | None = None, file: Path | str | None = None) -> bytes:
    """Return the key that an environment variable or a file holds, in hex or Base64.

    Parameters
    ----------
    env
        Name of the variable.
    file
        Path of the file, which only its owner may read or write.

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
        return _decode(text, f"environment variable {env}")
    return _decode(read_private(Path(str(file))).decode("ascii", "replace"), f"key file {file}")


def _decode(text: str, where: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if _HEX.fullmatch(text) else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Without its cause, whose text may quote a part of the key.
        raise BlocklistError(f"{where} holds neither hex nor Base64; {_MAKE_ONE}") from None
    if len(key) < LEAST_BYTES:
        raise BlocklistError(f"{where}: a key of {len(key)} bytes is too short, {LEAST_BYTES} are needed; {_MAKE_ONE}")
    return key
