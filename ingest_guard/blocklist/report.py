"""What a build did with each list: counts and row numbers, never a value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SHOWN_ROWS = 10
"""Row numbers kept for each reason."""


@dataclass(slots=True)
class Rows:
    """Some rows: how many, and the numbers of the first ones."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, row: int) -> None:
        """Count a row."""
        self.count += 1
        if len(self.first) < SHOWN_ROWS:
            self.first.append(row)


@dataclass(slots=True)
class ListReport:
    """One list.

    Attributes
    ----------
    list_id, format, path
        Which list, from where.
    rows
        Rows that hold something: blank lines and comments are not counted.
    accepted
        Algorithm -> different values that went in.
    rejected
        Reason -> rows that could not be used.
    degenerate
        Algorithm -> rows whose value says nothing about a picture.
    duplicates
        Algorithm -> rows whose value the list holds already.
    error_rates
        Exact algorithm -> chance of a false hit, from the filter's bits.
    """

    list_id: str
    format: str
    path: str
    rows: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    rejected: dict[str, Rows] = field(default_factory=dict)
    degenerate: dict[str, Rows] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)
    error_rates: dict[str, float] = field(default_factory=dict)

    @property
    def rejected_rows(self) -> int:
        """All rejected rows together."""
        return sum(rows.count for rows in self.rejected.values())

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return {
            "id": self.list_id,
            "format": self.format,
            "path": self.path,
            "rows": self.rows,
            "accepted": dict(sorted(self.accepted.items())),
            "rejected": _rows_json(self.rejected),
            "degenerate": _rows_json(self.degenerate),
            "duplicates": dict(sorted(self.duplicates.items())),
            "error_rates": dict(sorted(self.error_rates.items())),
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        held = ", ".join(f"{name} {count}" for name, count in sorted(self.accepted.items())) or "nothing"
        out = [f"{self.list_id}: {self.rows} rows of {self.path} ({self.format}); accepted: {held}"]
        out += [f"  rejected, {reason}: {spoken_rows(rows)}" for reason, rows in sorted(self.rejected.items())]
        out += [f"  refused, degenerate {name}: {spoken_rows(rows)}" for name, rows in sorted(self.degenerate.items())]
        out += [f"  duplicates, {name}: {count}" for name, count in sorted(self.duplicates.items())]
        return out


@dataclass(slots=True)
class BuildReport:
    """A whole build.

    Attributes
    ----------
    folder
        The store.
    version
        The new version.
    created
        When, as in the manifest.
    lists
        One report a list, in the order of the sources.
    removed
        Older versions that retention removed.
    """

    folder: str
    version: str
    created: str
    lists: list[ListReport]
    removed: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return {
            "folder": self.folder,
            "version": self.version,
            "created": self.created,
            "lists": [report.to_json() for report in self.lists],
            "removed": list(self.removed),
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        out = [line for report in self.lists for line in report.lines()]
        out.append(f"{self.folder}: version {self.version[:12]} of {self.created}")
        if self.removed:
            out.append(f"  removed {len(self.removed)} older version(s)")
        return out


def spoken_rows(rows: Rows) -> str:
    """Return a count and the first row numbers: ``3 (rows 4, 8, 9)``."""
    more = ", ..." if rows.count > len(rows.first) else ""
    word = "row" if rows.count == 1 else "rows"
    return f"{rows.count} ({word} {', '.join(str(row) for row in rows.first)}{more})"


def _rows_json(found: dict[str, Rows]) -> dict[str, Any]:
    return {key: {"count": rows.count, "first_rows": list(rows.first)} for key, rows in sorted(found.items())}
