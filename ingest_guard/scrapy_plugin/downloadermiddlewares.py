"""The gate and the sentinel: the downloader middlewares at the two ends of the chain.

The gate stands nearest the downloader, and every response enters the crawl through it. It checks each body before any
other middleware sees it, the HTTP cache above all, and undoes Content-Encoding by itself to do so. What matches or
cannot be scanned is emptied in place and raised as
:class:`~ingest_guard.scrapy_plugin.core.exceptions.ImageBlocked`. What may pass is noted by its digest.

The sentinel stands nearest the engine: the last look before anything gets out. Bodies can enter behind the gate: a
cache that revalidates answers with an old body after the gate has seen an empty 304, and any middleware may replace a
response. The sentinel takes the digest of each final body: one that the gate has verified passes, any other is checked
in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from cachetools import LRUCache

from ingest_guard.scrapy_plugin.check.fail_closed import fenced
from ingest_guard.scrapy_plugin.check.incident_entries import write_entry
from ingest_guard.scrapy_plugin.check.inspection import PASSING, inspect
from ingest_guard.scrapy_plugin.check.judge import block, judge
from ingest_guard.scrapy_plugin.check.list_actions import note_response
from ingest_guard.scrapy_plugin.check.request_rules import require_allowed
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.readings import digest_of
from ingest_guard.scrapy_plugin.core.scrub import scrub, scrub_exception
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import payer_of, ticket_of
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.urls.hosts import plain_origin
from ingest_guard.verdict import Outcome, Reason, Verdict

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

_HOSTS = 1 << 14


class Gate:
    """Downloader middleware: checks every response as it enters."""

    def __init__(self, state: GuardState) -> None:
        self._state = state

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the gate; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(Runtime.of(crawler).state)

    @fenced
    async def process_request(self, request: Request) -> None:
        """Refuse what must not be fetched, and hold the rest while too much waits to be scanned."""
        if self._state.failed:
            raise ImageBlocked("not_scannable", Reason.GUARD_FAILED)
        require_allowed(self._state, request, ticket_of(request))
        await self._state.budget.room(payer_of(request))

    @fenced
    async def process_response(self, request: Request, response: Response) -> Response:
        """Pass a response on, or empty it and raise ImageBlocked."""
        if self._state.handled.get(response) is response.body:  # a handler of the strict level has checked it
            return response
        with self._state.admission.ended(request):
            return await judge(self._state, request, response)

    @fenced
    async def process_exception(self, request: Request, exception: Exception) -> None:
        """Empty what an exception carries past every process_response."""
        self._state.admission.end(request)
        scrub_exception(exception)


class Sentinel:
    """Downloader middleware: passes what the gate has verified, and checks anything else."""

    def __init__(self, runtime: Runtime) -> None:
        self._state = runtime.state
        self._opt_outs = runtime.opt_outs
        self._image_hosts: LRUCache[str, None] = LRUCache(_HOSTS)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the sentinel; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(Runtime.of(crawler))

    @fenced
    async def process_request(self, request: Request) -> None:
        """Refuse what must not be fetched, before any other middleware has a say."""
        ticket = ticket_of(request)
        require_allowed(self._state, request, ticket)
        host = plain_origin(request.url) or urlsplit(request.url)._replace(path="", query="", fragment="").geturl()
        if ticket is not None:
            self._image_hosts[host] = None
        elif host in self._image_hosts and request.url == f"{host}/robots.txt":
            # Off-site rules are for the spider. Without this, the rules of hosts that only serve images go unread, and
            # Scrapy takes that for a permission.
            request.meta["allow_offsite"] = True

    @fenced
    async def process_response(self, request: Request, response: Response) -> Response:
        """Pass a verified response on; check any other."""
        if self._state.failed:
            raise block(request, response, Verdict(Outcome.NOT_SCANNABLE, reason=Reason.GUARD_FAILED))
        body, ticket = response.body, ticket_of(request)
        # What an older version of the lists has let through at the gate is checked again here, against the present one.
        generation = self._state.current
        passed = generation.passed.get(response)
        is_known = not body or (passed is not None and passed.body is body)
        digest = None if is_known else await digest_of(body)
        if is_known or digest in generation.verified:
            if ticket is None:
                await self._opt_outs.note_page(response, None if passed is None else passed.signals, digest)
            return response
        is_test = request in self._state.test_requests
        if not is_test:
            self._state.count("sentinel/checked")
        inspection = await inspect(self._state, response, payer_of(request), is_for_reading=ticket is None)
        inspection = await write_entry(self._state, request, response, inspection)
        note_response(self._state, request, response, inspection.verdict)
        if ticket is not None:
            ticket.note(response, inspection.verdict, inspection.generation.guard.attestation)
            headers = self._state.signals.read_response(response)
            ticket.add_hop(response, self._state.signals.add_file(headers, inspection.verdict.image))
        if inspection.verdict.outcome not in PASSING:
            if not is_test:
                self._state.count("sentinel/dropped")
            try:
                raise block(request, response, inspection.verdict)
            finally:
                # The traceback takes this frame along; verdicts and lists of what was scanned have digests.
                del inspection, generation, passed, body, digest
        if ticket is not None and not ticket.may_keep(inspection.verdict):
            scrub(response)
        else:
            inspection.generation.verified[inspection.sha256[0]] = None
        if ticket is None:
            await self._opt_outs.note_page(response, None if passed is None else passed.signals, digest)
        return response

    @fenced
    async def process_exception(self, request: Request, exception: Exception) -> None:
        """Empty what an exception of a middleware in between carries."""
        del request
        scrub_exception(exception)
