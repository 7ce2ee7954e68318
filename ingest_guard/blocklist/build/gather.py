"""Values as they are read from a list file, and what is left of them at its end: the last record of each key counts."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.build.report import NO_SEVERITY, ListReport
from ingest_guard.blocklist.index.sorted_rows import Keys, different, different_rows, distinct_pairs
from ingest_guard.hashing import algorithms

if TYPE_CHECKING:
    from ingest_guard.blocklist.parts.seal import Sealer
    from ingest_guard.lists import Entry, Removed

_Bucket: TypeAlias = "tuple[str | None, str]"


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one algorithm.

    Attributes
    ----------
    values
        uint8[n, size], different, sorted, as they are stored.
    keys
        uint64[m, 2], sorted: digest of a record's key (0: it has none), row of one of its values. None where the
        source has no keys at all.
    """

    values: npt.NDArray[np.uint8]
    keys: Keys | None = None


@dataclass(slots=True)
class Gathered:
    """What was read so far: bytes of values; and once a row has a key, key digests and rows beside them."""

    sealer: Sealer
    raw: dict[_Bucket, bytearray] = field(default_factory=dict)
    keys: dict[_Bucket, array[int]] = field(default_factory=dict)
    rows: dict[_Bucket, array[int]] = field(default_factory=dict)
    removed_keys: array[int] = field(default_factory=lambda: array("Q"))
    removed_rows: array[int] = field(default_factory=lambda: array("Q"))
    keyed: bool = False
    count: int = 0

    def add(self, entry: Entry, value: bytes) -> None:
        """Take an entry, whose value has these bytes."""
        bucket = (entry.severity, entry.algorithm)
        raw = self.raw.get(bucket)
        if raw is None:
            raw = self.raw[bucket] = bytearray()
            self.keys[bucket], self.rows[bucket] = array("Q"), array("Q")
        if entry.key is not None and not self.keyed:
            self._start_keys()
        if self.keyed:
            self.keys[bucket].append(0 if entry.key is None else self.sealer.record(entry.key))
            self.rows[bucket].append(entry.row)
        raw += value
        self.count += 1

    def remove(self, found: Removed) -> None:
        """Take note that a record is withdrawn."""
        if not self.keyed:
            self._start_keys()
        self.removed_keys.append(self.sealer.record(found.key))
        self.removed_rows.append(found.row)

    def _start_keys(self) -> None:
        self.keyed = True
        for (severity, name), raw in self.raw.items():
            nothing = bytes(8 * (len(raw) // algorithms.get(name).length))
            self.keys[severity, name].frombytes(nothing)
            self.rows[severity, name].frombytes(nothing)

    def finish(self, report: ListReport) -> tuple[dict[str | None, dict[str, Values]], Keys]:
        """Return severity -> algorithm -> values, and all keys that were named; tell the report what was left out."""
        touched, latest = self._latest()
        parts: dict[str | None, dict[str, Values]] = {}
        for severity, name in sorted(self.raw, key=lambda bucket: (bucket[0] or "", bucket[1])):
            every = np.frombuffer(self.raw.pop((severity, name)), np.uint8).reshape(-1, algorithms.get(name).length)
            keys = np.frombuffer(self.keys.pop((severity, name)), np.uint64)
            rows = np.frombuffer(self.rows.pop((severity, name)), np.uint64)
            if self.keyed:
                last = (keys == 0) | (rows == _value_of(keys, touched, latest))
                report.superseded[name] += int(np.count_nonzero(~last))
                every, keys = every[last], keys[last]
            if len(every):
                parts.setdefault(severity, {})[name] = held = self._values(name, every, keys)
                report.accepted[name] += len(held.values)
                report.severities.setdefault(severity or NO_SEVERITY, Counter())[name] = len(held.values)
                report.duplicates[name] += len(every) - len(held.values)
        report.superseded = +report.superseded
        report.duplicates = +report.duplicates
        return parts, touched

    def _values(self, name: str, every: npt.NDArray[np.uint8], keys: Keys) -> Values:
        if not self.keyed:
            held = self.sealer.seal(name, different(every))
            # What a key makes of sorted values is in no order.
            return Values(held if self.sealer.is_plain(name) else different(held))
        held, rows = different_rows(self.sealer.seal(name, every))
        return Values(held, distinct_pairs(keys, rows))

    def _latest(self) -> tuple[Keys, Keys]:
        """Return each key once, sorted, and the last row that it stands in."""
        keys = np.concatenate([np.frombuffer(each, np.uint64) for each in (self.removed_keys, *self.keys.values())])
        rows = np.concatenate([np.frombuffer(each, np.uint64) for each in (self.removed_rows, *self.rows.values())])
        named = keys != 0
        keys, rows = keys[named], rows[named]
        order = np.lexsort((rows, keys))
        keys, rows = keys[order], rows[order]
        last = np.ones(len(keys), bool)
        last[:-1] = keys[1:] != keys[:-1]
        return keys[last], rows[last]


def _value_of(keys: Keys, known: Keys, values: Keys) -> Keys:
    """Return for each key the value that stands where it does among the known ones; anything for the key 0."""
    if not len(known):
        return keys
    at = np.searchsorted(known, keys)
    at[at == len(known)] = 0
    return values[at]
