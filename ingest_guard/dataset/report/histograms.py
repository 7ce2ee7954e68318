"""Histograms with columns of equal width, whatever they span."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.charts import HEIGHT, WIDTH, Chart, Column, Table, anchor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_LABELS = 5
_APART = 290


def histogram(
    key: str,
    title: str,
    unit: str,
    buckets: tuple[Sequence[float], Sequence[int]],
    tell: Callable[[float], str] = figures.short,
    *,
    note: str = "",
) -> Chart | None:
    """Return a histogram with buckets of equal width, whatever they span; None where nothing was counted.

    Parameters
    ----------
    key, title, unit, note
        See :class:`Chart`.
    buckets
        Upper bounds, and counts: one more, for what is above all bounds. Empty buckets at both ends are left out.
    tell
        How a bound is written.
    """
    bounds, counts = buckets
    whole = sum(counts)
    if not whole:
        return None
    first = next(index for index, number in enumerate(counts) if number)
    last = len(counts) - next(index for index, number in enumerate(reversed(counts)) if number)
    levels = figures.ticks(max(counts))
    width = WIDTH / (last - first)
    names = [_range(bounds, index, tell) for index in range(len(counts))]
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
        (round((index - first) * width, 1), tell(bounds[index - 1]))
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
    labels = [(x, label, anchor(x)) for x, label in edges]
    if len(labels) > 1 and labels[-1][2] == "end" and labels[-1][0] - labels[-2][0] < _APART:
        labels.pop()
    return tuple(labels)


def _top(number: int, highest: float) -> float:
    """Return where a column ends; one that counts anything can be seen."""
    return min(round(HEIGHT * (1 - number / highest), 1), HEIGHT - 1.5 if number else HEIGHT)


def _range(bounds: Sequence[float], index: int, tell: Callable[[float], str]) -> str:
    if index == len(bounds):
        return f"over {tell(bounds[-1])}"
    if not index:
        return f"up to {tell(bounds[0])}" if bounds[0] else tell(0)
    return f"{tell(bounds[index - 1])} to {tell(bounds[index])}"
