"""What the page shows: its sections, each made of charts and tables."""

from collections.abc import Iterable

from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.charts import Line, Table, TimeChart, histogram
from ingest_guard.dataset.report.outcomes import host_table, left_out, outcomes
from ingest_guard.dataset.report.sections import BROAD, POINTS, BarTable, Row, Section, all_charts, all_tables, bar
from ingest_guard.dataset.report.timeline import Timeline


def sections(line: Timeline) -> list[Section]:
    """Return all sections that have something to show."""
    made = [outcomes(line), _speed(line), _queues(line), _hosts(line), _shapes(line), left_out(line), _lists(line)]
    return [section for section in made if section.charts or section.bars or section.table]


def _speed(line: Timeline) -> Section:
    rates = [
        Line("Responses", "other", line.rate(["responses"], BROAD)),
        Line("Images checked", "passed", line.rate(["checked"], BROAD)),
        Line("Records", "held", line.rate(["records"], BROAD)),
    ]
    quantiles = [
        Line("99 of 100", "match", line.scan_times(0.99, BROAD)),
        Line("95 of 100", "doubt", line.scan_times(0.95, BROAD)),
        Line("Half", "passed", line.scan_times(0.5, BROAD)),
    ]
    scan = TimeChart(
        "latency",
        "Scans done within",
        "time, from asking to the answer",
        quantiles,
        line,
        write=figures.seconds,
        logarithmic=True,
        note="With the wait for a worker. The axis goes in powers of ten.",
    )
    buckets = line.histogram("scan")
    return Section(
        "speed",
        "Speed",
        "What the crawl brought in and let out, and how long an image waited for its scan.",
        charts=all_charts(
            TimeChart("throughput", "Throughput", "a second", rates, line),
            scan,
            histogram("scans", "Time of a scan", "scans", buckets, figures.seconds),
        ),
    )


def _queues(line: Timeline) -> Section:
    moments = line.thinned(POINTS)

    def gauge(name: str) -> list[tuple[float, float]]:
        return [(moment.at, float(moment.sample.queues.get(name, 0))) for moment in moments]

    at_work = [
        Line("Downloading", "other", gauge("downloading")),
        Line("Being scanned", "passed", gauge("scanning")),
        Line("Waiting for a scan", "doubt", gauge("waiting")),
    ]
    scheduled = [Line("Requests", "other", gauge("scheduled"))]
    used = [(moment.at, float(moment.sample.memory.get("crawler", 0))) for moment in moments]
    memory = [Line("Memory", "held", used)]
    return Section(
        "queues",
        "Queues and memory",
        "What was under way, and what waited. Images that wait for a scan hold up the downloader.",
        charts=all_charts(
            TimeChart("work", "Under way", "requests, images", at_work, line),
            TimeChart("scheduled", "Requests not yet begun", "requests", scheduled, line),
            TimeChart("memory", "Memory of the crawler", "bytes", memory, line, write=figures.size),
        ),
    )


def _hosts(line: Timeline) -> Section:
    return Section(
        "hosts",
        "Hosts",
        "Where the images came from. What was dropped is one number, whyever it was: this page tells nobody which host "
        "had a match.",
        bars=all_tables(host_table(line.runs)),
    )


def _shapes(line: Timeline) -> Section:
    return Section(
        "shapes",
        "Formats, sizes and texts",
        "Texts and sides are those of the records; formats and files, of all images.",
        bars=all_tables(_format_table(line)),
        charts=all_charts(
            histogram(
                "text", "Length of the text", "records", line.histogram("text"), figures.count, note="Characters."
            ),
            histogram(
                "side", "Longer side of the image", "records", line.histogram("side"), figures.count, note="Pixels."
            ),
            histogram("body", "Size of the file", "images", line.histogram("body"), figures.size),
        ),
    )


def _format_table(line: Timeline) -> BarTable | None:
    formats = line.formats()
    largest = max((passed + dropped for passed, dropped in formats.values()), default=0)
    rows = [
        Row(
            name,
            bar([("passed", passed), ("dropped", dropped)], largest),
            (figures.count(passed), figures.count(dropped), figures.percent(dropped, passed + dropped)),
        )
        for name, (passed, dropped) in sorted(formats.items(), key=lambda pair: (-sum(pair[1]), pair[0]))
    ]
    if not rows:
        return None
    return BarTable(
        "formats",
        "Formats",
        ("Format", "Passed", "Dropped", "Share dropped"),
        tuple(rows),
        note="By what the bytes are, whatever their header says. 'unknown': nothing was decoded.",
        legend=(("Passed", "passed"), ("Dropped", "dropped")),
    )


def _lists(line: Timeline) -> Section:
    ages = [(moment.at, moment.sample.list_age) for moment in line.thinned(POINTS)]
    swaps: list[float] = []
    rows: list[tuple[str, ...]] = []
    for start, run in zip(line.starts, line.runs, strict=True):
        for number, (elapsed, facts) in enumerate(run.lists):
            at = start + elapsed
            swaps += [at] if number else []
            rows += _list_rows(at, facts)
    return Section(
        "lists",
        "Lists in use",
        "Which versions the images were held against, and how old these were at the time.",
        charts=all_charts(
            TimeChart(
                "age",
                "Age of the blocklist",
                "since it was built",
                [Line("Age", "other", ages)],
                line,
                write=figures.span,
                ticks=figures.span_ticks,
                marks=swaps,
                note="A dashed line: a new version came into use." if swaps else "",
            )
        ),
        table=Table(("In use from", "List", "Version", "Entries"), tuple(rows), text=True) if rows else None,
    )


def _list_rows(at: float, facts: dict[str, object]) -> Iterable[tuple[str, ...]]:
    lists = facts.get("lists")
    for each in lists if isinstance(lists, list) else []:
        if isinstance(each, dict):
            name = str(each.get("id", ""))
            name = f"{name} ({each['severity']})" if isinstance(each.get("severity"), str) else name
            entries = each.get("entries")
            number = figures.count(entries) if type(entries) is int else figures.NOTHING
            yield figures.span(at) if at else "the start", name, str(each.get("version", ""))[:12], number
