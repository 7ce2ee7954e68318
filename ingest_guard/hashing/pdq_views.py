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

from collections.abc import Mapping
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
    quality_of,
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
    height, width = size = size_to_hash(luma, original)
    if min(size) < SMALLEST_SIDE:
        return [PdqView("native", np.zeros(HASH_BYTES, np.uint8), 0)]
    longest = max(size)
    scaled = scale and longest < SCALE_SIDE
    tall, wide = (max(SMALLEST_SIDE, round(side * SCALE_SIDE / longest)) if scaled else 0 for side in size)
    rows = sample_down(sampling(luma.shape[0], height, mirrored=orientations, enlarged=tall), luma)
    plain = BUFFER_SIDE * (2 if orientations else 1)
    buffers = sample_across(sampling(luma.shape[1], width, mirrored=orientations), rows[:plain])
    blocks = _coefficients(buffers)
    if scaled:
        buffer = sample_across(enlarged_sampling(luma.shape[1], width, wide), rows[plain:])
        blocks = np.concatenate([blocks, _coefficients(buffer)])
    names, bits = _views(blocks, orientations=orientations, inverse=inverse, scaled=scaled)
    quality = quality_of(buffers[:BUFFER_SIDE, :BUFFER_SIDE])
    return [PdqView(name, packed, quality) for name, packed in zip(names, pack(bits), strict=True)]


def _coefficients(buffers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32[rows * columns, 16, 16], the picture's axes in order again, from a grid of 64 x 64 buffers."""
    grid = buffers.reshape(buffers.shape[0] // BUFFER_SIDE, BUFFER_SIDE, -1, BUFFER_SIDE)
    blocks = np.ascontiguousarray(grid.transpose(2, 0, 3, 1)).reshape(-1, BUFFER_SIDE, BUFFER_SIDE)
    coefficients: NDArray[np.float32] = (DCT @ blocks @ DCT.T).astype(np.float32, copy=False)
    return coefficients


def _views(
    blocks: NDArray[np.float32], *, orientations: bool, inverse: bool, scaled: bool
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Return names and bits of all views from the blocks: native, then three mirrored ones, then the scale view."""
    above, below = around_median(blocks)
    count = len(_TURNED) if orientations else 1
    names = _TURNED[:count]
    bits = [_turned(above, orientations=orientations)]
    if inverse:
        names += _INVERSE[:count]
        bits.append(_turned(below, orientations=orientations))
    if scaled:
        names += ("scale",)
        bits.append(above[-1:])
    return names, np.concatenate(bits)


def _turned(bits: NDArray[np.bool_], *, orientations: bool) -> NDArray[np.bool_]:
    """Return the bits of the picture and, where wanted, of its turns, in the order of their names."""
    if not orientations:
        return bits[:1]
    upright = bits[:4]
    return np.concatenate([upright, upright.transpose(0, 2, 1)])
