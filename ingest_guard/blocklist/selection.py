"""What of a blocklist counts: per list which algorithms, which severities, how near; and what an operator allows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.list_info import ListInfo
from ingest_guard.blocklist.parts.exact import ExactValues
from ingest_guard.blocklist.parts.near import NONE, NearLayers
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.blocklist.store.manifest import CANARY
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms

NO_SEVERITY = "NONE"
"""What a rule calls the part of a list to which the source gave no severity."""

# A part of a blocklist: its number in the manifest, and its description.
Part: TypeAlias = "tuple[int, ListInfo]"


@dataclass(frozen=True, slots=True)
class Opened:
    """What all views of one opened version share; values by part (its position in the manifest) and algorithm."""

    version: str
    created: datetime
    parts: int
    exact: Mapping[tuple[int, str], ExactValues]
    near: Mapping[str, NearLayers]
    sealer: Sealer


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts of one list.

    Attributes
    ----------
    algorithms
        Those that count; None: all.
    severities
        Those that count, ``NONE`` for entries without one; None: all.
    thresholds
        Near algorithm -> bits (of byte vectors: distance), where the list's own is not wanted.
    """

    algorithms: frozenset[str] | None = None
    severities: frozenset[str] | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What never matches, though it is listed.

    Attributes
    ----------
    values
        Exact algorithm -> stored values.
    entries
        Near algorithm -> sorted int64[k]: entry numbers.
    counts
        (list id, algorithm) -> how many entries that takes out.
    """

    values: Mapping[str, frozenset[bytes]] = field(default_factory=dict)
    entries: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)


def select(parts: Sequence[Part], rules: Mapping[str, Rule], near: Mapping[str, NearLayers]) -> list[Part]:
    """Return the parts that count by the rules, each with its algorithms and thresholds; see Blocklist.select."""
    known = {info.id for _, info in parts} - {CANARY}
    if unknown := sorted(set(rules) - known):
        raise BlocklistError(
            f"there is a rule for a list {unknown[0]!r} that the blocklist does not hold; it holds: "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    for list_id, rule in rules.items():
        for name, value in rule.thresholds.items():
            _check_threshold(list_id, name, value, near)
    kept = [
        (number, _narrow(info, rule))
        for number, info in parts
        for rule in [rules.get(info.id, Rule())]
        if rule.severities is None or (info.severity or NO_SEVERITY) in rule.severities
    ]
    for list_id, rule in rules.items():
        before = sum(sum(info.counts.values()) for _, info in parts if info.id == list_id)
        if before and not sum(sum(info.counts.values()) for _, info in kept if info.id == list_id):
            severities = {info.severity or NO_SEVERITY for _, info in parts if info.id == list_id}
            held = {name for _, info in parts if info.id == list_id for name in info.counts}
            raise BlocklistError(
                f"nothing of list {list_id} would count: it holds {', '.join(sorted(held))} of severities "
                f"{', '.join(sorted(severities))}; asked for are {_format_names(rule.algorithms)} of severities "
                f"{_format_names(rule.severities)}. Correct the rule, or leave the list out of the blocklist"
            )
    return kept


def allow(
    parts: Sequence[Part],
    opened: Opened,
    allowed: Mapping[str, npt.NDArray[np.uint8]],
    radius: Mapping[str, int],
) -> Allowance:
    """Find what of some parts is allowed; see Blocklist.allowing."""
    counts: Counter[tuple[str, str]] = Counter()
    values: dict[str, frozenset[bytes]] = {}
    entries: dict[str, npt.NDArray[np.int64]] = {}
    ids = {number: info.id for number, info in parts}
    for name, given in allowed.items():
        if name in opened.near:
            held = [number for number, info in parts if info.counts.get(name)]
            entries[name], taken = _near_entries(name, given, radius.get(name, 0), held, opened)
            counts.update((ids[number], name) for number in taken)
            continue
        algorithm = algorithms.get(name)
        if algorithm.compared:
            continue
        _check_shape(name, given, algorithm.length)
        values[name] = frozenset(row.tobytes() for row in opened.sealer.seal(name, given))
        for list_id in dict.fromkeys(ids.values()):
            lists = [opened.exact[n, name] for n, info in parts if info.id == list_id and name in info.counts]
            counts[list_id, name] = sum(any(value in each for each in lists) for value in values[name])
    return Allowance(values, entries, MappingProxyType({key: count for key, count in sorted(counts.items()) if count}))


def _near_entries(
    name: str, given: npt.NDArray[np.uint8], radius: int, parts: Sequence[int], opened: Opened
) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Return the entries of some parts that are near what is given, and the part of each."""
    index = opened.near[name]
    _check_shape(name, given, index.size)
    if not 0 <= radius <= index.largest_threshold:
        raise BlocklistError(
            f"allowed {name} values: radius {radius}, but the blocklist was built for at most "
            f"{index.largest_threshold}; choose a smaller one"
        )
    if not parts or not len(given):
        return NONE, []
    within = [-1.0] * opened.parts
    for number in parts:
        within[number] = radius
    sealed = opened.sealer.seal_near(name, given, of_bytes=index.distance != "hamming")
    _, part, _, entry = index.search(sealed, within, None)
    found, first = np.unique(entry, return_index=True)
    return found, part[first].tolist()


def _check_shape(name: str, given: npt.NDArray[np.uint8], size: int) -> None:
    if given.dtype != np.uint8 or given.ndim != 2 or given.shape[1] != size:  # noqa: PLR2004 - rows, bytes
        raise ValueError(f"allowed {name} values: expected uint8[n, {size}]")


def _narrow(info: ListInfo, rule: Rule) -> ListInfo:
    counts = {name: count for name, count in info.counts.items() if rule.algorithms is None or name in rule.algorithms}
    thresholds = {**info.thresholds, **rule.thresholds}
    return replace(info, counts=MappingProxyType(counts), thresholds=MappingProxyType(thresholds))


def _check_threshold(list_id: str, name: str, value: float, near: Mapping[str, NearLayers]) -> None:
    where = f"threshold of list {list_id}, {name}"
    algorithms.check_threshold(name, value, accept_false_matches=True, where=where)
    built = near[name].largest_threshold if name in near else math.inf
    if value > built:
        raise BlocklistError(
            f"{where}: {value}, but the blocklist was built for at most {built}; choose a smaller one, or rebuild it "
            "with that threshold: ingest-guard blocklist build"
        )


def _format_names(names: frozenset[str] | None) -> str:
    return "all" if names is None else ", ".join(sorted(names)) or "none"
