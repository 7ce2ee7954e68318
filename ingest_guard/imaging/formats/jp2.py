"""JPEG 2000: the bare code stream, and in its boxes."""

import io
import struct
from collections.abc import Collection, Iterator

from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from ingest_guard.imaging.formats.base import Reader
from ingest_guard.imaging.formats.boxes import Box, box_contents, boxes, file_end
from ingest_guard.imaging.pixels.colour import from_icc
from ingest_guard.imaging.pixels.model import Budget, NotScannable, Shot
from ingest_guard.verdict import Reason

_TOP = frozenset({b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"jp2i", b"xml ", b"uuid", b"uinf", b"rreq", b"res ", b"free"})
_SIZ, _SOT, _EOC = 0xFF51, 0xFF90, b"\xff\xd9"


class Jp2Reader(Reader):
    """One JPEG 2000 picture, to the end of its code stream or of its last box."""

    format = "JPEG2000"

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self._profile = b""
        start, stop = 0, len(data)
        self.end = stop
        boxed = not data.startswith(b"\xff\x4f")
        if boxed:
            self.end, found, self.problem = file_end(data, _TOP)
            stream = next((box for box in found if box.name == b"jp2c"), None)
            if stream is None:
                raise NotScannable(self.problem or Reason.CORRUPT)
            start, stop = stream.start, min(stream.stop, len(data))
            self._profile = _profile(data, found)
        if start + 50 > stop or struct.unpack_from(">HH", data, start) != (0xFF4F, _SIZ):
            raise NotScannable(Reason.TRUNCATED if start + 50 > len(data) else Reason.CORRUPT)
        right, bottom, left, top = struct.unpack_from(">4I", data, start + 8)
        if right <= left or bottom <= top:
            raise NotScannable(Reason.CORRUPT)
        self._show(right - left, bottom - top)
        after = _stream_end(data, start, stop)
        self._start = start
        if after < 0:
            self.problem = Reason.TRUNCATED
        elif not boxed:
            self.end = after

    def unread(self) -> Iterator[bytes]:
        """Yield the boxes around the code stream."""
        if self._start:
            yield from box_contents(self._data, self.end, frozenset({b"jp2c"}))

    def samples(self) -> Iterator[bytes]:
        """Yield the code stream without its signature."""
        yield self._data[self._start + 4 : self.end]

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the picture."""
        if 0 not in chosen:
            return
        self._budget.spend(self.width, self.height)
        whole = (
            self._data[: self.end]
            if self.problem is None
            else _mended(self._data[self._start :], self._budget.limits.bytes)
        )
        image = Jpeg2KImageFile(io.BytesIO(whole))
        self._load(image, (self.width, self.height))
        profile = self._profile
        conversion = from_icc(profile, image.mode if image.mode in {"L", "CMYK"} else "RGB") if profile else None
        yield Shot("native", image, conversion=conversion)


def _profile(data: bytes, found: list[Box]) -> bytes:
    """Return the ICC profile in the header box."""
    for header in (box for box in found if box.name == b"jp2h"):
        for box in boxes(data, header.start, min(header.stop, len(data))):
            if box.name == b"colr" and data[box.start : box.start + 1] == b"\2":  # restricted ICC
                return data[box.start + 3 : box.stop]
    return b""


def _mended(stream: bytes, most: int) -> bytes:
    """Return a code stream that was cut off, filled up with zeros: an empty packet is a zero bit."""
    at = 2
    while at + 12 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == _SOT:
            (part,) = struct.unpack_from(">I", stream, at + 6)
            at += max(part, 12) if part else len(stream)
        else:
            at += 2 + max(length, 2)
    return stream[:at].ljust(min(at, most), b"\0") + _EOC


def _stream_end(data: bytes, at: int, stop: int) -> int:
    """Return the offset after the EOC marker, stepping from tile part to tile part; -1 where it is missing."""
    at += 2
    while at + 12 <= stop:
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == _SOT:
            (part,) = struct.unpack_from(">I", data, at + 6)
            if part == 0:  # the last part: it reaches to the EOC, wherever that is
                return stop if data[stop - 2 : stop] == _EOC else -1
            at += max(part, 12)
        else:
            at += 2 + max(length, 2)
        if data[at : at + 2] == _EOC:
            return at + 2 if at + 2 <= stop else -1
    return -1
