"""Parts of the page: sections, and tables with a bar in each row, for hosts, formats, outcomes and reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest_guard.dataset.report.charts import Chart, Table, TimeChart

POINTS = 240
BROAD = 120
"""How many points a line of rates has: more would show nothing but noise."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its name, the parts of its bar as (class, thousandths of the width), and its cells.

    ``inner`` rows are parts of the one above.
    """

    name: str
    bar: tuple[tuple[str, float], ...]
    cells: tuple[str, ...]
    inner: bool = False


@dataclass(frozen=True, slots=True)
class BarTable:
    """What the template draws: heading, columns, rows, and what stands under it."""

    key: str
    title: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    more: tuple[Row, ...] = ()
    note: str = ""
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading of its own."""

    key: str
    title: str
    intro: str
    charts: tuple[Chart, ...] = ()
    bars: tuple[BarTable, ...] = ()
    table: Table | None = None


def bar(parts: Sequence[tuple[str, float]], largest: float) -> tuple[tuple[str, float], ...]:
    """Return the parts of a bar; one that counts anything is wide enough to be seen."""
    return tuple((look, max(4.0, round(1000 * value / largest, 1))) for look, value in parts if value)


def all_charts(*charts: TimeChart | Chart | None) -> tuple[Chart, ...]:
    """Return the charts that have something to show."""
    drawn = [each.chart() if isinstance(each, TimeChart) else each for each in charts]
    return tuple(chart for chart in drawn if chart is not None)


def all_tables(*tables: BarTable | None) -> tuple[BarTable, ...]:
    """Return the tables that have something to show."""
    return tuple(table for table in tables if table is not None)
