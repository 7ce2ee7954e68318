"""Fingerprints that are looked up together, and what is near to them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.guard.scan_result import MOST_HITS, Hit
from ingest_guard.verdict import Match


@dataclass(slots=True)
class Queries:
    """Fingerprints that wait for a comparison: per algorithm values, radius caps and view names."""

    values: dict[str, list[NDArray[np.uint8]]] = field(default_factory=dict)
    caps: dict[str, list[NDArray[np.int64]]] = field(default_factory=dict)
    views: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0

    def add(self, algorithm: str, values: NDArray[np.uint8], caps: NDArray[np.int64], views: tuple[str, ...]) -> None:
        """Add the fingerprints of views, uint8[n, size], each to be compared within its cap at most."""
        self.values.setdefault(algorithm, []).append(values)
        self.caps.setdefault(algorithm, []).append(caps)
        self.views.setdefault(algorithm, []).extend(views)
        self.count += len(views)


@dataclass(slots=True)
class NearMatches:
    """The matches of one image so far, and how near which entries are."""

    matches: dict[Match, None] = field(default_factory=dict)
    _hits: dict[Hit, int] = field(default_factory=dict)

    def add(self, hit: Hit, distance: int) -> None:
        """Add an entry that the image is near to."""
        self._hits[hit] = min(self._hits.get(hit, distance), distance)
        if len(self._hits) > 2 * MOST_HITS:
            self._hits = {kept: self._hits[kept] for kept in self.nearest()}

    def nearest(self) -> tuple[Hit, ...]:
        """Return the entries that are near, the nearest first, and of many not all."""
        return tuple(sorted(self._hits, key=self._hits.__getitem__)[:MOST_HITS])


def compare(blocklist: Blocklist, queries: Queries, found: NearMatches) -> None:
    """Look fingerprints up in the lists, and note what is near."""
    names = blocklist.names
    for algorithm, values in queries.values.items():
        rows = blocklist.find_near(algorithm, np.concatenate(values), np.concatenate(queries.caps[algorithm]))
        views = queries.views[algorithm]
        best: dict[str, tuple[bool, int, int]] = {}
        for query, listed, distance, entry in zip(*(column.tolist() for column in rows), strict=True):
            list_id = names[listed]
            # The picture as it is says more than the nearest of its views.
            rank = (views[query] != "native", distance, query)
            best[list_id] = min(best.get(list_id, rank), rank)
            found.add(Hit(list_id, algorithm, entry), distance)
        for list_id, (_, distance, query) in best.items():
            found.matches[Match(list_id, algorithm, distance, views[query])] = None
