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

from ingest_guard.imaging.embedded.escapes import unescape
from ingest_guard.imaging.embedded.signs import Sign, Signs, find_signs
from ingest_guard.imaging.embedded.spellings import spelt_pictures
from ingest_guard.imaging.embedded.url_net import Part, parts
from ingest_guard.imaging.pixels.model import Limits, NotScannable
from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.imaging.sniffing.text import utf16
from ingest_guard.verdict import Reason

_SPACER: Final = 256
"""A placeholder of one or two pixels is shorter than this; pages are full of them, and many are cut off."""
_SMALLEST: Final = 24
_NET: Final = 8 << 20


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
    found.walk(data, 0, find_signs(data))
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
        signs = find_signs(text)
        found.walk(text, 0, signs)
        for body in spelt_pictures(text) if Sign.SPELT in signs.kinds else ():
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

    def walk(self, text: bytes, depth: int, signs: Signs) -> None:
        """Take the bodies out of one text, whose signs these are, and of the texts in it."""
        wide = utf16(text)
        if wide is not None:
            text = wide.encode("latin-1", "replace")
            signs = find_signs(text)
        for variant, its_signs in _variants(text, signs):
            for part in parts(variant, its_signs):
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
        signs = find_signs(body) if is_text else None
        if signs is not None and any(True for _ in _variants(body, signs)):
            if depth >= self._limits.nesting:
                raise NotScannable(Reason.NESTING)
            self.walk(body, depth + 1, signs)


def _variants(text: bytes, signs: Signs) -> Iterator[tuple[bytes, Signs]]:
    """Yield the readings of a text that may hold images: as it is, without its disguises, without percent signs."""
    if signs.has_images:
        yield text, signs
    if Sign.ESCAPE in signs.kinds:
        plain = unescape(text)
        if (found := find_signs(plain)).has_images:
            yield plain, found
    if Sign.PERCENT in signs.kinds:
        decoded = percent_decode(text)
        yield decoded, find_signs(decoded)


def _is_spacer(body: bytes) -> bool:
    """Return whether this is a GIF or PNG of at most two pixels a side and nothing besides."""
    if len(body) > _SPACER:
        return False
    if body.startswith(b"GIF8") and len(body) >= 10:  # noqa: PLR2004 - signature and size
        return bool(max(struct.unpack_from("<HH", body, 6)) <= 2)  # noqa: PLR2004 - no picture fits into that
    if body.startswith(b"\x89PNG") and len(body) >= 24:  # noqa: PLR2004 - signature and size
        return bool(max(struct.unpack_from(">II", body, 16)) <= 2)  # noqa: PLR2004 - no picture fits into that
    return False
