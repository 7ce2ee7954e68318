"""What decoding is about: limits and what is left of them, shots (as stored), frames (as shown), and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Conversion: TypeAlias = "Callable[[Image.Image], Image.Image]"
"""Takes a picture in the mode that it was made for, returns it in sRGB, mode RGB."""

_SAMPLED = 100_000
"""Frames that a container may have where a sample of them is enough: listing them takes memory, too."""


@dataclass(frozen=True)
class Limits:
    """How much one body may ask for.

    Attributes
    ----------
    bytes
        Length of the body.
    pixels
        Width times height of one frame, as the file's header announces it.
    frames
        Frames, pages or sub-images of one body.
    sample_frames
        True: of a body with more frames than ``frames``, look at ``frames`` of them, spread evenly, instead of
        refusing it.
    nesting
        Depth of images inside text inside images.
    trailing
        What happens to data after the end of an image that is not an image either: ``scan`` lets it be once it has
        been searched for images, ``refuse`` makes the body not scannable.
    total_pixels
        Pixels of all frames together.
    embedded
        Number of images taken out of one text.
    """

    bytes: int = 32 * 2**20
    pixels: int = 100_000_000
    frames: int = 200
    sample_frames: bool = False
    nesting: int = 3
    trailing: Literal["scan", "refuse"] = "scan"
    total_pixels: int = 600_000_000
    embedded: int = 1000


class NotScannable(Exception):  # noqa: N818 - it is a finding, with a name from the verdict
    """Something in a body that no decoder here can look at; its text is the reason and nothing else."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Frame:
    """One thing that the body shows.

    A frame can have several views: as stored and drawn on white (no suffix), on black (``black``), with its
    transparency ignored (``opaque``), with its colours converted to sRGB by what the file says of them (``icc``),
    and, for samples of sixteen bits that use only the low ones, stretched (``stretched``). Where EXIF turns the
    picture, each of them comes with the same before the turn (``stored``).

    Attributes
    ----------
    name
        ``native`` for the first frame, else ``frame:3``, ``page:2``, ``size:2``, ``thumbnail:1``, ``trailing:1``;
        a view of a frame has its suffix, as in ``frame:3/black``, or that alone for the first frame: ``black``.
    luma
        uint8[h, w], as displayed: EXIF orientation applied, transparency on white; possibly decoded at a fraction of
        the original's size, but with at least 256 pixels on the shorter side where the original has them.
    colour
        Returns the same as an RGB picture; None where there is none to have.
    original
        Height and width of the picture that ``luma`` shows, as displayed; the luma's own where it was not reduced.
        A hash that samples at fixed positions must sample where it would have in the original.
    stored
        The same view as the file has it, where EXIF turns it for display; else None. Programs that do not know EXIF
        hash that one: imagehash does, with all that is built on it.
    """

    name: str
    luma: NDArray[np.uint8]
    colour: Callable[[], Image.Image] | None = None
    original: tuple[int, int] | None = None
    stored: Frame | None = None

    def size_in_original(self, part: NDArray[np.uint8]) -> tuple[int, int]:
        """Return height and width that a part of the luma has in the original picture."""
        height, width = part.shape
        if self.original is None:
            return height, width
        scale_y, scale_x = self.original[0] / self.luma.shape[0], self.original[1] / self.luma.shape[1]
        return max(height, round(height * scale_y)), max(width, round(width * scale_x))


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture of a file, as stored: not yet turned, flattened or converted.

    Attributes
    ----------
    name
        See :class:`Frame`.
    image
        In any mode of Pillow's.
    orientation
        EXIF orientation, 1 to 8, that is still to be applied.
    conversion
        To sRGB, where the file says that its colours are something else.
    in_colour
        Decodes the same picture in colour, where ``image`` is its luma alone; None where ``image`` has the colours.
    depth
        Bits a sample that are used, for modes of more than eight.
    full_size
        Width and height of the whole picture, where ``image`` was decoded at a smaller size.
    turned
        EXIF orientation that the decoder has applied already; other values than 2 to 8: none.
    """

    name: str
    image: Image.Image
    orientation: int = 1
    conversion: Conversion | None = None
    in_colour: Callable[[], Image.Image] | None = None
    depth: int = 16
    full_size: tuple[int, int] | None = None
    turned: int = 1


class Budget:
    """What one body has used up so far: shared by its frames, its thumbnails and what follows its end."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.most_frames = _SAMPLED if limits.sample_frames else limits.frames
        """A container is read up to one frame more than this: beyond, it is refused whatever follows."""
        self._pixels = 0
        self._extras = 0

    def check(self, width: int, height: int) -> None:
        """Refuse a frame of this size, before it is decoded, where it is over a limit."""
        if width * height > self.limits.pixels:
            raise NotScannable(Reason.PIXELS)

    def spend(self, width: int, height: int) -> None:
        """Count a frame of this size that is about to be decoded."""
        self.check(width, height)
        self._pixels += width * height
        if self._pixels > self.limits.total_pixels:
            raise NotScannable(Reason.PIXELS)

    def extra(self) -> None:
        """Count a picture beside the frames: a thumbnail, or one after the end."""
        self._extras += 1
        if self._extras > self.limits.frames:
            raise NotScannable(Reason.FRAMES)
