"""One list file -> its different values, as sorted arrays, and the report of what was left out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist import algorithms
from ingest_guard.blocklist.degenerate import is_degenerate
from ingest_guard.blocklist.report import ListReport, Rows, spoken_rows
from ingest_guard.blocklist.urls import url_key
from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists import Entry, Rejected, reader

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_REJECTED_SHARE = 0.01
"""Share of a list's rows that may be rejected without consent."""


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
class Collected:
    """A list's values: algorithm -> uint8[n, size], different and sorted; and the report of the reading."""

    source: ListSource
    values: Mapping[str, npt.NDArray[np.uint8]]
    report: ListReport

    @property
    def version(self) -> str:
        """Digest of all values, whatever format and order they came in."""
        digest = hashlib.sha256()
        for name, values in sorted(self.values.items()):
            digest.update(f"{name} {len(values)}\n".encode())
            digest.update(values.data)
        return digest.hexdigest()


def collect(source: ListSource, *, accept: bool, allow_empty: bool) -> Collected:
    """Read a list file.

    Memory: the bytes of the accepted values, some times over while they are sorted; nothing a row.

    Raises
    ------
    ListFormatError
        Unknown format, unreadable file, too many rejected rows or no accepted one without `accept`.
    BlocklistError
        No entry at all, and `allow_empty` is False.
    """
    report = ListReport(source.list_id, source.format, str(source.path))
    raw: dict[str, bytearray] = {}
    for found in reader(source.format)(Path(source.path)):
        report.rows += 1
        if isinstance(found, Entry):
            _add(found, raw, report)
        else:
            _reject(found, report)
    if not accept:
        _check(report, allow_empty=allow_empty)
    values: dict[str, npt.NDArray[np.uint8]] = {}
    for name in sorted(raw):
        every = np.frombuffer(raw.pop(name), np.uint8).reshape(-1, algorithms.get(name).size)
        values[name] = different(every)
        report.accepted[name] = len(values[name])
        if repeated := len(every) - len(values[name]):
            report.duplicates[name] = repeated
    if not values and not allow_empty:
        raise BlocklistError(
            f"list {source.list_id}: {source.path} gave no entry, so the list would block nothing; check that it is "
            "the right file, or allow empty lists"
        )
    return Collected(source, values, report)


def _add(entry: Entry, raw: dict[str, bytearray], report: ListReport) -> None:
    value = entry.value
    if isinstance(value, str):
        try:
            value = bytes.fromhex(url_key(value))
        except ValueError:
            _reject(Rejected(entry.row, "bad_url"), report)
            return
    elif is_degenerate(entry.algorithm, value):
        report.degenerate.setdefault(entry.algorithm, Rows()).add(entry.row)
        return
    raw.setdefault(entry.algorithm, bytearray()).extend(value)


def _reject(found: Rejected, report: ListReport) -> None:
    report.rejected.setdefault(found.reason, Rows()).add(found.row)


def _check(report: ListReport, *, allow_empty: bool) -> None:
    rejected = report.rejected_rows
    unusable = rejected + sum(rows.count for rows in report.degenerate.values())
    where = f"list {report.list_id}: {report.path} ({report.format})"
    if not report.rows and not allow_empty:
        raise ListFormatError(f"{where} has no row; check that it is the right file, or allow empty lists")
    if rejected > MAX_REJECTED_SHARE * report.rows or (report.rows and unusable == report.rows):
        parts = [f"{reason} {spoken_rows(rows)}" for reason, rows in sorted(report.rejected.items())]
        parts += [f"degenerate {name} {spoken_rows(rows)}" for name, rows in sorted(report.degenerate.items())]
        raise ListFormatError(
            f"{where}: {unusable} of {report.rows} rows cannot be used: {'; '.join(parts)}. Correct them or the "
            "format's name; or, if they are to be left out, build with --accept"
        )


def different(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the different rows of uint8[n, size], sorted as byte strings."""
    if not len(values):
        return values
    pad = -values.shape[1] % 8
    words = np.pad(values, ((0, 0), (0, pad))) if pad else values
    # The first eight bytes tell nearly all values apart, and one key sorts several times as fast as all of them.
    columns = np.ascontiguousarray(words).view(">u8").astype(np.uint64)
    order = np.argsort(columns[:, 0], kind="stable")
    first = columns[order, 0]
    if (first[1:] == first[:-1]).any():
        order = np.lexsort(columns.T[::-1])
    ordered = values[order]
    keep = np.ones(len(ordered), bool)
    keep[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return ordered[keep]
