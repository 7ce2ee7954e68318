"""The near indexes of a version: one an algorithm, over all lists; made by a build, opened again, and searched.

Bits are looked up by :class:`~ingest_guard.blocklist.hamming.HammingIndex`, byte vectors of hasher plug-ins by
:class:`~ingest_guard.hashing.vectors.VectorIndex`. What is said here of both: an array of owners tells which list each
entry is from, each list has a threshold of its own, and whoever searches need not know which of the two it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist import algorithms
from ingest_guard.blocklist.algorithms import Kind
from ingest_guard.blocklist.hamming import HammingIndex
from ingest_guard.blocklist.manifest import IndexEntry, VectorEntry
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing.vectors import VectorIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingest_guard.blocklist.algorithms import Distance

Arrays: TypeAlias = "Mapping[str, npt.NDArray[Any]]"
Found: TypeAlias = "tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int16 | np.int64]]"


@dataclass(frozen=True, slots=True)
class BitLists:
    """Values of bits of all lists.

    Attributes
    ----------
    index
        Over the entries of all lists.
    owners
        uint16[n]: the number of the list that each entry is from.
    size
        Bytes of a value.
    """

    index: HammingIndex
    owners: npt.NDArray[np.uint16]
    size: int

    @classmethod
    def open(cls, entry: IndexEntry, arrays: Arrays, owners: npt.NDArray[Any]) -> BitLists:
        """Make one of its arrays; BlocklistError where they do not fit the entry or each other."""
        meta = entry.model_dump(include={"bytes", "entries", "max_distance", "widths"})
        return cls(HammingIndex.from_arrays(arrays, meta), owners.astype("<u2", copy=False), entry.bytes)

    @property
    def distance(self) -> Distance:
        """How values are compared."""
        return "hamming"

    @property
    def largest_threshold(self) -> float:
        """Largest threshold that it was built for."""
        return self.index.max_distance

    def search(
        self, queries: npt.NDArray[np.uint8], thresholds: Sequence[float], caps: npt.NDArray[np.int64] | None
    ) -> Found:
        """Return (query, list, distance int16) of each entry within its list's threshold and its query's cap."""
        own = np.array(thresholds, np.int64)
        limits = np.full(len(queries), own.max())
        query, entry, distance = self.index.search(queries, limits if caps is None else np.minimum(limits, caps))
        owner = self.owners[entry].astype(np.int64)
        # The limit of the query was applied by the search; that of the entry's list is not yet.
        keep = distance <= own[owner]
        return query[keep], owner[keep], distance[keep]


@dataclass(frozen=True, slots=True)
class VectorLists:
    """Byte vectors of all lists; attributes as of :class:`BitLists`."""

    index: VectorIndex
    owners: npt.NDArray[np.uint16]
    size: int
    distance: Literal["l1", "l2"]

    @classmethod
    def open(cls, entry: VectorEntry, arrays: Arrays, owners: npt.NDArray[Any]) -> VectorLists:
        """Make one of its arrays; BlocklistError where they do not fit the entry or each other."""
        try:
            index = VectorIndex.from_arrays(arrays)
        except ValueError as error:
            raise BlocklistError(f"these arrays are no index: {error}") from None
        if (len(index), index.length) != (entry.entries, entry.bytes):
            raise BlocklistError("these arrays are no index of that size; build the blocklist again")
        return cls(index, owners.astype("<u2", copy=False), entry.bytes, entry.distance)

    @property
    def largest_threshold(self) -> float:
        """Largest threshold: any will do."""
        return math.inf

    def search(
        self, queries: npt.NDArray[np.uint8], thresholds: Sequence[float], caps: npt.NDArray[np.int64] | None
    ) -> Found:
        """Return (query, list, distance int64) as :meth:`BitLists.search` does; distances rounded up at the end."""
        if caps is not None and (caps < 0).any():
            raise ValueError("caps: expected distances from 0")
        own = np.array(thresholds, np.float64)
        query, entry, distance = self.index.search(queries, self.distance, float(own.max()))
        owner = self.owners[entry].astype(np.int64)
        keep = distance <= own[owner]
        if caps is not None:
            keep &= distance <= caps[query]
        return query[keep], owner[keep], np.ceil(distance[keep]).astype(np.int64)


NearIndex: TypeAlias = BitLists | VectorLists


def write(
    name: str,
    lists: Sequence[npt.NDArray[np.uint8] | None],
    largest: float,
    write_array: Callable[[str, npt.NDArray[Any]], None],
) -> IndexEntry | VectorEntry:
    """Make and write the index of one algorithm.

    Parameters
    ----------
    name
        The algorithm.
    lists
        The values of each list, uint8[n, size]; None for a list without any.
    largest
        The largest of the lists' thresholds.
    write_array
        Called with the name of a file and its array.
    """
    algorithm = algorithms.get(name)
    parts = [np.empty((0, algorithm.size), np.uint8) if values is None else values for values in lists]
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype("<u2")
    made, described = _make(algorithm, np.concatenate(parts), largest)
    files = {part: f"{name}.{part}.npy" for part in made}
    for part, array in made.items():
        write_array(files[part], array)
    write_array(f"{name}.owners.npy", owners)
    entry = {**described, "arrays": files, "owners": f"{name}.owners.npy"}
    return (VectorEntry if algorithm.kind is Kind.VECTOR else IndexEntry).model_validate(entry)


def _make(
    algorithm: algorithms.Algorithm, values: npt.NDArray[np.uint8], largest: float
) -> tuple[Arrays, Mapping[str, object]]:
    if algorithm.kind is Kind.VECTOR:
        described = {"bytes": algorithm.size, "entries": len(values), "distance": algorithm.distance}
        return VectorIndex.build(values).arrays(), described
    index = HammingIndex.build(values, max(algorithm.build_radius, int(largest)))
    return index.arrays(), index.meta
