"""GIF, still and animated: its blocks read by ourselves, its frames composed as browsers compose them."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL.GifImagePlugin import GifImageFile

from ingest_guard.imaging.formats.base import Reader, frame_name, numbered
from ingest_guard.imaging.pixels.compose import Canvas, Disposal
from ingest_guard.imaging.pixels.model import Budget, NotScannable, Shot
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from PIL import Image

_EXTENSION, _IMAGE, _TRAILER, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9
_TABLE = 0x80
_SMALLEST = 24
_RAW_XMP = linear(rb"\x0bXMP DataXMP(?:\xef\xbb\xbf)?[\t\n\r ]*<[^<]")
"""XMP lies in a GIF as it is, and runs into 258 bytes that lead to the end of the block; some cut it into blocks."""
_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE, 4: Disposal.RESTORE}


@dataclass(frozen=True)
class GifFrame:
    """One image block, and what the control block before it says.

    Attributes
    ----------
    box
        left, top, width, height, pixels.
    flags
        Of the image descriptor: a colour table of its own, interlacing.
    start, stop
        Of the compressed indices: code size, sub-blocks, and the empty block. A colour table of its own stands before.
    disposal
        As stored.
    clear
        Index of the transparent colour, or None.
    """

    box: tuple[int, int, int, int]
    flags: int
    start: int
    stop: int
    disposal: int
    clear: int | None


@dataclass
class Blocks:
    """All that is read of a GIF."""

    screen: tuple[int, int]
    palette: bytes
    frames: list[GifFrame] = field(default_factory=list)
    extensions: list[tuple[int, int]] = field(default_factory=list)
    end: int = 0
    problem: Reason | None = None
    is_open: bool = False


def table_length(flags: int) -> int:
    """Return the bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & _TABLE else 0


def read_blocks(data: bytes, most_frames: int) -> Blocks:
    """Walk the blocks of a GIF; stop after one frame more than ``most_frames``."""
    if len(data) < 13:  # noqa: PLR2004 - signature and screen descriptor
        raise NotScannable(Reason.TRUNCATED)
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + table_length(flags)
    blocks = Blocks((width, height), data[13:at])
    disposal, clear, last_is_frame = 0, None, False
    while len(blocks.frames) <= most_frames:
        kind = data[at] if at < len(data) else None
        if kind == 0:  # stray terminators between blocks are common
            at += 1
        elif kind == _EXTENSION and at + 2 < len(data):
            if data[at + 1] == _CONTROL and data[at + 2] >= 4 and at + 7 <= len(data):  # noqa: PLR2004 - its length
                disposal = data[at + 3] >> 2 & 7
                clear = data[at + 6] if data[at + 3] & 1 else None
            last_is_frame = False
            start, at = at + 2, _skip(data, at + 2)
            blocks.extensions.append((start, at))
        elif kind == _IMAGE and at + 10 < len(data):
            left, top, wide, high, image_flags = struct.unpack_from("<4HB", data, at + 1)
            start = at + 10 + table_length(image_flags)
            at = _skip(data, start + 1)
            frame = GifFrame((left, top, wide, high), image_flags, start, at, disposal, clear)
            blocks.frames.append(frame)
            last_is_frame = True
            disposal, clear = 0, None
        else:
            if kind == _TRAILER:
                at += 1
            elif kind is not None and kind not in {_EXTENSION, _IMAGE}:
                blocks.problem = Reason.CORRUPT  # browsers show what was there so far
            elif kind is None and last_is_frame:
                blocks.is_open = True
            else:
                blocks.problem, at = Reason.TRUNCATED, len(data)
            break
    blocks.end = min(at, len(data))
    return blocks


def _skip(data: bytes, at: int) -> int:
    """Return the offset after the sub-blocks that start at ``at``; beyond the data where their end is missing."""
    size = len(data)
    while at < size:
        step = data[at]
        at += step + 1
        if not step:
            return at
    return size + 1


def _joined(data: bytes, at: int, stop: int) -> bytes:
    """Return what sub-blocks hold."""
    parts = []
    while at < min(stop, len(data)) and data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += data[at] + 1
    return b"".join(parts)


def single(data: bytes, blocks: Blocks, frame: GifFrame, size: tuple[int, int]) -> bytes:
    """Return one frame as a GIF of its own, at (0, 0) on a screen of its own size."""
    flags, palette = frame.flags, blocks.palette
    if flags & _TABLE:
        palette = data[frame.start - table_length(flags) : frame.start]
    bits = max(1, (len(palette) // 3 - 1).bit_length()) if palette else 1
    palette = palette.ljust(3 << bits, b"\0") if palette else b""
    control = b"" if frame.clear is None else b"\x21\xf9\4\1\0\0" + bytes([frame.clear]) + b"\0"
    return b"".join(
        [
            struct.pack("<6sHHBBB", b"GIF89a", *size, (_TABLE | bits - 1) if palette else 0, 0, 0),
            palette,
            control,
            struct.pack("<B4HB", _IMAGE, 0, 0, *size, flags & 0x40),
            data[frame.start : frame.stop],
            b"\0;",
        ]
    )


class GifReader(Reader):
    """One GIF, from its signature to its trailer."""

    format = "GIF"

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self._blocks = blocks = read_blocks(data, budget.most_frames)
        if not blocks.frames:
            raise NotScannable(blocks.problem or Reason.CORRUPT)
        self.frame_count = len(blocks.frames)
        first = blocks.frames[0].box
        # A first frame that is larger than its screen makes the screen larger, in every browser.
        self._show(max(blocks.screen[0], first[2]), max(blocks.screen[1], first[3]))
        self.problem, self.is_open = blocks.problem, blocks.is_open
        self.end = blocks.end

    def unread(self) -> Iterator[bytes]:
        """Yield comments and other extensions, put together and as they lie."""
        for start, stop in self._blocks.extensions:
            yield _joined(self._data, start, stop)
            yield self._data[start:stop]

    def metadata(self) -> Iterator[bytes]:
        """Yield the extensions that are more than a few bytes, put together where they are cut into blocks."""
        for start, stop in self._blocks.extensions:
            if stop - start < _SMALLEST:
                continue
            is_raw = self._data.startswith(b"\x0bXMP", start) and _RAW_XMP.match(self._data, start)
            yield self._data[start:stop] if is_raw else _joined(self._data, start, stop)

    def samples(self) -> Iterator[bytes]:
        """Yield the indices of each frame, put together."""
        for frame in self._blocks.frames:
            yield _joined(self._data, frame.start + 1, frame.stop)

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the frames as they are seen, one on top of the other."""
        frames = self._blocks.frames
        if len(frames) == 1 and frames[0].box == (0, 0, self.width, self.height):
            if 0 in chosen:
                self._budget.spend(self.width, self.height)
                yield Shot("native", self._decode(frames[0]))
            return
        canvas = Canvas((self.width, self.height))
        for number, frame in numbered(frames, chosen):
            self._budget.spend(self.width, self.height)  # each is shown on the whole canvas
            place = self._place(number, frame)
            seen = canvas.draw(self._decode(frame), place, _DISPOSALS.get(frame.disposal, Disposal.KEEP), over=True)
            if number in chosen:
                yield Shot(frame_name(number), seen)

    def _place(self, number: int, frame: GifFrame) -> tuple[int, int]:
        left, top, width, height = frame.box
        outgrown = width > self._blocks.screen[0] or height > self._blocks.screen[1]
        return (0, 0) if number == 0 and outgrown else (left, top)

    def _decode(self, frame: GifFrame) -> Image.Image:
        size = frame.box[2] or self.width, frame.box[3] or self.height
        self._budget.check(*size)
        image = GifImageFile(io.BytesIO(single(self._data, self._blocks, frame, size)))
        self._load(image)
        return image
