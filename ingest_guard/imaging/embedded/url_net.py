"""``data:`` URLs and bare base64 in a text: where they start, where they stop, and what they hold."""

import base64
import re
import string
from collections.abc import Iterator
from typing import Final, NamedTuple

from ingest_guard.imaging.embedded.escapes import unescape
from ingest_guard.imaging.embedded.signs import Sign, Signs
from ingest_guard.imaging.pixels.model import NotScannable
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.verdict import Reason

_SCHEME: Final = linear(rb"(?i)data:")
_TYPE: Final = linear(rb"[^,\"'<>()`]{0,400}?,")
_UNIT: Final = (
    rb"(?:[A-Za-z0-9+/=_\-\t\n\v\f\r ]+|%[0-9A-Fa-f]{2}|&#?[A-Za-z0-9]{1,9};?"
    rb"|\\(?:u\{[0-9A-Fa-f]{1,8}\}|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}|[0-9A-Fa-f]{1,6}|[/\\nrt\r\n+=_-]))*"
)
_BASE64: Final = linear(_UNIT)
_BASE64_UNQUOTED: Final = linear(_UNIT.replace(rb"\t\n\v\f\r ", b""))
_MARKUP: Final = linear(rb"(?i)[\t\n\v\f\r ]*(?:%3c|<|&lt;)[a-z!?]")
_BASE64_TYPE: Final = linear(rb"(?i);[\t\n\v\f\r ]*base64[\t\n\v\f\r ]*$")
_DESCRIPTOR: Final = re.compile(rb"\d+(?:\.\d+)?[xw]")
_LONGEST_DESCRIPTOR: Final = 32
_QUOTES: Final = (b"&quot;", b"&#34;", b"&#x22;", b"&#39;", b"&#x27;", b"&apos;", b'\\"', b"\\'", b'"', b"'", b"`")
_OPEN_END: Final = linear(rb"[\t\n\v\f\r \"'<>]")
_IN_URL: Final = linear(rb"[)\t\n\v\f\r ]")
_BARE: Final = linear(
    rb"(?:[/_]9j\\?[/_]|iVBORw0KGgo|R0lGOD[ld]h|UklGR|SUkqA|TU0AK|AAAA[A-Za-z0-9+/]{2}Z0eXB(?:hdm|oZW|oZX|tW|tc)"
    rb"|AAAADGpQIC|/0//UQ|Qk[0-3][A-Za-z0-9+/]{5}AAAAA)"
    rb"[A-Za-z0-9+/=_\-\t\n\v\f\r %&#;\\]{8}"
)
_PIECE: Final = 1 << 18
_LONGEST_BARE: Final = 64
"""More than what the pattern of bare base64 can match."""
_SHORTEST: Final = 24
_SHORTEST_START: Final = 4
_TABS: Final = b"\t\n\r"
_TO_ONE_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_NO_BASE64: Final = bytes({*range(256)} - {*(string.ascii_letters + string.digits + "+/-_=").encode()})
_PEEK: Final = 64
_MOST_URLS: Final = 4_000
"""URLs, or what may be some, that a text may have."""


class Part(NamedTuple):
    """What one URL or one run of base64 holds.

    Attributes
    ----------
    media_type
        Lower case; empty where none is given.
    body
        Decoded.
    """

    media_type: bytes
    body: bytes


def parts(text: bytes, signs: Signs) -> Iterator[Part]:
    """Yield what every ``data:`` URL, then every other run of base64 that begins like an image, holds.

    Parameters
    ----------
    text
        Of any charset that has ASCII's letters in ASCII's places.
    signs
        Of this text.

    Raises
    ------
    NotScannable
        ``nesting``: there are more URLs than any page has.
    """
    spans: list[tuple[int, int]] = []
    if Sign.URL in signs.kinds:
        yield from _urls(text, spans)
    if Sign.SPLIT in signs.kinds:
        # Browsers take tabs and line breaks out of a URL, even out of its scheme.
        yield from _urls(text.translate(None, _TABS), [])
    at = 0
    for start, stop in (*spans, (len(text), len(text))):
        if start - at >= _SHORTEST and signs.has_base64(at, start):
            yield from _bare(text[at:start])
        at = stop


def _urls(text: bytes, spans: list[tuple[int, int]]) -> Iterator[Part]:
    """Yield what the URLs hold, and list where they are."""
    at = 0
    for _ in range(_MOST_URLS):
        scheme = _SCHEME.search(text, at)
        if scheme is None:
            return
        at = scheme.end()
        head = _TYPE.match(text, at)
        if head is None:
            continue
        kind = unescape(head[0][:-1]).lower()
        start = head.end()
        if _BASE64_TYPE.search(percent_decode(kind)):
            unquoted = text[max(0, scheme.start() - 1) : scheme.start()] in {b"=", b"("}
            run = (_BASE64_UNQUOTED if unquoted else _BASE64).match(text, start)
            at = run.end() if run is not None else start
            yield Part(_media_type(kind), decoded(_without_descriptor(text[start:at])))
        elif _is_text_type(kind) or _MARKUP.match(text, start):
            at = _stop(text, scheme.start(), start)
            yield Part(_media_type(kind), percent_decode(text[start:at]))
        elif b"%" in unescape(text[start : start + _PEEK])[:_PEEK]:
            at = _stop(text, scheme.start(), start)
            yield Part(_media_type(kind), percent_decode(unescape(text[start:at])))
        else:
            continue
        spans.append((scheme.start(), at))
    raise NotScannable(Reason.NESTING)


def _media_type(kind: bytes) -> bytes:
    return kind.partition(b";")[0].strip()


def _is_text_type(kind: bytes) -> bool:
    return kind.lstrip().startswith((b"text/", b"image/svg", b"application/x", b"application/j"))


def _stop(text: bytes, start: int, body: int) -> int:
    """Return where a URL stops that is not base64: at what it was opened with, seen from what is before it."""
    before = text[max(0, start - 6) : start]
    for quote in _QUOTES:
        if before.endswith(quote):
            stop = text.find(quote, body)
            return stop if stop >= 0 else len(text)
    end = (_IN_URL if before.endswith(b"(") else _OPEN_END).search(text, body)
    return end.start() if end else len(text)


def _without_descriptor(run: bytes) -> bytes:
    """Return a run without the ``2x`` or ``640w`` that stands behind a URL in ``srcset``."""
    stripped = run.rstrip()
    words = stripped[-_LONGEST_DESCRIPTOR:].rsplit(None, 1)
    if len(words) == 2 and _DESCRIPTOR.fullmatch(words[1]):  # noqa: PLR2004 - the URL's end, and the descriptor
        return stripped[: -len(words[1])]
    return run


def _bare(text: bytes) -> Iterator[Part]:
    at = 0
    for _ in range(_MOST_URLS):
        start = _search_bare(text, at)
        if start is None:
            return
        run = _BASE64.match(text, start.start())
        at = start.start() + _SHORTEST_START
        if run is not None and len(run[0]) >= _SHORTEST:
            yield Part(b"", decoded(run[0]))
            at = max(at, run.end())
    raise NotScannable(Reason.NESTING)


def _search_bare(text: bytes, at: int) -> re.Match[bytes] | None:
    """Search in pieces: a search holds the interpreter, and of 8 MB for tens of milliseconds."""
    while at < len(text):
        if found := _BARE.search(text, at, at + _PIECE):
            return found
        at += _PIECE - _LONGEST_BARE
    return None


def decoded(run: bytes) -> bytes:
    """Return what a run of base64 holds, however its characters are spelt; either alphabet, with or without padding."""
    if b"&" in run or b"\\" in run:
        run = unescape(run)
    if b"%" in run:
        run = percent_decode(run)
    run = run.translate(_TO_ONE_ALPHABET, _NO_BASE64).partition(b"=")[0]
    if len(run) % 4 == 1:
        run = run[:-1]
    return base64.b64decode(run + b"=" * (-len(run) % 4))
