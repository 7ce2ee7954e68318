"""From a response to a verdict: stages, digests, scans, doubts. The gate and the sentinel have this in common."""

import logging
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scrapy.http import Response
from scrapy.utils.asyncio import run_in_thread

from ingest_guard.encodings.sitemaps import is_gzip, unpack_sitemap
from ingest_guard.encodings.stages import Stages, content_codings, undo
from ingest_guard.guard.inquiry import Inquiry, Part
from ingest_guard.guard.page_reading import is_declared_page, may_be_page
from ingest_guard.guard.scan_result import Scan
from ingest_guard.hashing.digests import digests
from ingest_guard.imaging.embedded.images import is_empty_spacer
from ingest_guard.imaging.sniffing.sniff import Kind
from ingest_guard.pages.reading import PageDocument, PageQuestion
from ingest_guard.scrapy_plugin.check.header_bodies import header_bodies
from ingest_guard.scrapy_plugin.check.list_actions import watch_for_floods
from ingest_guard.scrapy_plugin.core.generation import Generation
from ingest_guard.scrapy_plugin.core.readings import LARGE, NO_PAGE, declared_type, off_loop_if_large
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.verdict import Outcome, Reason, Verdict

logger = logging.getLogger(__name__)

_PARTIAL_FLAGS = frozenset({"dataloss", "download_stopped"})
_UNKNOWN_LENGTH = "partial"
"""Scrapy's flag for an answer that ends with the connection (https://www.rfc-editor.org/rfc/rfc9112#section-6.3)."""
_PARTIAL_CONTENT = 206
_LONGEST_NUMBER = 18
# A coding may be a thousand times as long when it is undone.
_LARGE_CODED = 1 << 13
# Each sign of a URL, or of base64, costs some tens of microseconds. A picture of that size has about 2,000 by chance.
_MANY_SIGNS = 2_500
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
    body: bytes = response.body
    codings = content_codings(response.headers.getlist("Content-Encoding"))
    limit = guard.policy.limits.bytes
    if len(body) > (_LARGE_CODED if codings or is_gzip(body) else LARGE):
        stages = await run_in_thread(_undo_all, body, codings, limit)
    else:
        stages = _undo_all(body, codings, limit)
    last = stages.bodies[-1]
    question = state.readings.question(response) if is_for_reading else None
    inquiry, document = await _look(state, generation, last, declared_type(response), payer, question=question)
    inquiry = await _with_headers(state, generation, response, inquiry, payer)
    scans = [await _scan(state, generation, part, payer) for part in inquiry.parts]
    watch_for_floods(state, guard, inquiry, scans)
    outer = [await off_loop_if_large(stage, digests, stage) for stage in stages.bodies[:-1]]
    beside = [await off_loop_if_large(part, digests, part) for part in stages.beside]
    extra = [match for taken in [*outer, *beside] for match in guard.exact_matches(taken)]
    verdict = _with_doubts(guard.conclude(inquiry, scans, extra), inquiry, stages, is_partial=_is_partial(response))
    sha256 = tuple(taken["sha256"] for taken in [*outer, inquiry.digests])
    if is_for_reading and verdict.outcome is Outcome.NOT_AN_IMAGE:
        state.readings.note(response, sha256, document)
    return Inspection(verdict, sha256, generation)


def _undo_all(body: bytes, codings: list[str], limit: int) -> Stages:
    """Return a body at each stage: Content-Encoding first, then the packing of a sitemap."""
    stages = undo(body, codings, limit)
    packed = unpack_sitemap(stages.bodies[-1], limit) if stages.problem is None else None
    if packed is None:
        return stages
    return Stages((*stages.bodies, *packed.bodies[1:]), None, (*stages.beside, *packed.beside))


async def _look(
    state: GuardState,
    generation: Generation,
    body: bytes,
    declared: str | None,
    payer: str,
    *,
    question: PageQuestion | None = None,
) -> tuple[Inquiry, PageDocument | None]:
    """Find out what a body is and what is inside it, and what it says as a page.

    A worker reads pages, and other texts that may hold anything.
    """
    guard = generation.guard
    takes_long = _takes_long(body)
    is_page = question is not None and is_declared_page(declared)
    begin = partial(guard.begin, body, is_page=is_page)
    inquiry = await run_in_thread(begin) if takes_long else begin()
    if inquiry.kind is not Kind.TEXT:
        return inquiry, NO_PAGE
    if question is not None and not is_page:
        is_page = await run_in_thread(may_be_page, body, declared) if takes_long else may_be_page(body, declared)
        question = question if is_page else None
    if not inquiry.is_unread and question is None:
        return inquiry, NO_PAGE
    state.count("texts_read")
    reading = await generation.pool.read(body, declared, payer, question)
    document = NO_PAGE if question is None else reading.document
    if sum(len(inner.data) for inner in reading.bodies) > LARGE:
        return await run_in_thread(guard.finish, inquiry, reading), document
    return guard.finish(inquiry, reading), document


def _takes_long(body: bytes) -> bool:
    """Return whether looking for what is inside a body would hold the event loop up."""
    if len(body) > LARGE:
        return True
    if len(body) <= _MANY_SIGNS:
        return False
    # Single bytes are counted four times as fast as three in a row, and in most bodies they are few.
    codes = np.frombuffer(body, np.uint8)
    colons = np.count_nonzero(codes == ord(":"))
    return bool(
        colons + np.count_nonzero(codes == ord("/")) > _MANY_SIGNS and colons + body.count(b"/9j") > _MANY_SIGNS
    )


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
    state: GuardState, generation: Generation, response: Response, inquiry: Inquiry, payer: str
) -> Inquiry:
    """Return one inquiry about a body and the headers beside it, whose images count as embedded in the response."""
    found = header_bodies(response.headers.getlist(name) for name in response.headers)
    for body, media_type in found.bodies.items():
        inner, _ = await _look(state, generation, body, media_type or None, payer)
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


def _with_doubts(verdict: Verdict, inquiry: Inquiry, stages: Stages, *, is_partial: bool) -> Verdict:
    """Turn a pass into not_scannable where the body is not whole, or not what it was announced as."""
    if verdict.outcome is Outcome.MATCH:
        return verdict
    if stages.problem == "too_large":
        return _doubtful(verdict, Reason.TOO_LARGE)
    is_text = inquiry.kind is Kind.TEXT
    # Text that is cut off, or that was never encoded in spite of its header, still shows all that it has. Text with
    # something else behind its stream does not: a cache would keep that.
    never_encoded = len(stages.bodies) == 1 and stages.problem in {"broken", "unknown"}
    readable = is_text and (stages.problem == "truncated" or never_encoded)
    if stages.problem and not readable:
        return _doubtful(verdict, Reason.ENCODING)
    if is_partial and not is_text and inquiry.kind is not Kind.EMPTY:
        return _doubtful(verdict, Reason.PARTIAL)
    return verdict


def _doubtful(verdict: Verdict, reason: Reason) -> Verdict:
    return replace(verdict, outcome=Outcome.NOT_SCANNABLE, reason=reason)


FAILED = Verdict(Outcome.NOT_SCANNABLE, reason=Reason.GUARD_FAILED)
