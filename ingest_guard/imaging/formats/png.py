"""PNG and APNG."""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Collection, Iterator

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from ingest_guard.imaging.formats.base import Reader, frame_name, inflate, numbered
from ingest_guard.imaging.formats.png_chunks import Chunks, Pixels, clean_file, read_chunks
from ingest_guard.imaging.pixels.colour import MAX_PROFILE, from_cicp, from_gamma, from_icc
from ingest_guard.imaging.pixels.compose import Canvas, Disposal
from ingest_guard.imaging.pixels.model import Budget, Conversion, NotScannable, Shot
from ingest_guard.imaging.pixels.render import orientation
from ingest_guard.verdict import Reason

_MOST_TEXT = 4 << 20
"""Compressed text is looked at so far: what is longer is a bomb, and no caption."""
_MOST_TEXTS = 8
_GREY, _RGB, _PALETTE, _GREY_ALPHA = 0, 2, 3, 4
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Of an interlaced picture: first column and row, and the steps from there (PNG's section 8.2)."""
_STEP = 1 << 20
_DISPOSALS = {1: Disposal.CLEAR, 2: Disposal.RESTORE}


class _Image(PngImageFile):
    """Notes how far its samples were read.

    The decoder is handed them in blocks, and asks for no further one once it has all rows: they, and with them the
    compressed stream, end in the last block that it got.

    Attributes
    ----------
    last_block
        Offset of that block among the samples; 0 where none was read.
    """

    last_block = 0
    _read = 0

    def load_read(self, read_bytes: int) -> bytes:
        """Return the next block of samples."""
        block: bytes = super().load_read(read_bytes)
        if block:
            self.last_block = self._read
            self._read += len(block)
        return block


class PngReader(Reader):
    """One PNG, from its signature to its IEND."""

    format = "PNG"

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self._chunks = chunks = read_chunks(data, budget.most_frames)
        header = chunks.header
        self._stored = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
        self._depth, self._type = header[8], header[9]
        if self._depth not in _DEPTHS.get(self._type, ()):
            raise NotScannable(Reason.CORRUPT)
        exif = chunks.known.get(b"eXIf", b"")
        self._turn = orientation(exif)
        self._show(*self._stored, self._turn)
        if not chunks.still.spans:
            raise NotScannable(chunks.problem or Reason.CORRUPT)
        if self._type == _PALETTE and b"PLTE" not in chunks.known:
            chunks.problem = chunks.problem or Reason.CORRUPT
        self.problem, self.is_open = chunks.problem, chunks.is_open
        self.end = chunks.end
        self._animated = bool(chunks.frames)
        self._apart = self._animated and chunks.frames[0] is not chunks.still
        self.frame_count = len(chunks.frames) + self._apart if self._animated else 1

    def unread(self) -> Iterator[bytes]:
        """Yield the chunks that have no samples, and what is compressed in them.

        Raises :class:`~ingest_guard.imaging.pixels.model.NotScannable` once that is more than a file may be large,
        eight times over.
        """
        left = _MOST_TEXTS * self._budget.limits.bytes
        for name, start, stop in self._chunks.others:
            piece = self._data[start:stop]
            yield piece
            packed = _packed(name, piece)
            if packed:
                if left < 0:
                    raise NotScannable(Reason.NESTING)
                text = inflate(packed, _MOST_TEXT)
                left -= len(text)
                yield text

    def samples(self) -> Iterator[bytes]:
        """Yield the samples as they lie, chunk by chunk; of a frame that was decoded, those from its last block on."""
        for pixels in (self._chunks.still, *self._chunks.frames):
            at = 0
            for start, stop in pixels.spans:
                if at + stop - start > pixels.last_block:
                    yield self._data[start + max(0, pixels.last_block - at) : stop]
                at += stop - start

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the still picture, then the frames of the animation that it is not a part of."""
        conversion = self._conversion()
        if not self._animated or self._apart:
            if 0 in chosen:
                self._budget.spend(*self._stored)
                yield Shot("native", self._decode(self._chunks.still), self._turn, conversion)
            if not self._animated:
                return
        canvas = Canvas(self._stored)
        for number, pixels in numbered(self._chunks.frames, chosen, int(self._apart)):
            control = pixels.control
            if control is None or not pixels.spans:
                raise NotScannable(self.problem or Reason.CORRUPT)
            if control.left + control.width > self._stored[0] or control.top + control.height > self._stored[1]:
                raise NotScannable(Reason.CORRUPT)
            self._budget.spend(*self._stored)  # each is shown on the whole canvas
            disposal = _DISPOSALS.get(control.disposal, Disposal.KEEP)
            patch = self._decode(pixels)
            seen = canvas.draw(patch, (control.left, control.top), disposal, over=control.blend == 1)
            if number in chosen:
                yield Shot(frame_name(number), seen, self._turn, conversion)

    def _decode(self, pixels: Pixels) -> Image.Image:
        size = self._stored if pixels.control is None else (pixels.control.width, pixels.control.height)
        self._budget.check(*size)
        image = _Image(io.BytesIO(clean_file(self._data, self._chunks, pixels)))
        try:
            self._load(image, size)
        finally:
            pixels.last_block = image.last_block
        is_interlaced = bool(self._chunks.header[12])
        if _may_lack_rows(image, is_interlaced=is_interlaced) and self._lacks_rows(pixels, size):
            self.problem = self.problem or Reason.TRUNCATED
        key = self._chunks.known.get(b"tRNS", b"")
        if self._type == _GREY and len(key) >= 2:  # noqa: PLR2004 - one 16-bit sample
            return _grey_with_key(image, int.from_bytes(key[:2], "big"), self._depth)
        if self._type == _RGB and len(key) >= 6:  # noqa: PLR2004 - three 16-bit samples
            return _rgb_with_key(image, key, self._depth)
        return image

    def _lacks_rows(self, pixels: Pixels, size: tuple[int, int]) -> bool:
        """Return whether the compressed stream ends before the last row: then Pillow leaves the rest black."""
        bits = self._depth * _CHANNELS[self._type]
        passes = _PASSES if self._chunks.header[12] else ((0, 0, 1, 1),)
        missing = 0
        for left, top, right, down in passes:
            width, height = -(-(size[0] - left) // right), -(-(size[1] - top) // down)
            missing += height * (1 + -(-width * bits // 8)) if width > 0 and height > 0 else 0
        inflater = zlib.decompressobj()
        with contextlib.suppress(zlib.error):
            for start, stop in pixels.spans:
                packed: bytes = self._data[start:stop]
                while packed and missing > 0 and not inflater.eof:
                    missing -= len(inflater.decompress(packed, _STEP))
                    packed = inflater.unconsumed_tail
        return missing > 0

    def _conversion(self) -> Conversion | None:
        """Return what the file says of its colours, in the order in which browsers listen."""
        known: Chunks = self._chunks
        code_points = known.known.get(b"cICP", b"")
        if len(code_points) == 4:  # noqa: PLR2004 - primaries, transfer, matrix, range
            return from_cicp(code_points[0], code_points[1])
        profile = known.known.get(b"iCCP", b"")
        if profile:
            return from_icc(_inflated(profile), "L" if self._type in {_GREY, _GREY_ALPHA} else "RGB")
        if b"sRGB" in known.known:
            return None
        gamma = known.known.get(b"gAMA", b"")
        return from_gamma(int.from_bytes(gamma, "big")) if len(gamma) == 4 else None  # noqa: PLR2004 - a uint32


def _may_lack_rows(image: Image.Image, *, is_interlaced: bool) -> bool:
    """Return whether the row that is decoded last has nothing but zeros, as one has that was never decoded."""
    width, height = image.size
    if is_interlaced and (height == 1 or width == 1):
        return True
    # The last pass has every second row.
    last = height - 1 - (is_interlaced and height % 2)
    return not np.asarray(image.crop((0, last, width, last + 1))).any()


def _packed(name: bytes, chunk: bytes) -> bytes:
    """Return the compressed part of a text or profile chunk; nothing where there is none."""
    _, _, rest = chunk.partition(b"\0")
    if name in {b"zTXt", b"iCCP"}:
        return rest[1:]
    if name == b"iTXt" and rest[:1] == b"\1":  # compressed: language and translated keyword come first
        return rest[2:].split(b"\0", 2)[-1]
    return b""


def _inflated(chunk: bytes) -> bytes:
    """Return the profile in an iCCP chunk; nothing where it is broken or suspiciously large."""
    _, _, rest = chunk.partition(b"\0")
    if rest[:1] != b"\0":
        return b""
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], MAX_PROFILE)
    except zlib.error:
        return b""
    return b"" if inflater.unconsumed_tail else profile


def _grey_with_key(image: Image.Image, key: int, depth: int) -> Image.Image:
    """Return grey with its one transparent level as alpha; Pillow forgets to scale the level for small depths."""
    values = np.asarray(image)
    if depth == 16:  # noqa: PLR2004 - mode I;16
        grey, clear = (values >> 8).astype(np.uint8), values == key
    else:
        grey = np.asarray(image.convert("L"))
        most = (1 << depth) - 1
        clear = grey == (key & most) * 255 // most  # libpng, too, drops the bits that the depth has no use for
    alpha = np.where(clear, np.uint8(0), np.uint8(255))
    return Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))


def _rgb_with_key(image: Image.Image, key: bytes, depth: int) -> Image.Image:
    """Return RGB with its one transparent colour as alpha."""
    colour = np.frombuffer(key, ">u2", 3)
    wanted = (colour >> 8 if depth == 16 else colour & 0xFF).astype(np.uint8)  # noqa: PLR2004 - 16-bit samples
    clear = (np.asarray(image) == wanted).all(axis=-1)
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(np.where(clear, np.uint8(0), np.uint8(255))))
    return image
