"""The look-ups of one view of a version: which parts count for what, and how what was found there is named."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.parts.near import NONE, Found, NearLayers
from ingest_guard.blocklist.selection import Allowance, Opened, Part
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Kind


class Lookups:
    """Find exact and near values among the parts that count, less what is allowed.

    Attributes
    ----------
    near
        Near algorithm that a part holds -> its values.
    exact_algorithms
        Digests of bytes that a part holds.
    addresses
        ``url``, ``domain``: which of them a part holds.
    exact
        (list, algorithm, values) of each part that counts.
    parts, thresholds, sealer, allowance
        What counts: the parts with their numbers in the manifest; near algorithm -> threshold by such a number, below 0
        where it does not count; how values are stored; what never matches.
    """

    def __init__(self, opened: Opened, parts: Sequence[Part], allowance: Allowance) -> None:
        self.sealer = opened.sealer
        self.allowance = allowance
        self.parts = tuple(parts)
        held = {name for _, info in parts for name, count in info.counts.items() if count}
        self.near: dict[str, NearLayers] = {name: opened.near[name] for name in sorted(held & set(opened.near))}
        self.exact = [
            (info, name, opened.exact[number, name])
            for number, info in parts
            for name in info.counts
            if (number, name) in opened.exact
        ]
        kinds = {name: algorithms.get(name).kind for _, name, values in self.exact if len(values)}
        self.exact_algorithms = frozenset(name for name, kind in kinds.items() if kind is Kind.EXACT)
        self.addresses = frozenset(name for name, kind in kinds.items() if kind is Kind.URL)
        # Below 0: a part that does not count.
        self.thresholds = {name: [-1.0] * opened.parts for name in self.near}
        self._positions = np.full(opened.parts, -1, np.int64)
        for position, (number, info) in enumerate(parts):
            self._positions[number] = position
            for name in self.near:
                if info.counts.get(name):
                    self.thresholds[name][number] = info.thresholds[name]

    def match(self, wanted: Mapping[str, Sequence[bytes]]) -> list[tuple[str, str]]:
        """Return (list id, algorithm) where a list holds any of the values wanted, by algorithm."""
        stored: dict[str, list[bytes]] = {}
        found: dict[tuple[str, str], None] = {}
        for info, name, values in self.exact:
            if name not in wanted or (info.id, name) in found:
                continue
            if name not in stored:
                allowed = self.allowance.values.get(name, frozenset())
                sealed = (self.sealer.seal_one(name, value) for value in wanted[name])
                stored[name] = [value for value in sealed if value not in allowed]
            if any(value in values for value in stored[name]):
                found[info.id, name] = None
        return list(found)

    def is_confirmed(self, list_id: str, name: str) -> bool:
        """Return whether every hit among a list's exact values is looked up in a table, not in a filter alone."""
        held = [values for info, each, values in self.exact if info.id == list_id and each == name]
        return bool(held) and all(layer.table is not None for values in held for layer in values.layers)

    def find(self, name: str, queries: npt.NDArray[np.uint8], caps: npt.NDArray[np.int64] | None) -> Found:
        """Return (query, position of the part, distance, entry) of what is near; see Blocklist.find_near."""
        near = self.near.get(name)
        if near is None:
            return NONE, NONE, np.empty(0, np.int16), NONE
        if self.sealer.sealed and queries.ndim == 2 and queries.shape[1] == near.size:  # noqa: PLR2004 - rows, bytes
            queries = self.sealer.seal_near(name, queries, of_bytes=near.distance != "hamming")
        without = self.allowance.entries.get(name, NONE)
        query, part, distance, entry = near.search(queries, self.thresholds[name], caps, without)
        return query, self._positions[part], distance, entry

    def forget(self) -> None:
        """Let go of all values."""
        self.exact = []
        self.near = {}
