"""GIF, still and animated, composed as browsers compose it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL.GifImagePlugin import GifImageFile

from ingest_guard.imaging.formats.base import Shot, frame_name, numbered
from ingest_guard.imaging.formats.gif_blocks import GifFrame, read_blocks, single
from ingest_guard.imaging.pixels.compose import Canvas, Disposal
from ingest_guard.imaging.pixels.model import Budget, NotScannable
from ingest_guard.imaging.pixels.pillow import load
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from PIL import Image

_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE, 4: Disposal.RESTORE}


class GifReader:
    """One GIF, from its signature to its trailer."""

    format: str = "GIF"
    hidden: tuple[int, ...] = ()

    def __init__(self, data: bytes, budget: Budget) -> None:
        self._data, self._budget = data, budget
        self._blocks = blocks = read_blocks(data, budget.most_frames)
        if not blocks.frames:
            raise NotScannable(blocks.problem or Reason.CORRUPT)
        self.problem = blocks.problem
        self.end = blocks.end
        self.frame_count = len(blocks.frames)
        first = blocks.frames[0].box
        # A first frame that is larger than its screen makes the screen larger, in every browser.
        self.width, self.height = max(blocks.screen[0], first[2]), max(blocks.screen[1], first[3])
        if not (self.width and self.height):
            raise NotScannable(Reason.CORRUPT)
        budget.check(self.width, self.height)

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
        reason = load(image)
        self.problem = self.problem or reason
        return image
