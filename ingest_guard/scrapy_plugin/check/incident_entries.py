"""An entry in the log of incidents for each match, before anything says that the response was dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ingest_guard.errors import IncidentError
from ingest_guard.incidents.describe import describe, picture_of
from ingest_guard.incidents.entry import Addresses, Incident
from ingest_guard.scrapy_plugin.check.inspection import FAILED, Inspection
from ingest_guard.scrapy_plugin.core import redaction
from ingest_guard.scrapy_plugin.core.scrub import scrub, scrub_request
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import ticket_of
from ingest_guard.urls.hosts import host_of
from ingest_guard.verdict import Outcome

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response


async def write_entry(state: GuardState, request: Request, response: Response, inspection: Inspection) -> Inspection:
    """Empty a response that matched, and write its entry; return once that is on the disk.

    Nothing happens where the policy names no recipient, to other responses, and to those of the self-test.

    Returns
    -------
    Inspection
        What was found; where no entry could be written, that the guard has failed: it has latched, and a match without
        an entry is not reported as one.
    """
    if state.incidents is None or inspection.verdict.outcome is not Outcome.MATCH or request in state.test_requests:
        return inspection
    incident = _describe(request, response, inspection)
    redaction.note(request)
    scrub(response)
    scrub_request(request)
    try:
        await asyncio.wrap_future(state.incidents.write(incident, picture_of(inspection.verdict)))
    except IncidentError as error:
        state.fail(str(error))
        return replace(inspection, verdict=FAILED, sha256=())
    state.note_incidents()
    return inspection


def _describe(request: Request, response: Response, inspection: Inspection) -> Incident:
    asked = [url for url in _as_list(request.meta.get("redirect_urls")) if isinstance(url, str)]
    requested = asked[0] if asked else request.url
    return describe(
        inspection.generation.guard,
        inspection.verdict,
        addresses=Addresses(requested, tuple(asked[1:]), response.url, _page_of(request)),
        host=host_of(response.url) or None,
        server_address=None if response.ip_address is None else str(response.ip_address),
        source="crawl",
    )


def _page_of(request: Request) -> str | None:
    ticket = ticket_of(request)
    if ticket is not None and ticket.page:
        return ticket.page
    referrer = request.headers.get("Referer")
    return referrer.decode("latin-1") if referrer else None


def _as_list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list | tuple) else ()
