"""What is in a pickle, without ever loading it: its texts and byte strings."""

from __future__ import annotations

import base64
import contextlib
import io
import pickle
import pickletools
import re
from typing import Any

# A request's URL, or a text in its meta, as pickle and marshal have it.
_DATA_URL = re.compile(rb"data:[a-z0-9!#$&^_.+-]*/[a-z0-9!#$&^_.+-]+[;,]|data:;base64,", re.IGNORECASE)


_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")
_SMALLEST = 128


class UnreadableError(ValueError):
    """Something that is not what it should be."""


def has_data_url(data: bytes) -> bool:
    """Tell whether a ``data:`` URL stands somewhere in a pickle, or in anything else that keeps texts as they are."""
    return _DATA_URL.search(data) is not None


def leaves(data: bytes) -> list[bytes]:
    """Return all byte strings of a pickle, and its texts in UTF-8, in their order; nothing in it is executed.

    Raises
    ------
    UnreadableError
        It is no pickle.
    """
    found = []
    try:
        for _, value, _ in pickletools.genops(data):
            if isinstance(value, bytes | bytearray):
                found.append(bytes(value))
            elif isinstance(value, str):
                found.append(value.encode("utf-8", "surrogatepass"))
    except Exception:  # noqa: BLE001 - pickletools raises whatever the first wrong byte leads to
        raise UnreadableError("not a pickle") from None
    return found


def decoded(leaf: bytes) -> list[bytes]:
    """Return what of a byte string or text may be a picture: itself, and what it is in base64; none if it is short."""
    if len(leaf) < _SMALLEST:
        return []
    if _BASE64.fullmatch(leaf):
        with contextlib.suppress(ValueError):
            return [leaf, base64.b64decode(leaf)]
    return [leaf]


def plain(data: bytes) -> Any:
    """Load a pickle, with a :class:`StandIn` for whatever is no container, number, text or byte string.

    Raises
    ------
    UnreadableError
        It is no pickle, or one that does more than a stored response's.
    """
    try:
        return _Plain(io.BytesIO(data)).load()
    except Exception:  # noqa: BLE001 - see above
        raise UnreadableError("not a pickle of a stored response") from None


class StandIn:
    """What takes the place of any other object in a pickle: it keeps what it was given, and runs nothing."""

    def __init__(self, *given: Any) -> None:
        self.given = list(given)

    def __setstate__(self, state: Any) -> None:
        self.given.append(state)


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        del module, name
        return StandIn
