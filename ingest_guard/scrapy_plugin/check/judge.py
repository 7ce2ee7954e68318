"""The judge: one check of a response as it enters, for the gate and for the strict level's download handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.check.incident_entries import write_entry
from ingest_guard.scrapy_plugin.check.inspection import PASSING, Inspection, inspect
from ingest_guard.scrapy_plugin.check.list_actions import count_match, note_response
from ingest_guard.scrapy_plugin.core import redaction
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.generation import Passed
from ingest_guard.scrapy_plugin.core.scrub import scrub, scrub_request, strip_extras
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import payer_of, ticket_of
from ingest_guard.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

_REDIRECTS = range(300, 400)


async def judge(state: GuardState, request: Request, response: Response) -> Response:
    """Check a response, count what was found, and return it where it may pass.

    Raises
    ------
    ImageBlocked
        It must not pass, and was emptied.
    """
    ticket = ticket_of(request)
    # A redirect's own page is not shown to anybody; who asks for it all the same has it read then.
    is_for_reading = ticket is None and response.status not in _REDIRECTS
    inspection = await inspect(state, response, payer_of(request), is_for_reading=is_for_reading)
    size = len(response.body)
    inspection = await write_entry(state, request, response, inspection)
    if request not in state.test_requests:
        _count(state, inspection, size)
        state.meter.note_verdict(request.url, inspection.verdict, size)
        note_response(state, request, response, inspection.verdict)
    is_image = inspection.verdict.outcome is Outcome.NO_KNOWN_MATCH
    signals = state.signals.read_response(response) if ticket is not None or is_image else None
    if is_image and signals is not None:
        signals = state.signals.add_file(signals, inspection.verdict.image)
    if ticket is not None and signals is not None:
        ticket.note(response, inspection.verdict, inspection.generation.guard.attestation)
        ticket.add_hop(response, signals)
    if inspection.verdict.outcome not in PASSING:
        try:
            raise block(request, response, inspection.verdict)
        finally:
            # The traceback takes this frame along, and in a verdict there are digests.
            del inspection
    if removed := strip_extras(response):
        state.count("extras_removed", removed)
    if ticket is not None and not ticket.may_keep(inspection.verdict):
        # Its bytes go no further: the pipeline that asked wants to know what was found, nothing more.
        scrub(response)
        response.headers.pop("Content-Encoding", None)
        return response
    # Noted where it was found: it says nothing about a version that has taken over meanwhile.
    generation = inspection.generation
    generation.passed[response] = Passed(response.body, signals)
    for digest in inspection.sha256:
        generation.verified[digest] = None
    if is_image and signals is not None:
        for listener in state.on_passed:
            listener(request, response, inspection.verdict, generation, signals)
    return response


def block(request: Request, response: Response, verdict: Verdict) -> ImageBlocked:
    """Empty a response that must not pass, and return the exception that says so."""
    if verdict.outcome is Outcome.MATCH:
        redaction.note(request)
    scrub(response)
    response.headers.clear()
    scrub_request(request)
    return ImageBlocked.from_verdict(verdict)


def _count(state: GuardState, inspection: Inspection, size: int) -> None:
    verdict = inspection.verdict
    state.count("bytes", size)
    if verdict.outcome is Outcome.NOT_AN_IMAGE:
        state.count("not_an_image")
        return
    state.count("checked")
    if verdict.outcome is Outcome.NO_KNOWN_MATCH:
        state.count("no_known_match")
    elif verdict.outcome is Outcome.NOT_SCANNABLE:
        state.count("not_scannable")
        state.count(f"not_scannable/{verdict.reason}")
    else:
        count_match(state, inspection.generation.guard, verdict)
