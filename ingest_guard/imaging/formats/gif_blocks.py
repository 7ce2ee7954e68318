"""The blocks of a GIF: where its frames are, and each of them as a file of its own."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from ingest_guard.imaging.pixels.model import NotScannable
from ingest_guard.verdict import Reason

_EXTENSION, _IMAGE, _TRAILER, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9
_TABLE = 0x80


@dataclass(frozen=True)
class GifFrame:
    """One image block, and what the control block before it says.

    Attributes
    ----------
    box
        left, top, width, height, pixels.
    flags
        Of the image descriptor: a colour table of its own, interlacing.
    table
        Offset of its own colour table; its length follows from the flags.
    start, stop
        Of the compressed indices: code size, sub-blocks, and the empty block.
    disposal
        As stored.
    clear
        Index of the transparent colour, or None.
    """

    box: tuple[int, int, int, int]
    flags: int
    table: int
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
    end: int = 0
    problem: Reason | None = None


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
    disposal, clear = 0, None
    while len(blocks.frames) <= most_frames:
        kind = data[at] if at < len(data) else None
        if kind == 0:  # stray terminators between blocks are common
            at += 1
        elif kind == _EXTENSION and at + 2 < len(data):
            if data[at + 1] == _CONTROL and data[at + 2] >= 4 and at + 7 <= len(data):  # noqa: PLR2004 - its length
                disposal = data[at + 3] >> 2 & 7
                clear = data[at + 6] if data[at + 3] & 1 else None
            at = _skip(data, at + 2)
        elif kind == _IMAGE and at + 10 < len(data):
            left, top, wide, high, image_flags = struct.unpack_from("<4HB", data, at + 1)
            start = at + 10 + table_length(image_flags)
            at = _skip(data, start + 1)
            frame = GifFrame((left, top, wide, high), image_flags, start, start, at, disposal, clear)
            blocks.frames.append(frame)
            disposal, clear = 0, None
        else:
            if kind == _TRAILER:
                at += 1
            elif kind is not None and kind not in {_EXTENSION, _IMAGE}:
                blocks.problem = Reason.CORRUPT  # browsers show what was there so far
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
