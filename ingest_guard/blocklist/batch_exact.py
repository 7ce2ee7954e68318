"""Exact values by the hundred thousand: which of them a list *may* hold, so that few are left to be looked up.

A look-up of one value costs some microseconds in Python, whatever it finds. Of the values of a million records hardly
one is listed. A whole batch is sifted at once: by the leading bits of a sorted table where one is kept and not too
large, else by the first cells that pybloom-live would look at. Nothing that a list holds is ever ruled out;
what remains is asked for one by one, by :meth:`ExactValues.__contains__`, as a crawl asks.
"""

import struct
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.parts.bloom import Filter, cell_dtype
from ingest_guard.blocklist.parts.exact import ExactValues

Values: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = npt.NDArray[np.int64]

# A bitmap over the first 24 bits of a value takes two megabytes, and is of use while it is mostly empty.
_LEADING_BITS = 24
_LARGEST_TABLE = 1 << 21


class Batch:
    """Values that several lists are asked about; what their filters have in common is computed once.

    Parameters
    ----------
    stored
        uint8[n, size]: values as the blocklist stores them.
    """

    def __init__(self, stored: Values) -> None:
        self.stored = np.ascontiguousarray(stored)
        self._digests: dict[str, bytes] = {}

    def leading(self) -> Rows:
        """Return the first 24 bits of each value."""
        first = self.stored[:, :3].astype(np.int64)
        return (first[:, 0] << 16) | (first[:, 1] << 8) | first[:, 2]

    def cells(self, asked: Filter) -> npt.NDArray[np.unsignedinteger]:
        """Return the numbers from which pybloom-live makes a key's first cells: [n, some or all of the slices]."""
        hashfn = asked.bloom.hashfn
        # In pybloom-live the hash function depends on the filter's dimensions; a release may build it anew each time.
        name = str(hashfn().name)
        if name not in self._digests:
            first = hashfn(hashfn(struct.pack("I", 0)).digest())
            text, width = self.stored.tobytes().hex().encode(), 2 * self.stored.shape[1]
            digests, fresh = [], first.copy
            for at in range(0, len(text), width):
                state = fresh()
                state.update(text[at : at + width])
                digests.append(state.digest())
            self._digests[name] = b"".join(digests)
        dtype = cell_dtype(asked.bloom.bits_per_slice)
        return np.frombuffer(self._digests[name], dtype).reshape(len(self.stored), -1)[:, : asked.bloom.num_slices]


class Sieve:
    """Which values of a batch one list may hold.

    Parameters
    ----------
    values
        The exact values of one algorithm in one list.
    """

    def __init__(self, values: ExactValues) -> None:
        self._values = values
        self._filters: list[Filter] = []
        self._leading: npt.NDArray[np.bool_] | None = None
        for layer in values.layers:
            if layer.table is None or len(layer.table) > _LARGEST_TABLE:
                self._filters.append(layer.filter)
                continue
            if self._leading is None:
                self._leading = np.zeros(1 << _LEADING_BITS, np.bool_)
            self._leading[Batch(layer.table).leading()] = True

    def held(self, batch: Batch) -> Rows:
        """Return the rows of a batch whose values the list holds, sorted: what a look-up of each would find."""
        possible = self._possible(batch)
        rows = [row for row in possible.tolist() if batch.stored[row].tobytes() in self._values]
        return np.array(rows, np.int64)

    def _possible(self, batch: Batch) -> Rows:
        found = [_in_filter(each, batch) for each in self._filters]
        if self._leading is not None:
            found.append(np.flatnonzero(self._leading[batch.leading()]))
        return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _in_filter(asked: Filter, batch: Batch) -> Rows:
    """Return the rows whose first cells are all set in a filter."""
    bits = np.frombuffer(memoryview(asked.bloom.bitarray), np.uint8)
    numbers = batch.cells(asked)
    alive: Rows = np.arange(len(numbers))
    start = 0
    for slice_ in range(numbers.shape[1]):
        cell = numbers[alive, slice_].astype(np.int64) % asked.bloom.bits_per_slice + start
        alive = alive[(bits[cell >> 3] >> (cell & 7).astype(np.uint8)) & 1 != 0]
        if not len(alive):
            break
        start += asked.bloom.bits_per_slice
    return alive
