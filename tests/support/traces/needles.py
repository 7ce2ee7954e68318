"""What to look for: every part of every flagged body, and its digests, ready for one fast pass over other bytes.

A flagged body is cut into blocks of 32 bytes. Whoever keeps a run of 63 bytes of it or more, at whatever offset, keeps
one of these blocks whole; so looking for the blocks at every offset finds the body and its parts. Blocks that the
harmless bodies have too (tables that all JPEG files share, say), and blocks with next to nothing in them, are left out.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

BLOCK = 32
"""Bytes of a block."""
_DISTINCT = 16
_KEY = 8
_KEY_DISTINCT = 5
_BITS = 23
_DIGESTS = ("md5", "sha1", "sha256")
# Any odd number with well mixed bits serves: it spreads the keys over the bitmap.
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Found(NamedTuple):
    """One flagged body that left something."""

    name: str
    what: str


class Needles:
    """The blocks and digests of some bodies.

    Parameters
    ----------
    flagged
        Name -> body that nothing may keep.
    harmless
        Bodies that may be kept: what they share with a flagged one proves nothing.
    """

    def __init__(self, flagged: Mapping[str, bytes], harmless: Iterable[bytes] = ()) -> None:
        self._patterns: dict[bytes, Found] = {}
        for name, body in flagged.items():
            for start in range(0, len(body) - BLOCK + 1, BLOCK):
                block = body[start : start + BLOCK]
                if len(set(block)) >= _DISTINCT and len(set(block[:_KEY])) >= _KEY_DISTINCT:
                    self._patterns.setdefault(block, Found(name, "bytes"))
        self._index()
        for shared in {pattern for body in harmless for pattern in self._hits(body)}:
            del self._patterns[shared]
        for name, body in flagged.items():
            for algorithm in _DIGESTS:
                digest = hashlib.new(algorithm, body, usedforsecurity=False).digest()
                self._patterns.setdefault(digest, Found(name, algorithm))
        self._index()

    def __len__(self) -> int:
        return len(self._patterns)

    def _index(self) -> None:
        keys = np.array([int.from_bytes(pattern[:_KEY], "little") for pattern in self._patterns], np.uint64)
        self._seen = np.zeros(1 << _BITS, np.bool_)
        self._seen[self._slots(keys)] = True
        self._lengths = sorted({len(pattern) for pattern in self._patterns})

    @staticmethod
    def _slots(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        slots: NDArray[np.uint64] = (keys * _MIX) >> np.uint64(64 - _BITS)
        return slots

    def _hits(self, data: bytes) -> Iterator[bytes]:
        for shift in range(_KEY):
            count = (len(data) - shift) // _KEY
            if count <= 0:
                return
            keys = np.frombuffer(data, "<u8", count, shift)
            for place in np.flatnonzero(self._seen[self._slots(keys)]).tolist():
                start = place * _KEY + shift
                for length in self._lengths:
                    pattern = data[start : start + length]
                    if pattern in self._patterns:
                        yield pattern

    def find(self, data: bytes) -> set[Found]:
        """Return which flagged bodies left bytes or digests in ``data``, as it is."""
        return {self._patterns[pattern] for pattern in self._hits(data)}
