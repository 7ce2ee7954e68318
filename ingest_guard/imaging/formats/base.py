"""What every format's reader hands over."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol, TypeVar

from ingest_guard.imaging.pixels.model import Shot
from ingest_guard.verdict import Reason

_Item = TypeVar("_Item")


class Reader(Protocol):
    """A file whose container has been read; no pixel has been decoded yet.

    Attributes
    ----------
    format
        Pillow's name of it.
    width, height
        As displayed, pixels.
    frame_count
        Frames, pages or sub-images.
    end
        Offset of the first byte after the image.
    problem
        What the container lacks; None where it is sound.
    hidden
        Offsets of pictures inside its metadata: thumbnails.
    """

    format: str
    width: int
    height: int
    frame_count: int
    end: int
    problem: Reason | None
    hidden: tuple[int, ...]

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the frames whose numbers, counted from 0, are in ``chosen``.

        Raises :class:`~ingest_guard.imaging.pixels.model.NotScannable` after the last that can be shown where one
        cannot.
        """


def numbered(items: Iterable[_Item], chosen: Collection[int], start: int = 0) -> Iterator[tuple[int, _Item]]:
    """Yield the items with their numbers, up to the last of those that were chosen."""
    last = max(chosen, default=-1)
    for number, item in enumerate(items, start):
        if number > last:
            return
        yield number, item


def frame_name(number: int, kind: str = "frame") -> str:
    """Return the name of the frame with this number, counted from 0."""
    return f"{kind}:{number + 1}" if number else "native"


def find_all(data: bytes, signature: bytes, start: int, stop: int) -> Iterator[int]:
    """Yield every offset of a signature in a part of the data."""
    at = data.find(signature, start, stop)
    while at >= 0:
        yield at
        at = data.find(signature, at + 1, stop)
