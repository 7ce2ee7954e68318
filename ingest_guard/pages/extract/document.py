"""From the bytes of a page to its tree, whatever the server and the page say of their encoding."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from lxml import etree
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom, resolve_encoding

if TYPE_CHECKING:
    from lxml.etree import _Element

_MOST_BYTES = 16 << 20
# Codecs of texts that pages are written in. Python has others under names that a header can say, some of them slow.
_OF_PAGES = re.compile(
    r"ascii|utf-(?:8|16|16-le|16-be|32|32-le|32-be)|cp\d+|iso8859-\d+|koi8-\w|gb18030|gbk|gb2312|hz|big5\w*|euc_\w+|"
    r"shift_\w+|iso2022_\w+|mac-\w+|tis-620|johab|ptcp154|kz1048"
)
_ONE_BYTE = re.compile(r"ascii|cp(?!932|949|950|65001)\d+|iso8859-\d+|koi8-\w|mac-\w+|tis-620|ptcp154|kz1048")

_HARMLESS = 1 << 17
# Atomic: each attribute is matched once and for all, so that a tag is looked through once.
_ATTRIBUTE = r"""(?>[\s/]*[^\s/>][^\s/>=]*(?:\s*=\s*(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z)|[^\s>]*))?)"""
_START = re.compile(r"<[a-zA-Z]")
# Its end is how far was looked: what is looked through once a tag, and once again, is more than there is to read.
_TAG = re.compile(rf"<[a-zA-Z](?:{_ATTRIBUTE}){{0,500}}[\s/]*")
_OVERLOADED = re.compile(rf"<[a-zA-Z](?:{_ATTRIBUTE}){{500}}")
_SHORTEST_OVERLOADED = 900
_MOST_LOOKS, _FREE_LOOKS = 8, 32 << 20


def read_text(body: bytes, content_type: str | None = None) -> tuple[str, str]:
    """Decode a page; return the text, and the encoding that it was taken to be in.

    A byte order mark wins, then what the ``Content-Type`` header says, then the page's own ``meta``; but a declared
    encoding in which the bytes make no sense does not count where another one fits. UTF-8 is easily known from the
    encodings of one byte a letter, which fit everything: bytes that are UTF-8 are read as such.
    """
    mark, after = _bom(body)
    if mark is not None:
        return after[:_MOST_BYTES].decode(mark, "replace"), mark
    whole = len(body) <= _MOST_BYTES
    body = body[:_MOST_BYTES]
    declared = [
        name
        for each in (http_content_type_encoding(content_type), html_body_declared_encoding(body))
        if (name := _known(each))
    ]
    # A page whose meta can be read as ASCII is not in UTF-16, whatever it says.
    tried = ["utf-8" if name.startswith("utf-") else name for name in declared[1:]]
    candidates = [*declared[:1], *tried]
    if not candidates or _ONE_BYTE.fullmatch(candidates[0]):
        candidates.insert(0, "utf-8")
    for encoding in [*candidates, "utf-8"]:
        if (text := _strictly(body, encoding, whole=whole)) is not None:
            return text, encoding
    fallback = declared[0] if declared else "cp1252"
    return body.decode(fallback, "replace"), fallback


def is_too_costly(text: str) -> bool:
    """Tell whether a page has a tag with more attributes than any author writes.

    The time that libxml2 takes for a tag grows with the square of their number: half a megabyte of them is enough to
    stop a crawl for minutes. The look itself is bounded: a page of tags that do not end counts as one of these.
    """
    if len(text) <= _HARMLESS:
        return False
    left = _MOST_LOOKS * len(text) + _FREE_LOOKS
    for start in _START.finditer(text):
        at = start.start()
        tag = _TAG.match(text, at)
        length = tag.end() - at if tag else 0
        left -= length
        if left < 0 or (length >= _SHORTEST_OVERLOADED and _OVERLOADED.match(text, at)):
            return True
    return False


def parse(text: str) -> _Element | None:
    """Return the root of a page's tree; None where there is no element in it, or where it would take too long."""
    if is_too_costly(text):
        return None
    parser = etree.HTMLParser(
        recover=True, huge_tree=True, encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True
    )
    try:
        return etree.fromstring(text.replace("\x00", "").encode("utf-8", "replace"), parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def _bom(body: bytes) -> tuple[str | None, bytes]:
    name, mark = read_bom(body)
    return (None, body) if name is None or mark is None else (name, body[len(mark) :])


def _known(declared: str | None) -> str | None:
    """Return the codec of a declared encoding, if pages are written in it."""
    name = resolve_encoding(declared) if declared else None
    return name if name is not None and _OF_PAGES.fullmatch(name) else None


def _strictly(body: bytes, encoding: str, *, whole: bool) -> str | None:
    """Decode, or return None; of a page that was cut off, the last letter may be half."""
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(body, final=whole)
    except (UnicodeError, LookupError):
        return None
