"""From a body, as it was sent, to a verdict: stages, digests, readings, doubts. A crawl and a pool have this in common.

What takes long is done in a thread: it would hold the event loop up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias, TypeVar

import numpy as np

from ingest_guard.encodings.sitemaps import is_gzip, unpack_sitemap
from ingest_guard.encodings.stages import Stages, undo
from ingest_guard.guard.guard import Guard
from ingest_guard.guard.inquiry import Inquiry
from ingest_guard.guard.page_reading import is_declared_page, may_be_page
from ingest_guard.guard.scan_result import Scan
from ingest_guard.hashing.digests import digests
from ingest_guard.imaging.sniffing.sniff import Kind
from ingest_guard.pages.reading import PageDocument, PageQuestion, PageReading
from ingest_guard.verdict import Outcome, Reason, Verdict

_T = TypeVar("_T")
_Read: TypeAlias = Callable[[bytes, str | None, PageQuestion | None], Awaitable[PageReading]]

LARGE: Final = 1 << 19
"""Digests and a look for data: URLs take about 4 ms a MiB: beyond this it is not done on the event loop."""
NO_PAGE: Final = PageDocument()
"""What a text says that is no page."""
# A coding may be a thousand times as long when it is undone.
_LARGE_CODED: Final = 1 << 13
# Each sign of a URL, or of base64, costs some tens of microseconds. A picture of that size has about 2,000 by chance.
_MANY_SIGNS: Final = 2_500


async def off_loop_if_large(body: bytes, work: Callable[..., _T], *arguments: object, limit: int = LARGE) -> _T:
    """Call a function whose time grows with a body: in a thread where that is a large one."""
    return await asyncio.to_thread(work, *arguments) if len(body) > limit else work(*arguments)


async def undo_codings(body: bytes, codings: Sequence[str], limit: int) -> Stages:
    """Return a body at each stage: its Content-Encoding undone, then the packing of a sitemap.

    Parameters
    ----------
    body
        As it was sent.
    codings
        Names, in the order in which they were applied.
    limit
        Bytes that a stage may have.
    """
    is_coded = codings or is_gzip(body)
    return await off_loop_if_large(body, _undo_all, body, codings, limit, limit=_LARGE_CODED if is_coded else LARGE)


def _undo_all(body: bytes, codings: Sequence[str], limit: int) -> Stages:
    stages = undo(body, list(codings), limit)
    packed = unpack_sitemap(stages.bodies[-1], limit) if stages.problem is None else None
    if packed is None:
        return stages
    return Stages((*stages.bodies, *packed.bodies[1:]), None, (*stages.beside, *packed.beside))


async def look(
    guard: Guard, read: _Read, body: bytes, declared: str | None, question: PageQuestion | None = None
) -> tuple[Inquiry, PageDocument | None]:
    """Find out what a body is and what is inside it, and what it says as a page; match the digests.

    Parameters
    ----------
    guard
        Whose lists it is held against.
    read
        Has a text read by a worker: pages, and other texts that may hold anything.
    body
        With any Content-Encoding undone.
    declared
        Its Content-Type.
    question
        What is wanted of a page; None where nothing is.
    """
    takes_long = _takes_long(body)
    is_page = question is not None and is_declared_page(declared)
    begin = partial(guard.begin, body, is_page=is_page)
    inquiry = await asyncio.to_thread(begin) if takes_long else begin()
    if inquiry.kind is not Kind.TEXT:
        return inquiry, NO_PAGE
    if question is not None and not is_page:
        is_page = await asyncio.to_thread(may_be_page, body, declared) if takes_long else may_be_page(body, declared)
        question = question if is_page else None
    if not inquiry.is_unread and question is None:
        return inquiry, NO_PAGE
    reading = await read(body, declared, question)
    document = NO_PAGE if question is None else reading.document
    if sum(len(inner.data) for inner in reading.bodies) > LARGE:
        return await asyncio.to_thread(guard.finish, inquiry, reading), document
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


async def decide(
    guard: Guard, stages: Stages, inquiry: Inquiry, scans: Sequence[Scan], *, is_partial: bool = False
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict on a body at all its stages, and the SHA-256 of each.

    Parameters
    ----------
    guard, stages, inquiry
        The inquiry is about the last of the stages.
    scans
        Of the inquiry's parts, in their order.
    is_partial
        Whether bytes are known to be missing.
    """
    outer = [await off_loop_if_large(stage, digests, stage) for stage in stages.bodies[:-1]]
    beside = [await off_loop_if_large(part, digests, part) for part in stages.beside]
    extra = [match for taken in [*outer, *beside] for match in guard.exact_matches(taken)]
    verdict = with_doubts(guard.conclude(inquiry, scans, extra), inquiry, stages, is_partial=is_partial)
    return verdict, tuple(taken["sha256"] for taken in [*outer, inquiry.digests])


def with_doubts(verdict: Verdict, inquiry: Inquiry, stages: Stages, *, is_partial: bool) -> Verdict:
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
