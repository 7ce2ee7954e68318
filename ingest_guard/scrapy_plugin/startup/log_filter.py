"""What keeps matches out of the log: a filter on log records, and a formatter around the project's own.

The filter takes the addresses of matches, and ``data:`` URLs, out of Scrapy's log lines. The formatter prints no item
that names a match and no ``data:`` URL. What Scrapy writes before there is a verdict (a redirect's target at DEBUG, a
URL that is too long) cannot be known to belong to a match: the strict level takes every address out of those lines.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.logformatter import LogFormatter
from scrapy.utils.misc import build_from_crawler, load_object

from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.redaction import WITHHELD, names_withheld, redact
from ingest_guard.scrapy_plugin.core.settings import LOG_FORMATTER_SETTING

if TYPE_CHECKING:
    from twisted.python.failure import Failure

# These loggers write about responses and items that have passed.
_AFTER_THE_VERDICT = ("scrapy.core.engine", "scrapy.core.scraper", "scrapy.extensions", "scrapy.crawler")
_EXTRAS = ("item", "request", "response")
_FORMATTER = logging.Formatter()
_WITHHELD_ITEM = "(an item withheld by ingest_guard)"


class LogFilter(logging.Filter):
    """Changes records in place; lets every record through.

    Parameters
    ----------
    strict
        Take all addresses out of what Scrapy writes before there is a verdict.
    """

    def __init__(self, *, strict: bool) -> None:
        super().__init__()
        self.strict = strict

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record if there is something in it that must not be logged."""
        if getattr(record, "_ingest_guard_seen", False):
            return True
        is_scrapys = record.name == "scrapy" or record.name.startswith("scrapy.")
        early = self.strict and is_scrapys and not record.name.startswith(_AFTER_THE_VERDICT)
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - logging itself reports a record that cannot be formatted
            return True
        redacted = redact(text, every_url=early)
        if redacted != text:
            record.msg, record.args = redacted, ()
        self._withhold_exception(record, early=early)
        # Where the formatter has cleaned the text already, the extras are still as they were.
        is_about_a_match = redacted != text or WITHHELD in text
        for name in _EXTRAS:
            if (is_about_a_match and hasattr(record, name)) or names_withheld(getattr(record, name, None)):
                setattr(record, name, None)
        record._ingest_guard_seen = True  # noqa: SLF001 - this module's own mark: a record goes through several filters
        return True

    @staticmethod
    def _withhold_exception(record: logging.LogRecord, *, early: bool) -> None:
        """Take out an exception that comes from a drop: the frames of its traceback hold the request."""
        if not record.exc_info:
            return
        found = next((each for each in _exceptions_behind(record.exc_info[1]) if isinstance(each, ImageBlocked)), None)
        if found is None:
            return
        if isinstance(record.msg, str):
            record.exc_text = redact(_FORMATTER.formatException(record.exc_info), every_url=early)
        else:
            # Scrapy 2.15's media pipelines log the failure itself, as a message and once more as an exception.
            record.msg, record.args = str(found), ()
        record.exc_info = None


def _exceptions_behind(exception: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, its causes and its contexts."""
    seen: set[int] = set()
    waiting = [exception]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            waiting += [each.__cause__, each.__context__]
            yield each


class EarlyFilter(LogFilter):
    """The same for a logger: passes over what no handler prints. Most of what Scrapy says is at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record, if it is printed at all."""
        return super().filter(record) if is_printed(record.name, record.levelno) else True


def is_printed(name: str, level: int) -> bool:
    """Return whether any handler takes what a logger is given at a level; handlers have a filter of their own."""
    logger: logging.Logger | None = logging.getLogger(name)
    has_any = False
    while logger is not None:
        for handler in logger.handlers:
            if handler.level <= level:
                return True
            has_any = True
        logger = logger.parent if logger.propagate else None
    return not has_any


class InstalledFilter:
    """A :class:`LogFilter` on Scrapy's loggers and on the root's handlers; :meth:`remove` takes it off.

    A logger's filters see only what is logged to that logger and nothing from loggers below it, so each logger needs
    the filter. The handlers' filters see the lines of loggers that are made later.
    """

    def __init__(self, *, strict: bool) -> None:
        known = [each for name, each in logging.root.manager.loggerDict.items() if name.startswith("scrapy")]
        loggers = [each for each in known if isinstance(each, logging.Logger)]
        self._places: list[tuple[logging.Filterer, LogFilter]] = [
            *((logger, EarlyFilter(strict=strict)) for logger in loggers),
            *((handler, LogFilter(strict=strict)) for handler in logging.root.handlers),
        ]
        for place, each in self._places:
            place.addFilter(each)

    def remove(self) -> None:
        """Take the filter off."""
        for place, each in self._places:
            place.removeFilter(each)


class GuardedLogFormatter(LogFormatter):
    """Asks the project's formatter, and takes out of its answer what must not be printed."""

    def __init__(self, inner: LogFormatter) -> None:
        self._inner = inner

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the project's own formatter, and this one around it."""
        path = crawler.settings.get(LOG_FORMATTER_SETTING) or LogFormatter
        return cls(build_from_crawler(load_object(path), crawler))

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the project's formatter."""
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)

    def crawled(self, request: Request, response: Response, spider: Spider) -> Any:
        """Format the line for a page that passed."""
        return self._inner.crawled(request, response, spider)

    def scraped(self, item: Any, response: Response | Failure | None, spider: Spider) -> Any:
        """Format the line for a scraped item."""
        return _withhold(self._inner.scraped(item, response, spider), item)

    def dropped(self, item: Any, exception: BaseException, response: Response | Failure | None, spider: Spider) -> Any:
        """Format the line for a dropped item; an item that the guard dropped is empty by now."""
        if not str(exception) and not _length(item):
            return {"level": logging.DEBUG, "msg": "Dropped an item: ingest_guard", "args": {}}
        return _withhold(self._inner.dropped(item, exception, response, spider), item)

    def item_error(
        self, item: Any, exception: BaseException, response: Response | Failure | None, spider: Spider
    ) -> Any:
        """Format the line for a pipeline that failed."""
        return _withhold(self._inner.item_error(item, exception, response, spider), item)

    def spider_error(self, failure: Failure, request: Request, response: Response | Failure, spider: Spider) -> Any:
        """Format the line for a callback or errback that failed."""
        return _withhold(self._inner.spider_error(failure, request, response, spider), None)

    def download_error(self, failure: Failure, request: Request, spider: Spider, errmsg: str | None = None) -> Any:
        """Format the line for a download that failed."""
        return _withhold(self._inner.download_error(failure, request, spider, errmsg), None)


def _withhold(result: Mapping[str, Any] | None, item: Any) -> Any:
    """Return a formatter's answer, as plain text if something had to be taken out of it.

    An item that holds anything that must not be printed is not printed at all.
    """
    if result is None:
        return None
    args = result.get("args", {})
    text = result["msg"] % args if args else result["msg"]
    redacted = redact(text)
    if redacted == text:
        return result
    if item is not None and isinstance(args, dict):
        shown = {name: _WITHHELD_ITEM if value is item else value for name, value in args.items()}
        redacted = redact(result["msg"] % shown)
    return {**result, "msg": "%(text)s", "args": {"text": redacted}}


def _length(item: Any) -> int:
    try:
        return len(item)
    except TypeError:
        return 1
