"""AVIF, still and animated; HEIF where ``pillow-heif`` is installed."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from PIL.AvifImagePlugin import AvifImageFile

from ingest_guard.imaging.formats.avif_faces import other_faces
from ingest_guard.imaging.formats.base import Reader, frame_name, numbered
from ingest_guard.imaging.formats.boxes import box_contents, file_end
from ingest_guard.imaging.pixels.colour import from_cicp, from_icc
from ingest_guard.imaging.pixels.model import Budget, Conversion, NotScannable, Shot
from ingest_guard.imaging.pixels.pillow import decoding
from ingest_guard.imaging.pixels.render import orientation
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from PIL import Image, ImageFile

_TOP = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"moof", b"free", b"skip", b"uuid", b"wide", b"mfra", b"idat"})
_CODE_POINTS = b"colrnclx"


class AvifReader(Reader):
    """One AVIF, to the end of its last box."""

    format = "AVIF"

    def __init__(self, data: bytes, budget: Budget) -> None:
        super().__init__(data, budget)
        self.end, self._top, self.problem = file_end(data, _TOP)
        if not any(box.name in {b"meta", b"moov"} for box in self._top):
            raise NotScannable(self.problem or Reason.CORRUPT)
        try:
            self._image = self._open()
        except NotScannable:
            raise
        except MemoryError:
            raise NotScannable(Reason.MEMORY) from None
        except Exception:  # noqa: BLE001 - libavif's errors come as several types
            raise NotScannable(self.problem or Reason.CORRUPT) from None
        self.frame_count = int(getattr(self._image, "n_frames", 1))
        self._turn = orientation(self._image.info.get("exif") or b"")
        self._show(*self._image.size, self._turn)

    def _open(self) -> ImageFile.ImageFile:
        if self.problem is None:
            return self._open_file(self._data[: self.end])
        # What is cut off is filled up with zeros: frames that are whole can then be decoded, a cut one fails.
        *_, last = file_end(self._data, _TOP)[1]
        whole = self._data.ljust(min(last.stop, self._budget.limits.bytes), b"\0")
        return self._open_file(whole)

    @staticmethod
    def _open_file(data: bytes) -> ImageFile.ImageFile:
        return AvifImageFile(io.BytesIO(data))

    def unread(self) -> Iterator[bytes]:
        """Yield the boxes, and the items and samples that may lie in them."""
        yield from box_contents(self._data, self.end)

    _first: bytes = b""
    """Of the frame that is shown first: a still is a track's first frame, in most animations."""

    def shots(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the frames."""
        image = self._image
        for number, _ in numbered(range(self.frame_count), chosen):
            if number not in chosen:
                continue
            self._budget.spend(*image.size)
            image.seek(number)
            self._load(image)
            self._first = self._first or _look(image)
            picture: Image.Image = image.copy() if self.frame_count > 1 else image
            yield Shot(frame_name(number), picture, self._turn, self._conversion())
        yield from self._others(chosen)

    def _others(self, chosen: Collection[int]) -> Iterator[Shot]:
        """Yield the pictures that are not shown first; those that no decoder reads are shown by nothing."""
        for name, data in other_faces(self._data[: self.end], self._top, self._budget.limits.frames):
            try:
                with decoding():
                    image = self._open_file(data)
                    count = int(getattr(image, "n_frames", 1))
            except NotScannable:
                continue
            for number, _ in numbered(range(count), chosen):
                self._budget.check(*image.size)
                try:
                    with decoding():
                        image.seek(number)
                        image.load()
                except NotScannable:
                    break
                if _look(image) == self._first:
                    continue
                self._budget.spend(*image.size)
                yield Shot(f"{name}/frame:{number + 1}" if number else name, image.copy(), self._turn)
            if count > self._budget.limits.frames:
                self.problem = self.problem or Reason.FRAMES

    def _conversion(self) -> Conversion | None:
        profile: Any = self._image.info.get("icc_profile")
        if profile:
            return from_icc(profile, "RGB")
        at = self._data.find(_CODE_POINTS, 0, 1 << 16)
        if at < 0 or at + 12 > len(self._data):
            return None
        return from_cicp(self._data[at + 9], self._data[at + 11])


def _look(image: Image.Image) -> bytes:
    return sha256(image.tobytes()).digest()


class HeifReader(AvifReader):
    """One HEIF; opening it without ``pillow-heif`` is ``unsupported_codec``."""

    format = "HEIF"

    def _open(self) -> ImageFile.ImageFile:
        try:
            from pillow_heif import HeifImageFile  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        except ImportError:  # an extra
            raise NotScannable(Reason.UNSUPPORTED_CODEC) from None
        opener: Any = HeifImageFile  # typed or not, depending on whether the extra is installed
        image: ImageFile.ImageFile = opener(io.BytesIO(self._data[: self.end]))
        return image

    def _others(self, chosen: Collection[int]) -> Iterator[Shot]:  # noqa: ARG002 - libheif lists all pictures itself
        """Yield nothing: the frames are all top-level pictures."""
        return iter(())
