"""One list file -> its different values, as sorted arrays, and the report of what was left out.

Where the source names its records, the last row of each record counts.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.build.placeholders import is_placeholder
from ingest_guard.blocklist.build.report import NO_SEVERITY, ListReport, Rows, format_rows
from ingest_guard.blocklist.index.sorted_rows import Keys, ListValues, different, different_rows, distinct_pairs
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing import algorithms
from ingest_guard.lists import Entry, Rejected, Removed, Unsupported, reader
from ingest_guard.urls.normalise import domain_key, url_key

MAX_REJECTED_SHARE = 0.01
"""Share of a list's rows that may be rejected without consent."""

_Bucket: TypeAlias = "tuple[str | None, str]"

_KEY_OF = {"url": url_key, "domain": domain_key}


@dataclass(frozen=True, slots=True)
class ListSource:
    """A list file to build from.

    Attributes
    ----------
    list_id
        What the operator calls the list.
    format
        A name from :func:`ingest_guard.lists.names`.
    path
        The file.
    owner
        Whose list it is.
    """

    list_id: str
    format: str
    path: Path
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class CollectedList:
    """A list's values.

    Attributes
    ----------
    source
        Where they are from.
    parts
        Severity -> algorithm -> values; at least one severity.
    touched
        uint64[k], sorted: digests of the keys that the source names, of withdrawn records too.
    report
        Of the reading.
    """

    source: ListSource
    parts: Mapping[str | None, Mapping[str, ListValues]]
    touched: Keys
    report: ListReport


def version_of(values: Mapping[str, npt.NDArray[np.uint8]]) -> str:
    """Return a digest of all values of a part, whatever format and order they came in."""
    digest = hashlib.sha256()
    for name, each in sorted(values.items()):
        digest.update(f"{name} {len(each)}\n".encode())
        digest.update(np.ascontiguousarray(each).data)
    return digest.hexdigest()


def collect(
    source: ListSource,
    sealer: Sealer,
    *,
    accept: bool,
    allow_empty: bool,
    max_rejected: float = MAX_REJECTED_SHARE,
) -> CollectedList:
    """Read a list file.

    Memory: the bytes of the accepted values, some times over while they are sorted, and where the source gives keys
    sixteen bytes a value.

    Raises
    ------
    ListFormatError
        Unknown format, unreadable file, too many rejected rows or no accepted one without `accept`.
    BlocklistError
        No entry at all, and `allow_empty` is False.
    """
    report = ListReport(source.list_id, source.format, str(source.path))
    buckets = _Buckets(sealer)
    row = 0
    for found in reader(source.format)(Path(source.path)):
        # The values of one record share its row.
        report.rows += found.row != row
        row = found.row
        if isinstance(found, Entry):
            _add(found, buckets, report)
        elif isinstance(found, Removed):
            buckets.remove(found)
            report.removed += 1
        elif isinstance(found, Unsupported):
            report.unsupported[found.what] += 1
        else:
            _reject(found, report)
    if not accept:
        _check(report, buckets.count, max_rejected, allow_empty=allow_empty)
    parts, touched = buckets.finish(report)
    if not parts and not allow_empty:
        raise BlocklistError(
            f"list {source.list_id}: {source.path} gave no entry, so the list would block nothing; check that it is "
            "the right file, or allow empty lists"
        )
    return CollectedList(source, parts or {None: {}}, touched, report)


def _add(entry: Entry, buckets: _Buckets, report: ListReport) -> None:
    value = entry.value
    if isinstance(value, str):
        try:
            value = bytes.fromhex(_KEY_OF[entry.algorithm](value))
        except ValueError:
            _reject(Rejected(entry.row, f"bad_{entry.algorithm}"), report)
            return
    elif is_placeholder(entry.algorithm, value):
        report.degenerate.setdefault(entry.algorithm, Rows()).add(entry.row)
        return
    buckets.add(entry, value)


def _reject(found: Rejected, report: ListReport) -> None:
    report.rejected.setdefault(found.reason, Rows()).add(found.row)


def _check(report: ListReport, usable: int, max_rejected: float, *, allow_empty: bool) -> None:
    rejected = report.rejected_rows
    unusable = rejected + sum(rows.count for rows in report.degenerate.values())
    where = f"list {report.list_id}: {report.path} ({report.format})"
    if not report.rows and not allow_empty:
        raise ListFormatError(f"{where} has no row; check that it is the right file, or allow empty lists")
    total = usable + unusable
    if rejected > max_rejected * total or (unusable and not usable):
        parts = [f"{reason} {format_rows(rows)}" for reason, rows in sorted(report.rejected.items())]
        parts += [f"degenerate {name} {format_rows(rows)}" for name, rows in sorted(report.degenerate.items())]
        what = "rows" if total == report.rows else "values"
        raise ListFormatError(
            f"{where}: {unusable} of {total} {what} cannot be used: {'; '.join(parts)}. Correct them or the "
            "format's name; or, if they are to be left out, build with --accept"
        )


@dataclass(slots=True)
class _Buckets:
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

    def finish(self, report: ListReport) -> tuple[dict[str | None, dict[str, ListValues]], Keys]:
        """Return severity -> algorithm -> values, and all keys that were named; tell the report what was left out."""
        touched, latest = self._latest()
        parts: dict[str | None, dict[str, ListValues]] = {}
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

    def _values(self, name: str, every: npt.NDArray[np.uint8], keys: Keys) -> ListValues:
        if not self.keyed:
            held = self.sealer.seal(name, different(every))
            # What a key makes of sorted values is in no order.
            return ListValues(held if self.sealer.is_plain(name) else different(held))
        held, rows = different_rows(self.sealer.seal(name, every))
        return ListValues(held, distinct_pairs(keys, rows))

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
