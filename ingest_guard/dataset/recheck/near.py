"""Near values and addresses of many records at once, against the entries that count."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from cachetools import FIFOCache

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.index import HammingIndex
from ingest_guard.blocklist.index.sorted_rows import among
from ingest_guard.blocklist.list_info import ListInfo
from ingest_guard.blocklist.lookups import Lookups
from ingest_guard.blocklist.parts.near import NearLayers
from ingest_guard.dataset.recheck.added_entries import Baseline

if TYPE_CHECKING:
    Ints = npt.NDArray[np.int64]

# Below this many entries a copy of them in an index made for batches is worth its making, whatever is left out.
_COPIED = 1 << 18
# What one search takes in: its intermediate results stay small.
_QUERIES = 1 << 14
# Pages show many images, and follow each other in a shard.
_REMEMBERED = 1 << 16
_LONGEST_REMEMBERED = 512


class NearEntries:
    """The entries of one near algorithm that count, ready for batches.

    Parameters
    ----------
    lookups
        Of the blocklist.
    infos
        Number in the manifest -> list, of those that count.
    name
        The algorithm.
    fresh
        bool[n]: the entries that are asked about; None: all.

    Attributes
    ----------
    count
        How many entries that is.
    """

    def __init__(
        self, lookups: Lookups, infos: Mapping[int, ListInfo], name: str, fresh: npt.NDArray[np.bool_] | None
    ) -> None:
        self._lookups = lookups
        self._name = name
        self._layers: NearLayers = lookups.near[name]
        self._fresh = fresh
        self._own = np.full(len(lookups.thresholds[name]), -1.0)
        for number, info in infos.items():
            if info.counts.get(name):
                self._own[number] = info.thresholds[name]
        self._copy: HammingIndex | None = None
        self._part: Ints = np.empty(0, np.int64)
        entries = self._counting()
        self.count = len(entries)
        if self._layers.distance == "hamming" and len(entries) and (fresh is not None or len(entries) <= _COPIED):
            self._make_copy(entries)

    @property
    def size(self) -> int:
        """Bytes of a value."""
        return self._layers.size

    def search(self, queries: npt.NDArray[np.uint8], caps: Ints | None) -> tuple[Ints, Ints, Ints]:
        """Return (query, number of the part, distance) of each entry within its part's threshold and its query's cap.

        Parameters
        ----------
        queries
            uint8[m, size], in clear.
        caps
            int64[m]; None: the thresholds alone count.
        """
        found = [
            self._search(
                queries[start : start + _QUERIES], None if caps is None else caps[start : start + _QUERIES], start
            )
            for start in range(0, len(queries) if self.count else 0, _QUERIES)
        ]
        if not found:
            nothing = np.empty(0, np.int64)
            return nothing, nothing, nothing
        query, part, distance = (np.concatenate(column) for column in zip(*found, strict=True))
        return query, part, distance

    def _search(self, queries: npt.NDArray[np.uint8], caps: Ints | None, start: int) -> tuple[Ints, Ints, Ints]:
        sealed = self._lookups.sealer.seal_near(
            self._name, np.ascontiguousarray(queries), of_bytes=self._layers.distance != "hamming"
        )
        if self._copy is None:
            without = self._lookups.allowance.entries.get(self._name, np.empty(0, np.int64))
            query, part, distance, entry = self._layers.search(sealed, self._own.tolist(), caps, without)
            if self._fresh is not None:
                keep = self._fresh[entry]
                query, part, distance = query[keep], part[keep], distance[keep]
            return query + start, part, distance.astype(np.int64)
        limits = np.full(len(queries), self._copy.max_distance, np.int64)
        query, row, apart = self._copy.search(sealed, limits if caps is None else np.minimum(limits, caps))
        part = self._part[row]
        keep = apart <= self._own[part]
        return query[keep] + start, part[keep], apart[keep].astype(np.int64)

    def _counting(self) -> Ints:
        """Return the numbers of the entries that count, through all layers."""
        found, start = [], 0
        without = self._lookups.allowance.entries.get(self._name, np.empty(0, np.int64))
        for layer in self._layers.layers:
            numbers = np.arange(len(layer.index))
            counts = self._own[layer.origins.of(numbers)] >= 0
            counts &= ~among(numbers, layer.origins.gone) & ~among(numbers + start, without)
            if self._fresh is not None:
                counts &= self._fresh[start : start + len(numbers)]
            found.append(np.flatnonzero(counts) + start)
            start += len(numbers)
        return np.concatenate(found)

    def _make_copy(self, entries: Ints) -> None:
        start, values, parts = 0, [], []
        for layer in self._layers.layers:
            own = entries[(entries >= start) & (entries < start + len(layer.index))] - start
            values.append(layer.values()[own])
            parts.append(layer.origins.of(own))
            start += len(layer.index)
        self._part = np.concatenate(parts)
        largest = math.floor(self._own[self._part].max())
        self._copy = HammingIndex.build(np.concatenate(values), largest, batches=True)


class Addresses:
    """Compare addresses of records with the addresses and domains that lists hold; look the same one up once.

    Parameters
    ----------
    blocklist
        What counts of it.
    since
        Earlier versions: a list that held an address (or its domain) in all of them does not count for it.
    """

    def __init__(self, blocklist: Blocklist, since: Sequence[Baseline] = ()) -> None:
        self._blocklist = blocklist
        self._since = since
        self._known: FIFOCache[str, tuple[str, ...]] = FIFOCache(_REMEMBERED)

    def lists(self, urls: Iterable[str | None]) -> list[str]:
        """Return the lists that hold any of some addresses."""
        return list(dict.fromkeys(list_id for url in urls if url for list_id in self._lists_of(url)))

    def _lists_of(self, url: str) -> tuple[str, ...]:
        known = self._known.get(url)
        if known is None:
            known = self._look_up(url)
            if len(url) <= _LONGEST_REMEMBERED:
                self._known[url] = known
        return known

    def _look_up(self, url: str) -> tuple[str, ...]:
        found = self._blocklist.match_url(url)
        if not found or not self._since:
            return tuple(found)
        before = set.intersection(*(each.url_lists(url) for each in self._since))
        return tuple(list_id for list_id in found if list_id not in before)
