"""The strict level's download handlers: each of the crawl's own is wrapped, and what it brings is checked right there.

So the check comes before the signal ``response_downloaded`` and before anybody can hold a ``StopDownload`` with a
response in it. The check is the gate's own; the gate further on knows the very response again, by its identity and its
body's, and lets it through. Nothing that travels with a request can stand in for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ingest_guard.scrapy_plugin.check import receivers
from ingest_guard.scrapy_plugin.check.handlers import PacedHandler
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.scrub import scrub
from ingest_guard.scrapy_plugin.gate import Gate
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response


class CheckedHandler(PacedHandler):
    """A download handler around another one, which checks what that one brings."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._gate = Gate(self._runtime)

    async def download_request(self, request: Request) -> Response:
        """Download, check, and return what may pass; raise ImageBlocked otherwise."""
        self._require_nobody_listens()
        response = await super().download_request(request)
        try:
            self._require_nobody_listens()
        except ImageBlocked:
            scrub(response)
            raise
        response = cast("Response", await self._gate.process_response(request, response))
        self._runtime.handled[response] = response.body
        return response

    def _require_nobody_listens(self) -> None:
        """Latch shut where somebody has connected to the pieces of downloads since the start."""
        if found := receivers.foreign(self._crawler, receivers.CHUNKS):
            self._runtime.fail(f"unchecked pieces of downloads go to {', '.join(found)}")
        if self._runtime.latched:
            raise ImageBlocked("not_scannable", Reason.GUARD_FAILED)
