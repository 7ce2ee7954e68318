"""ICO and CUR: a folder of pictures, each a PNG or a bitmap with a mask."""

import io
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from PIL.IcoImagePlugin import IcoImageFile

from ingest_guard.imaging.formats.base import Reader, frame_name, gaps, numbered
from ingest_guard.imaging.formats.bmp import read_dib
from ingest_guard.imaging.formats.png import PngReader
from ingest_guard.imaging.formats.png_chunks import SIGNATURE
from ingest_guard.imaging.pixels.model import Budget, NotScannable, Shot
from ingest_guard.verdict import Reason

_HEADER, _ENTRY = 6, 16


class _Entry(NamedTuple):
    width: int
    height: int
    start: int
    stop: int


class IcoReader(Reader):
    """One icon or cursor; ``native`` is its largest picture, which is what a browser shows."""

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self.format = "CUR" if data[2:3] == b"\2" else "ICO"
        count = int.from_bytes(data[4:6], "little")
        entries: dict[tuple[int, int], _Entry] = {}
        for number in range(count):
            at = _HEADER + _ENTRY * number
            if at + _ENTRY > len(data):
                self.problem = Reason.TRUNCATED
                break
            if len(entries) > budget.most_frames:
                break
            width, height, length, start = struct.unpack_from("<BB6xII", data, at)
            if start >= len(data) or start + length > len(data):
                self.problem = Reason.TRUNCATED
            stop = min(start + length, len(data))
            if start < stop:
                entries.setdefault((start, stop), _Entry(width or 256, height or 256, start, stop))
        if not entries:
            raise NotScannable(self.problem or Reason.CORRUPT)
        self._entries = sorted(entries.values(), key=lambda entry: -entry.width * entry.height)
        self.frame_count = len(entries)
        self.width, self.height = self._entries[0][:2]
        self.end = max(entry.stop for entry in self._entries)

    def unread(self) -> Iterator[bytes]:
        """Yield what lies between the pictures."""
        return gaps(self._data, ((entry.start, entry.stop) for entry in self._entries), self.end)

    def samples(self) -> Iterator[bytes]:
        """Yield the pictures, without a signature of their own."""
        return (self._data[entry.start + 8 : entry.stop] for entry in self._entries)

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the pictures, largest first; one that is broken does not keep the others from being seen."""
        for number, entry in numbered(self._entries, chosen):
            if number not in chosen:
                continue
            try:
                shot = self._picture(entry)
            except NotScannable as error:
                self.problem = self.problem or error.reason
                continue
            name = frame_name(number, "size")
            yield Shot(name, shot.image, shot.orientation, shot.conversion)

    def _picture(self, entry: _Entry) -> Shot:
        body = self._data[entry.start : entry.stop]
        if body.startswith(SIGNATURE):
            reader = PngReader(body, self._budget)
            for shot in reader.shots((0,)):
                self.problem = self.problem or reader.problem
                return shot
        dib = read_dib(body, 0)
        width, height = dib.width, dib.height // 2
        if width <= 0 or height <= 0:
            raise NotScannable(Reason.CORRUPT)
        self._budget.spend(width, height * 2)
        # Always an icon with this one picture, with the depth that the bitmap itself states: a cursor has its hot
        # spot in that place, and many an icon nothing at all.
        head = struct.pack("<3HBBBBHHII", 0, 1, 1, width & 255, height & 255, 0, 0, 1, dib.bits, len(body), 22)
        try:
            return Shot("", IcoImageFile(io.BytesIO(head + body)))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever a broken bitmap makes the plug-in raise
            raise NotScannable(self.problem or Reason.CORRUPT) from None
