"""One list file -> its different values, as sorted arrays, and the report of what was left out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.build.degenerate import is_degenerate
from ingest_guard.blocklist.build.gather import Gathered, Values
from ingest_guard.blocklist.build.report import ListReport, Rows, spoken_rows
from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists import Entry, Rejected, Removed, Unsupported, reader
from ingest_guard.urls.normalise import domain_key, url_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest_guard.blocklist.index.sorted_rows import Keys
    from ingest_guard.blocklist.parts.seal import Sealer

MAX_REJECTED_SHARE = 0.01
"""Share of a list's rows that may be rejected without consent."""

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
class Collected:
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
    parts: Mapping[str | None, Mapping[str, Values]]
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
) -> Collected:
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
    gathered = Gathered(sealer)
    row = 0
    for found in reader(source.format)(Path(source.path)):
        # The values of one record share its row.
        report.rows += found.row != row
        row = found.row
        if isinstance(found, Entry):
            _add(found, gathered, report)
        elif isinstance(found, Removed):
            gathered.remove(found)
            report.removed += 1
        elif isinstance(found, Unsupported):
            report.unsupported[found.what] += 1
        else:
            _reject(found, report)
    if not accept:
        _check(report, gathered.count, max_rejected, allow_empty=allow_empty)
    parts, touched = gathered.finish(report)
    if not parts and not allow_empty:
        raise BlocklistError(
            f"list {source.list_id}: {source.path} gave no entry, so the list would block nothing; check that it is "
            "the right file, or allow empty lists"
        )
    return Collected(source, parts or {None: {}}, touched, report)


def _add(entry: Entry, gathered: Gathered, report: ListReport) -> None:
    value = entry.value
    if isinstance(value, str):
        try:
            value = bytes.fromhex(_KEY_OF[entry.algorithm](value))
        except ValueError:
            _reject(Rejected(entry.row, f"bad_{entry.algorithm}"), report)
            return
    elif is_degenerate(entry.algorithm, value):
        report.degenerate.setdefault(entry.algorithm, Rows()).add(entry.row)
        return
    gathered.add(entry, value)


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
        parts = [f"{reason} {spoken_rows(rows)}" for reason, rows in sorted(report.rejected.items())]
        parts += [f"degenerate {name} {spoken_rows(rows)}" for name, rows in sorted(report.degenerate.items())]
        what = "rows" if total == report.rows else "values"
        raise ListFormatError(
            f"{where}: {unusable} of {total} {what} cannot be used: {'; '.join(parts)}. Correct them or the "
            "format's name; or, if they are to be left out, build with --accept"
        )
