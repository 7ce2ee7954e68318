"""Text or not: the rule of the WHATWG MIME Sniffing standard, without its hole.

The standard looks at the first 1445 bytes for bytes that no text has. That alone would let a page through that
begins as text and goes on as an image; and it would call a page with one stray control byte at its beginning binary.
So the whole body is looked at: an image signature with binary bytes behind it makes it a polyglot, and text may have
a few stray control bytes, markup more than other text.
"""

import re
from typing import Final

from ingest_guard.imaging.sniffing.charset import has_charset
from ingest_guard.imaging.sniffing.signatures import find_images

_TEXT_BYTES: Final = bytes(sorted({*range(256)} - {*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)}))
_BINARY: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_HEAD: Final = 1445
_NEAR: Final = 64
_STRAY_MARKUP, _STRAY_TEXT = 0.02, 0.002
_A_FEW: Final = 8
_MARKUP: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\x0c\r \0]*<(?:!doctype|!--|\?xml|[a-z][a-z0-9:-]*[\s/>])", re.IGNORECASE
)
_SVG: Final = re.compile(rb"<(?:[a-z][\w.-]{0,30}:)?svg[\s/>]", re.IGNORECASE)
_HTML: Final = re.compile(
    rb"<(?:!doctype html|html|head|body|script|iframe|div|table|style|title|h1|font|a|p|br|b|img|meta)[\s/>]",
    re.IGNORECASE,
)
_CSS: Final = re.compile(
    rb"\s*(?:@(?:charset|import|media|font-face|namespace)|[\w.#:*\[\], >+~-]{1,200}\{[^{}\"]{0,200}:)"
)
_AFTER_BRACKET: Final = frozenset({b'"', b"{", b"[", b"}", b"]", b"-", *(b"%d" % digit for digit in range(10))})
_GIF: Final = frozenset({0x00, 0x21, 0x2C})


def is_text(data: bytes) -> bool:
    """Return whether a body that has none of the known signatures is text that may be let through as text."""
    if utf16(data) is not None:
        return True
    binary = len(data.translate(None, _TEXT_BYTES))
    markup = is_markup(data)
    if not markup and binary > _A_FEW and _BINARY.search(data, 0, _HEAD):
        return False
    if binary > max(_A_FEW, len(data) * (_STRAY_MARKUP if markup else _STRAY_TEXT)):
        return False
    if data.isascii() and not binary:
        return True
    return has_charset(data) and not any(_is_image_at(data, at) for at in find_images(data))


def is_markup(data: bytes) -> bool:
    """Return whether a body begins with a tag, a comment or a declaration."""
    return _MARKUP.match(data) is not None


def _is_image_at(data: bytes, at: int) -> bool:
    """Return whether an image's signature in a text is more than words about images.

    That of JPEG has three bytes that are no word in any charset. The others are letters in part: bytes that no text
    has come soon after them, in a GIF perhaps behind a comment.
    """
    if data[at] == 0xFF or _BINARY.search(data, at, at + _NEAR):  # noqa: PLR2004 - JPEG, JPEG 2000
        return True
    if not data.startswith(b"GIF8", at) or at + 13 >= len(data):
        return False
    table = 3 << (data[at + 10] & 7) + 1 if data[at + 10] & 0x80 else 0
    first = data[at + 13 + table : at + 14 + table]
    return bool(first) and first[0] in _GIF and _BINARY.search(data, at) is not None


def utf16(data: bytes) -> str | None:
    """Return a body in UTF-16 as a string; None where it is not.

    With a byte order mark, or without one where it begins as markup: ``<`` and a zero byte, in either order. Bodies
    of which a tenth or more decodes to control characters or to nothing are not text.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        order = "utf-16-le" if data.startswith(b"\xff\xfe") else "utf-16-be"
    else:
        head = data[:64].lstrip(b"\t\n\r \0")[:4]
        if len(head) < 4 or b"\0" not in head or b"<" not in head[:2]:  # noqa: PLR2004 - two characters
            return None
        order = "utf-16-le" if data.find(b"<") % 2 == 0 else "utf-16-be"
    text = data[: len(data) & ~1].decode(order, "replace")
    # Letters come back as such; binary data comes back as all the scripts of the world and as what has no meaning.
    odd = sum(map(text.count, "\ufffd\0\1\2\3\4\5\6\7"))
    return text if odd * 10 <= len(text) and next(find_images(data), None) is None else None


def text_format(data: bytes) -> str:
    """Return what kind of text a body is, as far as its beginning tells."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:64]:
        data = data[:8192].replace(b"\0", b"").lstrip(b"\xff\xfe")
    head = data[:4096].lstrip(b"\xef\xbb\xbf\t\n\x0c\r \0")
    if head[:1] == b"<":
        svg, html = _SVG.search(head), _HTML.search(head)
        if svg and (not html or svg.start() < html.start()):
            return "SVG"
        return "HTML" if html else "XML" if head.startswith((b"<?xml", b"<!DOCTYPE")) else "HTML"
    if head[:1] in {b"{", b"["} and head[1:].lstrip()[:1] in _AFTER_BRACKET:
        return "JSON"
    if _CSS.match(head):
        return "CSS"
    return "HTML" if _HTML.search(head[:1024]) else "TEXT"
