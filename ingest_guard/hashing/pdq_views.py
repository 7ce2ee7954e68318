"""PDQ hashes of one picture as it is, turned, inverted in colour, and as if it were larger.

A copy of a listed picture is often a turned, mirrored, negative or shrunk one, and PDQ by itself survives none of the
first three. All views come from one pass over the pixels:

* The *orientations* use mirrored sampling: the hash of the picture turned that way is computed exactly, where the
  reference's dihedral hashes, made by changing signs of one block of coefficients, are some 6 bits off before anything
  else has happened to the picture (the reference's sampling is not symmetric).
* The *inverse* needs nothing but the coefficients' negative; turned, too, where both are wanted.
* The *scale view* samples the picture as if it had been enlarged bilinearly to a longest side of 1024 pixels. A
  thumbnail loses many bits against its large original, since sampling at one pixel in so many sees less of a small
  picture; this takes most of them back.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest_guard.hashing.pdq import (
    DCT,
    HASH_BYTES,
    SMALLEST_SIDE,
    around_median,
    enlarged_sampling,
    pack,
    qualities_of,
    sampling,
    size_to_hash,
)
from ingest_guard.hashing.sampling import BUFFER_SIDE, sample_across, sample_down

SCALE_SIDE = 1024
"""The scale view sees smaller pictures as if their longest side had this many pixels."""

ORIENTATIONS = ("mirror", "flip", "rotate180", "transpose", "rotate270", "rotate90", "transverse")
"""The seven turns, named as in Pillow; but ``rotate90`` and ``rotate270`` are clockwise. The first three mirror the
columns, the rows, both; the others are the picture and these three, transposed."""

_TURNED = ("native", *ORIENTATIONS)
_INVERSE = ("inverse", *(f"{name}/inverse" for name in ORIENTATIONS))

RADIUS_CAPS: Mapping[str, int] = MappingProxyType({**dict.fromkeys(ORIENTATIONS, 23), "inverse": 15})
"""Last part of a view's name -> the largest distance, in bits, at which it should count as a match; a list's own
threshold counts where it is smaller, and alone for a view that is not named here (``native``, ``scale``)."""


def radius_cap(view: str) -> int | None:
    """Return the largest distance at which a view may match, by its whole name; None where a list's threshold alone is.

    ``mirror`` and ``frame:3/trimmed/mirror`` have the cap of a turn, ``mirror/inverse`` that of an inverse.
    """
    return RADIUS_CAPS.get(view.rpartition("/")[2])


class PdqView(NamedTuple):
    """The hash of one view of a picture.

    Attributes
    ----------
    name
        What was done to the picture at hand before it was hashed: ``native`` (nothing), ``scale``, ``mirror`` (left
        to right), ``flip`` (top to bottom), ``rotate90`` (clockwise), ``rotate180``, ``rotate270``, ``transpose``
        (about the main diagonal), ``transverse`` (about the other one), ``inverse``, ``mirror/inverse`` and so on. A
        picture that matches a list by ``rotate90`` looks like the listed one after a quarter turn clockwise.
    bits
        uint8[32], as :func:`ingest_guard.hashing.pdq.pdq` packs them.
    quality
        PDQ quality of the native view, 0 to 100: no turn changes how much structure there is.
    """

    name: str
    bits: NDArray[np.uint8]
    quality: int

    def __repr__(self) -> str:
        return f"PdqView({self.name!r}, quality={self.quality})"


def pdq_views(
    luma: NDArray[np.uint8],
    *,
    orientations: bool,
    inverse: bool,
    scale: bool,
    original: tuple[int, int] | None = None,
) -> list[PdqView]:
    """Return the hashes of a picture's views; the first is ``native``.

    Parameters
    ----------
    luma
        uint8[height, width]: the picture's brightness.
    orientations
        Add the seven turned and mirrored views.
    inverse
        Add the negative, and with ``orientations`` its seven turned and mirrored views.
    scale
        Add the picture as if enlarged, if its longest side is shorter than 1024 pixels.
    original
        Height and width of the picture of which ``luma`` is a draft, as for :func:`ingest_guard.hashing.pdq.pdq`.

    Returns
    -------
    list of PdqView
        For a picture too small for PDQ, only the native view: zeros, of quality 0.

    Raises
    ------
    ValueError
        ``luma`` is not a 2-D uint8 array, or larger than its original.
    """
    [found] = hash_views([(luma, original)], orientations=orientations, inverse=inverse, scale=scale)
    return [PdqView(name, bits, found.quality) for name, bits in zip(found.names, found.bits, strict=True)]


class HashedViews(NamedTuple):
    """The hashes of all views of a picture: the names of :class:`PdqView`, uint8[n, 32] in their order, and quality."""

    names: tuple[str, ...]
    bits: NDArray[np.uint8]
    quality: int


def hash_views(
    pictures: Sequence[tuple[NDArray[np.uint8], tuple[int, int] | None]],
    *,
    orientations: bool,
    inverse: bool,
    scale: bool,
) -> list[HashedViews]:
    """Return what :func:`pdq_views` does for each of several pictures, at less than they cost one by one.

    Parameters
    ----------
    pictures
        Luma and original of each.
    orientations, inverse, scale
        The views that are wanted.
    """
    stacks = [_buffers(luma, original, orientations=orientations, scale=scale) for luma, original in pictures]
    sampled = [(stack, is_scaled) for stack, is_scaled in stacks if len(stack)]
    hashed = iter(_hash(sampled, orientations=orientations, inverse=inverse) if sampled else ())
    return [next(hashed) if len(stack) else _NOTHING for stack, _ in stacks]


_NOTHING = HashedViews(("native",), np.zeros((1, HASH_BYTES), np.uint8), 0)
"""A picture that is too small."""


def _buffers(
    luma: NDArray[np.uint8], original: tuple[int, int] | None, *, orientations: bool, scale: bool
) -> tuple[NDArray[np.float32], bool]:
    """Return float32[n, 64, 64], the native view first, then the three mirrored ones and last the scale view if any.

    No buffer for a picture that is too small; and whether there is a scale view.
    """
    height, width = size = size_to_hash(luma, original)
    if min(size) < SMALLEST_SIDE:
        return np.empty((0, BUFFER_SIDE, BUFFER_SIDE), np.float32), False
    longest = max(size)
    scaled = scale and longest < SCALE_SIDE
    tall, wide = (max(SMALLEST_SIDE, round(side * SCALE_SIDE / longest)) if scaled else 0 for side in size)
    rows = sample_down(sampling(luma.shape[0], height, mirrored=orientations, enlarged=tall), luma)
    count = 2 if orientations else 1
    plain = BUFFER_SIDE * count
    stack = np.empty((count * count + scaled, BUFFER_SIDE, BUFFER_SIDE), np.float32)
    grid = sample_across(sampling(luma.shape[1], width, mirrored=orientations), rows[:plain])
    # The picture's axes come in order again: the columns were sampled last, and are the rows of what came of it.
    stack[: count * count].reshape(count, count, BUFFER_SIDE, BUFFER_SIDE)[:] = grid.reshape(
        count, BUFFER_SIDE, count, BUFFER_SIDE
    ).transpose(2, 0, 3, 1)
    if scaled:
        stack[-1] = sample_across(enlarged_sampling(luma.shape[1], width, wide), rows[plain:]).T
    return stack, scaled


def _hash(
    sampled: Sequence[tuple[NDArray[np.float32], bool]], *, orientations: bool, inverse: bool
) -> Iterator[HashedViews]:
    """Yield the hashes of each picture's buffers."""
    # One transform, one median and one packing for all buffers of all pictures: most of what they take is the calls'.
    stack = np.concatenate([buffers for buffers, _ in sampled]) if len(sampled) > 1 else sampled[0][0]
    coefficients: NDArray[np.float32] = (DCT @ stack @ DCT.T).astype(np.float32, copy=False)
    above, below = around_median(coefficients)
    first, chosen, natives = 0, [], []
    for buffers, scaled in sampled:
        natives.append(first)
        upright = slice(first, first + len(buffers) - scaled)
        for bits in (above[upright], below[upright]) if inverse else (above[upright],):
            chosen.append(bits)
            if orientations:
                chosen.append(bits.transpose(0, 2, 1))
        first += len(buffers)
        if scaled:
            chosen.append(above[first - 1 : first])
    packed = pack(np.concatenate(chosen))
    start = 0
    for (_, scaled), quality in zip(sampled, qualities_of(stack[natives]), strict=True):
        names = _names(orientations=orientations, inverse=inverse, scaled=scaled)
        yield HashedViews(names, packed[start : start + len(names)], quality)
        start += len(names)


@lru_cache(maxsize=8)
def _names(*, orientations: bool, inverse: bool, scaled: bool) -> tuple[str, ...]:
    count = len(_TURNED) if orientations else 1
    return (*_TURNED[:count], *(_INVERSE[:count] if inverse else ()), *(("scale",) if scaled else ()))
