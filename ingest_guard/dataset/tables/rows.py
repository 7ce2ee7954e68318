"""Rows of JSON -> fingerprints: as :mod:`ingest_guard.dataset.tables.arrow_reader`, without pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ingest_guard.dataset.tables.fingerprints import EXACT_SIZES, Fingerprints, QualityRule, Values, view_cap
from ingest_guard.dataset.tables.hexadecimal import decode_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ingest_guard.dataset.tables.columns import Columns

Row = dict[str, Any]


class RowsReader:
    """Read the fingerprints of rows.

    Parameters
    ----------
    columns
        Where they are.
    near_sizes
        Near algorithm -> bytes of a value.
    rule
        For PDQ values of low quality.
    """

    def __init__(self, columns: Columns, near_sizes: Mapping[str, int], rule: QualityRule) -> None:
        self._columns = columns
        self._near_sizes = near_sizes
        self._rule = rule

    def read(self, rows: Sequence[Row]) -> Fingerprints:
        """Return what some rows have to compare; a line that was no object is an empty one here."""
        prints = Fingerprints(len(rows))
        quality = self._columns.roles.get("pdq_quality")
        for name, column in self._columns.prints.items():
            texts = [row.get(column) for row in rows]
            which, values = decode_texts(texts, EXACT_SIZES.get(name) or self._near_sizes[name])
            prints.unread[name] = sum(map(bool, texts)) - len(np.unique(which))
            if name in EXACT_SIZES:
                prints.exact[name] = Values(which, values)
                continue
            caps = None
            if name == "pdq":
                known = np.array([_number(row.get(quality)) if quality else np.nan for row in rows], np.float64)
                caps = self._rule.caps(known[which])
            prints.near.setdefault(name, []).append(Values(which, values, caps))
        self._read_all(rows, prints)
        prints.urls = [[_text(row.get(column)) for row in rows] for column in self._columns.addresses]
        return prints

    def _read_all(self, rows: Sequence[Row], prints: Fingerprints) -> None:
        """Add the values of all frames and views."""
        entries: dict[str, list[tuple[int, Any, int]]] = {}
        for number, entry in _entries(rows, self._columns.roles.get("hashes")):
            name = str(entry.get("algorithm"))
            if name in self._near_sizes:
                cap = view_cap(str(entry.get("view")))
                if name == "pdq":
                    cap = min(cap, int(self._rule.caps(np.array([_number(entry.get("quality"))]))[0]))
                entries.setdefault(name, []).append((number, entry.get("value"), cap))
        for name, found in entries.items():
            which, values = decode_texts([value for _, value, _ in found], self._near_sizes[name])
            owners, caps = (np.array([each[at] for each in found], np.int64)[which] for at in (0, 2))
            prints.near.setdefault(name, []).append(Values(owners, values, caps))
            prints.all_views.append(np.unique(owners))


def _entries(rows: Sequence[Row], column: str | None) -> Iterator[tuple[int, Row]]:
    for number, row in enumerate(rows if column else ()):
        several = row.get(column or "")
        for entry in several if isinstance(several, list) else ():
            if isinstance(entry, dict):
                yield number, entry


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")
