"""Tables with a bar in each row: hosts, formats, outcomes, reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_guard.dataset.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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


def counted(
    key: str, title: str, head: tuple[str, str], numbers: Mapping[str, int], look: str, *, note: str = ""
) -> BarTable | None:
    """Return a table of names and numbers, the largest first; None where there is nothing to tell."""
    whole = sum(numbers.values())
    if not whole:
        return None
    largest = max(numbers.values())
    rows = [
        Row(name, bar([(look, number)], largest), (figures.count(number), figures.percent(number, whole)))
        for name, number in sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
        if number
    ]
    return BarTable(key, title, (*head, "Share"), tuple(rows), note=note)


def bar(parts: Sequence[tuple[str, float]], largest: float) -> tuple[tuple[str, float], ...]:
    """Return the parts of a bar; one that counts anything is wide enough to be seen."""
    return tuple((look, max(4.0, round(1000 * value / largest, 1))) for look, value in parts if value)
