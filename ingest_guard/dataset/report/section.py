"""A part of the page: what it is made of, and how its parts are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_guard.dataset.report.charts import Chart, TimeChart

if TYPE_CHECKING:
    from ingest_guard.dataset.report.bars import BarTable
    from ingest_guard.dataset.report.charts import Table

POINTS = 240
BROAD = 120
"""Between so many points a rate is told: finer ones show nothing but noise."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading of its own."""

    key: str
    title: str
    intro: str
    charts: tuple[Chart, ...] = ()
    bars: tuple[BarTable, ...] = ()
    table: Table | None = None


def all_charts(*charts: TimeChart | Chart | None) -> tuple[Chart, ...]:
    """Return the charts that have something to show."""
    drawn = [each.chart() if isinstance(each, TimeChart) else each for each in charts]
    return tuple(chart for chart in drawn if chart is not None)


def all_tables(*tables: BarTable | None) -> tuple[BarTable, ...]:
    """Return the tables that have something to show."""
    return tuple(table for table in tables if table is not None)
