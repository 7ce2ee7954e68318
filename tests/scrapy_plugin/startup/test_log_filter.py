from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request, Spider
from scrapy.exceptions import DropItem
from scrapy.http import Response
from scrapy.logformatter import LogFormatter

from ingest_guard.scrapy_plugin.core import redaction
from ingest_guard.scrapy_plugin.startup.log_filter import (
    EarlyFilter,
    GuardedLogFormatter,
    InstalledFilter,
    LogFilter,
    is_printed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scrapy.crawler import Crawler

HIDDEN = "http://host.example/secret.jpg"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """Leave no address behind."""
    yield
    redaction.forget()


def _record(text: str, *args: Any, name: str = "scrapy.pipelines.files", **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.INFO, __file__, 1, text, args, None)
    record.__dict__.update(extra)
    return record


def test_addresses_of_matches_leave_the_log() -> None:
    """The address of a match, and those that led there, are taken out of text, arguments and extras."""
    redaction.note(Request(HIDDEN, meta={"redirect_urls": ["http://host.example/first", 3]}))
    filter_ = LogFilter(strict=False)
    record = _record(
        "no %s, no %s (%s).",
        Request(HIDDEN),
        "<http://host.example/first>",
        "http://host.example/other",
        request=Request(HIDDEN),
    )
    assert filter_.filter(record)
    assert record.getMessage() == (
        "no <GET (withheld by ingest_guard)>, no <(withheld by ingest_guard)> (http://host.example/other)."
    )
    assert (record.args, record.request) == ((), None)  # type: ignore[attr-defined]
    assert filter_.filter(record)
    redaction.forget()
    assert not redaction.is_withheld(HIDDEN)


@pytest.mark.parametrize(
    "text",
    ["data:image/png;base64,AAAA+/==", "DATA:,x", "dAta:image/png;base64,AAAA", "data:text/html;charset=utf-8,%20"],
)
def test_data_urls_leave_the_log(text: str) -> None:
    """Always, and whatever is in them."""
    assert redaction.redact(f"<GET {text}> ") == "<GET data:(withheld by ingest_guard)> "
    assert redaction.redact("some data: and more, at http://host.example/") == (
        "some data: and more, at http://host.example/"
    )


def test_the_strict_level_takes_out_what_comes_early() -> None:
    """All addresses in Scrapy's lines, save those of what has passed; nothing of other loggers."""
    filter_ = LogFilter(strict=True)
    for name, gone in (
        ("scrapy.downloadermiddlewares.redirect", True),
        ("scrapy.core.engine", False),
        ("tested", False),
        ("scrapyish", False),
    ):
        record = _record("to %s", HIDDEN, name=name)
        filter_.filter(record)
        assert (HIDDEN not in record.getMessage()) is gone


def test_a_record_that_cannot_be_formatted() -> None:
    """It is logging's own to complain of."""
    record = _record("%d", "x")
    assert LogFilter(strict=True).filter(record)
    assert record.msg == "%d"


def test_the_filter_comes_off_again() -> None:
    """Scrapy's loggers and the root's handlers have it as long as the crawl lasts."""
    logger = logging.getLogger("scrapy.core.engine")
    before = list(logger.filters)
    installed = InstalledFilter(strict=False)
    assert len(logger.filters) == len(before) + 1
    installed.remove()
    assert logger.filters == before


@pytest.mark.parametrize(("level", "is_cleaned"), [(logging.DEBUG, False), (logging.ERROR, True)])
def test_what_is_not_printed_is_not_formatted(level: int, *, is_cleaned: bool) -> None:
    """A logger's filter leaves a record alone that no handler takes, and cleans one that is printed."""
    logger = logging.getLogger("ingest_guard_test.quiet")
    logger.propagate = False
    handler = logging.NullHandler(logging.INFO)
    logger.addHandler(handler)
    record = logging.LogRecord(logger.name, level, "", 0, "got %s", ("data:image/png;base64,AAAA",), None)
    try:
        assert EarlyFilter(strict=False).filter(record)
    finally:
        logger.removeHandler(handler)
    assert ("AAAA" not in record.getMessage()) == is_cleaned


def test_a_program_without_handlers_prints_by_pythons_last_resort() -> None:
    """Where no handler is set up, each record counts as printed."""
    logger = logging.getLogger("ingest_guard_test.bare")
    logger.propagate = False
    assert is_printed(logger.name, logging.DEBUG)


class Talkative(LogFormatter):
    """A formatter of a project's own."""

    mood = "talkative"

    def dropped(self, item: Any, exception: BaseException, response: Any, spider: Spider) -> Any:
        """Say nothing of items without a name."""
        return None if "name" not in item else super().dropped(item, exception, response, spider)


@pytest.fixture
def formatter(make_crawler: Callable[..., Crawler]) -> GuardedLogFormatter:
    """Return the formatter that a crawl of a project with its own would have."""
    crawler = make_crawler(LOG_FORMATTER=Talkative)
    assert isinstance(crawler.logformatter, GuardedLogFormatter)
    return crawler.logformatter


def _text(result: Any) -> str:
    return str(result["msg"] % result["args"] if result["args"] else result["msg"])


def test_items_that_name_a_match_are_not_printed(formatter: GuardedLogFormatter) -> None:
    """Whoever dropped them, or failed on them."""
    redaction.note(Request(HIDDEN))
    spider = SimpleNamespace(crawler=SimpleNamespace(settings={"DEFAULT_DROPITEM_LOG_LEVEL": "WARNING"}))
    item = {"name": "x", "image_url": HIDDEN}
    for result in (
        formatter.dropped(item, DropItem(f"no {HIDDEN}"), None, spider),  # type: ignore[arg-type]
        formatter.item_error(item, ValueError(), None, spider),  # type: ignore[arg-type]
    ):
        assert "secret" not in repr(result)
        assert "(an item withheld by ingest_guard)" in _text(result)
    harmless = {"name": "x", "image_url": "http://host.example/other"}
    assert "other" in _text(formatter.dropped(harmless, DropItem("why"), None, spider))  # type: ignore[arg-type]
    assert formatter.dropped({}, DropItem("why"), None, spider) is None  # type: ignore[arg-type]
    assert _text(formatter.dropped({}, DropItem(""), None, spider)) == "Dropped an item: ingest_guard"  # type: ignore[arg-type]
    assert formatter.mood == "talkative"


def test_errors_that_name_a_match(formatter: GuardedLogFormatter) -> None:
    """Callbacks, errbacks and downloads that fail, and what passes, are told without it."""
    redaction.note(Request(HIDDEN))
    request, spider = Request(HIDDEN), Spider("x")
    told = [
        formatter.spider_error(None, request, None, spider),  # type: ignore[arg-type]
        formatter.download_error(None, request, spider, "why"),  # type: ignore[arg-type]
        formatter.scraped({"a": "data:image/png;base64,AAAA"}, Response("http://host.example/"), spider),
        formatter.scraped(3, Response("http://host.example/"), spider),
    ]
    assert not any("secret" in repr(each) or "AAAA" in repr(each) for each in told)
    crawled = formatter.crawled(Request("http://host.example/"), Response("http://host.example/"), spider)
    assert "Crawled (200)" in _text(crawled)
