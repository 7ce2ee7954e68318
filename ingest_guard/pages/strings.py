"""What a string is by itself: a URL, markup, JSON, a style, or a text with URLs in it.

Attributes, the values of JSON and the literals of scripts say nothing of what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.pages.data_urls import is_data_url
from ingest_guard.pages.findings import Kind, Piece
from ingest_guard.pages.may_hold import PICTURES, may_hold

_MARKUP: Final = re.compile(r"<[A-Za-z!?]")
_JSON: Final = re.compile(r"[\t\n\r ]*[\[{\"]")
_URL_FUNCTION: Final = re.compile(r"(?:url|src)[\t\n\r ]*\(|\\", re.IGNORECASE)
_IN_TEXT: Final = linear(rb"(?i)data:[^\x00-\x20\"'<>()`\\]+")
_SPELT_SCHEME: Final = linear(rb"(?i)data(?:%25)*%3a")
_WORD: Final = re.compile(r"[^\t\n\f\r ]*")
_BLANKS: Final = re.compile(r"[\t\n\f\r ,]*")
_DESCRIPTORS: Final = re.compile(r"[^(,]*")
_BASE64: Final = linear(
    PICTURES.replace(rb"\\?", b"") + rb"[A-Za-z0-9+/_\-]{8,}(?:[ \t]*\r?\n[ \t]*[A-Za-z0-9+/_\-]{4,})*={0,2}"
)


def may_hold_base64(text: str | bytes) -> bool:
    """Return whether a text has base64 in it that begins as a picture does."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return _BASE64.search(data) is not None


def split_string(value: str, *, is_shown: bool = True, is_cut: bool = False) -> Iterator[Piece]:
    """Yield what a string holds."""
    if is_data_url(value):
        yield Piece(Kind.URL, value, is_shown=is_shown, is_cut=is_cut)
        return
    data = value.encode("utf-8", "surrogatepass")
    for run in dict.fromkeys(_BASE64.findall(data)):
        yield Piece(Kind.BASE64, run.decode("ascii"), is_shown=False)
    if not may_hold(data):
        return
    if _MARKUP.search(value):
        yield Piece(Kind.HTML, value, is_shown=is_shown, is_document=True)
    if _JSON.match(value):
        yield Piece(Kind.JSON, value, is_shown=is_shown, is_cut=is_cut, is_document=True)
    elif _URL_FUNCTION.search(value):
        yield Piece(Kind.CSS, value, is_shown=is_shown)
    if _SPELT_SCHEME.search(data):
        yield Piece(Kind.STRING, percent_decode(data).decode("utf-8", "replace"), is_shown=False, is_document=True)
    yield from urls_in_text(data)


def split_text(text: str, *, is_shown: bool = False) -> Iterator[Piece]:
    """Yield the URLs and the pictures in base64 of a running text: no browser follows them."""
    del is_shown
    data = text.encode("utf-8", "surrogatepass")
    if b"\\" in data:
        data = data.replace(b"\\/", b"/")
    yield from urls_in_text(data)
    for run in dict.fromkeys(_BASE64.findall(data)):
        yield Piece(Kind.BASE64, run.decode("ascii"), is_shown=False)


def urls_in_text(data: bytes) -> Iterator[Piece]:
    """Yield what looks like a ``data:`` URL in a running text: no browser follows it."""
    for url in dict.fromkeys(_IN_TEXT.findall(data)):
        if b"," in url:
            yield Piece(Kind.URL, url.decode("utf-8", "replace"), is_shown=False)


def split_srcset(value: str, *, is_shown: bool = True) -> Iterator[Piece]:
    """Yield the URLs of a ``srcset`` (https://html.spec.whatwg.org/#parse-a-srcset-attribute)."""
    at = 0
    while at < len(value):
        start = _end(_BLANKS, value, at)
        end = _end(_WORD, value, start)
        url = value[start:end]
        at = end if url.endswith(",") else _descriptors_end(value, end)
        if is_data_url(url):
            yield Piece(Kind.URL, url.rstrip(","), is_shown=is_shown)


def _end(pattern: re.Pattern[str], value: str, at: int) -> int:
    match = pattern.match(value, at)
    return match.end() if match else at


def _descriptors_end(value: str, at: int) -> int:
    """Return where the next candidate begins: behind a comma that is not in brackets."""
    while True:
        at = _end(_DESCRIPTORS, value, at)
        if value[at : at + 1] != "(":
            return at + 1
        close = value.find(")", at)
        if close < 0:
            return len(value)
        at = close + 1
