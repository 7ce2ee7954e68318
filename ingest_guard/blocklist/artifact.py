"""An opened blocklist: :class:`Blocklist`, one version of all the operator's lists, verified and mapped read-only."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from ingest_guard.blocklist import algorithms
from ingest_guard.blocklist.algorithms import Kind
from ingest_guard.blocklist.load import load
from ingest_guard.blocklist.soundness import ListInfo, refuse_empty, refuse_old, refuse_without_hashers
from ingest_guard.blocklist.urls import url_key
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from pathlib import Path
    from types import TracebackType

    from ingest_guard.blocklist.algorithms import Distance
    from ingest_guard.blocklist.bloom import Filter
    from ingest_guard.blocklist.near import Found, NearIndex

__all__ = ["Blocklist", "ListInfo"]


class Blocklist:
    """One version of the blocklist, open for look-ups. Threads may share it; processes share its pages.

    Attributes
    ----------
    version
        SHA-256 of its manifest.
    created
        When it was built (UTC).
    lists
        What it is made of, sorted by id; positions are the list numbers of :meth:`match_near`.
    exact_algorithms
        Digests of bytes that at least one list holds: a subset of md5, sha1, sha256.
    near_algorithms
        Perceptual hashes that at least one list holds, of hasher plug-ins too.
    near_sizes
        Near algorithm -> bytes of a value.
    near_distances
        Near algorithm -> how values are compared: ``hamming``; ``l1`` or ``l2`` of byte vectors.
    """

    def __init__(
        self,
        version: str,
        created: datetime,
        lists: tuple[ListInfo, ...],
        filters: Mapping[tuple[str, str], Filter],
        near: Mapping[str, NearIndex],
    ) -> None:
        self.version = version
        self.created = created
        self.lists = lists
        self._filters = filters
        self._near = near
        self._closed = False
        held = {algorithm for _, algorithm in filters}
        self.exact_algorithms = frozenset(name for name in held if algorithms.get(name).kind is Kind.EXACT)
        self.near_algorithms = frozenset(near)
        self.near_sizes: Mapping[str, int] = MappingProxyType({name: near[name].size for name in sorted(near)})
        self.near_distances: Mapping[str, Distance] = MappingProxyType(
            {name: near[name].distance for name in sorted(near)}
        )
        self._thresholds = {name: [info.thresholds.get(name, -1) for info in lists] for name in near}

    @classmethod
    def open(cls, folder: Path | str, *, allow_empty: bool = False, max_age: timedelta | None = None) -> Self:
        """Open the current version of a store, or a version's own folder, after verifying every byte of it.

        Parameters
        ----------
        folder
            What ``ingest-guard blocklist build`` wrote.
        allow_empty
            Accept a blocklist without lists, and lists without entries.
        max_age
            Refuse one that was built longer ago.

        Raises
        ------
        BlocklistError
            Missing, damaged, changed, writable by others, empty or too old.
        """
        loaded = load(folder)
        lists = tuple(
            ListInfo(
                entry.id,
                entry.version,
                entry.owner,
                entry.source,
                MappingProxyType(dict(entry.counts)),
                MappingProxyType(dict(entry.thresholds)),
            )
            for entry in loaded.manifest.lists
        )
        opened = cls(loaded.version, loaded.manifest.created_at, lists, loaded.filters, loaded.near)
        if not allow_empty:
            refuse_empty(lists, loaded.where)
        if max_age is not None:
            refuse_old(opened.created, max_age, loaded.where)
        return opened

    def match_exact(self, digests: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return (list id, algorithm) for each digest that a list holds.

        Parameters
        ----------
        digests
            Algorithm -> hex.
        """
        self._check_open()
        return [
            (list_id, algorithm)
            for (list_id, algorithm), held in self._filters.items()
            if algorithm in self.exact_algorithms and algorithm in digests and digests[algorithm].lower() in held
        ]

    def match_near(self, algorithm: str, queries: npt.NDArray[np.uint8], caps: npt.ArrayLike | None = None) -> Found:
        """Find the entries near each query, each list within its own threshold.

        Parameters
        ----------
        algorithm
            A near algorithm; one that no list holds finds nothing.
        queries
            uint8[m, b], b = ``near_sizes[algorithm]``.
        caps
            int[m]: for query *i* no threshold is larger than ``caps[i]``. Smaller ones are much cheaper.

        Returns
        -------
        query int64[k], list_index int64[k], distance int16[k]
            One row an entry, sorted by query and distance; ``lists[list_index]`` is the list. Distances of byte vectors
            are int64, rounded up to whole numbers after they were compared with the thresholds.

        Raises
        ------
        ValueError
            Another dtype or shape, or a cap below 0.
        """
        self._check_open()
        near = self._near.get(algorithm)
        if near is None:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16)
        limits = None if caps is None else np.broadcast_to(np.asarray(caps, np.int64), (len(queries),))
        return near.search(queries, self._thresholds[algorithm], limits)

    def match_url(self, url: str) -> list[str]:
        """Return the ids of the lists that hold an address, however it is spelled; none for what is no address."""
        self._check_open()
        held = {list_id: found for (list_id, algorithm), found in self._filters.items() if algorithm == "url"}
        if not held:
            return []
        try:
            key = url_key(url)
        except ValueError:
            return []
        return [list_id for list_id, found in held.items() if key in found]

    def require_hashers(self) -> None:
        """Make sure that what the lists hold can be computed here: their hasher plug-ins are installed, and agree.

        Opening, verifying and describing a blocklist needs no plug-in; checking images with it does.

        Raises
        ------
        BlocklistError
            A plug-in is missing, broken, or makes other values than the lists hold.
        """
        refuse_without_hashers(self.near_sizes, self.near_distances)

    def with_thresholds(self, overrides: Mapping[str, Mapping[str, float]]) -> Self:
        """Return the same blocklist with other thresholds; nothing is opened or copied.

        Parameters
        ----------
        overrides
            List id -> near algorithm -> bits; of byte vectors, distance.

        Raises
        ------
        BlocklistError
            A list that does not exist, not a near algorithm, or more bits than the index was built for.
        """
        self._check_open()
        known = {info.id for info in self.lists}
        if unknown := sorted(set(overrides) - known):
            raise BlocklistError(
                f"thresholds for a list {unknown[0]!r} that the blocklist does not hold; it holds: "
                f"{', '.join(sorted(known)) or 'none'}"
            )
        for list_id, wanted in overrides.items():
            for name, value in wanted.items():
                self._check_threshold(list_id, name, value)
        lists = tuple(
            ListInfo(
                info.id,
                info.version,
                info.owner,
                info.source,
                info.counts,
                MappingProxyType({**info.thresholds, **overrides.get(info.id, {})}),
            )
            for info in self.lists
        )
        return type(self)(self.version, self.created, lists, self._filters, self._near)

    def _check_threshold(self, list_id: str, name: str, value: float) -> None:
        where = f"threshold of list {list_id}, {name}"
        algorithms.check_threshold(name, value, accept_false_matches=True, where=where)
        built = self._near[name].largest_threshold if name in self._near else math.inf
        if value > built:
            raise BlocklistError(
                f"{where}: {value}, but the blocklist was built for at most {built}; choose a smaller one, or rebuild "
                "it with that threshold: ingest-guard blocklist build"
            )

    def close(self) -> None:
        """Let go of the maps; every later look-up raises BlocklistError. Closing twice is harmless."""
        self._closed = True
        self._filters = {}
        self._near = {}

    def _check_open(self) -> None:
        # An empty dictionary would answer "nothing is listed".
        if self._closed:
            raise BlocklistError("this blocklist was closed; open it again")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
