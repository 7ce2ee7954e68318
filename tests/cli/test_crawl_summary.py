from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from ingest_guard.cli.crawl import _quiet, make_plan
from ingest_guard.cli.crawl_summary import show

if TYPE_CHECKING:
    from pathlib import Path

_COUNTS = {
    "checked": 1234,
    "filtered/no_text": 7,
    "held": 2,
    "held/list-b": 2,
    "matched": 3,
    "matched/list-a[bold]": 3,
    "no_known_match": 1200,
    "not_scannable": 29,
    "not_scannable/truncated": 29,
    "images_dropped/payment_required": 12,
    "opted_out/content_usage": 30,
    "opted_out/noai": 4,
    "opted_out/robots_txt": 1,
    "records": 1100,
    "refused/url_list": 5,
    "robots_files/no_answer": 2,
    "robots_unreachable": 6,
    "shards": 1,
    "spider/pages": 88,
}
_FACTS: dict[str, Any] = {
    "attested": True,
    "counts": _COUNTS,
    "ended": "2026-12-01T12:00:00Z",
    "lists_created": "2026-11-29T09:00:00Z",
    "scrapy": {"robotstxt/forbidden": 9},
}


def _shown(facts: dict[str, Any], folder: str | None = None, width: int = 80) -> list[str]:
    stream = io.StringIO()
    show(facts, folder, Console(file=stream, width=width, highlight=False))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def _rows(lines: list[str]) -> dict[str, str]:
    return dict(line.strip().rsplit("  ", 1) for line in lines if line.startswith(" "))  # type: ignore[misc]


def test_the_table_says_what_became_of_everything() -> None:
    """Pages, images by outcome, list and reason, records, shards, and how old the lists are."""
    found = {label.strip(): value.strip() for label, value in _rows(_shown(_FACTS)).items()}
    assert found == {
        "pages": "88",
        "images": "1,234",
        "no known match": "1,200",
        "matched": "3",
        "by list: list-a[bold]": "3",
        "held": "2",
        "by list: list-b": "2",
        "not scannable": "29",
        "because: truncated": "29",
        "opted out": "35",
        "because: content_usage": "30",
        "because: noai": "4",
        "because: robots_txt": "1",
        "filtered": "7",
        "because: no_text": "7",
        "refused": "5",
        "because: url_list": "5",
        "images that their hosts want to be paid for (402)": "12",
        "requests forbidden by robots.txt": "9",
        "because it cannot be had": "6",
        "robots.txt that cannot be had": "2",
        "because: no_answer": "2",
        "records": "1,100",
        "shards": "1",
        "age of the lists": "2 d 3 h",
    }


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_the_table_fits_any_terminal(width: int) -> None:
    """No line of it is wider, and no number is lost or broken."""
    lines = [line for line in _shown(_FACTS, width=width) if line.startswith(" ")]
    assert max(map(len, lines)) <= width
    words = [word for line in lines for word in line.split()]
    assert {"88", "1,234", "1,200", "1,100"} <= set(words)


def test_what_to_type_next_can_be_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line however narrow the terminal is, quoted, and as short as it can be from here."""
    monkeypatch.chdir(tmp_path)
    lines = _shown(_FACTS, str(tmp_path / "our [b]data[/b]"), width=30)
    assert "Next: ingest-guard report 'our [b]data[/b]'" in lines
    assert _shown(_FACTS, "s3://bucket/out")[-2] == "Next: ingest-guard report s3://bucket/out"
    assert not [line for line in _shown(_FACTS, None) if line.startswith("Next")]
    assert not [line for line in _shown({**_FACTS, "attested": False}, "/x") if line.startswith("Next")]


def test_an_empty_crawl_says_why() -> None:
    """One that read no page names each reason; one that read pages and made no record says where to look."""
    nothing = {**_FACTS, "counts": {"spider/pages": 0, "spider/seeds_unusable": 2, "robots_unreachable": 9}}
    told = "\n".join(_shown(nothing, width=200))
    assert "No page could be read: lines of the seeds that are no address: 2; requests not sent" in told
    some = {**_FACTS, "counts": {"spider/pages": 3, "checked": 5}}
    assert "No record was made: the table says what became of the images." in _shown(some)


def test_a_crawl_of_another_spider_has_the_pages_that_the_guard_saw() -> None:
    """A project's own spider counts no pages; a file without the newer facts is shown all the same."""
    found = _shown({"counts": {"not_an_image": 4, "records": 1}})
    assert "pages and other texts" in found[1]
    assert not [line for line in found if "age of" in line]


@pytest.mark.parametrize(
    ("typed", "is_quiet"),
    [
        ([], True),
        (["-L", "WARNING"], True),
        (["-s", "LOG_LEVEL=ERROR"], True),
        (["-s", "X=INFO"], True),
        (["-L", "INFO"], False),
        (["-Ldebug"], False),
        (["--loglevel", "INFO"], False),
        (["--loglevel=DEBUG"], False),
        (["-s", "LOG_LEVEL=INFO"], False),
        (["-sLOG_LEVEL=INFO"], False),
        (["--set", "LOG_LEVEL=INFO"], False),
        (["--logfile", "x.log"], False),
        (["-s", "LOG_FILE=x.log"], False),
    ],
)
def test_scrapys_dump_is_for_those_who_ask(typed: list[str], *, is_quiet: bool) -> None:
    """The statistics end the log where the command line asks for INFO, or for a file of the log."""
    assert (_quiet(["spider", *typed]) == ["-s", "STATS_DUMP=False"]) is is_quiet


def test_the_level_of_the_log() -> None:
    """--log-level is Scrapy's setting, and INFO brings the dump."""
    plan = make_plan(["spider"], None, log_level="info")
    assert "LOG_LEVEL=INFO" in plan.arguments
    assert _quiet(plan.arguments) == []
