"""Charts as plain data: where each line runs and each label stands. The page's template draws them as SVG.

A plot is stretched to the width that there is while its labels keep their size, so it can be read on a phone: x is in
thousandths of the width, y in pixels from the top.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ingest_guard.dataset.report import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest_guard.dataset.report.timeline import Points

HEIGHT = 200
WIDTH = 1000
_ROWS = 25
_RIGHT = 960


@dataclass(frozen=True, slots=True)
class Line:
    """A series to draw: its name, the class that gives it its colour, its points."""

    name: str
    look: str
    points: Points


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers behind a chart; the first column is the row's heading."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text: bool = False
    """Whether the cells are words, and begin at the left."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a histogram: left edge and width in thousandths, its top in pixels, and what it says."""

    x: float
    width: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws.

    Attributes
    ----------
    key
        Unique on the page; ids are made of it.
    title, description
        The heading, and the whole in a sentence, for those who do not see it.
    unit
        What the vertical axis counts.
    x_ticks, y_ticks
        (place, label).
    areas, lines
        (class, path).
    columns
        Of a histogram (:mod:`~ingest_guard.dataset.report.histograms`).
    marks
        Places of vertical lines.
    note
        A sentence under the chart; may be empty.
    """

    key: str
    title: str
    description: str
    unit: str
    x_ticks: tuple[tuple[float, str, Literal["middle", "end"]], ...]
    y_ticks: tuple[tuple[float, str], ...]
    table: Table
    legend: tuple[tuple[str, str], ...] = ()
    areas: tuple[tuple[str, str], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()
    columns: tuple[Column, ...] = ()
    marks: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class TimeChart:
    """A chart over the time of the crawl; ``chart`` makes it.

    Attributes
    ----------
    stacked
        Draw the series as areas, one upon the other.
    logarithmic
        Powers of ten on the vertical axis; values of 0 are left out.
    tell, ticks
        How a value is written, and which are round.
    """

    key: str
    title: str
    unit: str
    series: Sequence[Line]
    seconds: float
    tell: Callable[[float], str] = figures.short
    ticks: Callable[[float], list[float]] = figures.ticks
    stacked: bool = False
    logarithmic: bool = False
    marks: Sequence[float] = field(default=())
    note: str = ""

    def chart(self) -> Chart | None:
        """Return the chart; None where there is nothing to draw."""
        series = [line for line in self.series if line.points]
        if not series or not self.seconds:
            return None
        stacks = [_with_a_length(each) for each in (_stacked(series) if self.stacked else [s.points for s in series])]
        values = [value for points in stacks for _, value in points if value > 0]
        levels = self._levels(values)
        y = self._scale(levels)
        paths = [self._path(points, y) for points in stacks]
        areas = self._areas(stacks, y) if self.stacked else []
        return Chart(
            key=self.key,
            title=self.title,
            description=self._described(series),
            unit=self.unit,
            x_ticks=_time_labels(self.seconds),
            y_ticks=tuple((y(level), self.tell(level)) for level in levels),
            table=self._table(series),
            legend=tuple((line.name, line.look) for line in series) if len(self.series) > 1 else (),
            areas=tuple((line.look, path) for line, path in zip(series, areas, strict=False)),
            lines=tuple(
                (line.look, path) for line, path in zip(series, paths, strict=True) if path and not self.stacked
            ),
            marks=tuple(round(self._x(at), 1) for at in self.marks),
            note=self.note,
        )

    def _levels(self, values: Sequence[float]) -> list[float]:
        if self.logarithmic and values:
            return figures.log_ticks(min(values), max(values))
        return self.ticks(max(values, default=0.0))

    def _scale(self, levels: Sequence[float]) -> Callable[[float], float]:
        low, high = levels[0], levels[-1]
        if self.logarithmic and low > 0:
            ratio = math.log(high / low)
            return lambda value: round(HEIGHT * (1 - math.log(max(value, low) / low) / ratio), 1)
        return lambda value: round(HEIGHT * (1 - value / high), 1)

    def _x(self, at: float) -> float:
        return WIDTH * at / self.seconds

    def _path(self, points: Points, y: Callable[[float], float]) -> str:
        drawn = [(at, value) for at, value in points if value > 0 or not self.logarithmic]
        return "M" + "L".join(f"{self._x(at):.1f} {y(value):g}" for at, value in drawn) if drawn else ""

    def _areas(self, stacks: Sequence[Points], y: Callable[[float], float]) -> list[str]:
        areas = []
        floor: Points = [(at, 0.0) for at, _ in stacks[0]]
        for points in stacks:
            way_back = "L".join(f"{self._x(at):.1f} {y(value):g}" for at, value in reversed(floor))
            areas.append(f"{self._path(points, y)}L{way_back}Z")
            floor = points
        return areas

    def _described(self, series: Sequence[Line]) -> str:
        told = []
        for line in series:
            values = [value for _, value in line.points]
            told.append(f"{line.name}: at most {self.tell(max(values))}, at the end {self.tell(values[-1])}")
        return f"{self.title}, {self.unit}, over {figures.span(self.seconds)}. {'; '.join(told)}."

    def _table(self, series: Sequence[Line]) -> Table:
        times = sorted({at for line in series for at, _ in line.points})
        step = max(1, math.ceil(len(times) / _ROWS))
        shown = times[::-1][::step][::-1]
        by_time = [dict(line.points) for line in series]
        rows = [
            (figures.span(at), *(self.tell(values[at]) if at in values else figures.NOTHING for values in by_time))
            for at in shown
        ]
        return Table(("Time", *(line.name for line in series)), tuple(rows))


def _time_labels(seconds: float) -> tuple[tuple[float, str, Literal["middle", "end"]], ...]:
    labels = [(round(WIDTH * at / seconds, 1), text) for at, text in figures.time_ticks(seconds)]
    return tuple((x, text, anchor(x)) for x, text in labels)


def anchor(x: float) -> Literal["middle", "end"]:
    """Keep a label at the right end inside of the card; at the left there is room."""
    return "end" if x > _RIGHT else "middle"


def _with_a_length(points: Points) -> Points:
    """Return what can be drawn: the one value of a crawl that ended before its second sample holds from the start."""
    return [(0.0, points[0][1]), *points] if len(points) == 1 else points


def _stacked(series: Sequence[Line]) -> list[Points]:
    """Return each series with the ones before it added; all have the same times."""
    stacks: list[Points] = []
    for line in series:
        below = dict(stacks[-1]) if stacks else {}
        stacks.append([(at, value + below.get(at, 0.0)) for at, value in line.points])
    return stacks
