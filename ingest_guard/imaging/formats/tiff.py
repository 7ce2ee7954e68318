"""TIFF: its directories read by ourselves, with all its pages and the pictures inside them."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from PIL.TiffImagePlugin import TiffImageFile

from ingest_guard.imaging.formats.base import Reader, frame_name, gaps, numbered
from ingest_guard.imaging.formats.jpeg import JpegReader
from ingest_guard.imaging.pixels.colour import from_icc
from ingest_guard.imaging.pixels.model import Budget, Conversion, NotScannable, Shot
from ingest_guard.verdict import Reason

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_KINDS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_WIDTH, _HEIGHT, _BITS, _TURN, _SUB = 256, 257, 258, 274, 330
_OFFSETS, _COUNTS = (273, 324, 513), (279, 325, 514)
_COMPRESSION, _JPEG_TABLES = 259, 347
_JPEG = 7
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_PLACES = frozenset((*_OFFSETS, *_COUNTS))
_MAX_ENTRIES, _MAX_VALUES = 4096, 1 << 20


class Page(NamedTuple):
    """One directory with a picture.

    Attributes
    ----------
    at
        Its own offset.
    end
        That of the first byte after its samples.
    streams
        Where the JPEGs lie that its strips and tiles are; empty where they are coded otherwise.
    tables
        Where the tables lie that those have in common.
    """

    at: int
    width: int
    height: int
    bits: int
    orientation: int
    end: int
    streams: tuple[tuple[int, int], ...]
    tables: tuple[int, ...]


class Layout:
    """Byte order and the pages, main ones first in the file's order, then those inside others."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = data[2:4] in {b"+\0", b"\0+"}
        self.word = "Q" if self.big else "I"
        self.end = 16 if self.big else 8
        self.pages: list[Page] = []
        self.samples: list[tuple[int, int]] = []
        self.values: list[tuple[int, int]] = []
        self.problem: Reason | None = None

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(self.order + form, self.data, at)

    def _directory(self, at: int) -> tuple[dict[int, tuple[int, ...]], int]:
        """Return tag -> values of one directory, and the offset of the next."""
        (count,) = self._unpack("Q" if self.big else "H", at)
        first, size = at + (8 if self.big else 2), 20 if self.big else 12
        if count > _MAX_ENTRIES:
            raise NotScannable(Reason.CORRUPT)
        tags: dict[int, tuple[int, ...]] = {}
        for number in range(count):
            entry = first + size * number
            tag, kind, values = self._unpack("HH" + self.word, entry)
            place, inline = entry + size - (8 if self.big else 4), 8 if self.big else 4
            length = values * _SIZES.get(kind, 0)
            if length > inline:
                (place,) = self._unpack(self.word, place)
                self.end = max(self.end, place + length)
                if tag not in _PLACES:
                    self.values.append((place, place + length))
            if tag == _JPEG_TABLES:
                tags[tag] = (place, place + length)
            elif kind in _KINDS and 0 < values <= _MAX_VALUES:
                tags[tag] = self._unpack(f"{values}{_KINDS[kind]}", place)
        (following,) = self._unpack(self.word, first + size * count)
        self.end = max(self.end, first + size * count + (8 if self.big else 4))
        return tags, following

    def walk(self, most_pages: int) -> None:
        """Walk the directories; stop after one page more than ``most_pages``.

        Raises
        ------
        NotScannable
            There is no page at all.
        """
        pages, seen = self.pages, set[int]()
        nested: list[int] = []
        try:
            (at,) = self._unpack(self.word, 8 if self.big else 4)
            while (at or nested) and len(pages) <= most_pages and len(seen) <= 4 * most_pages:
                at = at or nested.pop(0)
                if at in seen:
                    at = 0
                    continue
                seen.add(at)
                tags, following = self._directory(at)
                nested += [sub for sub in tags.get(_SUB, ())[: most_pages + 1] if sub]
                if _WIDTH in tags and _HEIGHT in tags:
                    pages.append(_page(at, tags))
                    self.samples += _samples(tags)
                at = following
        except struct.error:
            self.problem = Reason.TRUNCATED
        if not pages:
            raise NotScannable(self.problem or Reason.CORRUPT)
        self.end = max(self.end, *(page.end for page in pages))
        if self.end > len(self.data):
            self.end, self.problem = len(self.data), Reason.TRUNCATED


def _page(at: int, tags: dict[int, tuple[int, ...]]) -> Page:
    """Return the page that a directory describes."""
    end = 0
    for offsets, counts in zip(_OFFSETS, _COUNTS, strict=True):
        ends = [start + length for start, length in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False)]
        end = max([end, *ends])
    orientation = tags.get(_TURN, (1,))[0]
    streams = tuple(_samples(tags)) if tags.get(_COMPRESSION, (0,))[0] == _JPEG else ()
    bits, tables = tags.get(_BITS, (1,))[0], tags.get(_JPEG_TABLES, (0, 0))
    return Page(at, tags[_WIDTH][0], tags[_HEIGHT][0], bits, orientation, end, streams, tables)


def _samples(tags: dict[int, tuple[int, ...]]) -> list[tuple[int, int]]:
    """Return where the strips and tiles of a page lie."""
    pairs = zip(_OFFSETS[:2], _COUNTS[:2], strict=True)
    spans = (zip(tags.get(offsets, ()), tags.get(counts, ()), strict=False) for offsets, counts in pairs)
    return [(start, start + length) for span in spans for start, length in span]


class TiffReader(Reader):
    """One TIFF, to the last byte that any of its directories refers to."""

    format = "TIFF"

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self._layout = layout = Layout(data)
        layout.walk(budget.most_frames)
        self.problem, self.end, self.frame_count = layout.problem, layout.end, len(layout.pages)
        first = layout.pages[0]
        self._show(first.width, first.height, first.orientation)

    def unread(self) -> Iterator[bytes]:
        """Yield the values of tags, then all that lies between the samples."""
        yield from (self._data[start:stop] for start, stop in dict.fromkeys(self._layout.values))
        yield from gaps(self._data, self._layout.samples, self.end)

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the pages; one that is broken does not keep the others from being seen."""
        for number, page in numbered(self._layout.pages, chosen):
            if number not in chosen:
                continue
            try:
                shot = self._page(page, frame_name(number, "page"))
            except NotScannable as error:
                self.problem = self.problem or error.reason
                continue
            yield shot

    def _page(self, page: Page, name: str) -> Shot:
        """Decode one page, in a file whose header points right at it: no seeking, no loops, no counting."""
        self._budget.spend(page.width, page.height)
        big, order = self._layout.big, self._layout.order
        at = 8 if big else 4
        pointer = struct.pack(order + ("Q" if big else "I"), page.at)
        data = self._data
        if data[at : at + len(pointer)] != pointer:
            data = b"".join([data[:at], pointer, data[at + len(pointer) :]])
        try:
            image = TiffImageFile(io.BytesIO(data))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - it says of all it does not know that it is no TIFF, in several ways
            raise NotScannable(self.problem or Reason.UNSUPPORTED_CODEC) from None
        if sorted(image.size) != sorted((page.width, page.height)):
            raise NotScannable(Reason.CORRUPT)
        self._load(image)
        self._require_whole(page)
        # Pillow turns TIFFs as they are loaded.
        depth = min(16, max(8, page.bits))
        return Shot(name, image, turned=page.orientation, conversion=_conversion(image), depth=depth)

    def _require_whole(self, page: Page) -> None:
        """Note a problem where the JPEG of a strip or tile lacks samples: the decoder fills them up, and says nothing.

        Source: TIFF Technical Note #2 (1995): each is a stream of its own, without the tables that all have in common.
        """
        start, stop = page.tables
        tables = self._data[start:stop].removeprefix(_SOI).removesuffix(_EOI)
        for first, end in page.streams:
            if self.problem is not None:
                return
            stream = self._data[first:end].rstrip(b"\0")
            self.problem = _problem_of(b"".join([_SOI, tables, stream.removeprefix(_SOI)]), self._budget)


def _problem_of(stream: bytes, budget: Budget) -> Reason | None:
    """Return what a JPEG lacks whose pixels are counted already."""
    try:
        reader = JpegReader(stream, Budget(budget.limits))
        for _ in reader.shots({0}):
            pass
    except NotScannable as error:
        return error.reason
    return reader.problem


def _conversion(image: TiffImageFile) -> Conversion | None:
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes):
        return None
    mode = image.mode
    if mode == "LAB":  # has its way to sRGB without one
        return None
    return from_icc(profile, mode if mode in {"CMYK", "L"} else "RGB")
