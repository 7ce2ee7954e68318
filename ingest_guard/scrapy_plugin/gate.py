"""The gate: the downloader middleware nearest the downloader, through which every response enters the crawl.

It checks each body before any other middleware sees it, the HTTP cache above all, and undoes Content-Encoding by itself
to do so. What matches or cannot be scanned is emptied in place and raised as
:class:`~ingest_guard.scrapy_plugin.core.exceptions.ImageBlocked`. What may pass is noted by its digest, for the
sentinel at the other end of the chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.check.fail_closed import fenced
from ingest_guard.scrapy_plugin.check.inspection import PASSING, block, inspect
from ingest_guard.scrapy_plugin.check.list_actions import count_match, note_response
from ingest_guard.scrapy_plugin.check.request_rules import require_allowed
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.scrub import scrub, strip_extras
from ingest_guard.scrapy_plugin.core.scrub_errors import scrub_exception
from ingest_guard.scrapy_plugin.core.tickets import ticket_of
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.verdict import Outcome, Reason, Verdict

if TYPE_CHECKING:
    from typing import Self

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response


class Gate:
    """Downloader middleware: checks every response as it enters."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the gate; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(Runtime.of(crawler))

    @fenced
    async def process_request(self, request: Request) -> None:
        """Refuse what must not be fetched, and hold the rest while too much waits to be scanned."""
        if self._runtime.latched:
            raise ImageBlocked("not_scannable", Reason.GUARD_FAILED)
        require_allowed(self._runtime, request, ticket_of(request))
        await self._runtime.budget.room()

    @fenced
    async def process_response(self, request: Request, response: Response) -> Response:
        """Pass a response on, or empty it and raise ImageBlocked."""
        if self._runtime.handled.get(response) is response.body:
            return response
        with self._runtime.admission.ended(request):
            return await self._judged(request, response)

    async def _judged(self, request: Request, response: Response) -> Response:
        inspection = await inspect(self._runtime, response)
        if request not in self._runtime.self_test.requests:
            self._count(inspection.verdict, len(response.body))
            self._runtime.meter.note_verdict(request.url, inspection.verdict, len(response.body))
            note_response(self._runtime, request, response, inspection.verdict)
        ticket = ticket_of(request)
        if ticket is not None:
            ticket.note(response, inspection.verdict, inspection.generation.guard.attestation)
            ticket.hear(response, self._runtime.opt_outs.hear(response))
        if inspection.verdict.outcome not in PASSING:
            try:
                raise block(request, response, inspection.verdict)
            finally:
                # The traceback takes this frame along, and in a verdict there are digests.
                del inspection
        if removed := strip_extras(response):
            self._runtime.count("extras_removed", removed)
        if ticket is not None and not ticket.may_keep(inspection.verdict):
            # Its bytes go no further: the pipeline that asked wants to know what was found, nothing more.
            scrub(response)
            response.headers.pop("Content-Encoding", None)
        else:
            # Noted where it was found: it says nothing about a version that has taken over meanwhile.
            generation = inspection.generation
            generation.passed[response] = response.body
            for digest in inspection.sha256:
                generation.verified.put(digest, True)  # noqa: FBT003 - a mapping used as a set
            if inspection.verdict.outcome is Outcome.NO_KNOWN_MATCH:
                self._runtime.fetcher.learn(request, response, inspection.verdict, generation)
        return response

    @fenced
    async def process_exception(self, request: Request, exception: Exception) -> None:
        """Empty what an exception carries past every process_response."""
        self._runtime.admission.end(request)
        scrub_exception(exception)

    def _count(self, verdict: Verdict, size: int) -> None:
        runtime = self._runtime
        runtime.count("bytes", size)
        if verdict.outcome is Outcome.NOT_AN_IMAGE:
            runtime.count("not_an_image")
            return
        runtime.count("checked")
        if verdict.outcome is Outcome.NO_KNOWN_MATCH:
            runtime.count("no_known_match")
        elif verdict.outcome is Outcome.NOT_SCANNABLE:
            runtime.count("not_scannable")
            runtime.count(f"not_scannable/{verdict.reason}")
        else:
            count_match(runtime, verdict)
