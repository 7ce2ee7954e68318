"""What a body is, by its bytes alone: whatever its Content-Type or its file name says."""

from dataclasses import dataclass
from enum import StrEnum

from ingest_guard.imaging.sniffing.documents import document_format
from ingest_guard.imaging.sniffing.rasters import raster_format
from ingest_guard.imaging.sniffing.signatures import IMAGES, OTHERS, box_format
from ingest_guard.imaging.sniffing.text import is_markup, is_text, text_format


class Kind(StrEnum):
    """The four kinds of bodies."""

    EMPTY = "empty"
    TEXT = "text"
    IMAGE = "image"
    BINARY = "binary"


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What a body is.

    Attributes
    ----------
    kind
        ``image``: of a type that is decoded here. ``text``: by its bytes, all of it. ``binary``: anything else,
        images of other types and polyglots among it. ``empty``: no bytes.
    format
        Pillow's name of an image's format (``JPEG``, ``PNG`` ...); ``HTML``, ``SVG``, ``CSS``, ``JSON``, ``XML`` or
        ``TEXT`` for text, as far as its beginning shows; ``PDF``, ``ZIP``, ``MP4`` ..., ``POLYGLOT`` for markup with
        an image behind it, or ``UNKNOWN``; ``EMPTY``.
    """

    kind: Kind
    format: str


_FIRST = frozenset(magic[0] for magic, _ in (*IMAGES, *OTHERS))
_BITMAP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def sniff(data: bytes) -> Sniffed:
    """Return what a body is.

    Parameters
    ----------
    data
        All of it: text is text to its end.
    """
    if not data:
        return Sniffed(Kind.EMPTY, "EMPTY")
    return _by_signature(data) or _by_content(data)


def _by_signature(data: bytes) -> Sniffed | None:
    if data[0] in _FIRST:
        for magic, name in IMAGES:
            if data.startswith(magic):
                return Sniffed(Kind.IMAGE, name)
        for magic, name in OTHERS:
            if data.startswith(magic):
                return Sniffed(Kind.BINARY, name)
    if data.startswith(b"RIFF") and len(data) >= 12:  # noqa: PLR2004 - RIFF, size, type
        kind = data[8:12]
        return Sniffed(Kind.IMAGE, "WEBP") if kind == b"WEBP" else Sniffed(Kind.BINARY, "RIFF")
    if data[4:8] == b"ftyp":
        name = box_format(data)
        return Sniffed(Kind.IMAGE if name in {"AVIF", "HEIF"} else Kind.BINARY, name)
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BITMAP_HEADERS:
        return Sniffed(Kind.IMAGE, "BMP")  # the two letters alone also begin a page about cars
    return None


def _by_content(data: bytes) -> Sniffed:
    other = raster_format(data) or document_format(data, is_markup=is_markup(data))
    if other is not None:
        return Sniffed(Kind.BINARY, other)
    if is_text(data):
        return Sniffed(Kind.TEXT, text_format(data))
    if data.startswith(b"BM"):
        return Sniffed(Kind.IMAGE, "BMP")
    return Sniffed(Kind.BINARY, "POLYGLOT" if text_format(data) in {"HTML", "SVG", "XML"} else "UNKNOWN")
