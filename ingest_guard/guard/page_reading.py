"""How a text is read where it cannot hurt, and how a reading travels from a worker to its parent."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from typing import Any, Final

from ingest_guard.pages.findings import EMBEDDED, NESTING, InlineBody, PageLimits
from ingest_guard.pages.may_hold import may_hold_body
from ingest_guard.pages.metas import may_have_metas
from ingest_guard.pages.reader import essence, read_page
from ingest_guard.pages.reading import (
    LONGEST_META,
    MOST_META_TEXT,
    MOST_METAS,
    MOST_ROWS,
    PageDocument,
    PageQuestion,
    PageReading,
)
from ingest_guard.policy.policy import Policy
from ingest_guard.policy.records import Extract
from ingest_guard.verdict import Reason

MOST_HEAD: Final = 4 << 20
"""Bytes of the part of an answer that says what the bodies are."""
_DOUBTS: Final = frozenset({EMBEDDED, NESTING, Reason.MEMORY})
_LENGTH: Final = struct.Struct("!I")
_ENCODING: Final = re.compile(r"[A-Za-z0-9_:.-]{1,40}")
_LONGEST_TYPE: Final = 200
_COLUMNS: Final = 4
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
_LONGEST_NAME: Final = 128
# A charset with states of its own, and one with two bytes a character, can spell anything.
_OTHER_CHARSETS: Final = (b"\x1b", b"\0")


def page_limits(policy: Policy) -> PageLimits:
    """Return the page reader's part of a policy."""
    limits, usual = policy.limits, PageLimits()
    return PageLimits(
        text=min(limits.bytes, usual.text), body_bytes=min(limits.bytes, usual.body_bytes), nesting=limits.nesting
    )


def largest_answer(limits: PageLimits) -> int:
    """Return how many bytes a packed reading may have."""
    # Bodies that no browser shows have limits of their own; then come the rows of images, and those of links.
    return _LENGTH.size + MOST_HEAD + 2 * limits.body_bytes + 2 * MOST_ROWS


def needs_reading(text: bytes) -> bool:
    """Return whether a text can hold an inline body, in whatever charset: a no is never wrong."""
    if any(sign in text for sign in _OTHER_CHARSETS) or text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return may_hold_body(text)


def may_be_page(text: bytes, declared: str | None) -> bool:
    """Return whether a text is shown as a page, or says as pages do what its use is: a no is never wrong."""
    return is_declared_page(declared) or may_have_metas(text)


def is_declared_page(declared: str | None) -> bool:
    """Return whether a Content-Type is that of a page."""
    return essence(declared) in _PAGES


def read_text(
    text: bytes, declared: str | None, limits: PageLimits, question: PageQuestion | None, extract: Extract
) -> PageReading:
    """Read a text; never raises, whatever it is: what cannot be read is a doubt."""
    try:
        return read_page(text, declared=declared, limits=limits, question=question, extract=extract)
    except MemoryError:
        return failed_reading(Reason.MEMORY)
    except Exception:  # noqa: BLE001 - a fault of ours must not read like a pass
        return failed_reading(Reason.EMBEDDED)


def failed_reading(reason: Reason) -> PageReading:
    """Return the reading of a text that could not be read."""
    return PageReading([], str(reason), None, None)


def pack_reading(reading: PageReading) -> Iterator[bytes]:
    """Yield a reading as bytes: the length of a JSON head, the head, the bodies one behind the other, and rows."""
    document = reading.document
    head = {
        "doubt": reading.doubt,
        "encoding": reading.encoding,
        "bodies": [
            [len(body.data), body.media_type[:_LONGEST_TYPE], body.is_whole, body.is_shown] for body in reading.bodies
        ],
        "document": None if document is None else _head_of(document),
    }
    packed = json.dumps(head).encode()
    yield _LENGTH.pack(len(packed))
    yield packed
    for body in reading.bodies:
        yield body.data
    if document is not None:
        yield document.image_rows or b""
        yield document.link_rows or b""


def _head_of(document: PageDocument) -> dict[str, Any]:
    rows = (document.image_rows, document.link_rows)
    return {
        "metas": document.metas,
        "rows": [None if each is None else len(each) for each in rows],
        "cut": [document.metas_cut, document.images_cut, document.links_cut],
        "is_guess": document.is_guess,
    }


def unpack_reading(payload: bytes, limits: PageLimits, question: PageQuestion | None = None) -> PageReading:
    """Read what :func:`pack_reading` made; ValueError, KeyError or TypeError for anything else.

    A worker may have been taken over: everything in here is looked at. The text itself does not travel.
    """
    if len(payload) < _LENGTH.size:
        raise ValueError("a reading without a head")
    (length,) = _LENGTH.unpack_from(payload)
    at = _LENGTH.size + length
    if length > MOST_HEAD or at > len(payload):
        raise ValueError("a head that is too long")
    read: dict[str, Any] = json.loads(payload[_LENGTH.size : at])
    rows, doubt, encoding = read["bodies"], read["doubt"], read["encoding"]
    if type(rows) is not list or len(rows) > 2 * limits.bodies:
        raise ValueError("bodies without measure")
    if doubt is not None and (type(doubt) is not str or doubt not in _DOUBTS):
        raise ValueError("a doubt that is none")
    if encoding is not None and (type(encoding) is not str or not _ENCODING.fullmatch(encoding)):
        raise ValueError("an encoding that is none")
    bodies = []
    for row in rows:
        size, media_type, is_whole, is_shown = _check_row(row)
        if at + size > len(payload):
            raise ValueError("bodies that are longer than the answer")
        bodies.append(InlineBody(payload[at : at + size], media_type, is_whole, is_shown))
        at += size
    document, at = _unpack_document(read["document"], payload, at, question)
    if at != len(payload):
        raise ValueError("an answer that is longer than what is in it")
    return PageReading(bodies, doubt, None, encoding, document)


def _unpack_document(
    head: Any, payload: bytes, at: int, question: PageQuestion | None
) -> tuple[PageDocument | None, int]:
    """Return the document, and where it ends; its rows are looked at when they are read."""
    if head is None:
        return None, at
    if question is None:
        raise ValueError("a document that was not asked for")
    metas, sizes, cut, is_guess = head["metas"], head["rows"], head["cut"], head["is_guess"]
    if type(metas) is not list or len(metas) > MOST_METAS or type(is_guess) is not bool:
        raise ValueError("elements without measure")
    pairs = tuple(map(_check_meta, metas))
    if sum(len(name) + len(content) for name, content in pairs) > MOST_META_TEXT:
        raise ValueError("elements without measure")
    if type(cut) is not list or [type(each) for each in cut] != [int] * 3 or min(cut) < 0:
        raise TypeError("counts that are none")
    wanted = int if question.wants_images else type(None)
    if type(sizes) is not list or [type(each) for each in sizes] != [wanted] * 2:
        raise TypeError("rows that are none")
    rows: list[bytes | None] = []
    for size in sizes:
        if size is not None and not 0 <= size <= min(MOST_ROWS, len(payload) - at):
            raise ValueError("rows without measure")
        rows.append(None if size is None else payload[at : at + size])
        at += size or 0
    return PageDocument(pairs, cut[0], rows[0], cut[1], rows[1], cut[2], is_guess), at


def _check_meta(row: Any) -> tuple[str, str]:
    if type(row) is not list or [type(each) for each in row] != [str, str]:
        raise TypeError("an element that is none")
    name, content = row
    if len(name) > _LONGEST_NAME or len(content) > LONGEST_META:
        raise ValueError("an element without measure")
    return name, content


def _check_row(row: Any) -> tuple[int, str, bool, bool]:
    if type(row) is not list or len(row) != _COLUMNS:
        raise TypeError("a body that is none")
    size, media_type, is_whole, is_shown = row
    if type(size) is not int or size < 0 or type(media_type) is not str or len(media_type) > _LONGEST_TYPE:
        raise TypeError("a body that is none")
    if type(is_whole) is not bool or type(is_shown) is not bool:
        raise TypeError("a body that is none")
    return size, media_type, is_whole, is_shown
