from __future__ import annotations

import io

from rich.console import Console

from demo.report import Report

_STATS = {
    "gallery/pages": 7,
    "ingest_guard/checked": 12,
    "ingest_guard/matched": 2,
    "ingest_guard/matched/hotline-[x]": 2,
    "ingest_guard/matched_by/pdq": 2,
    "ingest_guard/not_scannable": 1,
    "ingest_guard/not_scannable/truncated": 1,
    "ingest_guard/records": 9,
}


def _report(*, terminal: bool = False) -> tuple[Report, io.StringIO]:
    output = io.StringIO()
    return Report(Console(file=output, force_terminal=terminal, width=90, highlight=False)), output


def test_the_summary_shows_lists_algorithms_and_reasons() -> None:
    """The table names each list, algorithm and reason with its count."""
    report, output = _report()
    report.summary(_STATS)
    rows = [" ".join(line.strip("│ ").split()).replace(" │ ", " ") for line in output.getvalue().splitlines()]
    for row in ("pages read 7", "by list: hotline-[x] 2", "by algorithm: pdq 2", "because: truncated 1", "matched 2"):
        assert row in rows


def test_progress_in_a_file_is_plain_lines() -> None:
    """Without a terminal, progress is whole lines without control codes, and the same figures come once."""
    report, output = _report()
    with report.crawling(20) as progress:
        progress({})
        for _ in range(3):
            progress({**_STATS, "finish_reason": "finished"})
    lines = output.getvalue().splitlines()
    assert len(lines) == 1
    assert "12 images checked,  3 dropped,   9 records (of 20 images)" in lines[0]
    assert "\x1b" not in output.getvalue()


def test_progress_on_a_terminal_moves() -> None:
    """On a terminal, a bar is drawn over itself."""
    report, output = _report(terminal=True)
    with report.crawling(12) as progress:
        progress({})
        progress(_STATS)
    assert "12 images checked" in output.getvalue()
    assert "\x1b[" in output.getvalue()


def test_a_step_shows_its_result() -> None:
    """A step's line has its words and its result, on a terminal and off it."""
    for terminal in (False, True):
        report, output = _report(terminal=terminal)
        with report.step("Building:") as result:
            result("3 pages")
        assert "Building:" in output.getvalue()
        assert "3 pages" in output.getvalue()


def test_the_first_records_are_shown() -> None:
    """The first record is shown in full and the next four in short; none at all is no error."""
    report, output = _report()
    report.records([], "http://x")
    records = [{"url": f"http://x/{n}.png", "alt": f"alt {n}", "width": n, "height": 2} for n in range(9)]
    report.records(records, "http://x")
    text = output.getvalue()
    assert '"alt": "alt 0"' in text
    assert "│ alt 4 │ /4.png │ 4 x 2 │" in text
    assert "alt 5" not in text


def test_the_verdict_names_each_deviation() -> None:
    """Each deviation is shown, and their number; without any, the demo says so."""
    report, output = _report()
    report.verdict([])
    assert "nothing else was" in output.getvalue()
    report.verdict(["/a: wrong", "/b: wrong"])
    assert "WRONG /b: wrong" in output.getvalue()
    assert "2 deviations" in output.getvalue()
