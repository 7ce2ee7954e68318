"""From a response to a verdict: stages, digests, scans, doubts. The gate and the sentinel have this in common."""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from scrapy.http import Response

from ingest_guard.checking.bodies import decide, look, undo_codings
from ingest_guard.encodings.stages import content_codings
from ingest_guard.guard.inquiry import Inquiry, Part
from ingest_guard.guard.scan_result import Scan
from ingest_guard.imaging.embedded.images import is_empty_spacer
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.scrapy_plugin.check.header_bodies import header_bodies
from ingest_guard.scrapy_plugin.check.list_actions import watch_for_floods
from ingest_guard.scrapy_plugin.core.generation import Generation
from ingest_guard.scrapy_plugin.core.readings import declared_type
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.verdict import Outcome, Reason, Verdict

logger = logging.getLogger(__name__)

_PARTIAL_FLAGS = frozenset({"dataloss", "download_stopped"})
_UNKNOWN_LENGTH = "partial"
"""Scrapy's flag for an answer that ends with the connection (https://www.rfc-editor.org/rfc/rfc9112#section-6.3)."""
_PARTIAL_CONTENT = 206
_LONGEST_NUMBER = 18
PASSING = (Outcome.NO_KNOWN_MATCH, Outcome.NOT_AN_IMAGE)


@dataclass(frozen=True, slots=True)
class Inspection:
    """A verdict, the digests of every stage of the body that it is about, and what it was held against."""

    verdict: Verdict
    sha256: tuple[str, ...]
    generation: Generation


async def inspect(
    state: GuardState, response: Response, payer: str = "", *, is_for_reading: bool = False
) -> Inspection:
    """Check a response as it came; never raises for anything that it may be.

    Parameters
    ----------
    state
        Of the crawl.
    response
        With its body as sent.
    payer
        The registrable domain whose share of the workers' time the scans take.
    is_for_reading
        True where what it says as a page is wanted beside the verdict; it is noted in the state's readings.
    """
    # One version of the lists from here to the verdict, whatever comes up meanwhile.
    generation = state.current
    failed = Inspection(FAILED, (), generation)
    if state.failed:
        return failed
    try:
        with generation.held():
            inspection = await _inspect(state, generation, response, payer, is_for_reading=is_for_reading)
    except Exception as error:  # noqa: BLE001 - a fault of ours drops the response, and nothing else
        logger.error("ingest_guard could not check a response (%s); it is dropped", type(error).__name__)  # noqa: TRY400 - the traceback would hold the body
        state.count("errors")
        return failed
    # The guard may have failed while this one waited for its scan.
    return failed if state.failed else inspection


async def _inspect(
    state: GuardState, generation: Generation, response: Response, payer: str, *, is_for_reading: bool
) -> Inspection:
    guard = generation.guard
    codings = content_codings(response.headers.getlist("Content-Encoding"))
    stages = await undo_codings(response.body, codings, guard.policy.limits.bytes)
    question = state.readings.question(response) if is_for_reading else None

    async def read(text: bytes, declared: str | None, question: PageQuestion | None) -> PageReading:
        state.count("texts_read")
        return await generation.pool.read(text, declared, payer, question)

    inquiry, document = await look(guard, read, stages.bodies[-1], declared_type(response), question)
    inquiry = await _with_headers(generation, read, response, inquiry)
    scans = [await _scan(state, generation, part, payer) for part in inquiry.parts]
    watch_for_floods(state, guard, inquiry, scans)
    verdict, sha256 = await decide(guard, stages, inquiry, scans, is_partial=_is_partial(response))
    if is_for_reading and verdict.outcome is Outcome.NOT_AN_IMAGE:
        state.readings.note(response, sha256, document)
    return Inspection(verdict, sha256, generation)


async def _scan(state: GuardState, generation: Generation, part: Part, payer: str) -> Scan:
    """Scan a part, unless the very same bytes were scanned a while ago."""
    known = generation.scans.get(part.sha256)
    if known is not None:
        state.count("scans_spared")
        return known
    began = time.perf_counter()
    scan = await generation.pool.scan(part.data, payer)
    state.meter.note_scan(time.perf_counter() - began)
    if scan.reason not in _PASSING_FAULTS:
        generation.scans[part.sha256] = scan
    return scan


_PASSING_FAULTS = (Reason.GUARD_FAILED, Reason.TIMEOUT, Reason.WORKER_CRASHED, Reason.MEMORY, Reason.DOMAIN_BUDGET)


async def _with_headers(
    generation: Generation, read: Callable[..., Awaitable[PageReading]], response: Response, inquiry: Inquiry
) -> Inquiry:
    """Return one inquiry about a body and the headers beside it, whose images count as embedded in the response."""
    found = header_bodies(response.headers.getlist(name) for name in response.headers)
    for body, media_type in found.bodies.items():
        inner, _ = await look(generation.guard, read, body, media_type or None)
        inquiry = _joined(inquiry, inner, may_doubt=not is_empty_spacer(body))
    for body in found.guesses:
        inquiry = _joined(inquiry, generation.guard.begin(body), may_doubt=False)
    if found.is_too_much:
        inquiry = replace(inquiry, reason=inquiry.reason or Reason.EMBEDDED)
    return inquiry


def _joined(inquiry: Inquiry, inner: Inquiry, *, may_doubt: bool) -> Inquiry:
    reason = Reason.EMBEDDED if inner.reason is Reason.UNSUPPORTED_TYPE else inner.reason
    parts = (replace(part, embedded=True, may_doubt=part.may_doubt and may_doubt) for part in inner.parts)
    matches = (replace(match, view="embedded/bytes") if match.view == "bytes" else match for match in inner.matches)
    return replace(
        inquiry,
        matches=(*inquiry.matches, *matches),
        parts=(*inquiry.parts, *parts),
        reason=inquiry.reason or (reason if may_doubt else None),
        hits=(*inquiry.hits, *inner.hits),
    )


def _is_partial(response: Response) -> bool:
    """Return whether bytes are known to be missing.

    A body that ends with its connection is whole unless its own format or coding says otherwise.
    """
    if response.status == _PARTIAL_CONTENT or not _PARTIAL_FLAGS.isdisjoint(response.flags):
        return True
    return _UNKNOWN_LENGTH in response.flags and _announced_length(response) > len(response.body)


def _announced_length(response: Response) -> int:
    value = response.headers.get("Content-Length") or b""
    return int(value) if value.isdigit() and len(value) <= _LONGEST_NUMBER else 0


FAILED = Verdict(Outcome.NOT_SCANNABLE, reason=Reason.GUARD_FAILED)
