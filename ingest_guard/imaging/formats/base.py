"""What every format's reader hands over."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from ingest_guard.imaging.pixels.model import Budget, NotScannable, Shot
from ingest_guard.imaging.pixels.pillow import load
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from PIL import ImageFile

_Item = TypeVar("_Item")
_STEP = 64


class Reader(ABC):
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
    is_open
        Its end mark is missing: whether all of the picture is there is the decoder's word.
    """

    format: str
    width: int
    height: int
    frame_count: int = 1
    end: int
    problem: Reason | None = None
    is_open: bool = False

    def __init__(self, data: bytes, budget: Budget) -> None:
        self._data, self._budget = data, budget

    @property
    def data(self) -> bytes:
        """The file, without what follows its end."""
        return self._data[: self.end]

    def unread(self) -> Iterator[bytes]:
        """Yield what of the file no decoder is given: metadata, unknown parts, gaps.

        Each piece is what one part of the container holds, as it was before it was cut into blocks or compressed. A
        format that does not know better yields the whole file but for its signature.
        """
        yield self._data[12 : self.end]

    def metadata(self) -> Iterator[bytes] | None:
        """Return the metadata where :meth:`unread` has parts of it in pieces: each part once, and whole."""
        return None

    def samples(self) -> Iterator[bytes]:
        """Yield the coded samples where they may end before the parts of the container that hold them do.

        Once a picture was decoded, what its decoder has surely made pixels of may be left out.
        """
        return iter(())

    @abstractmethod
    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the frames whose numbers, counted from 0, are in ``chosen``.

        Raises :class:`~ingest_guard.imaging.pixels.model.NotScannable` after the last that can be shown where one
        cannot.
        """

    def _show(self, width: int, height: int, orientation: int = 1) -> None:
        """Take the size as displayed from the one as stored; refuse an empty picture, and one over a limit."""
        if width <= 0 or height <= 0:
            raise NotScannable(self.problem or Reason.CORRUPT)
        self._budget.check(width, height)
        self.width, self.height = (height, width) if orientation in range(5, 9) else (width, height)

    def _load(self, image: ImageFile.ImageFile, size: tuple[int, int] | None = None) -> None:
        """Decode a picture, which must be of this size, and keep the first problem."""
        if size is not None and image.size != size:
            raise NotScannable(Reason.CORRUPT)
        try:
            reason = load(image)
        except NotScannable as error:
            if self.is_open and error.reason is Reason.CORRUPT:
                raise NotScannable(Reason.TRUNCATED) from None
            raise
        if self.is_open and reason is Reason.CORRUPT:
            reason = Reason.TRUNCATED
        self.problem = self.problem or reason


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


def gaps(data: bytes, spans: Iterable[tuple[int, int]], stop: int) -> Iterator[bytes]:
    """Yield what lies before, between and after parts of the data, up to ``stop``; the parts may overlap."""
    at = 0
    for start, end in sorted(spans):
        if start > at:
            yield data[at : min(start, stop)]
        at = max(at, end)
    if at < stop:
        yield data[at:stop]


def inflate(packed: bytes, most: int) -> bytes:
    """Return what a zlib stream holds, up to ``most`` bytes of it; of one that is broken, what comes before that."""
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        stream, parts = zlib.decompressobj(), bytearray()
    # A wrong checksum at the end is an error, too: viewers show the text all the same.
    with suppress(zlib.error):
        for at in range(0, len(packed), _STEP):
            if len(parts) < most:
                parts += stream.decompress(packed[at : at + _STEP], most - len(parts))
    return bytes(parts)
