"""The fingerprints of one image against the lists: which lists know it, and which of their entries are near."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ingest_guard.guard.scan_result import MOST_HITS, Hit
from ingest_guard.verdict import Match

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ingest_guard.blocklist.blocklist import Blocklist


@dataclass(slots=True)
class Queries:
    """Fingerprints that wait for a comparison: per algorithm values, radius caps and view names."""

    values: dict[str, list[NDArray[np.uint8]]] = field(default_factory=dict)
    caps: dict[str, list[int]] = field(default_factory=dict)
    views: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0

    def add(self, algorithm: str, value: NDArray[np.uint8], cap: int, view: str) -> None:
        """Add the fingerprint of one view, to be compared within ``cap`` at most."""
        self.values.setdefault(algorithm, []).append(value)
        self.caps.setdefault(algorithm, []).append(cap)
        self.views.setdefault(algorithm, []).append(view)
        self.count += 1


@dataclass(slots=True)
class Found:
    """What the comparisons of one image have found so far: its matches, and how near which entries are."""

    matches: dict[Match, None] = field(default_factory=dict)
    _hits: dict[Hit, int] = field(default_factory=dict)

    def near_to(self, hit: Hit, distance: int) -> None:
        """Note that the image is near to an entry."""
        self._hits[hit] = min(self._hits.get(hit, distance), distance)
        if len(self._hits) > 2 * MOST_HITS:
            self._hits = {kept: self._hits[kept] for kept in self.nearest()}

    def nearest(self) -> tuple[Hit, ...]:
        """Return the entries that are near, the nearest first, and of many not all."""
        return tuple(sorted(self._hits, key=self._hits.__getitem__)[:MOST_HITS])


def compare(blocklist: Blocklist, queries: Queries, found: Found) -> None:
    """Look fingerprints up in the lists, and note what is near."""
    names = blocklist.names
    for algorithm, values in queries.values.items():
        caps = np.asarray(queries.caps[algorithm])
        rows = blocklist.find_near(algorithm, np.stack(values), caps)
        views = queries.views[algorithm]
        best: dict[str, tuple[bool, int, int]] = {}
        for query, listed, distance, entry in zip(*(column.tolist() for column in rows), strict=True):
            list_id = names[listed]
            # The picture as it is says more than the nearest of its views.
            rank = (views[query] != "native", distance, query)
            best[list_id] = min(best.get(list_id, rank), rank)
            found.near_to(Hit(list_id, algorithm, entry), distance)
        for list_id, (_, distance, query) in best.items():
            found.matches[Match(list_id, algorithm, distance, views[query])] = None
