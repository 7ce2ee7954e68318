"""Reading a page: the bodies inside a text, inside the documents in it, and inside those.

Each document goes to the reader of its kind; what that reader finds is a document again, a string, or a URL. There is
no recursion: what waits is on a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Final

from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.imaging.sniffing.sniff import Kind as BodyKind
from ingest_guard.imaging.sniffing.sniff import sniff
from ingest_guard.pages.charsets import Decoded, decode, decode_as, looks_like_utf16, most_sensible
from ingest_guard.pages.data_urls import lenient_base64, read_data_url
from ingest_guard.pages.extract.images import extract_from
from ingest_guard.pages.findings import EMBEDDED, NESTING, Findings, InlineBody, Kind, PageLimits, Piece
from ingest_guard.pages.markup import forget_pages, read_markup
from ingest_guard.pages.may_hold import may_hold, may_hold_body
from ingest_guard.pages.metas import is_xml, read_links, read_metas
from ingest_guard.pages.reading import PageDocument, PageQuestion, PageReading, pack_images, pack_links
from ingest_guard.pages.scripts import read_json, read_script
from ingest_guard.pages.strings import split_string, split_text
from ingest_guard.pages.styles import count_tokens, read_styles
from ingest_guard.pages.xml import looks_like_xml, read_xml
from ingest_guard.policy.records import Extract

_TAG: Final = linear(rb"<[A-Za-z!?/]")
_STYLE: Final = linear(
    rb"(?i)^[\t\n\f\r ]*(?:@(?:charset|import|media|font-face|namespace|layer)|/\*|[\w.#:*\[\], >+~-]{1,200}[{])"
)
_JSON_START: Final = frozenset('{["')
_TEXTS: Final = ("text/", "application/json", "application/javascript", "application/ecmascript", "application/xml")
_HTML_TYPES: Final = frozenset({"text/html", "text/x-server-parsed-html"})
_UNKNOWN_TYPES: Final = frozenset({"", "application/octet-stream", "application/unknown", "unknown/unknown", "*/*"})


_USUAL: Final = Extract()


def read_page(
    body: bytes,
    *,
    declared: str | None,
    limits: PageLimits,
    question: PageQuestion | None = None,
    extract: Extract = _USUAL,
) -> PageReading:
    """Read a text as a browser would, and what is inside it.

    Parameters
    ----------
    body
        A text, without content codings.
    declared
        The Content-Type header's value; None where there is none.
    limits
        What the page may ask for.
    question
        What is wanted beside the inline bodies.
    extract
        Where images are looked for, and which texts are theirs.

    Returns
    -------
    PageReading
        The inline bodies, and the doubt where there may be others. A page that is longer than the limits has no
        document.
    """
    try:
        return _read(body, declared, limits, question, extract)
    finally:
        forget_pages()


def _read(
    body: bytes, declared: str | None, limits: PageLimits, question: PageQuestion | None, extract: Extract
) -> PageReading:
    findings = Findings(limits)
    if len(body) > limits.text:
        # Escapes of two bytes a character (UTF-16) hide the scheme from a look at the bytes.
        if may_hold(body) or may_hold(body.replace(b"\0", b"")):
            findings.add_doubt(EMBEDDED)
        return PageReading([], findings.doubt, None, None)
    readings = decode(body, declared)
    reader = _Reader(findings)
    for reading in readings:
        reader.add_document(reading.text, essence(declared), depth=0, is_shown=True)
    order = looks_like_utf16(body)
    if order is not None and readings[0].encoding not in {"utf-16le", "utf-16be"}:
        readings.append(Decoded(decode_as(body, order), order))
        reader.add_document(readings[-1].text, essence(declared), depth=0, is_shown=False)
    reader.run(readings[0])
    document = None if question is None else _read_document(body, readings, essence(declared), question, extract)
    return PageReading(findings.bodies, findings.doubt, readings[0].text, readings[0].encoding, document)


def _read_document(
    body: bytes, readings: list[Decoded], media_type: str, question: PageQuestion, extract: Extract
) -> PageDocument | None:
    """Return what a page says; None where a fault of ours prevents it, which must not read like a page without it."""
    text, encoding = most_sensible(body, readings)
    is_guess = encoding is None and not text.isascii()
    try:
        metas, metas_cut = read_metas((reading.text for reading in readings), media_type)
        if not question.wants_images:
            return PageDocument(metas, metas_cut, is_guess=is_guess)
        known = encoding or "utf-8"
        links, links_cut = pack_links(read_links(text, known, question.url, media_type))
        found = () if is_guess else extract_from(text, known, question.url, is_xml=is_xml(media_type), policy=extract)
        images, images_cut = pack_images(found)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - what was found inside the page stays
        return None
    return PageDocument(metas, metas_cut, images, images_cut, links, links_cut, is_guess)


def essence(declared: str | None) -> str:
    """Return the media type that a Content-Type names, in lower case."""
    return declared.partition(";")[0].strip().lower() if declared else ""


_READERS: Final = {Kind.HTML: read_markup, Kind.XML: read_xml, Kind.SCRIPT: read_script, Kind.TEXT: split_text}


class _Reader:
    """What waits to be read, and what was read already."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._limits = findings.limits
        self._waiting: list[tuple[Piece, int]] = []
        self._seen: set[tuple[Kind, bool, bool, bytes]] = set()
        self._last = ("", sha256().digest())
        self._pieces = 0
        self._css_tokens = 0
        self._encoding: str | None = None

    def run(self, page: Decoded) -> None:
        """Read until nothing waits."""
        self._encoding = page.encoding
        while self._waiting:
            piece, depth = self._waiting.pop()
            for found in self._read(piece):
                self._pieces += 1
                if self._pieces > self._limits.pieces:
                    self._findings.add_doubt(EMBEDDED)
                    return
                self._take(found, depth)

    def add_document(self, text: str, media_type: str, *, depth: int, is_shown: bool) -> None:
        """Let a text be read as what it is declared, and as what it looks like."""
        if not may_hold_body(text):
            return
        if depth > self._limits.nesting:
            if is_shown:
                self._findings.add_doubt(NESTING)
            return
        for piece in _ways_to_read(text, media_type):
            self._wait(piece._replace(is_shown=piece.is_shown and is_shown), depth)

    def _wait(self, piece: Piece, depth: int) -> None:
        if self._is_new(piece):
            self._waiting.append((piece, depth))

    def _is_new(self, piece: Piece) -> bool:
        key = (piece.kind, piece.is_shown, piece.is_cut, self._digest(piece.text))
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def _digest(self, text: str) -> bytes:
        """Return a digest of a text; a document is waited for in several kinds, one after the other."""
        if text is not self._last[0]:
            self._last = (text, sha256(text.encode("utf-8", "surrogatepass")).digest())
        return self._last[1]

    def _take(self, piece: Piece, depth: int) -> None:
        if piece.kind is Kind.DOUBT:
            self._findings.add_doubt(piece.text)
        elif piece.kind is Kind.URL:
            if self._is_new(piece):
                self._take_url(piece, depth)
        elif piece.kind is Kind.BASE64:
            self._findings.add(InlineBody(lenient_base64(piece.text.encode()), "", is_shown=False))
        elif piece.kind is Kind.BYTES:
            self._findings.add(InlineBody(piece.text.encode("latin-1"), "", is_shown=False))
        elif not piece.is_document:
            self._wait(piece, depth)
        elif depth < self._limits.nesting:
            self._wait(piece, depth + 1)
        elif piece.is_shown and may_hold(piece.text):
            self._findings.add_doubt(NESTING)

    def _take_url(self, piece: Piece, depth: int) -> None:
        url = read_data_url(piece.text)
        if url is None:
            return
        for body in url.bodies:
            found = replace(
                body, is_whole=body.is_whole and not piece.is_cut, is_shown=body.is_shown and piece.is_shown
            )
            if self._findings.add(found):
                self._read_body(found, url.charset, depth)

    def _read_body(self, body: InlineBody, charset: str | None, depth: int) -> None:
        media_type = body.media_type
        is_text = media_type.startswith(_TEXTS) or media_type.endswith(("+xml", "+json"))
        if not is_text and sniff(body.data).kind is not BodyKind.TEXT:
            return
        declared = f"{media_type};charset={charset}" if charset else media_type
        readings = decode(body.data, declared)
        if self._encoding is not None and not charset and not body.data.isascii():
            readings += [one for one in decode(body.data, fallback=self._encoding) if one not in readings]
        elif self._encoding == "iso-2022-jp" and not charset:
            readings += decode(body.data, f"{media_type};charset={self._encoding}")
        for reading in readings:
            self.add_document(reading.text, media_type, depth=depth + 1, is_shown=body.is_shown)

    def _read(self, piece: Piece) -> Iterator[Piece]:
        kind, text, is_shown = piece.kind, piece.text, piece.is_shown
        if kind is Kind.CSS:
            return read_styles(text, is_readable=self._is_readable_style(text), is_shown=is_shown)
        if kind is Kind.JSON:
            return read_json(text, is_shown=is_shown, is_cut=piece.is_cut)
        if kind is Kind.STRING:
            return split_string(text, is_shown=is_shown, is_cut=piece.is_cut)
        return _READERS[kind](text, is_shown=is_shown)

    def _is_readable_style(self, text: str) -> bool:
        if len(text) > self._limits.css:
            return False
        tokens = count_tokens(text)
        is_readable = self._css_tokens + tokens <= self._limits.css_tokens
        self._css_tokens += tokens if is_readable else 0
        return is_readable


def _ways_to_read(text: str, media_type: str) -> Iterator[Piece]:
    """Yield the kinds of document for which a reader takes a text: first the one that it is declared."""
    head = text[:4096].encode("utf-8", "surrogatepass")
    has_tags = _TAG.search(text.encode("utf-8", "surrogatepass")) is not None
    starts_as_json = text[:4096].lstrip("\ufeff\t\n\r ")[:1] in _JSON_START
    main = _declared_kind(media_type)
    if main is None:
        main = Kind.XML if looks_like_xml(text) else Kind.HTML if has_tags else Kind.JSON if starts_as_json else None
        main = main or (Kind.CSS if _STYLE.search(head) else Kind.SCRIPT)
        is_shown = media_type != "text/plain"
    else:
        is_shown = True
    yield Piece(main, text, is_shown=is_shown)
    if has_tags and main is not Kind.HTML:
        # Without a type, or with one that it does not know, a browser takes XML that has HTML's tags for HTML.
        yield Piece(Kind.HTML, text, is_shown=main is Kind.XML and media_type in _UNKNOWN_TYPES)
    if main is not Kind.XML and looks_like_xml(text):
        yield Piece(Kind.XML, text, is_shown=False)
    if starts_as_json and main is not Kind.JSON:
        yield Piece(Kind.JSON, text, is_shown=False)
    if main is not Kind.CSS and _STYLE.search(head) is not None:
        yield Piece(Kind.CSS, text, is_shown=False)
    if main is not Kind.SCRIPT and not has_tags:
        yield Piece(Kind.SCRIPT, text, is_shown=False)
    yield Piece(Kind.TEXT, text, is_shown=False)


def _declared_kind(media_type: str) -> Kind | None:
    if media_type in _HTML_TYPES:
        return Kind.HTML
    if media_type == "text/css":
        return Kind.CSS
    if is_xml(media_type) or media_type == "text/xsl":
        return Kind.XML
    if media_type.endswith(("/json", "+json", "/ld+json")):
        return Kind.JSON
    return Kind.SCRIPT if media_type.endswith(("javascript", "ecmascript")) else None
