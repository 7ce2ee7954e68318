"""What a build did with each list: counts and row numbers, never a value."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SHOWN_ROWS = 10
"""Row numbers kept for each reason."""

NO_SEVERITY = "NONE"
"""What entries without a severity are counted under."""


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


@dataclass(frozen=True, slots=True)
class Change:
    """The values of one algorithm in a list, then and now.

    Attributes
    ----------
    before, after
        How many the last version and this one hold.
    kept
        How many are in both; None where the last version cannot tell, as it holds a filter and no values.
    """

    before: int
    after: int
    kept: int | None = None

    @property
    def added(self) -> int | None:
        """How many only this version holds."""
        return None if self.kept is None else self.after - self.kept

    @property
    def removed(self) -> int | None:
        """How many only the last version held."""
        return None if self.kept is None else self.before - self.kept

    def to_json(self) -> dict[str, int | None]:
        """Return the change as JSON-ready data."""
        return {
            "before": self.before,
            "after": self.after,
            "added": self.added,
            "removed": self.removed,
            "kept": self.kept,
        }


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
    severities
        Severity (or :data:`NO_SEVERITY`) -> algorithm -> different values that went in.
    rejected
        Reason -> rows that could not be used.
    unsupported
        Kind -> well-formed values of a kind that is not compared.
    removed
        Rows by which the source withdraws a record.
    superseded
        Algorithm -> values read that no longer count: a later row replaced or withdrew their record.
    degenerate
        Algorithm -> rows whose value says nothing about a picture.
    duplicates
        Algorithm -> rows whose value the list holds already.
    changes
        Algorithm -> what changed since the last version; empty if there was none, or it had no such list.
    allowed
        Algorithm -> entries that the allow-list takes out.
    error_rates
        Exact algorithm -> chance of a false hit, from the filter's bits.
    """

    list_id: str
    format: str
    path: str
    rows: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    severities: dict[str, Counter[str]] = field(default_factory=dict)
    rejected: dict[str, Rows] = field(default_factory=dict)
    unsupported: Counter[str] = field(default_factory=Counter)
    removed: int = 0
    superseded: Counter[str] = field(default_factory=Counter)
    degenerate: dict[str, Rows] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)
    changes: dict[str, Change] = field(default_factory=dict)
    allowed: Counter[str] = field(default_factory=Counter)
    error_rates: dict[str, float] = field(default_factory=dict)

    @property
    def rejected_rows(self) -> int:
        """All rejected rows together."""
        return sum(rows.count for rows in self.rejected.values())

    @property
    def entries(self) -> int:
        """All values that went in."""
        return self.accepted.total()

    @property
    def shrinkage(self) -> float:
        """Share by which the list is smaller than in the last version; 0 where it is not."""
        before = sum(change.before for change in self.changes.values())
        after = sum(change.after for change in self.changes.values())
        return max(0.0, 1 - after / before) if before else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        return {
            "id": self.list_id,
            "format": self.format,
            "path": self.path,
            "rows": self.rows,
            "accepted": _sorted(self.accepted),
            "severities": {name: _sorted(held) for name, held in sorted(self.severities.items())},
            "rejected": _rows_json(self.rejected),
            "unsupported": _sorted(self.unsupported),
            "removed": self.removed,
            "superseded": _sorted(self.superseded),
            "degenerate": _rows_json(self.degenerate),
            "duplicates": _sorted(self.duplicates),
            "changes": {name: change.to_json() for name, change in sorted(self.changes.items())},
            "shrinkage": self.shrinkage,
            "allowed": _sorted(self.allowed),
            "error_rates": dict(sorted(self.error_rates.items())),
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        held = ", ".join(f"{name} {count}" for name, count in sorted(self.accepted.items())) or "nothing"
        out = [f"{self.list_id}: {self.rows} rows of {self.path} ({self.format}); accepted: {held}"]
        out += [f"  rejected, {reason}: {format_rows(rows)}" for reason, rows in sorted(self.rejected.items())]
        out += [f"  not compared, {kind}: {count}" for kind, count in sorted(self.unsupported.items())]
        out += [f"  withdrawn: {self.removed}"] if self.removed else []
        out += [f"  replaced or withdrawn, {name}: {count}" for name, count in sorted(self.superseded.items())]
        out += [f"  refused, degenerate {name}: {format_rows(rows)}" for name, rows in sorted(self.degenerate.items())]
        out += [f"  duplicates, {name}: {count}" for name, count in sorted(self.duplicates.items())]
        out += [f"  allowed, {name}: {count}" for name, count in sorted(self.allowed.items())]
        out += [f"  since the last version, {name}: {format_change(c)}" for name, c in sorted(self.changes.items())]
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
    parent
        The version that changes are counted from; None for the first one.
    gone
        Id of a list that the last version held and this one does not -> the entries it had.
    """

    folder: str
    version: str
    created: str
    lists: list[ListReport]
    removed: list[str] = field(default_factory=list)
    parent: str | None = None
    gone: Counter[str] = field(default_factory=Counter)

    @property
    def shares(self) -> dict[str, float]:
        """List id -> its share of all entries, 0 to 1."""
        total = sum(report.entries for report in self.lists)
        return {report.list_id: report.entries / total if total else 0.0 for report in self.lists}

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready data."""
        shares = self.shares
        return {
            "folder": self.folder,
            "version": self.version,
            "created": self.created,
            "parent": self.parent,
            "lists": [{**report.to_json(), "share": shares[report.list_id]} for report in self.lists],
            "gone": _sorted(self.gone),
            "removed": list(self.removed),
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        out = [line for report in self.lists for line in report.lines()]
        out += [f"{list_id}: gone since the last version, with {count}" for list_id, count in sorted(self.gone.items())]
        out.append(f"{self.folder}: version {self.version[:12]} of {self.created}")
        if self.removed:
            out.append(f"  removed {len(self.removed)} older version(s)")
        return out


def format_rows(rows: Rows) -> str:
    """Return a count and the first row numbers: ``3 (rows 4, 8, 9)``."""
    more = ", ..." if rows.count > len(rows.first) else ""
    word = "row" if rows.count == 1 else "rows"
    return f"{rows.count} ({word} {', '.join(str(row) for row in rows.first)}{more})"


def format_change(change: Change) -> str:
    """Return a change in a few words: ``+10 -2 =88``, or ``90 -> 98`` where it is unknown which."""
    if change.kept is None:
        return f"{change.before:,} -> {change.after:,}"
    return f"+{change.added:,} -{change.removed:,} ={change.kept:,}"


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _rows_json(found: dict[str, Rows]) -> dict[str, Any]:
    return {key: {"count": rows.count, "first_rows": list(rows.first)} for key, rows in sorted(found.items())}
