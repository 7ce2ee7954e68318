"""The spider middleware nearest the spider.

It refuses ``data:`` requests before anything can log, queue or store them, and notes the page of each item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy.spidermiddlewares.base import BaseSpiderMiddleware

from ingest_guard.scrapy_plugin.runtime import Runtime

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response


class LinkGuard(BaseSpiderMiddleware):
    """Spider middleware: no ``data:`` URL becomes a request."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._runtime = Runtime.of(crawler)

    def get_processed_request(self, request: Request, response: Response | None) -> Request | None:
        """Drop and count a request whose URL is its own content."""
        del response
        if request.url[:5].lower() == "data:":
            self._runtime.count("refused/data_url")
            return None
        return request

    def get_processed_item(self, item: Any, response: Response | None) -> Any:
        """Note which page an item came from."""
        if response is not None:
            self._runtime.pages.note(item, response.url)
        return item
