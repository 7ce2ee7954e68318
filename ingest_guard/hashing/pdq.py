"""PDQ, Meta's perceptual hash of 256 bits, from a picture's luma.

The method is the published one (*The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm*, Meta,
2019): filter and sample to 64 x 64, a discrete cosine transform (16 x 16 frequencies are kept), and one bit for
each coefficient above their median. The filter and the sampling are done by sparse matrices
(:mod:`ingest_guard.hashing.sampling`), which is what makes it fast.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ingest_guard.hashing.sampling import (
    BUFFER_SIDE,
    box_rows,
    enlarging,
    sample_across,
    sample_down,
    stacked,
    undrafting,
)

if TYPE_CHECKING:
    from scipy import sparse

HASH_BYTES = 32
"""Length of a PDQ hash."""

SMALLEST_SIDE = 5
"""The reference gives pictures with a shorter side no hash."""

FREQUENCIES = 16
"""Frequencies 1 to 16 are kept along each axis."""

CACHED_SIDES = 512
"""Matrices are kept for this many sides: at some 15 kB each, eight megabytes."""


def _cosines() -> NDArray[np.float32]:
    frequency = np.arange(1, FREQUENCIES + 1)[:, np.newaxis]
    position = np.arange(BUFFER_SIDE)
    scale = np.sqrt(2 / BUFFER_SIDE)
    cosines: NDArray[np.float64] = np.cos(np.pi / (2 * BUFFER_SIDE) * frequency * (2 * position + 1))
    return np.asarray(scale * cosines, np.float32)


DCT = _cosines()
"""float32[16, 64]: a DCT-II without its constant row."""


def pdq(luma: NDArray[np.uint8], original: tuple[int, int] | None = None) -> tuple[bytes, int]:
    """Return the PDQ hash of a picture and its quality.

    Parameters
    ----------
    luma
        uint8[height, width]: the picture's brightness (Rec. 601), 0 black to 255 white.
    original
        Height and width, as displayed, of the picture that a JPEG decoder made smaller (a draft); None if it did not.
        The hash is then that of the original: within 4 bits from a draft of 256 pixels or more on the shorter side.

    Returns
    -------
    hash : bytes
        32 bytes, ``bytes.fromhex`` of what PDQ tools print: the first bit is coefficient (15, 15). All zeros if a side
        is shorter than 5 pixels, as the reference does it.
    quality : int
        0 to 100: how much structure the picture has. Hashes of a quality below 50 say little about a picture.

    Raises
    ------
    ValueError
        ``luma`` is not a 2-D uint8 array, or larger than its original.
    """
    height, width = size_to_hash(luma, original)
    if min(height, width) < SMALLEST_SIDE:
        return bytes(HASH_BYTES), 0
    down, across = sampling(luma.shape[0], height), sampling(luma.shape[1], width)
    buffer = sample_across(across, sample_down(down, luma)).T
    coefficients: NDArray[np.float32] = (DCT @ buffer @ DCT.T).astype(np.float32, copy=False)
    above, _ = around_median(coefficients[np.newaxis])
    return pack(above)[0].tobytes(), quality_of(buffer)


def size_to_hash(luma: NDArray[np.uint8], original: tuple[int, int] | None) -> tuple[int, int]:
    """Return height and width of the picture that is to be hashed; ValueError for anything that is no luma of it."""
    if not isinstance(luma, np.ndarray) or luma.ndim != 2 or luma.dtype != np.uint8:  # noqa: PLR2004 - axes
        shape = getattr(luma, "shape", None)
        dtype = getattr(luma, "dtype", type(luma).__name__)
        raise ValueError(f"PDQ needs a 2-D uint8 array of brightness, not {dtype} of shape {shape}")
    height, width = luma.shape
    if original is None:
        return height, width
    if original[0] < height or original[1] < width or not luma.size:
        raise ValueError(
            f"a draft of {width} x {height} pixels cannot have an original of {original[1]} x {original[0]}"
        )
    return original


def around_median(coefficients: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which coefficients lie above their block's median, and which below the negative picture's.

    Of 256 values, the median is the lower of the two middle ones, as the reference's selection finds it. The negative
    picture's coefficients are these with the opposite sign, so its median is the upper of the two.

    Parameters
    ----------
    coefficients
        float32[n, 16, 16].

    Returns
    -------
    above, below : bool[n, 16, 16]
        The bits of the pictures, and those of their negatives.
    """
    flat = coefficients.reshape(len(coefficients), -1)
    middle = flat.shape[1] // 2
    medians = np.partition(flat, (middle - 1, middle), axis=1)[:, middle - 1 : middle + 1, np.newaxis]
    return coefficients > medians[:, :1], coefficients < medians[:, 1:]


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return hashes, uint8[n, 32], from bool[n, 16, 16]: coefficient (15, 15) comes first."""
    return np.packbits(bits.reshape(len(bits), -1)[:, ::-1], axis=1)


def quality_of(buffer: NDArray[np.float32]) -> int:
    """Return the quality, 0 to 100, of a 64 x 64 buffer: its summed gradient in whole hundredths of full contrast."""
    return qualities_of(buffer[np.newaxis])[0]


def qualities_of(buffers: NDArray[np.float32]) -> list[int]:
    """Return the qualities of buffers, float32[n, 64, 64]."""
    hundredths = buffers * np.float32(100 / 255)
    # Each step counts without its fraction, so a smooth slope adds nothing.
    down = (hundredths[:, 1:] - hundredths[:, :-1]).astype(np.int32)
    across = (hundredths[:, :, 1:] - hundredths[:, :, :-1]).astype(np.int32)
    summed = np.abs(down, out=down).sum(axis=(1, 2)) + np.abs(across, out=across).sum(axis=(1, 2))
    return [min(100, total // 90) for total in summed.tolist()]


@lru_cache(maxsize=CACHED_SIDES)
def sampling(side: int, original: int, *, mirrored: bool = False, enlarged: int = 0) -> sparse.csr_array:
    """Return the matrix that samples one axis of a picture.

    Parameters
    ----------
    side
        Pixels of the luma at hand.
    original
        Pixels of the original; equal to ``side`` if it is no draft.
    mirrored
        Add the 64 rows that see the mirrored picture.
    enlarged
        Add the 64 rows that see the picture as if enlarged to so many pixels; 0 for none.
    """
    plain = box_rows(original)
    blocks = [plain]
    if mirrored:
        blocks.append(plain.mirrored())
    if enlarged:
        blocks.append(enlarging(box_rows(enlarged), original))
    return stacked(*(block if side == original else undrafting(block, side) for block in blocks))


@lru_cache(maxsize=CACHED_SIDES)
def enlarged_sampling(side: int, original: int, enlarged: int) -> sparse.csr_array:
    """Return the matrix of the 64 rows that :func:`sampling` would add for ``enlarged`` alone."""
    rows = enlarging(box_rows(enlarged), original)
    return stacked(rows if side == original else undrafting(rows, side))
