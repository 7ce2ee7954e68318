"""The spider middleware nearest the spider.

It refuses ``data:`` requests before anything can log, queue or store them, and notes the page of each item. Where a
list's action is ``drop_page``, it also holds a callback's items until the images of all of them were checked; see
:mod:`ingest_guard.scrapy_plugin.whole_pages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import Request

from ingest_guard.scrapy_plugin.check.fail_closed import fenced
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.scrapy_plugin.whole_pages import WholePages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

    from scrapy.crawler import Crawler
    from scrapy.http import Response


class LinkGuard:
    """Spider middleware: no ``data:`` URL becomes a request, and no page leaves in part.

    It has no synchronous method: where it has to wait for images, it must not be passed by. What would end the process,
    be it a callback's own doing, latches the guard instead.
    """

    def __init__(self, crawler: Crawler) -> None:
        self._runtime = Runtime.of(crawler)
        self._whole_pages = WholePages(self._runtime) if self._runtime.policy.drops_pages else None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the middleware; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(crawler)

    @fenced
    async def process_start(self, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Look at what a spider starts with; there is no page to be held together."""
        async for each in start:
            if not self._is_refused(each):
                yield each

    @fenced
    async def process_spider_output(self, response: Response, result: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Look at what a callback gives."""
        passing = self._passing(response, result)
        async for each in passing if self._whole_pages is None else self._whole_pages.only(response, passing):
            if not isinstance(each, Request):
                self._runtime.pages.note(each, response.url)
            yield each

    async def _passing(self, response: Response, result: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for each in result:
            if self._is_refused(each):
                continue
            if self._whole_pages is not None and isinstance(each, Request):
                self._runtime.condemned.note_request(each.url, response.url)
            yield each

    def _is_refused(self, each: Any) -> bool:
        """Tell whether this is a request whose URL is its own content, and count it."""
        if not isinstance(each, Request) or each.url[:5].lower() != "data:":
            return False
        self._runtime.count("refused/data_url")
        return True
