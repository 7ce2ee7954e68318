"""WebP, still and animated. libwebp composes the frames itself, as it does in Chromium."""

import io
import struct
from collections.abc import Collection, Iterator

from PIL.WebPImagePlugin import WebPImageFile

from ingest_guard.imaging.formats.base import Reader, frame_name, numbered
from ingest_guard.imaging.pixels.colour import from_icc
from ingest_guard.imaging.pixels.model import Budget, NotScannable, Shot
from ingest_guard.imaging.pixels.render import orientation
from ingest_guard.verdict import Reason

_HEADER = 12
_SAMPLES = frozenset({b"VP8 ", b"VP8L", b"ANMF", b"ALPH"})
_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


class WebpReader(Reader):
    """One WebP, as long as its RIFF header says that it is."""

    format = "WEBP"

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self.end = 8 + int.from_bytes(data[4:8], "little")
        if self.end > len(data):
            self.is_open = True
            self.end = len(data)
        self._chunks: list[tuple[bytes, int, int]] = []
        self._walk()
        self.frame_count = sum(name == b"ANMF" for name, _, _ in self._chunks) or 1
        self._turn = 1
        self._profile = b""
        for name, start, stop in self._chunks:
            if name == b"EXIF":
                self._turn = orientation(data[start:stop])
            elif name == b"ICCP":
                self._profile = data[start:stop]
        self._stored = self._size()
        self._show(*self._stored, self._turn)

    def _walk(self) -> None:
        """List the chunks: name, start and end of the data, the last of them as long as it claims to be."""
        at, frames = _HEADER, 0
        while at + 8 <= self.end and frames <= self._budget.most_frames:
            name, length = struct.unpack_from("<4sI", self._data, at)
            frames += name == b"ANMF"
            self._chunks.append((name, at + 8, at + 8 + length))
            if at + 8 + length > self.end:
                self.problem = Reason.TRUNCATED
            at += 8 + length + (length & 1)
        if self.is_open and (frames or self.end - at not in range(-1, 1)):
            self.problem = Reason.TRUNCATED  # a part of a chunk, or perhaps of an animation
        if not any(name in _PIXELS for name, _, _ in self._chunks):
            raise NotScannable(self.problem or Reason.CORRUPT)

    def unread(self) -> Iterator[bytes]:
        """Yield the chunks without pixels, and what is no chunk."""
        for name, start, stop in self._chunks:
            if name not in _SAMPLES:
                yield self._data[start:stop]
        last = self._chunks[-1]
        yield self._data[last[2] + (last[2] & 1) : self.end]

    def samples(self) -> Iterator[bytes]:
        """Yield the chunks with pixels."""
        return (self._data[start:stop] for name, start, stop in self._chunks if name in _SAMPLES)

    def _size(self) -> tuple[int, int]:
        name, start, _ = self._chunks[0]
        head = self._data[start : start + 10].ljust(10, b"\0")
        if name == b"VP8X":
            return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
        if name == b"VP8L" and head[0] == 0x2F:  # noqa: PLR2004 - the signature of the lossless format
            bits = int.from_bytes(head[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
            width, height = struct.unpack_from("<HH", head, 6)
            return width & 0x3FFF, height & 0x3FFF
        return 0, 0

    def _whole(self) -> bytes:
        """Return a file that libwebp accepts: what is cut off is filled up with zeros, which its decoder puts up with.

        Only as much as the last chunk claims, and never more than the policy allows for a body.
        """
        if self.problem is None and not self.is_open:
            return self._data[: self.end]
        last = min(self._chunks[-1][2], self._budget.limits.bytes)
        padded = self._data[: self.end].ljust(last + (last & 1), b"\0")
        return b"".join([b"RIFF", (len(padded) - 8).to_bytes(4, "little"), padded[8:]])

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the frames."""
        self._budget.spend(*self._stored)
        image = WebPImageFile(io.BytesIO(self._whole()))
        if image.size != self._stored:
            raise NotScannable(Reason.CORRUPT)
        conversion = from_icc(self._profile, "RGB") if self._profile else None
        for number, _ in numbered(range(min(self.frame_count, image.n_frames)), chosen):
            if number:
                self._budget.spend(*self._stored)
            image.seek(number)
            self._load(image)
            if number in chosen:
                picture = image.copy() if image.n_frames > 1 else image
                yield Shot(frame_name(number), picture, self._turn, conversion)
