"""CBOR (RFC 8949), as far as assertions of C2PA need it, within bounds."""

from __future__ import annotations

import struct
from typing import Any, Final

_MOST_ITEMS: Final = 10_000
_MOST_DEPTH: Final = 16
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_OPEN: Final = 31
_BREAK: Final = 0xFF
_SIMPLE_VALUES: Final = {20: False, 21: True}
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}


class CborError(ValueError):
    """Bytes that are no CBOR, are cut off, or are beyond a limit; the text quotes none of them."""


def decode(data: bytes) -> Any:
    """Return the first item of some CBOR.

    Tags are left out, ``undefined`` and simple values are None. Of a map, entries count whose key is a text.

    Raises
    ------
    CborError
        It is no CBOR, is cut off, has more than 10,000 items, is nested more than 16 deep, or a map has a key twice:
        readers would take one or the other.
    """
    return _Decoder(data).item(0)


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._left = data, 0, _MOST_ITEMS

    def item(self, depth: int) -> Any:
        self._left -= 1
        if depth > _MOST_DEPTH or self._left < 0:
            raise CborError("more items or a deeper nesting than is read")
        major, info = divmod(self._take(1)[0], 32)
        if major == _SIMPLE:
            return self._simple(info)
        size = None if info == _OPEN else self._number(info)
        if major in {_BYTES, _TEXT}:
            return self._string(major, size)
        if major == _ARRAY:
            return self._array(size, depth)
        if major == _MAP:
            return self._map(size, depth)
        if size is None:
            raise CborError("a length that is open where none may be")
        if major == _TAG:
            return self.item(depth + 1)
        return size if major == _UNSIGNED else -1 - size

    def _take(self, count: int) -> bytes:
        stop = self._at + count
        if stop > len(self._data):
            raise CborError("cut off")
        taken, self._at = self._data[self._at : stop], stop
        return taken

    def _number(self, info: int) -> int:
        if info < 24:  # noqa: PLR2004 - smaller ones stand in the first byte
            return info
        if info > 27:  # noqa: PLR2004 - of eight bytes
            raise CborError("a length of an unknown kind")
        return int.from_bytes(self._take(1 << info - 24), "big")

    def _simple(self, info: int) -> Any:
        if info in _FLOATS:
            form = _FLOATS[info]
            return struct.unpack(form, self._take(struct.calcsize(form)))[0]
        self._number(info)
        return _SIMPLE_VALUES.get(info)

    def _string(self, major: int, size: int | None) -> str | bytes:
        if size is not None:
            whole = self._take(size)
        else:
            parts = []
            while not self._ends():
                self._left -= 1
                kind, info = divmod(self._take(1)[0], 32)
                if kind != major or info == _OPEN or self._left < 0:
                    raise CborError("a string of other parts than strings")
                parts.append(self._take(self._number(info)))
            whole = b"".join(parts)
        return whole.decode("utf-8", "replace") if major == _TEXT else whole

    def _array(self, size: int | None, depth: int) -> list[Any]:
        found: list[Any] = []
        while not self._ends() if size is None else len(found) < size:
            found.append(self.item(depth + 1))
        return found

    def _map(self, size: int | None, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        count = 0
        while not self._ends() if size is None else count < size:
            count += 1
            key, value = self.item(depth + 1), self.item(depth + 1)
            if isinstance(key, str):
                if key in found:
                    raise CborError("a key twice")
                found[key] = value
        return found

    def _ends(self) -> bool:
        """Return whether a break is next, and take it."""
        if self._at < len(self._data) and self._data[self._at] == _BREAK:
            self._at += 1
            return True
        return False
