"""Charts as plain data: where each line runs and each label stands. The page's template draws them as SVG.

A plot is stretched to the width that there is while its labels keep their size, so it can be read on a phone: x is in
thousandths of the width, y in pixels from the top.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.timeline import Points, Timeline

HEIGHT = 200
WIDTH = 1000
_ROWS = 25
_RIGHT = 960
_MOST_LABELS = 5
_APART = 290


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
        Of a :func:`histogram`.
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
    marks
        Places of vertical lines; None: where the crawl was resumed.
    write, ticks
        Write a value; return round values.
    """

    key: str
    title: str
    unit: str
    series: Sequence[Line]
    timeline: Timeline
    write: Callable[[float], str] = figures.short
    ticks: Callable[[float], list[float]] = figures.ticks
    stacked: bool = False
    logarithmic: bool = False
    marks: Sequence[float] | None = None
    note: str = ""

    def chart(self) -> Chart | None:
        """Return the chart; None where there is nothing to draw."""
        series = [line for line in self.series if line.points]
        if not series or not self.timeline.seconds:
            return None
        stacks = [_stretch(each) for each in (_stack(series) if self.stacked else [s.points for s in series])]
        values = [value for points in stacks for _, value in points if value > 0]
        levels = self._levels(values)
        y = self._scale(levels)
        paths = [self._path(points, y) for points in stacks]
        areas = self._areas(stacks, y) if self.stacked else []
        return Chart(
            key=self.key,
            title=self.title,
            description=self._describe(series),
            unit=self.unit,
            x_ticks=_label_times(self.timeline.seconds),
            y_ticks=tuple((y(level), self.write(level)) for level in levels),
            table=self._table(series),
            legend=tuple((line.name, line.look) for line in series) if len(self.series) > 1 else (),
            areas=tuple((line.look, path) for line, path in zip(series, areas, strict=False)),
            lines=tuple(
                (line.look, path) for line, path in zip(series, paths, strict=True) if path and not self.stacked
            ),
            marks=tuple(round(self._x(at), 1) for at in (self.timeline.resumed if self.marks is None else self.marks)),
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
        return WIDTH * at / self.timeline.seconds

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

    def _describe(self, series: Sequence[Line]) -> str:
        parts = []
        for line in series:
            values = [value for _, value in line.points]
            parts.append(f"{line.name}: at most {self.write(max(values))}, at the end {self.write(values[-1])}")
        return f"{self.title}, {self.unit}, over {figures.span(self.timeline.seconds)}. {'; '.join(parts)}."

    def _table(self, series: Sequence[Line]) -> Table:
        times = sorted({at for line in series for at, _ in line.points})
        step = max(1, math.ceil(len(times) / _ROWS))
        shown = times[::-1][::step][::-1]
        by_time = [dict(line.points) for line in series]
        rows = [
            (figures.span(at), *(self.write(values[at]) if at in values else figures.NOTHING for values in by_time))
            for at in shown
        ]
        return Table(("Time", *(line.name for line in series)), tuple(rows))


def _label_times(seconds: float) -> tuple[tuple[float, str, Literal["middle", "end"]], ...]:
    labels = [(round(WIDTH * at / seconds, 1), text) for at, text in figures.time_ticks(seconds)]
    return tuple((x, text, _anchor(x)) for x, text in labels)


def _anchor(x: float) -> Literal["middle", "end"]:
    """Keep a label at the right end inside of the card; at the left there is room."""
    return "end" if x > _RIGHT else "middle"


def _stretch(points: Points) -> Points:
    """Return what can be drawn: the one value of a crawl that ended before its second sample holds from the start."""
    return [(0.0, points[0][1]), *points] if len(points) == 1 else points


def _stack(series: Sequence[Line]) -> list[Points]:
    """Return each series with the ones before it added; all have the same times."""
    stacks: list[Points] = []
    for line in series:
        below = dict(stacks[-1]) if stacks else {}
        stacks.append([(at, value + below.get(at, 0.0)) for at, value in line.points])
    return stacks


def histogram(
    key: str,
    title: str,
    unit: str,
    buckets: tuple[Sequence[float], Sequence[int]],
    write: Callable[[float], str] = figures.short,
    *,
    note: str = "",
) -> Chart | None:
    """Return a histogram with columns of equal width, whatever they span; None where nothing was counted.

    Parameters
    ----------
    key, title, unit, note
        See :class:`Chart`.
    buckets
        Upper bounds, and counts: one more, for what is above all bounds. Empty buckets at both ends are left out.
    write
        Writes a bound.
    """
    bounds, counts = buckets
    whole = sum(counts)
    if not whole:
        return None
    first = next(index for index, number in enumerate(counts) if number)
    last = len(counts) - next(index for index, number in enumerate(reversed(counts)) if number)
    levels = figures.ticks(max(counts))
    width = WIDTH / (last - first)
    names = [_range(bounds, index, write) for index in range(len(counts))]
    columns = [
        Column(
            round((index - first) * width, 2),
            round(width, 2),
            _top(counts[index], levels[-1]),
            f"{names[index]}: {figures.count(counts[index])}",
        )
        for index in range(first, last)
    ]
    edges = [
        (round((index - first) * width, 1), write(bounds[index - 1]))
        for index in range(max(1, first), min(last, len(bounds)) + 1)
    ]
    step = max(1, math.ceil(len(edges) / _MOST_LABELS))
    largest = max(range(len(counts)), key=counts.__getitem__)
    return Chart(
        key=key,
        title=title,
        description=f"{title}: {figures.count(whole)} in all; {figures.count(counts[largest])} of {names[largest]}.",
        unit=unit,
        x_ticks=_labels(edges[::step]),
        y_ticks=tuple((round(HEIGHT * (1 - level / levels[-1]), 1), figures.short(level)) for level in levels),
        table=Table(
            (title, "Number", "Share"),
            tuple(
                (names[index], figures.count(counts[index]), figures.percent(counts[index], whole))
                for index in range(first, last)
            ),
        ),
        columns=tuple(columns),
        note=note,
    )


def _labels(edges: Sequence[tuple[float, str]]) -> tuple[tuple[float, str, Literal["middle", "end"]], ...]:
    """Return the labels; without one that stands at the right end too near to the one before."""
    labels = [(x, label, _anchor(x)) for x, label in edges]
    if len(labels) > 1 and labels[-1][2] == "end" and labels[-1][0] - labels[-2][0] < _APART:
        labels.pop()
    return tuple(labels)


def _top(number: int, highest: float) -> float:
    """Return where a column ends; one that counts anything can be seen."""
    return min(round(HEIGHT * (1 - number / highest), 1), HEIGHT - 1.5 if number else HEIGHT)


def _range(bounds: Sequence[float], index: int, write: Callable[[float], str]) -> str:
    if index == len(bounds):
        return f"over {write(bounds[-1])}"
    if not index:
        return f"up to {write(bounds[0])}" if bounds[0] else write(0)
    return f"{write(bounds[index - 1])} to {write(bounds[index])}"
