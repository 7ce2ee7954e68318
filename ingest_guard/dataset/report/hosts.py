"""The table of hosts, joined over all runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.bars import BarTable, Row, bar
from ingest_guard.dataset.report.telemetry import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest_guard.dataset.report.telemetry import Run

_SHOWN = 15
_MOST = 500
_LONGEST = 80
_ROW = 4
_OTHERS = "All other hosts"
_HIDDEN = (
    "What was dropped is not told for each host: so many drops were matches that it could be guessed which host had "
    "one, or the crawl did not come to its end."
)


class _Count:
    def __init__(self) -> None:
        self.passed = self.size = self.dropped = 0

    def add(self, values: Sequence[Any]) -> None:
        self.passed += number(values[0])
        self.size += number(values[1])
        self.dropped += number(values[2])


def host_table(runs: Sequence[Run]) -> BarTable | None:
    """Return the table; None where no host was noted.

    What was dropped has a column only where every run tells it: a sum over some of them would say nothing.
    """
    tables = [run.hosts for run in runs if run.hosts]
    hosts: dict[str, _Count] = {}
    others, tells = _Count(), bool(tables)
    for table in tables:
        rows = table.get("hosts")
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, list) and len(row) == _ROW and isinstance(row[0], str):
                hosts.setdefault(row[0], _Count()).add(row[1:])
                tells = tells and row[3] is not None
        rest = table.get("others")
        if isinstance(rest, list) and len(rest) == _ROW - 1:
            others.add(rest)
            tells = tells and rest[2] is not None
    if not hosts:
        return None
    ordered = sorted(hosts.items(), key=lambda pair: (-pair[1].passed - pair[1].dropped, pair[0]))
    largest = ordered[0][1].passed + ordered[0][1].dropped or 1
    shown = [_row(name, count, largest, tells=tells) for name, count in ordered[:_MOST]]
    for _, count in ordered[_MOST:]:
        others.add((count.passed, count.size, count.dropped))
    if others.passed or others.dropped:
        shown.append(_row(_OTHERS, others, 0, tells=tells))
    distinct = max(len(hosts), *(number(table.get("distinct")) for table in tables))
    note = f"About {figures.short(distinct)} hosts in all." if distinct > len(ordered) else f"{len(ordered)} in all."
    return BarTable(
        "host-table",
        "The largest",
        ("Host", "Passed", "Size", *(("Dropped",) if tells else ())),
        tuple(shown[:_SHOWN]),
        tuple(shown[_SHOWN:]),
        note=note if tells else f"{note} {_HIDDEN}",
        legend=(("Passed", "passed"), ("Dropped", "dropped")) if tells else (),
    )


def _row(name: str, count: _Count, largest: int, *, tells: bool) -> Row:
    parts = [("passed", count.passed), ("dropped", count.dropped)] if largest else []
    cells = (figures.count(count.passed), figures.size(count.size), *((figures.count(count.dropped),) if tells else ()))
    shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return Row(shown or "(none)", bar(parts, max(largest, 1)), cells)
