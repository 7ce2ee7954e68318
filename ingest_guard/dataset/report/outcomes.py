"""What became of the images: the outcomes over time, and what was left out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.bars import BarTable, Row, bar, counted
from ingest_guard.dataset.report.charts import Line, TimeChart
from ingest_guard.dataset.report.section import BROAD, POINTS, Section, all_charts, all_tables

if TYPE_CHECKING:
    from ingest_guard.dataset.report.timeline import Timeline

PASSED, MATCHED, HELD, DOUBTFUL = "no_known_match", "matched", "held", "not_scannable"
DROPPED = "dropped by the guard"
_MOST_PARTS = 100


def outcomes(line: Timeline) -> Section:
    """Return the section on outcomes."""
    # Matches are not told apart over time: with the times of the records, that could lead to the host of one.
    names = [("No known match", "passed", [PASSED]), ("Dropped", "doubt", [DOUBTFUL, MATCHED, HELD])]
    rates = [Line(name, look, line.rate(keys, BROAD)) for name, look, keys in names]
    dropped = [Line(name, look, line.sums(keys, POINTS)) for name, look, keys in names[1:]]
    return Section(
        "outcomes",
        "Outcomes",
        "Every image that came in was checked before anything could store it. What matched a list, and what could not "
        "be scanned, was dropped.",
        charts=all_charts(
            TimeChart(
                "rate",
                "Images checked",
                "images a second",
                rates,
                stacked=True,
                seconds=line.seconds,
                marks=line.resumed,
            ),
            TimeChart("dropped", "Dropped so far", "images", dropped, seconds=line.seconds, marks=line.resumed),
        ),
        bars=all_tables(_outcome_table(line.totals)),
    )


def _outcome_table(totals: Counter[str]) -> BarTable | None:
    checked = totals[PASSED] + totals[DOUBTFUL] + totals[MATCHED] + totals[HELD]
    if not checked:
        return None
    rows = []
    for name, look, key in (
        ("No known match", "passed", PASSED),
        ("Known match", "match", MATCHED),
        ("Held", "held", HELD),
        ("Not scannable", "doubt", DOUBTFUL),
    ):
        if not totals[key] and key == HELD:
            continue
        rows.append(_row(name, look, totals[key], checked))
        rows += [
            _row(part, look, number, checked, inner=True)
            for part, number in sorted(_group(totals, f"{key}/").items(), key=lambda pair: (-pair[1], pair[0]))[
                :_MOST_PARTS
            ]
        ]
    note = (
        "Under a known match stand the lists that knew it; an image that several lists know counts for each of them."
        if totals[MATCHED]
        else ""
    )
    return BarTable("outcome-table", "All outcomes", ("Outcome", "Images", "Share"), tuple(rows), note=note)


def _row(name: str, look: str, number: int, whole: int, *, inner: bool = False) -> Row:
    cells = (figures.count(number), figures.percent(number, whole))
    return Row(name, bar([(look, number)], whole), cells, inner=inner)


def left_out(line: Timeline) -> Section:
    """Return the section on what was not taken."""
    totals = line.totals
    return Section(
        "wishes",
        "Left out",
        "What was not taken though it may have passed: its host asks for that, the policy's filters left it out, "
        "or something was in the way.",
        bars=all_tables(
            counted("optouts", "Opt-outs honoured", ("Wish", "Number"), _group(totals, "opted_out/"), "other"),
            counted("filtered", "Filtered by the policy", ("Filter", "Number"), _group(totals, "filtered/"), "other"),
            counted(
                "left",
                "Images of items that made no record",
                ("Why", "Images"),
                _group(totals, "images_dropped/", {"match": DROPPED, "held": DROPPED, "not_scannable": DROPPED}),
                "other",
            ),
        ),
    )


def _group(totals: Counter[str], prefix: str, names: dict[str, str] | None = None) -> dict[str, int]:
    """Return the parts of a statistic by the ends of their names; some of them together under another name."""
    parts = Counter[str]()
    for name, number in totals.items():
        if name.startswith(prefix) and number:
            end = name.removeprefix(prefix)
            parts[(names or {}).get(end, end.replace("_", " ") if names is not None else end)] += number
    return parts
