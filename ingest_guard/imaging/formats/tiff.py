"""TIFF, with all its pages and the pictures inside them."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from PIL.TiffImagePlugin import TiffImageFile

from ingest_guard.imaging.formats.base import Shot, frame_name, numbered
from ingest_guard.imaging.formats.ifd import Page, read_layout
from ingest_guard.imaging.pixels.colour import from_icc
from ingest_guard.imaging.pixels.model import Budget, NotScannable
from ingest_guard.imaging.pixels.pillow import load
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ingest_guard.imaging.pixels.colour import Conversion

_TURNED = frozenset({5, 6, 7, 8})


class TiffReader:
    """One TIFF, to the last byte that any of its directories refers to."""

    format: str = "TIFF"
    hidden: tuple[int, ...] = ()

    def __init__(self, data: bytes, budget: Budget) -> None:
        self._data, self._budget = data, budget
        self._layout = read_layout(data, budget.most_frames)
        first = self._layout.pages[0]
        if not (first.width and first.height):
            raise NotScannable(self._layout.problem or Reason.CORRUPT)
        budget.check(first.width, first.height)
        self.problem = self._layout.problem
        self.end = self._layout.end
        self.frame_count = len(self._layout.pages)
        turned = first.orientation in _TURNED
        self.width, self.height = (first.height, first.width) if turned else (first.width, first.height)

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
        reason = load(image)
        self.problem = self.problem or reason
        return Shot(name, image, conversion=_conversion(image), depth=min(16, max(8, page.bits)))


def _conversion(image: TiffImageFile) -> Conversion | None:
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes):
        return None
    mode = image.mode
    if mode == "LAB":  # has its way to sRGB without one
        return None
    return from_icc(profile, mode if mode in {"CMYK", "L"} else "RGB")
