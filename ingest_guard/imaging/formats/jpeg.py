"""JPEG: the markers are walked by ourselves, the coefficients go to libjpeg-turbo through Pillow.

Luma comes straight from the decoder, scaled down in the DCT domain: of a YCbCr file the Y channel is all that is
ever computed. The decoder is given the file without its metadata, so that Pillow parses no EXIF, Photoshop or MPF
block; what matters of them is read here.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from ingest_guard.imaging.formats.base import Reader
from ingest_guard.imaging.formats.jpeg_segments import joined, may_be_cut, put_together
from ingest_guard.imaging.pixels.colour import from_icc
from ingest_guard.imaging.pixels.model import Budget, NotScannable, Shot
from ingest_guard.imaging.pixels.pillow import decoding
from ingest_guard.imaging.pixels.render import orientation
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from PIL import Image

DRAFT = 256
"""A scaled decode keeps at least this many pixels on both sides, where the file has them.

PDQ needs no more if it samples where it would have in the whole picture: 0.4 bits off on average and 4 at most, where a
draft of 512 pixels hashed as a picture of its own is up to 22 off.
"""

_SOI, _EOI, _SOS, _DHT, _DAC = b"\xff\xd8", b"\xff\xd9", 0xDA, 0xC4, 0xCC
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_DHT, 0xC8, _DAC}
_DECODABLE = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
_PROGRESSIVE = frozenset({0xC2, 0xCA})
_TABLES = frozenset({_DHT, 0xDB, _DAC, 0xDD})
_PROBE = b"".join(b"\x5a\xc3\x96\x3d\x72\xe9\x1b\x84" * 16 + bytes([0xFF, 0xD0 + number]) for number in range(8))
"""Samples of nothing, with all restart markers."""
_GREY = frozenset({127, 128})
_MAX_SCANS = 1000
"""A progressive file needs a few dozen; each costs a pass over all coefficients, whatever it holds."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")
"""FF 00 is a stuffed byte, D0 to D7 are restarts: both belong to the entropy-coded data."""


class JpegReader(Reader):
    """One JPEG stream, from its SOI to its EOI.

    Attributes
    ----------
    is_multi_picture
        It announces further JPEGs behind its end.
    """

    format = "JPEG"
    _sound_end: int
    _is_sharp: bool

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self._kept: list[tuple[int, int]] = []
        self._others: list[tuple[int, int, int]] = []
        self._icc: dict[int, bytes] = {}
        self._turn = 1
        self._frame: tuple[int, int, int, int] | None = None
        self._adobe = False
        self._progressive = False
        self._components = 0
        self.is_multi_picture = False
        self._scan = self._walk_header()
        if self._frame is None:
            raise NotScannable(Reason.CORRUPT)
        precision, height, width, self._components = self._frame
        if precision != 8 or self._components not in {1, 3, 4}:  # noqa: PLR2004 - what is read: 8 bits; grey, colour, CMYK
            raise NotScannable(Reason.UNSUPPORTED_CODEC)
        self._show(width, height, self._turn)
        self._stored: tuple[int, int] = width, height
        # Tables between scans may hold what looks like an EOI: only the very last one needs no walk.
        markers = _markers(data, self._scan + 2)
        after = next((at + 2 for at in markers if data[at + 1] == _EOI[1]), -1)
        self.end, self._sound_end = (after, after) if after == len(data) else self._walk_scans()
        if len(markers) > 1:
            self._list_segments(markers)
        self._is_sharp = not self._progressive or (self._has_all_scans(markers) and self._ends_with_refinement(markers))
        if self._progressive and data.count(b"\xff\xda", self._scan, self.end) > _MAX_SCANS:
            raise NotScannable(Reason.CORRUPT)

    def _walk_header(self) -> int:
        """Read the segments before the first scan; return the offset of that scan's marker."""
        data, at = self._data, 2
        while True:
            at = data.find(b"\xff", at)
            while data[at : at + 2] == b"\xff\xff":
                at += 1
            if at < 0 or at + 4 > len(data):
                raise NotScannable(Reason.TRUNCATED)
            marker = data[at + 1]
            if marker in _ALONE or marker in {0x00, 0xD8}:
                at += 2
                continue
            if marker == 0xD9:  # noqa: PLR2004 - EOI: an end, and nothing before it
                raise NotScannable(Reason.CORRUPT)
            if marker == _SOS:
                return at
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            stop = at + 2 + length
            if stop > len(data):
                raise NotScannable(Reason.TRUNCATED)
            if self._segment(marker, at + 4, stop):
                self._kept.append((at, stop))
            if marker not in _FRAMES and marker not in _TABLES:
                self._others.append((marker, at + 4, stop))
            at = stop

    def _segment(self, marker: int, start: int, stop: int) -> bool:
        """Take in one segment; return whether the decoder needs it."""
        data = self._data
        if marker in _FRAMES:
            if marker not in _DECODABLE:
                raise NotScannable(Reason.UNSUPPORTED_CODEC)
            if stop - start < 6 or self._frame is not None:  # noqa: PLR2004 - the fixed fields of a frame header
                raise NotScannable(Reason.CORRUPT)
            self._frame = struct.unpack_from(">BHHB", data, start)
            self._progressive = marker in _PROGRESSIVE
            return True
        if marker == 0xE0:  # noqa: PLR2004 - APP0
            return data.startswith(b"JFIF\0", start)
        if marker == 0xEE:  # noqa: PLR2004 - APP14
            self._adobe = data.startswith(b"Adobe", start)
            return self._adobe
        if marker == 0xE1 and data.startswith(b"Exif\0", start) and self._turn == 1:  # noqa: PLR2004 - APP1
            self._turn = orientation(data[start:stop])
        elif marker == 0xE2 and data.startswith(b"ICC_PROFILE\0", start) and stop - start > 14:  # noqa: PLR2004 - APP2
            self._icc.setdefault(data[start + 12], data[start + 14 : stop])
        elif marker == 0xE2 and data.startswith(b"MPF\0", start):  # noqa: PLR2004 - APP2
            self.is_multi_picture = True
        return marker in _TABLES

    def _walk_scans(self) -> tuple[int, int]:
        """Step from marker to marker after the first scan.

        Return the offset after the EOI, and the last offset up to which the stream is whole.
        """
        data, at = self._data, self._scan
        while True:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            stop = at + 2 + length
            marker = data[at + 1]
            if stop > len(data) or at + 4 > len(data):
                break
            if marker == _SOS:
                found = _MARKER.search(data, stop)
                if found is None:
                    self.is_open = True
                    return len(data), len(data)
                stop = found.start()
            else:
                stop = data.find(b"\xff", stop)
                if stop < 0:
                    break
            while data[stop : stop + 2] == b"\xff\xff":
                stop += 1
            if data[stop + 1 : stop + 2] == b"\xd9":
                return stop + 2, stop + 2
            at = stop
        self.problem = Reason.TRUNCATED
        return len(data), at

    def _has_all_scans(self, markers: list[int]) -> bool:
        """Whether the scans refine every coefficient of every component to its last bit (ITU-T T.81, G.1)."""
        left = {(part, band) for part in range(self._components) for band in range(64)}
        names: dict[int, int] = {}
        for at in (self._scan, *markers):
            if self._data[at + 1] != _SOS or at >= self.end:
                continue
            count = self._data[at + 4] if at + 4 < len(self._data) else 0
            header = self._data[at + 5 : at + 5 + 2 * count + 3]
            if len(header) < 2 * count + 3 or header[-1] & 15:
                continue
            parts = [names.setdefault(name, len(names)) for name in header[0 : 2 * count : 2]]
            left.difference_update((part, band) for part in parts for band in range(header[-3], header[-2] + 1))
        return not left

    def _ends_with_refinement(self, markers: list[int]) -> bool:
        """Whether the last scan adds a bit to coefficients that are there: what is missing of it hides nothing."""
        last = next((at for at in reversed(markers) if self._data[at + 1] == _SOS and at < self.end), self._scan)
        count = self._data[last + 4] if last + 4 < len(self._data) else 0
        return self._data[last + 5 + 2 * count + 2 : last + 5 + 2 * count + 3] > b"\x0f"

    def _is_whole(self, image: Image.Image, clean: bytes, mode: str) -> bool:
        """Whether the decoder had all blocks: it fills up what is missing with grey, and gives no error.

        What is put behind the last scan changes nothing in a whole picture, and is decoded in one that is not.
        """
        corner = image.getpixel((image.width - 1, image.height - 1))
        is_filled = _GREY.issuperset(corner if isinstance(corner, tuple) else (corner,))
        if self._is_sharp and not self.is_open and not is_filled:
            return True
        try:
            # Half of a stuffed byte would make a marker of what follows.
            samples = clean.removesuffix(_EOI).removesuffix(_EOI).rstrip(b"\xff")
            other = self._draft(samples + _PROBE + _EOI, mode)
            other.load()
        except (NotScannable, OSError):
            return True
        return image.tobytes() == other.tobytes()

    def _list_segments(self, markers: list[int]) -> None:
        """Note the segments behind the first scan that hold neither scans nor tables."""
        data, stop = self._data, 0
        for at in markers:
            marker = data[at + 1]
            if at < stop or at >= self.end or marker in _ALONE or marker in {_EOI[1], _SOS} or marker in _TABLES:
                continue
            stop = min(at + 2 + int.from_bytes(data[at + 2 : at + 4], "big"), self.end)
            self._others.append((marker, at + 4, stop))

    def unread(self) -> Iterator[bytes]:
        """Yield the segments without scans and tables; those of one kind also put together, as they come and in order.

        See :mod:`ingest_guard.imaging.formats.jpeg_segments`.
        """
        kinds: dict[int, list[bytes]] = {}
        for marker, start, stop in self._others:
            piece = self._data[start:stop]
            yield piece
            kinds.setdefault(marker, []).append(piece)
        for pieces in kinds.values():
            if len(pieces) > 1:
                yield from joined(pieces)
        yield from self._put_together

    def metadata(self) -> Iterator[bytes]:
        """Yield the segments without scans and tables; of what may be cut into several the whole alone."""
        for _, start, stop in self._others:
            if not may_be_cut(self._data, start):
                yield self._data[start:stop]
        yield from self._put_together

    @cached_property
    def _put_together(self) -> list[bytes]:
        return put_together(self._data, self._others)

    def _clean(self) -> bytes:
        """Return the stream without its metadata, and with an end."""
        data = self._data
        end = self._sound_end
        if (
            not self.problem
            and not self.is_open
            and end == len(data)
            and self._scan - 2 == sum(stop - at for at, stop in self._kept)
        ):
            return data
        head = [data[at:stop] for at, stop in self._kept]
        return b"".join([_SOI, *head, data[self._scan : end], _EOI])

    def _decode(self, clean: bytes, mode: str) -> Image.Image:
        image = self._draft(clean, mode)
        self._load(image)
        if self.problem is None and not self._is_whole(image, clean, mode):
            self.problem = Reason.TRUNCATED
        return image

    def _draft(self, clean: bytes, mode: str) -> JpegImageFile:
        with decoding():
            image = JpegImageFile(io.BytesIO(clean))
            if image.size != self._stored:
                raise NotScannable(Reason.CORRUPT)
            image.draft(mode, (DRAFT, DRAFT))  # type: ignore[no-untyped-call,unused-ignore]
        return image

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the picture: luma, unless it is CMYK."""
        if 0 not in chosen:
            return
        self._budget.spend(*self._stored)
        clean = self._clean()
        image = self._decode(clean, "L")
        in_colour = None
        if self._components == 3:  # noqa: PLR2004 - YCbCr or RGB
            in_colour = lambda: self._decode(clean, "RGB")  # noqa: E731 - a name would say no more
        profile = b"".join(self._icc[part] for part in sorted(self._icc))
        yield Shot(
            "native",
            image,
            self._turn,
            from_icc(profile, {1: "L", 3: "RGB", 4: "CMYK"}[self._components]) if profile else None,
            in_colour,
            full_size=self._stored,
        )


def _markers(data: bytes, start: int) -> list[int]:
    """Return the offsets of the markers at or after ``start``, but for restarts, stuffed and fill bytes.

    By NumPy, which is several times as fast as ``bytes.find``: that stops at every FF.
    """
    codes = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(codes[start:-1] == 0xFF) + start  # noqa: PLR2004 - begins every marker
    second = codes[at + 1]
    offsets: list[int] = at[(second != 0) & (second != 0xFF) & (second & 0xF8 != 0xD0)].tolist()  # noqa: PLR2004 - as above
    return offsets
