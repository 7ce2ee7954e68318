"""What became of the images: the outcomes over time, what was left out, and the table of hosts."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.charts import Line, TimeChart
from ingest_guard.dataset.report.sections import BROAD, POINTS, BarTable, Row, Section, all_charts, all_tables, bar
from ingest_guard.dataset.report.telemetry import Run, number
from ingest_guard.dataset.report.timeline import Timeline

PASSED, MATCHED, HELD, DOUBTFUL = "no_known_match", "matched", "held", "not_scannable"
DROPPED = "dropped by the guard"
_MOST_PARTS = 100
_SHOWN = 15
_MOST = 500
_LONGEST = 80
_CELLS = 4
_OTHERS = "All other hosts"
_HIDDEN = (
    "What was dropped is not told for each host: so many drops were matches that it could be guessed which host had "
    "one, or the crawl did not come to its end."
)


def outcomes(line: Timeline) -> Section:
    """Return the section on outcomes."""
    # Matches have no line of their own: with the times of the records, that could lead to the host of one.
    names = [("No known match", "passed", [PASSED]), ("Dropped", "doubt", [DOUBTFUL, MATCHED, HELD])]
    rates = [Line(name, look, line.rate(keys, BROAD)) for name, look, keys in names]
    dropped = [Line(name, look, line.sums(keys, POINTS)) for name, look, keys in names[1:]]
    return Section(
        "outcomes",
        "Outcomes",
        "Every image that came in was checked before anything could store it. What matched a list, and what could not "
        "be scanned, was dropped.",
        charts=all_charts(
            TimeChart("rate", "Images checked", "images a second", rates, line, stacked=True),
            TimeChart("dropped", "Dropped so far", "images", dropped, line),
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
            _row(part, look, count, checked, inner=True)
            for part, count in _by_size(_group(totals, f"{key}/"))[:_MOST_PARTS]
        ]
    note = (
        "Under a known match stand the lists that knew it; an image that several lists know counts for each of them."
        if totals[MATCHED]
        else ""
    )
    return BarTable("outcome-table", "All outcomes", ("Outcome", "Images", "Share"), tuple(rows), note=note)


def _row(name: str, look: str, count: int, whole: int, *, inner: bool = False) -> Row:
    cells = (figures.count(count), figures.percent(count, whole))
    return Row(name, bar([(look, count)], whole), cells, inner=inner)


def left_out(line: Timeline) -> Section:
    """Return the section on what was not taken."""
    totals = line.totals
    return Section(
        "wishes",
        "Left out",
        "What was not taken though it may have passed: its host asks for that, the policy's filters left it out, "
        "or something was in the way.",
        bars=all_tables(
            _count_table("optouts", "Opt-outs honoured", "Wish", "Number", _group(totals, "opted_out/")),
            _count_table("filtered", "Filtered by the policy", "Filter", "Number", _group(totals, "filtered/")),
            _count_table(
                "left",
                "Images of items that made no record",
                "Why",
                "Images",
                _group(totals, "images_dropped/", {"match": DROPPED, "held": DROPPED, "not_scannable": DROPPED}),
            ),
        ),
    )


def _count_table(key: str, title: str, what: str, unit: str, numbers: Counter[str]) -> BarTable | None:
    """Return a table of names and numbers, the largest first; None where there is none."""
    largest = max(numbers.values(), default=0)
    rows = [
        Row(name, bar([("other", number)], largest), (figures.count(number), figures.percent(number, numbers.total())))
        for name, number in _by_size(numbers)
    ]
    return BarTable(key, title, (what, unit, "Share"), tuple(rows)) if rows else None


def _by_size(numbers: Counter[str]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))


def _group(totals: Counter[str], prefix: str, names: dict[str, str] | None = None) -> Counter[str]:
    """Return the parts of a statistic by the ends of their names; some of them together under another name."""
    parts = Counter[str]()
    for name, count in totals.items():
        if name.startswith(prefix) and count:
            end = name.removeprefix(prefix)
            parts[(names or {}).get(end, end.replace("_", " ") if names is not None else end)] += count
    return parts


class _Count:
    """Images of a host: passed, their bytes, dropped."""

    def __init__(self) -> None:
        self.passed = self.size = self.dropped = 0

    def add(self, values: Sequence[Any]) -> None:
        self.passed += number(values[0])
        self.size += number(values[1])
        self.dropped += number(values[2])


def host_table(runs: Sequence[Run]) -> BarTable | None:
    """Return the table of hosts, joined over all runs; None where no host was noted.

    Dropped images have a column only where every run has them: a sum over some of the runs would say nothing.
    """
    tables = [run.hosts for run in runs if run.hosts]
    hosts: dict[str, _Count] = {}
    others, has_dropped = _Count(), bool(tables)
    for table in tables:
        rows = table.get("hosts")
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, list) and len(row) == _CELLS and isinstance(row[0], str):
                hosts.setdefault(row[0], _Count()).add(row[1:])
                has_dropped = has_dropped and row[3] is not None
        rest = table.get("others")
        if isinstance(rest, list) and len(rest) == _CELLS - 1:
            others.add(rest)
            has_dropped = has_dropped and rest[2] is not None
    if not hosts:
        return None
    ordered = sorted(hosts.items(), key=lambda pair: (-pair[1].passed - pair[1].dropped, pair[0]))
    largest = ordered[0][1].passed + ordered[0][1].dropped or 1
    shown = [_host_row(name, count, largest, has_dropped=has_dropped) for name, count in ordered[:_MOST]]
    for _, count in ordered[_MOST:]:
        others.add((count.passed, count.size, count.dropped))
    if others.passed or others.dropped:
        shown.append(_host_row(_OTHERS, others, 0, has_dropped=has_dropped))
    distinct = max(len(hosts), *(number(table.get("distinct")) for table in tables))
    note = f"About {figures.short(distinct)} hosts in all." if distinct > len(ordered) else f"{len(ordered)} in all."
    return BarTable(
        "host-table",
        "The largest",
        ("Host", "Passed", "Size", *(("Dropped",) if has_dropped else ())),
        tuple(shown[:_SHOWN]),
        tuple(shown[_SHOWN:]),
        note=note if has_dropped else f"{note} {_HIDDEN}",
        legend=(("Passed", "passed"), ("Dropped", "dropped")) if has_dropped else (),
    )


def _host_row(name: str, count: _Count, largest: int, *, has_dropped: bool) -> Row:
    parts = [("passed", count.passed), ("dropped", count.dropped)] if largest else []
    cells = (
        figures.count(count.passed),
        figures.size(count.size),
        *((figures.count(count.dropped),) if has_dropped else ()),
    )
    shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return Row(shown or "(none)", bar(parts, max(largest, 1)), cells)
