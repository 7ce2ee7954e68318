"""Bodies inside text: ``data:`` URLs and base64 in HTML, CSS, SVG, JSON, XML and scripts.

In every disguise in which a browser still reads them: capitals, line breaks, entities, escapes, percent signs, URLs
inside URLs, UTF-16. What a script puts together while it runs is not found.
"""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ingest_guard.imaging.embedded.escapes import is_escaped, unescape
from ingest_guard.imaging.embedded.spellings import spelt_pictures
from ingest_guard.imaging.embedded.url_net import Part, may_hold_images, parts
from ingest_guard.imaging.pixels.model import Limits, NotScannable
from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.imaging.sniffing.text import utf16
from ingest_guard.verdict import Reason

_SPACER: Final = 256
"""A placeholder of one or two pixels is shorter than this; pages are full of them, and many are cut off."""
_SMALLEST: Final = 24
_NET: Final = 8 << 20
_ENCODED_SCHEME: Final = b"data%3a"
_ENCODED_JPEG: Final = b"%2f9j%2f"


@dataclass(frozen=True, slots=True)
class InlineBody:
    """What one ``data:`` URL, or one run of base64, in a text holds.

    Attributes
    ----------
    data
        Its bytes.
    is_picture
        Whether it is to be scanned: it looks like an image, or is announced as one and is no text.
    """

    data: bytes
    is_picture: bool


def inline_bodies(data: bytes, limits: Limits) -> list[InlineBody]:
    """Return the bodies inside a text, of any type.

    Parameters
    ----------
    data
        A text, SVG included; in UTF-8, UTF-16 or anything that has ASCII's letters in ASCII's places.
    limits
        ``nesting``: how deep a text in a text may be; ``embedded``: how many images there may be; ``bytes``: how
        large images and other binary bodies may be together.

    Returns
    -------
    list[InlineBody]
        Each once. Placeholders of one or two pixels a side are no pictures.

    Raises
    ------
    NotScannable
        ``nesting``: deeper, or more of them, than the limits. ``too_large``: more bytes than the limits.
    """
    found = _Found(limits)
    found.walk(data, 0)
    return list(found.bodies.values())


def embedded_images(data: bytes, limits: Limits) -> list[bytes]:
    """Return the pictures among the :func:`inline_bodies` of a text."""
    return [body.data for body in inline_bodies(data, limits) if body.is_picture]


def net(data: bytes, limits: Limits) -> list[InlineBody]:
    """Return the bodies that patterns find in a text: a part of them where there are more than a page has.

    What it costs is bounded: it looks at the first 8 MB, at bodies of the limits' size together, and at a thousand
    pictures. It is the reader of pages that says whether a text holds anything else.
    """
    found = _Found(limits)
    with contextlib.suppress(NotScannable):
        text = data[:_NET]
        found.walk(text, 0)
        for body in spelt_pictures(text):
            found.add(body)
    return list(found.bodies.values())


def is_empty_spacer(data: bytes) -> bool:
    """Return whether a body can show nothing, whole or not.

    It has fewer bytes than any picture needs, or is a small GIF or PNG of at most two pixels a side.
    """
    if len(data) < _SMALLEST:
        return True
    if not _is_spacer(data):
        return False
    # A frame of a GIF may be larger than the screen that its header announces.
    at = data.find(b",", 13) if data.startswith(b"GIF8") else -1
    while at >= 0:
        size = data[at + 5 : at + 9]
        if len(size) == 4 and max(struct.unpack("<HH", size)) > 2:  # noqa: PLR2004 - two numbers, two pixels
            return False
        at = data.find(b",", at + 1)
    return True


class _Found:
    def __init__(self, limits: Limits) -> None:
        self.bodies: dict[bytes, InlineBody] = {}
        self._limits = limits
        self._bytes = 0
        self._pictures = 0

    def walk(self, text: bytes, depth: int) -> None:
        """Take the bodies out of one text, and of the texts in it."""
        wide = utf16(text)
        if wide is not None:
            text = wide.encode("latin-1", "replace")
        for variant in _variants(text):
            for part in parts(variant):
                self._take(part, depth)

    def add(self, body: bytes) -> None:
        """Take one body."""
        self._take(Part(b"", body), self._limits.nesting)

    def _take(self, part: Part, depth: int) -> None:
        body = part.body
        key = sha256(body).digest()
        if not body or key in self.bodies:
            return
        sniffed = sniff(body)
        is_text = sniffed.kind is Kind.TEXT
        announced = sniffed.kind is Kind.BINARY and part.media_type.startswith(b"image/")
        is_picture = (sniffed.kind is Kind.IMAGE or announced) and not _is_spacer(body)
        self._bytes += 0 if is_text else len(body)
        if self._bytes > self._limits.bytes:
            raise NotScannable(Reason.TOO_LARGE)
        self._pictures += is_picture
        if self._pictures > self._limits.embedded:
            raise NotScannable(Reason.NESTING)
        self.bodies[key] = InlineBody(body, is_picture)
        if is_text and any(True for _ in _variants(body)):
            if depth >= self._limits.nesting:
                raise NotScannable(Reason.NESTING)
            self.walk(body, depth + 1)


def _variants(text: bytes) -> Iterator[bytes]:
    """Yield the readings of a text that may hold images: as it is, without its disguises, without percent signs."""
    if may_hold_images(text):
        yield text
    if is_escaped(text):
        plain = unescape(text)
        if may_hold_images(plain):
            yield plain
    lower = text.lower() if b"%" in text else b""
    if _ENCODED_SCHEME in lower or _ENCODED_JPEG in lower:
        yield percent_decode(text)


def _is_spacer(body: bytes) -> bool:
    """Return whether this is a GIF or PNG of at most two pixels a side and nothing besides."""
    if len(body) > _SPACER:
        return False
    if body.startswith(b"GIF8") and len(body) >= 10:  # noqa: PLR2004 - signature and size
        return bool(max(struct.unpack_from("<HH", body, 6)) <= 2)  # noqa: PLR2004 - no picture fits into that
    if body.startswith(b"\x89PNG") and len(body) >= 24:  # noqa: PLR2004 - signature and size
        return bool(max(struct.unpack_from(">II", body, 16)) <= 2)  # noqa: PLR2004 - no picture fits into that
    return False
