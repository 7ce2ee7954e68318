"""An opened blocklist: :class:`Blocklist`, one version of all the operator's lists, verified and mapped read-only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist import selection
from ingest_guard.blocklist.canary import canary
from ingest_guard.blocklist.list_info import ListInfo, list_infos, refuse_empty, refuse_old, refuse_without_hashers
from ingest_guard.blocklist.lookups import Lookups
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.parts.seal import open_sealer
from ingest_guard.blocklist.selection import Allowance, Opened, Rule
from ingest_guard.blocklist.store.manifest import ADDRESSES, CANARY, refuse_old_addresses
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing.algorithms import Distance
from ingest_guard.urls.normalise import domain_keys, url_key

__all__ = ["Blocklist", "ListInfo", "Rule"]

_NOTHING_ALLOWED = Allowance()


class Blocklist:
    """One version of the blocklist, open for look-ups. Threads may share it; processes share its pages.

    Attributes
    ----------
    version
        SHA-256 of its manifest.
    created
        When it was built (UTC).
    lists
        What it is made of: a part for each list id and severity. Positions are the list indexes of :meth:`match_near`.
    names
        The list id of each list index; the last one's is the canary's, which is not among ``lists``.
    exact_algorithms
        Digests of bytes that at least one list holds: a subset of md5, sha1, sha256.
    near_algorithms
        Perceptual hashes that at least one list holds, of hasher plug-ins too.
    near_sizes
        Near algorithm -> bytes of a value.
    near_distances
        Near algorithm -> how values are compared: ``hamming``; ``l1`` or ``l2`` of byte vectors.
    sealed
        Whether it is keyed.
    allowed
        (list id, algorithm) -> number of entries that never match, given to :meth:`allowing`.
    """

    def __init__(
        self, opened: Opened, parts: Sequence[selection.Part], allowance: Allowance = _NOTHING_ALLOWED
    ) -> None:
        self._opened: Opened | None = opened
        self._parts = tuple(parts)
        self._allowance = allowance
        self.version = opened.version
        self.created = opened.created
        self.sealed = opened.sealer.sealed
        self.allowed = allowance.counts
        self.lists = tuple(info for _, info in parts if info.id != CANARY)
        self.names = tuple(info.id for _, info in parts)
        self._lookups = Lookups(opened, self._parts, allowance)
        held = {name for info in self.lists for name, count in info.counts.items() if count}
        self.exact_algorithms = self._lookups.exact_algorithms & held
        near = {name: each for name, each in self._lookups.near.items() if name in held}
        self.near_algorithms = frozenset(near)
        self.near_sizes: Mapping[str, int] = MappingProxyType({name: each.size for name, each in near.items()})
        self.near_distances: Mapping[str, Distance] = MappingProxyType(
            {name: each.distance for name, each in near.items()}
        )

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        key: bytes | None = None,
        allow_empty: bool = False,
        max_age: timedelta | None = None,
        old_addresses: bool = False,
    ) -> Self:
        """Open the current version of a store, or a version's own folder, after verifying every byte of it.

        Parameters
        ----------
        folder
            What ``ingest-guard blocklist build`` wrote.
        key
            The key of a keyed blocklist (:func:`ingest_guard.blocklist.parts.seal.read_key`).
        allow_empty
            Accept a blocklist without lists, and lists without entries.
        max_age
            Refuse one that was built longer ago.
        old_addresses
            Accept one whose addresses another release has spelled in another way; none of them is found.

        Raises
        ------
        BlocklistError
            Missing, damaged, changed, writable by others, empty or too old; its key is missing or another one; it
            holds addresses that another release has spelled in another way.
        """
        loaded = load(folder)
        manifest, exact = loaded.manifest, loaded.exact
        if manifest.has_old_addresses:
            if not old_addresses:
                refuse_old_addresses(manifest, loaded.where)
            exact = {key: values for key, values in exact.items() if key[1] not in ADDRESSES}
        sealer = open_sealer(manifest.salt, manifest.sealed, key, str(loaded.where))
        version = Opened(loaded.version, manifest.created_at, len(manifest.lists), exact, loaded.near, sealer)
        parts = list(enumerate(list_infos(manifest.lists)))
        # The canary's comes last, so that a list index is a position in ``lists``.
        opened = cls(version, sorted(parts, key=lambda part: part[1].id == CANARY))
        if not allow_empty:
            refuse_empty(opened.lists, loaded.where)
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
        self._still_open()
        wanted = {name: [bytes.fromhex(digests[name])] for name in self._lookups.exact_algorithms if name in digests}
        return self._lookups.match(wanted)

    def is_confirmed(self, list_id: str, algorithm: str) -> bool:
        """Return whether a match on a list's exact values is certain: a table has confirmed what the filter said."""
        self._still_open()
        return self._lookups.is_confirmed(list_id, algorithm)

    def match_url(self, url: str) -> list[str]:
        """Return the ids of the lists that hold an address, however it is spelled, or a domain that it lies in.

        None for what is no address.
        """
        self._still_open()
        # Every request is asked about, and most blocklists hold no address.
        wanted: dict[str, list[bytes]] = {}
        if "domain" in self._lookups.addresses:
            wanted["domain"] = [bytes.fromhex(key) for key in domain_keys(url)]
        if "url" in self._lookups.addresses:
            with suppress(ValueError):
                wanted["url"] = [bytes.fromhex(url_key(url))]
        return list(dict.fromkeys(list_id for list_id, _ in self._lookups.match(wanted)))

    def match_near(
        self, algorithm: str, queries: npt.NDArray[np.uint8], caps: npt.ArrayLike | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int16 | np.int64]]:
        """Find the entries near each query, each list within its own threshold: :meth:`find_near` without entries."""
        return self.find_near(algorithm, queries, caps)[:3]

    def find_near(
        self, algorithm: str, queries: npt.NDArray[np.uint8], caps: npt.ArrayLike | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int16 | np.int64], npt.NDArray[np.int64]]:
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
        query int64[k], list_index int64[k], distance int16[k], entry int64[k]
            One row an entry, sorted by query and distance; ``lists[list_index]`` is the list. Distances of byte vectors
            are int64, rounded up to whole numbers after they were compared with the thresholds. The entry's number
            stands for the same entry in every process that has this version open.

        Raises
        ------
        ValueError
            Another dtype or shape, or a cap below 0.
        """
        self._still_open()
        limits = None if caps is None else np.broadcast_to(np.asarray(caps, np.int64), (len(queries),))
        return self._lookups.find(algorithm, queries, limits)

    def require_hashers(self) -> None:
        """Make sure that what the lists hold can be computed here: their hasher plug-ins are installed, and agree.

        Opening, verifying and describing a blocklist needs no plug-in; checking images with it does.

        Raises
        ------
        BlocklistError
            A plug-in is missing, broken, or makes other values than the lists hold.
        """
        refuse_without_hashers(self.near_sizes, self.near_distances)

    def select(self, rules: Mapping[str, Rule]) -> Self:
        """Return what counts of this blocklist; nothing is opened or copied.

        Parameters
        ----------
        rules
            List id -> which algorithms and severities count, and how near is a match. Entries without a severity count
            unless severities are given and ``NONE`` is not among them. Lists without a rule count as they are.

        Raises
        ------
        BlocklistError
            A list that does not exist, or that would count for nothing; a threshold for what is not a near algorithm,
            or of more bits than the index was built for.
        """
        opened = self._still_open()
        return type(self)(opened, selection.select(self._parts, rules, opened.near), self._allowance)

    def allowing(self, allowed: Mapping[str, npt.NDArray[np.uint8]], radius: Mapping[str, int]) -> Self:
        """Return the same blocklist without what an operator allows; nothing is opened or copied.

        Replaces what was allowed before.

        Parameters
        ----------
        allowed
            Algorithm -> uint8[n, size]: values in clear, also for a keyed blocklist.
        radius
            Near algorithm -> bits (of byte vectors: distance): entries within so much of an allowed value never match;
            0 where it is not named. Of exact values equal ones never match.

        Raises
        ------
        BlocklistError
            An unknown algorithm, or a radius beyond what the index was built for.
        ValueError
            Another dtype or shape.
        """
        opened = self._still_open()
        allowance = selection.allow(self._parts, opened, allowed, radius)
        return type(self)(opened, self._parts, allowance)

    @property
    def lookups(self) -> Lookups:
        """What is looked up, for those who compare many values at once."""
        self._still_open()
        return self._lookups

    @property
    def knows_canary(self) -> bool:
        """Whether the build planted a canary; those of releases before the self-test did not."""
        return CANARY in self.names

    @property
    def knows_canary_by_sight(self) -> bool:
        """Whether a variant of the canary with other digests is near to a listed value, too."""
        known = {name for _, info in self._parts if info.id == CANARY for name in info.counts}
        return not known.isdisjoint(self.near_algorithms)

    def canary(self, number: int = 0) -> bytes:
        """Return the picture by which a running guard is tested: :func:`ingest_guard.blocklist.canary.canary`."""
        return canary(self._still_open().sealer.canary_seed, number)

    def close(self) -> None:
        """Let go of the maps; every later look-up raises BlocklistError. Closing twice is harmless."""
        self._opened = None
        self._lookups.forget()

    def _still_open(self) -> Opened:
        # An empty one would answer "nothing is listed".
        if self._opened is None:
            raise BlocklistError("this blocklist was closed; open it again")
        return self._opened

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
