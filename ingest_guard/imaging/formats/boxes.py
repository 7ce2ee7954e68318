"""Boxes, the container of ISO base media files (AVIF, HEIF) and of JPEG 2000."""

import struct
from collections.abc import Container, Iterator
from typing import NamedTuple

from ingest_guard.verdict import Reason

_OF_BOXES = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"udta", b"jp2h", b"uinf", b"asoc", b"iprp", b"ipco", b"jumb"}
)
_FULL = frozenset({b"meta"})
_MOST_BOXES = 500


class Box(NamedTuple):
    """One box: its name, and where its content starts and stops (beyond the data where it is cut off)."""

    name: bytes
    start: int
    stop: int


def boxes(data: bytes, at: int, end: int, known: Container[bytes] | None = None) -> Iterator[Box]:
    """Yield the boxes between two offsets.

    Parameters
    ----------
    data
        The file.
    at, end
        Where the first box starts, and where the last must have stopped.
    known
        Stop before the first box that has none of these names, and before a second ``ftyp``: what follows is no part
        of the file.
    """
    has_type = False
    while at + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if known is not None and (name not in known or (has_type and name == b"ftyp")):
            return
        has_type = has_type or name == b"ftyp"
        if length == 1:
            if at + 16 > end:
                yield Box(name, start, end + 1)
                return
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        elif length == 0:
            length = end - at
        if length < start - at:
            return
        yield Box(name, start, at + length)
        at += length


def file_end(data: bytes, known: Container[bytes]) -> tuple[int, list[Box], Reason | None]:
    """Return the offset after the last box of a file, its boxes, and what is wrong with them."""
    found = list(boxes(data, 0, len(data), known))
    end = found[-1].stop if found else 0
    if end > len(data) or (0 < len(data) - end < 8 and data[end:].strip(b"\0\t\n\r \xff")):  # noqa: PLR2004 - a box's header
        return len(data), found, Reason.TRUNCATED
    return end, found, None


def box_contents(data: bytes, end: int, without: Container[bytes] = ()) -> Iterator[bytes]:
    """Yield what each box of a file holds, those inside ``meta`` and other boxes of boxes, too.

    Parameters
    ----------
    data
        The file.
    end
        Where its last box stops.
    without
        Names of boxes to leave out.
    """
    waiting = list(boxes(data, 0, end))
    seen = 0
    while waiting and seen < _MOST_BOXES:
        box = waiting.pop(0)
        seen += 1
        if box.name in without or box.name == b"ftyp":
            continue
        stop = min(box.stop, end)
        yield data[box.start : stop]
        if box.name in _FULL:
            waiting += boxes(data, box.start + 4, stop)
        elif box.name in _OF_BOXES:
            waiting += boxes(data, box.start, stop)
        elif box.name == b"uuid":
            yield data[box.start + 16 : stop]
    if waiting:  # more parts than any camera writes: what is left is looked at in one piece
        yield data[waiting[0].start : end]
