"""JSON as pages publish it: marks of templates around it, commas too many, comments, line breaks, several documents.

What is valid is read by Python's own parser, and what is not is mended first. Nothing is made up: what cannot be
mended is not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any, Final

_MOST_CHARACTERS: Final = 4 << 20
_MOST_DOCUMENTS: Final = 1000
_DIGITS: Final = 9
_WRAPPINGS: Final = re.compile(
    r"(?:\s|\ufeff|<!--|-->|//[ \t]*<!\[CDATA\[|//[ \t]*\]\]>|/\*[ \t]*<!\[CDATA\[[ \t]*\*/|/\*[ \t]*\]\]>[ \t]*\*/|"
    r"<!\[CDATA\[|\]\]>|</?script[^<>]{0,200}>|[;,])*+"
)
_TOKEN: Final = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*+(?:"|\\?\Z))|(?P<comment>/\*(?:[^*]|\*(?!/))*+(?:\*/|\*?\Z)|//[^\n]*)|(?P<comma>,)|'
    r"(?P<close>[\]}])|(?P<blank>\s+)|(?P<other>[^\"/,\]}\s]+|/)",
    re.DOTALL,
)
_BAD_ESCAPE: Final = re.compile(r'\\(?:u[0-9A-Fa-f]{4}|["\\/bfnrt])|\\(.?)', re.DOTALL)
_QUOTES: Final = re.compile(r"&(?:quot|#34|#0*39|#x22);", re.IGNORECASE)


def read_json(source: str) -> list[Any]:
    """Return the documents in a block of JSON; none of one that cannot be read, or is longer than any in use."""
    if len(source) > _MOST_CHARACTERS:
        return []
    best: list[Any] = []
    for text in _versions(source):
        documents, is_whole = _documents(text)
        if is_whole:
            return documents
        best = max(best, documents, key=len)
    return best


def _versions(source: str) -> Iterator[str]:
    yield source
    yield _mended(source)
    if _QUOTES.search(source):
        # Written by a template that escapes what it writes.
        yield _mended(unescape(source))


def _documents(text: str) -> tuple[list[Any], bool]:
    """Return the documents that stand one behind the other, up to the first error, and whether there was none."""
    decoder = json.JSONDecoder(strict=False, parse_int=_small, parse_float=_nothing)
    documents: list[Any] = []
    at = 0
    while len(documents) < _MOST_DOCUMENTS:
        wrapping = _WRAPPINGS.match(text, at)
        at = wrapping.end() if wrapping else at
        if at == len(text):
            return documents, True
        try:
            document, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError, MemoryError):
            return documents, False
        documents.append(document)
    return documents, True


def _mended(source: str) -> str:
    """Return the same with commas only where one is due, without comments, and with no escapes that JSON lacks."""
    parts: list[str] = []
    has_comma = False
    for token in _TOKEN.finditer(source):
        kind, text = token.lastgroup, token[0]
        if kind in {"comment", "blank"}:
            continue
        if kind == "comma":
            has_comma = bool(parts) and parts[-1][-1] not in "[{,:"
            continue
        if has_comma and kind != "close":
            parts.append(",")
        has_comma = False
        parts.append(_BAD_ESCAPE.sub(_escape, text) if kind == "text" and "\\" in text else text)
    return "".join(parts)


def _escape(found: re.Match[str]) -> str:
    return found[0] if found[1] is None else found[1]


def _small(digits: str) -> int:
    """Read a number; none here is worth the time that Python takes for one of a million digits."""
    return int(digits) if len(digits) <= _DIGITS else 0


def _nothing(digits: str) -> None:
    del digits
