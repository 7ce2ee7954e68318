"""Looking a batch of queries up in the tables: probes, then candidates, then distances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index import bands
from ingest_guard.blocklist.index.tables import Tables, bases
from ingest_guard.blocklist.index.words import Cutter, Words, close_pairs, distances

Ints: TypeAlias = npt.NDArray[np.int64]
Hits: TypeAlias = tuple[Ints, Ints, npt.NDArray[np.int16]]

# Probes and candidates in flight: their intermediate arrays stay inside the L2 cache and bound the memory used.
_PROBES = 1 << 15
_CANDIDATES = 1 << 16
# A query with more candidates than this share of all entries is cheaper to compare with every entry.
_HOPELESS = 0.05
# Entries compared at a time: 128 KiB of PDQ values, so that block and intermediate results stay in the L2 cache.
_BLOCK = 1 << 12


@dataclass(frozen=True, slots=True)
class Probes:
    """All probes of some queries, one query's after the other's.

    Attributes
    ----------
    slots
        int64[p]: query times bands, plus band.
    flips
        int64[p]: the bits to flip in that query's cell of that band.
    """

    slots: Ints
    flips: Ints

    @classmethod
    @lru_cache(maxsize=16)
    def plan(cls, widths: tuple[int, ...], entries: int, limits: tuple[int, ...]) -> Probes:
        """Work the probes out for the distances of some queries; kept, as most pictures' views are alike."""
        plans = [_flips(widths, entries, limit) for limit in limits]
        counts = np.concatenate([counts for counts, _ in plans])
        return cls(np.repeat(np.arange(counts.size), counts), np.concatenate([flips for _, flips in plans]))


@lru_cache(maxsize=64)
def _flips(widths: tuple[int, ...], entries: int, distance: int) -> tuple[Ints, Ints]:
    """Return how many probes a look-up takes in each band, and the bits to flip for each (see :func:`bands.radii`)."""
    searched = bands.radii(widths, distance, entries)
    flips = [bands.masks(width, radius) for width, radius in zip(widths, searched, strict=True)]
    return np.array([len(part) for part in flips]), np.concatenate(flips)


@dataclass(slots=True)
class Prober:
    """The search itself. Holds nothing that a search changes, so threads may share it.

    Attributes
    ----------
    words
        uint64[n, w]: the entries.
    tables
        Made from the same entries.
    """

    words: Words
    tables: Tables
    _cut: Cutter = field(init=False)

    def __post_init__(self) -> None:
        self._cut = Cutter(self.tables.widths, bases(self.tables.widths))

    def search(self, queries: Words, limits: Ints) -> Hits:
        """Return every (query, entry, distance) within the query's limit, unsorted and with repetitions."""
        found: list[Hits] = []
        cells = self._cut(queries)
        for owner, cell in self._occupied(cells, limits):
            query = owner
            start, length = self._buckets(cell)
            hopeless_from = max(int(_HOPELESS * len(self.words)), _CANDIDATES)
            if length.sum() > hopeless_from:
                hopeless = np.bincount(query, weights=length, minlength=len(queries)) > hopeless_from
                rows = np.flatnonzero(hopeless)
                which, entry, distance = scan(self.words, queries[rows], limits[rows])
                found.append((rows[which], entry, distance))
                keep = ~hopeless[query]
                query, start, length = query[keep], start[keep], length[keep]
            found.extend(self._compare(queries, limits, query, start, length))
        return _join(found)

    def _occupied(self, cells: Ints, limits: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Yield (query, cell) of the probes that find an entry; all probes of a query come together."""
        widths, entries = self.tables.widths, len(self.words)
        each = tuple(limits.tolist())
        sizes = {distance: _flips(widths, entries, distance)[1].size for distance in sorted(set(each))}
        if sum(sizes[distance] for distance in each) <= _PROBES:  # the views of one picture
            yield self._probe(cells, Probes.plan(widths, entries, each))
            return
        waiting: list[tuple[Ints, Ints]] = []
        size = 0
        for distance, probes in sizes.items():
            rows = np.flatnonzero(limits == distance)
            step = max(1, _PROBES // probes)
            for begin in range(0, len(rows), step):
                part = rows[begin : begin + step]
                query, cell = self._probe(cells[part], Probes.plan(widths, entries, (distance,) * len(part)))
                waiting.append((part[query], cell))
                size += query.size
                if size >= _PROBES:
                    yield _stack(waiting)
                    waiting, size = [], 0
        if waiting:
            yield _stack(waiting)

    def _probe(self, cells: Ints, probes: Probes) -> tuple[Ints, Ints]:
        cell = cells.ravel().take(probes.slots)
        cell ^= probes.flips
        # Byte by byte rather than word by word: the shifts and the test then run on an eighth of the memory.
        bits = self.tables.bitmap.view(np.uint8).take(cell >> 3)
        bits >>= cell.astype(np.uint8) & 7
        bits &= 1
        # As bool: nonzero() is several times as fast there as for numbers.
        used = np.flatnonzero(bits.view(np.bool_))
        return probes.slots.take(used) // cells.shape[1], cell.take(used)

    def _buckets(self, cell: Ints) -> tuple[Ints, Ints]:
        """Return where the entries of used cells begin, and how many there are."""
        word = cell >> 6
        below = self.tables.bitmap.take(word) & ((np.uint64(1) << (cell & 63).astype(np.uint64)) - np.uint64(1))
        rank = self.tables.ranks.take(word) + np.bitwise_count(below).astype(np.int64)
        start = self.tables.starts.take(rank).astype(np.int64)
        return start, self.tables.starts.take(rank + 1) - start

    def _compare(self, queries: Words, limits: Ints, query: Ints, start: Ints, length: Ints) -> Iterator[Hits]:
        """Yield the candidates that are near, some thousands of candidates at a time."""
        ends = np.cumsum(length)
        total = int(ends[-1]) if ends.size else 0
        # Position of each candidate: its number among all, less the number of its bucket's first, plus where that is.
        offset = start - (ends - length)
        for begin in range(0, total, _CANDIDATES):
            end = min(begin + _CANDIDATES, total)
            part, taken = slice(None), length
            if total > _CANDIDATES:
                low, high = np.searchsorted(ends, (begin, end - 1), side="right")
                part = slice(low, high + 1)
                taken = length[part].copy()
                # The first and the last bucket may belong to two parts.
                taken[-1] -= ends[high] - end
                taken[0] -= begin - (ends[low] - length[low])
            position = np.repeat(offset[part], taken)
            position += np.arange(begin, end)
            entry = self.tables.entries.take(position).astype(np.int64)
            owner = np.repeat(query[part], taken)
            near, apart = close_pairs(self.words, queries, entry, owner, limits)
            if near.size:
                yield owner[near], entry[near], apart.astype(np.int16)


def scan(words: Words, queries: Words, limits: Ints) -> Hits:
    """Compare each query with every entry: best for small lists, and the bound for hopeless queries.

    Return every (query, entry, distance) within the query's limit, in no particular order.

    Parameters
    ----------
    words
        uint64[n, w]: the entries.
    queries
        uint64[m, w].
    limits
        int64[m]: largest distance of each query.

    Returns
    -------
    query int64[k], entry int64[k], distance int16[k]
    """
    found: list[Hits] = []
    for number in range(len(queries)):
        # Repeated, not broadcast: NumPy's inner loop would be as short as a value, four words.
        repeated = np.tile(queries[number : number + 1], (min(_BLOCK, len(words)), 1))
        for start in range(0, len(words), _BLOCK):
            block = words[start : start + _BLOCK]
            apart = distances(block, repeated[: len(block)])
            near = np.flatnonzero(apart <= limits[number])
            if near.size:
                found.append((np.full(near.size, number), near + start, apart[near].astype(np.int16)))
    return _join(found)


def _stack(parts: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _join(found: list[Hits]) -> Hits:
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16)
    query, entry, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    return query, entry, distance
