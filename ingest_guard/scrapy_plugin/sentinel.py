"""The sentinel: the downloader middleware nearest the engine, the last look before anything gets out.

Bodies can enter behind the gate: a cache that revalidates answers with an old body after the gate has seen an empty
304, and any middleware may replace a response. The sentinel takes the digest of each final body: one that the gate has
verified passes, any other is checked in full.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest_guard.scrapy_plugin.check.fail_closed import fenced
from ingest_guard.scrapy_plugin.check.inspection import PASSING, block, inspect
from ingest_guard.scrapy_plugin.check.list_actions import note_response
from ingest_guard.scrapy_plugin.check.request_rules import require_allowed
from ingest_guard.scrapy_plugin.core.recent import Recent
from ingest_guard.scrapy_plugin.core.scrub import scrub
from ingest_guard.scrapy_plugin.core.scrub_errors import scrub_exception
from ingest_guard.scrapy_plugin.core.tickets import ticket_of
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.verdict import Outcome, Reason, Verdict

if TYPE_CHECKING:
    from typing import Self

    from scrapy import Request
    from scrapy.crawler import Crawler
    from scrapy.http import Response

_HOSTS = 1 << 14


class Sentinel:
    """Downloader middleware: passes what the gate has verified, and checks anything else."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._image_hosts: Recent[bool] = Recent(_HOSTS)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the sentinel; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(Runtime.of(crawler))

    @fenced
    async def process_request(self, request: Request) -> None:
        """Refuse what must not be fetched, before any other middleware has a say."""
        ticket = ticket_of(request)
        require_allowed(self._runtime, request, ticket)
        host = urlsplit(request.url)._replace(path="", query="", fragment="").geturl()
        if ticket is not None:
            self._image_hosts.put(host, True)  # noqa: FBT003 - a mapping used as a set
        elif host in self._image_hosts and request.url == f"{host}/robots.txt":
            # Off-site rules are for the spider. Without this, the rules of hosts that only serve images go unread, and
            # Scrapy takes that for a permission.
            request.meta["allow_offsite"] = True

    @fenced
    async def process_response(self, request: Request, response: Response) -> Response:
        """Pass a verified response on; check any other."""
        if self._runtime.latched:
            raise block(request, response, Verdict(Outcome.NOT_SCANNABLE, reason=Reason.GUARD_FAILED))
        if ticket_of(request) is None:
            self._runtime.opt_outs.note_page(response)
        body = response.body
        # What an older version of the lists has let through at the gate is checked again here, against the present one.
        generation = self._runtime.current
        if not body or generation.passed.get(response) is body:
            return response
        if hashlib.sha256(body).hexdigest() in generation.verified:
            return response
        is_test = request in self._runtime.self_test.requests
        if not is_test:
            self._runtime.count("sentinel/checked")
        inspection = await inspect(self._runtime, response)
        note_response(self._runtime, request, response, inspection.verdict)
        ticket = ticket_of(request)
        if ticket is not None:
            ticket.note(response, inspection.verdict, inspection.generation.guard.attestation)
        if inspection.verdict.outcome not in PASSING:
            if not is_test:
                self._runtime.count("sentinel/dropped")
            try:
                raise block(request, response, inspection.verdict)
            finally:
                # The traceback takes this frame along; verdicts and lists of what was scanned have digests.
                del inspection, generation, body
        if ticket is not None and not ticket.may_keep(inspection.verdict):
            scrub(response)
        else:
            inspection.generation.verified.put(inspection.sha256[0], True)  # noqa: FBT003 - a mapping used as a set
        return response

    @fenced
    async def process_exception(self, request: Request, exception: Exception) -> None:
        """Empty what an exception of a middleware in between carries."""
        del request
        scrub_exception(exception)
