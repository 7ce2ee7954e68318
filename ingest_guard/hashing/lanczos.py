"""Pillow's Lanczos resize of a picture's luma to a few pixels, by two matrix products.

The imagehash family starts with ``image.convert("L").resize((32, 32), LANCZOS)`` or the like, and that resize is nearly
all it costs. It is linear and separable, so it is one small matrix for each side of the picture; BLAS multiplies with
them several times as fast as Pillow's loops go. As in Pillow the width comes first, of tall pictures the height, and is
rounded to grey levels.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_LOBES = 3

_CACHED = 64
"""Matrices are kept for this many sides: at 32 rows for a side of 1000, 8 MB."""

_BLOCK_PIXELS = 1 << 18
"""Pixels are turned into floats in blocks of this many, so that a large picture is never there as floats."""


def resize(luma: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return the picture as Pillow's ``resize((width, height), LANCZOS)`` makes it.

    A pixel in a hundred may be one grey level off, where the exact value lies half-way between two.
    """
    if luma.shape[0] > height and luma.shape[0] - height > 2 * (luma.shape[1] - width):
        turned: NDArray[np.uint8] = resize(luma.T, width, height).T
        return turned
    narrow = _narrowed(luma, _matrix(luma.shape[1], width, width))
    return _grey(_matrix(luma.shape[0], height, height) @ _grey(narrow).astype(np.float32)).astype(np.uint8)


def block_means(luma: NDArray[np.uint8], side: int, blocks: int) -> NDArray[np.float32]:
    """Return the means of ``blocks`` x ``blocks`` equal parts of the picture resized to ``side`` x ``side`` pixels.

    ``side`` must be a multiple of ``blocks``. The resized picture itself is never made.
    """
    height, width = luma.shape
    narrow = _narrowed(luma, _matrix(width, side, blocks))
    means: NDArray[np.float32] = _matrix(height, side, blocks) @ narrow
    return means


def _narrowed(luma: NDArray[np.uint8], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``luma @ matrix.T``."""
    height, width = luma.shape
    narrow = np.empty((height, len(matrix)), np.float32)
    step = max(1, _BLOCK_PIXELS // width)
    for top in range(0, height, step):
        np.matmul(luma[top : top + step].astype(np.float32), matrix.T, out=narrow[top : top + step])
    return narrow


def _grey(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to grey levels and cut off what Lanczos overshoots."""
    grey: NDArray[np.float32] = np.clip(np.floor(values + np.float32(0.5)), 0, 255)
    return grey


@lru_cache(maxsize=_CACHED)
def _matrix(side: int, size: int, blocks: int) -> NDArray[np.float32]:
    """Return float32[blocks, side]: the resize of an axis from ``side`` to ``size`` pixels, averaged into ``blocks``.

    New pixel ``k`` lies at ``(k + 0.5) * side / size`` and sees three lobes of a sinc to either side, stretched by the
    scale where the picture shrinks, cut off at the edges and normalised.
    """
    scale = side / size
    stretch = max(scale, 1.0)
    centre = ((np.arange(size) + 0.5) * scale)[:, np.newaxis]
    start = np.maximum(np.floor(centre - _LOBES * stretch + 0.5), 0).astype(np.int64)
    stop = np.minimum(np.floor(centre + _LOBES * stretch + 0.5), side).astype(np.int64)
    pixel = start + np.arange(int((stop - start).max()))
    at = (pixel - centre + 0.5) / stretch
    weights = np.where((pixel < stop) & (np.abs(at) < _LOBES), np.sinc(at) * np.sinc(at / _LOBES), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((blocks, side))
    block = np.arange(size)[:, np.newaxis] * blocks // size
    np.add.at(matrix, (block, np.minimum(pixel, side - 1)), weights * (blocks / size))
    return matrix.astype(np.float32)
