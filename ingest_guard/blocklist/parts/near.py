"""The near indexes of a version: those of one algorithm, over all lists; made by a build, opened again, and searched.

Bits are looked up by :class:`~ingest_guard.blocklist.index.HammingIndex`, byte vectors of hasher plug-ins by
:class:`~ingest_guard.blocklist.index.vectors.VectorIndex`. Both have an array of owners, which says from which
part of the blocklist each entry is. Each part has a threshold of its own, entries can be gone, and both are searched
alike. :class:`NearLayers` is what came with the base and what came since, searched as one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index import HammingIndex
from ingest_guard.blocklist.index.sorted_rows import among
from ingest_guard.blocklist.index.vectors import VectorIndex
from ingest_guard.blocklist.store.manifest import IndexEntry, VectorEntry
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Distance, Kind

Arrays: TypeAlias = "Mapping[str, npt.NDArray[Any]]"
Ints: TypeAlias = "npt.NDArray[np.int64]"
Found: TypeAlias = "tuple[Ints, Ints, npt.NDArray[np.int16 | np.int64], Ints]"

NONE: Ints = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the entries of an index are from.

    Attributes
    ----------
    owners
        uint16[n]: for each entry a position in `parts`.
    parts
        int64[p]: positions in the manifest's lists.
    gone
        int64[k], sorted: entries that count no more.
    """

    owners: npt.NDArray[np.uint16]
    parts: Ints
    gone: Ints

    def of(self, entries: Ints) -> Ints:
        """Return the part of each entry."""
        return self.parts[self.owners[entries]]


@dataclass(frozen=True, slots=True)
class BitLists:
    """Values of bits of all lists: the index over all entries, where they are from, and bytes of a value."""

    index: HammingIndex
    origins: Origins
    size: int

    @classmethod
    def open(cls, entry: IndexEntry, arrays: Arrays, origins: Origins) -> BitLists:
        """Make one of its arrays; BlocklistError where they do not fit the entry or each other."""
        meta = entry.model_dump(include={"bytes", "entries", "max_distance", "widths"})
        return cls(HammingIndex.from_arrays(arrays, meta), origins, entry.bytes)

    @property
    def distance(self) -> Distance:
        """How values are compared."""
        return "hamming"

    @property
    def largest_threshold(self) -> float:
        """Largest threshold that it was built for."""
        return self.index.max_distance

    def values(self) -> npt.NDArray[np.uint8]:
        """Return all entries' values, uint8[n, size], in the order of their numbers."""
        return self.index.arrays()["hashes"].astype(np.uint8, copy=False)

    def search(self, queries: npt.NDArray[np.uint8], own: npt.NDArray[np.float64], caps: Ints | None) -> Found:
        """Return (query, part, distance int16, entry) of each entry within its part's threshold and its query's cap.

        `own` holds the threshold of each part, below 0 where it does not count.
        """
        limits = np.full(len(queries), math.floor(own[self.origins.parts].max()))
        if limits.size and limits[0] < 0:
            return NONE, NONE, np.empty(0, np.int16), NONE
        limits = limits if caps is None else np.minimum(limits, caps)
        query, entry, distance = self.index.search(queries, limits, without=self.origins.gone)
        if not len(query):
            return NONE, NONE, distance, NONE
        part = self.origins.of(entry)
        # The limit of the query was applied by the search; that of the entry's part is not yet.
        keep = distance <= own[part]
        return query[keep], part[keep], distance[keep], entry[keep]


@dataclass(frozen=True, slots=True)
class VectorLists:
    """Byte vectors of all lists, as :class:`BitLists`."""

    index: VectorIndex
    origins: Origins
    size: int
    distance: Literal["l1", "l2"]

    @classmethod
    def open(cls, entry: VectorEntry, arrays: Arrays, origins: Origins) -> VectorLists:
        """Make one of its arrays; BlocklistError where they do not fit the entry or each other."""
        try:
            index = VectorIndex.from_arrays(arrays)
        except ValueError as error:
            raise BlocklistError(f"these arrays are no index: {error}") from None
        if (len(index), index.length) != (entry.entries, entry.bytes):
            raise BlocklistError("these arrays are no index of that size; build the blocklist again")
        return cls(index, origins, entry.bytes, entry.distance)

    @property
    def largest_threshold(self) -> float:
        """Largest threshold: any will do."""
        return math.inf

    def values(self) -> npt.NDArray[np.uint8]:
        """Return all entries' values, uint8[n, size], in the order of their numbers: a copy."""
        arrays = self.index.arrays()
        out = np.empty_like(arrays["values"])
        out[arrays["entries"]] = arrays["values"]
        return out

    def search(self, queries: npt.NDArray[np.uint8], own: npt.NDArray[np.float64], caps: Ints | None) -> Found:
        """Return what :meth:`BitLists.search` does; distances int64, rounded up at the end."""
        if caps is not None and (caps < 0).any():
            raise ValueError("caps: expected distances from 0")
        largest = float(own[self.origins.parts].max())
        if largest < 0:
            return NONE, NONE, NONE, NONE
        query, entry, distance = self.index.search(queries, self.distance, largest)
        part = self.origins.of(entry)
        keep = (distance <= own[part]) & ~among(entry, self.origins.gone)
        if caps is not None:
            keep &= distance <= caps[query]
        return query[keep], part[keep], np.ceil(distance[keep]).astype(np.int64), entry[keep]


@dataclass(frozen=True, slots=True)
class NearLayers:
    """All values of one algorithm: the base, and what came since. Entry numbers count through both."""

    layers: tuple[BitLists | VectorLists, ...]

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return self.layers[0].size

    @property
    def distance(self) -> Distance:
        """How values are compared."""
        return self.layers[0].distance

    @property
    def largest_threshold(self) -> float:
        """Largest threshold that every layer was built for."""
        return min(layer.largest_threshold for layer in self.layers)

    def search(
        self, queries: npt.NDArray[np.uint8], thresholds: Sequence[float], caps: Ints | None, without: Ints = NONE
    ) -> Found:
        """Search all layers; leave the entries out that `without`, sorted, names.

        Returns
        -------
        query, part, distance, entry
            Sorted by query, distance, entry.
        """
        own = np.array(thresholds, np.float64)
        starts = accumulate((len(layer.index) for layer in self.layers), initial=0)
        # The newest first: what changed yesterday is what pages show today, and its small index is soon searched.
        found = [
            (query, part, distance, entry + start)
            for layer, start in reversed(list(zip(self.layers, starts, strict=False)))
            for query, part, distance, entry in [layer.search(queries, own, caps)]
        ]
        query, part, distance, entry = found[0]
        if len(found) > 1:
            query, part, distance, entry = (np.concatenate(column) for column in zip(*found, strict=True))
            order = np.lexsort((entry, distance, query))
            query, part, distance, entry = query[order], part[order], distance[order], entry[order]
        if len(without):
            keep = ~among(entry, without)
            query, part, distance, entry = query[keep], part[keep], distance[keep], entry[keep]
        return query, part, distance, entry


def write(
    name: str,
    lists: Mapping[int, npt.NDArray[np.uint8]],
    max_distance: int,
    write_array: Callable[[str, npt.NDArray[Any]], str],
    beginning: str | None = None,
) -> IndexEntry | VectorEntry:
    """Make and write an index of one algorithm.

    Parameters
    ----------
    name
        The algorithm.
    lists
        Position in the manifest's lists -> values, uint8[n, size].
    max_distance
        Bits that it is built for; byte vectors are found at any distance.
    write_array
        Called with a name for a file and its array; returns the name that it got.
    beginning
        How names of files begin, where not with the algorithm's.
    """
    algorithm = algorithms.get(name)
    numbers = sorted(lists)
    values = np.concatenate([lists[number] for number in numbers] or [np.empty((0, algorithm.length), np.uint8)])
    owners = np.repeat(np.arange(len(numbers)), [len(lists[number]) for number in numbers]).astype("<u2")
    made, described = _make(algorithm, values, max_distance)
    entry = {
        **described,
        "arrays": {part: write_array(f"{beginning or name}.{part}.npy", array) for part, array in made.items()},
        "owners": write_array(f"{beginning or name}.owners.npy", owners),
        "parts": numbers,
    }
    return (VectorEntry if algorithm.kind is Kind.VECTOR else IndexEntry).model_validate(entry)


def _make(
    algorithm: algorithms.Algorithm, values: npt.NDArray[np.uint8], max_distance: int
) -> tuple[Arrays, Mapping[str, object]]:
    if algorithm.kind is Kind.VECTOR:
        described = {"bytes": algorithm.length, "entries": len(values), "distance": algorithm.distance}
        return VectorIndex.build(values).arrays(), described
    index = HammingIndex.build(values, max_distance)
    return index.arrays(), index.meta
