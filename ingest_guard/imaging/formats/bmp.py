"""BMP, and the headerless kind of it that icons are made of."""

import io
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from PIL.BmpImagePlugin import BmpImageFile

from ingest_guard.imaging.formats.base import Reader, gaps
from ingest_guard.imaging.pixels.model import Budget, NotScannable, Shot
from ingest_guard.verdict import Reason

_FILE_HEADER, _CORE_HEADER = 14, 12
_RAW, _BITFIELDS = 0, 3
_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


@dataclass(frozen=True)
class Dib:
    """The header of a device-independent bitmap."""

    length: int
    width: int
    height: int
    bits: int
    compression: int
    data_size: int

    @property
    def row(self) -> int:
        """Bytes of a row, with its padding."""
        return (self.width * self.bits + 31) // 32 * 4


def read_dib(data: bytes, at: int) -> Dib:
    """Read the header at an offset; height is without its sign.

    Raises
    ------
    NotScannable
        It is cut off, or of a kind that no decoder knows.
    """
    try:
        (length,) = struct.unpack_from("<I", data, at)
        if length not in _HEADERS:
            raise NotScannable(Reason.CORRUPT)
        if length == _CORE_HEADER:
            width, height, bits = struct.unpack_from("<HH2xH", data, at + 4)
            return Dib(length, width, height, bits, _RAW, 0)
        width, height, bits, compression, size = struct.unpack_from("<ii2xHII", data, at + 4)
    except struct.error:
        raise NotScannable(Reason.TRUNCATED) from None
    return Dib(length, width, abs(height), bits, compression, size)


class BmpReader(Reader):
    """One BMP, as long as its samples are."""

    format = "BMP"

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        dib = read_dib(data, _FILE_HEADER)
        self._show(dib.width, dib.height)
        stated, offset = struct.unpack_from("<I4xI", data, 2)
        if dib.compression in {_RAW, _BITFIELDS}:
            stop = offset + dib.row * dib.height
        else:  # run lengths: the samples' size is what a header says it is, and the larger of the two is right
            stop = max(offset + dib.data_size, stated)
        self._samples = (offset, stop) if dib.compression in {_RAW, _BITFIELDS} else (0, 0)
        if stop > len(data):
            self.problem = Reason.TRUNCATED
        # The file's own idea of its length is often wrong; it counts where it is longer and still inside.
        self.end = min(max(stop, stated if stated <= len(data) else 0), len(data))

    def unread(self) -> Iterator[bytes]:
        """Yield headers, gaps and profile; where run lengths are used, all of it."""
        return gaps(self._data, [self._samples], self.end)

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the picture."""
        if 0 not in chosen:
            return
        self._budget.spend(self.width, self.height)
        try:
            image = BmpImageFile(io.BytesIO(self._data))
        except OSError:  # a compression, depth or mask that Pillow does not know
            raise NotScannable(self.problem or Reason.UNSUPPORTED_CODEC) from None
        self._load(image, (self.width, self.height))
        yield Shot("native", image)
