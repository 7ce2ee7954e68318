"""Raster images inside text: ``data:`` URLs and base64 in HTML, CSS, SVG, JSON, XML and scripts.

In every disguise in which a browser still reads them: capitals, line breaks, entities, escapes, percent signs, URLs
inside URLs, UTF-16. What a script puts together while it runs is not found.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from ingest_guard.imaging.embedded.data_urls import Part, may_hold_images, parts
from ingest_guard.imaging.embedded.escapes import is_disguised, undisguised
from ingest_guard.imaging.pixels.model import Limits, NotScannable
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.imaging.sniffing.text import utf16
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACER: Final = 256
"""A placeholder of one or two pixels is shorter than this; pages are full of them, and many are cut off."""
_ENCODED_SCHEME: Final = b"data%3a"


def embedded_images(data: bytes, limits: Limits) -> list[bytes]:
    """Return the raster images inside a text.

    Parameters
    ----------
    data
        A text, SVG included; in UTF-8, UTF-16 or anything that has ASCII's letters in ASCII's places.
    limits
        ``nesting``: how deep a text in a text may be; ``embedded``: how many images there may be; ``bytes``: how
        large they may be together.

    Returns
    -------
    list[bytes]
        What looks like an image, and what is announced as one and looks like neither text nor an image; each once.
        Placeholders of one or two pixels a side are left out.

    Raises
    ------
    NotScannable
        ``nesting``: deeper, or more of them, than the limits. ``too_large``: more bytes than the limits.
    """
    found = _Found(limits)
    found.walk(data, 0)
    return list(found.images.values())


class _Found:
    def __init__(self, limits: Limits) -> None:
        self.images: dict[bytes, bytes] = {}
        self._limits = limits
        self._seen: set[bytes] = set()
        self._bytes = 0

    def walk(self, text: bytes, depth: int) -> None:
        """Take the images out of one text, and of the texts in it."""
        wide = utf16(text)
        if wide is not None:
            text = wide.encode("latin-1", "replace")
        for variant in _variants(text):
            for part in parts(variant):
                self._take(part, depth)

    def _take(self, part: Part, depth: int) -> None:
        body = part.body
        key = sha256(body).digest()
        if key in self._seen:
            return
        self._seen.add(key)
        sniffed = sniff(body)
        if sniffed.kind is Kind.TEXT:
            if any(True for _ in _variants(body)):
                if depth >= self._limits.nesting:
                    raise NotScannable(Reason.NESTING)
                self.walk(body, depth + 1)
        elif sniffed.kind is Kind.IMAGE or (sniffed.kind is Kind.BINARY and part.media_type.startswith(b"image/")):
            if _is_spacer(body):
                return
            self._bytes += len(body)
            if self._bytes > self._limits.bytes:
                raise NotScannable(Reason.TOO_LARGE)
            if len(self.images) >= self._limits.embedded:
                raise NotScannable(Reason.NESTING)
            self.images[key] = body


def _variants(text: bytes) -> Iterator[bytes]:
    """Yield the readings of a text that may hold images: as it is, without its disguises, without percent signs."""
    if may_hold_images(text):
        yield text
    if is_disguised(text):
        plain = undisguised(text)
        if may_hold_images(plain):
            yield plain
    if b"%3" in text and _ENCODED_SCHEME in text.lower():
        yield unquote_to_bytes(text)


def _is_spacer(body: bytes) -> bool:
    """Return whether this is a GIF or PNG of at most two pixels a side and nothing besides."""
    if len(body) > _SPACER:
        return False
    if body.startswith(b"GIF8") and len(body) >= 10:  # noqa: PLR2004 - signature and size
        return bool(max(struct.unpack_from("<HH", body, 6)) <= 2)  # noqa: PLR2004 - no picture fits into that
    if body.startswith(b"\x89PNG") and len(body) >= 24:  # noqa: PLR2004 - signature and size
        return bool(max(struct.unpack_from(">II", body, 16)) <= 2)  # noqa: PLR2004 - no picture fits into that
    return False
