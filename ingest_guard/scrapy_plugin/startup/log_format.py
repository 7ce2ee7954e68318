"""The log formatter that stands around a project's own: it prints no item that names a match, and no ``data:`` URL."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from scrapy.logformatter import LogFormatter
from scrapy.utils.misc import build_from_crawler, load_object

from ingest_guard.scrapy_plugin.core.redaction import redact
from ingest_guard.scrapy_plugin.core.settings import LOG_FORMATTER_SETTING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from scrapy import Request, Spider
    from scrapy.crawler import Crawler
    from scrapy.http import Response
    from twisted.python.failure import Failure

_WITHHELD_ITEM = "(an item withheld by ingest_guard)"


class GuardedLogFormatter(LogFormatter):
    """Ask the project's formatter, and take out of its answer what must not be printed."""

    def __init__(self, inner: LogFormatter) -> None:
        self._inner = inner

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the project's own formatter, and this one around it."""
        path = crawler.settings.get(LOG_FORMATTER_SETTING) or LogFormatter
        return cls(build_from_crawler(load_object(path), crawler))

    def __getattr__(self, name: str) -> Any:
        """Whatever else a formatter has is the project's own."""
        if name == "_inner":
            raise AttributeError(name)
        return getattr(self._inner, name)

    def crawled(self, request: Request, response: Response, spider: Spider) -> Any:
        """Tell of a page that passed."""
        return self._inner.crawled(request, response, spider)

    def scraped(self, item: Any, response: Response | Failure | None, spider: Spider) -> Any:
        """Tell of a record."""
        return _without_secrets(self._inner.scraped(item, response, spider), item)

    def dropped(self, item: Any, exception: BaseException, response: Response | Failure | None, spider: Spider) -> Any:
        """Tell that an item was dropped, whoever dropped it; the guard's own are empty by now."""
        if not str(exception) and not _length(item):
            return {"level": logging.DEBUG, "msg": "Dropped an item: ingest_guard", "args": {}}
        return _without_secrets(self._inner.dropped(item, exception, response, spider), item)

    def item_error(
        self, item: Any, exception: BaseException, response: Response | Failure | None, spider: Spider
    ) -> Any:
        """Tell that a pipeline failed."""
        return _without_secrets(self._inner.item_error(item, exception, response, spider), item)

    def spider_error(self, failure: Failure, request: Request, response: Response | Failure, spider: Spider) -> Any:
        """Tell that a callback or errback failed."""
        return _without_secrets(self._inner.spider_error(failure, request, response, spider), None)

    def download_error(self, failure: Failure, request: Request, spider: Spider, errmsg: str | None = None) -> Any:
        """Tell that a download failed."""
        return _without_secrets(self._inner.download_error(failure, request, spider, errmsg), None)


def _without_secrets(result: Mapping[str, Any] | None, item: Any) -> Any:
    """Return what a formatter answered, as a plain text if something had to be taken out of it.

    An item with one thing in it that must not be printed is not printed at all.
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
