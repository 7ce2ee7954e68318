"""A picture's luma times the matrices of :mod:`ingest_guard.hashing.sampling`: where most of PDQ's time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

_BLOCK_PIXELS = 1 << 19
"""Pixels are turned into floats in blocks of this many: two megabytes, never the whole of a large picture."""

_PADDING = 16
"""Spare columns: rows a power of two apart share cache lines, which makes a transposition six times as slow."""


def sample_down(matrix: sparse.csr_array, luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``matrix @ luma``: the picture's height sampled, its width as it was."""
    height, width = luma.shape
    rows = np.empty((matrix.shape[0], width + _PADDING), np.float32)[:, :width]
    step = max(_PADDING, _BLOCK_PIXELS // height)
    for left in range(0, width, step):
        block = luma[:, left : left + step].astype(np.float32, order="C")
        rows[:, left : left + step] = matrix @ block
    return rows


def sample_across(matrix: sparse.csr_array, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``matrix @ rows.T``: the width sampled too, and the picture's axes swapped."""
    sampled: NDArray[np.float32] = matrix @ np.ascontiguousarray(rows.T)
    return sampled
