"""Which records there are already, in bounded memory: each uid is known by 64 of its 128 bits.

A uid is an MD5, so two records share these bits by chance alone: of n records, about n^2 / 2^65 are taken for another
one and left out (0.0003 of a hundred million). The table takes 10 to 15 bytes a record.

Up to the bound, no record comes twice. Beyond it the oldest are forgotten first, and one of those may come a second
time: a record that comes twice can be found by its uid and removed, one that was left out is gone for good.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_HEX = 16
_SEGMENTS = 4096
_SEGMENT_SHIFT = 52
_MASK = (1 << 64) - 1
_SMALLEST = 16


def key_of(uid: str) -> int:
    """Return the 64 bits by which a uid is known."""
    return int(uid[:_HEX], 16)


class Keys:
    """The uids that were there before: 8 bytes each, sorted."""

    def __init__(self, uids: Iterable[str] = ()) -> None:
        keys: NDArray[np.uint64] = np.fromiter(map(key_of, uids), np.uint64)
        keys.sort()
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def __or__(self, other: Keys) -> Keys:
        """Return what is in either."""
        both = Keys()
        both._keys = np.union1d(self._keys, other._keys)
        return both

    def __contains__(self, uid: str) -> bool:
        key = np.uint64(key_of(uid))
        at = int(self._keys.searchsorted(key))
        return at < len(self._keys) and self._keys[at] == key


class Seen:
    """The uids of the records of this run.

    Parameters
    ----------
    most
        How many are remembered; 0 remembers none.

    Attributes
    ----------
    forgotten
        How many were remembered and are not any more.
    """

    def __init__(self, most: int) -> None:
        self.forgotten = 0
        self._half = -(-most // 2)
        # Who chooses addresses can choose bits of their MD5, but not where in the table these lead to.
        self._odd = random.SystemRandom().getrandbits(64) | 1
        self._young: list[_Table] = _tables() if most else []
        self._old: list[_Table] = []
        self._young_count = self._old_count = 0

    def __len__(self) -> int:
        return self._young_count + self._old_count

    def __contains__(self, uid: str) -> bool:
        key = key_of(uid) * self._odd & _MASK
        segment = key >> _SEGMENT_SHIFT
        return any(bool(tables) and key in tables[segment] for tables in (self._young, self._old))

    def add(self, uid: str) -> bool:
        """Remember a uid; tell whether it is new."""
        if not self._young:
            return True
        key = key_of(uid) * self._odd & _MASK
        segment = key >> _SEGMENT_SHIFT
        if self._old and key in self._old[segment]:
            return False
        if self._young_count >= self._half and key not in self._young[segment]:
            self._turn_over()
        new = self._young[segment].add(key)
        self._young_count += new
        return new

    @property
    def nbytes(self) -> int:
        """Memory of the tables, in bytes."""
        return sum(table.nbytes for table in [*self._young, *self._old])

    def _turn_over(self) -> None:
        """Forget the older half."""
        self.forgotten += self._old_count
        self._old, self._young = self._young, _tables()
        self._old_count, self._young_count = self._young_count, 0


def _tables() -> list[_Table]:
    return [_Table() for _ in range(_SEGMENTS)]


class _Table:
    """A hash table of 64-bit numbers with open addressing; 0 is an empty place.

    Each is small and grows by itself, so that no growth stops a crawl for longer than a few milliseconds.
    """

    __slots__ = ("_count", "_places", "_zero")

    def __init__(self) -> None:
        self._places = array("Q", bytes(8 * _SMALLEST))
        self._count = 0
        self._zero = False

    def __len__(self) -> int:
        return self._count + self._zero

    @property
    def nbytes(self) -> int:
        return len(self._places) * self._places.itemsize

    def __contains__(self, key: int) -> bool:
        return self._zero if key == 0 else self._places[self._place(key)] == key

    def add(self, key: int) -> bool:
        if key == 0:
            new, self._zero = not self._zero, True
            return new
        at = self._place(key)
        if self._places[at] == key:
            return False
        self._places[at] = key
        self._count += 1
        if self._count * 5 > len(self._places) * 4:
            self._grow()
        return True

    def _place(self, key: int) -> int:
        """Return where a key is, or where it would go."""
        places = self._places
        size = len(places)
        at = key % size
        while places[at] not in (0, key):
            at += 1
            if at == size:
                at = 0
        return at

    def _grow(self) -> None:
        before = self._places
        # Odd sizes: the remainder then depends on every bit of a key.
        self._places = array("Q", bytes(8 * (len(before) * 3 // 2 | 1)))
        for key in before:
            if key:
                self._places[self._place(key)] = key
