"""The sparse matrices by which PDQ looks at a picture: one of 64 rows for each length of a side.

PDQ shrinks a picture to 64 x 64 by two passes of an edge-normalised box filter along each axis, and then takes one
sample in so many (the "Jarosz filter" and "decimation" of Meta's paper of 2019 on PDQ and TMK+PDQF). Both are linear
and separable, so for a side of ``n`` pixels the whole is one matrix of 64 rows with about ten entries each, and the
buffer of a picture is ``A(height) @ luma @ A(width).T``. Most of PDQ's time goes into these products
(:func:`sample_down`, :func:`sample_across`).

Rows are made for the picture that is to be hashed (:func:`box_rows`), which need not be the one at hand. They are then
turned into rows for the pixels that there are:

:meth:`Rows.mirrored`
    for the mirrored picture. The reference samples at ``floor((k + 0.5) * n / 64)``, which is not symmetric, so the
    mirrored picture's buffer is not the mirrored buffer.
:func:`enlarging`
    for the picture enlarged bilinearly.
:func:`undrafting`
    for the original of a draft, that is of a picture which the JPEG decoder made smaller by a half, a quarter or an
    eighth. Hashing a draft as if it were a picture of its own costs up to 30 bits; by these rows it costs none to 4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse._sparsetools import csr_matvecs

BUFFER_SIDE = 64
"""PDQ's down-sampled picture has this many rows and columns."""

_BLOCK_PIXELS = 1 << 20
"""Pixels are turned into floats in blocks of this many: four megabytes, never the whole of a large picture."""

_PADDING = 16
"""Spare columns: rows a power of two apart share cache lines, which makes a transposition six times as slow."""

_BOXES_PER_BUFFER = 128
"""The box filter is as long as the side divided by this, rounded up."""


class Rows(NamedTuple):
    """Rows of one matrix as runs: row ``k`` has the weights ``weights[k]`` from column ``first[k]`` on.

    Runs are padded with zeros to the longest; padding may lie beyond either end of the side.
    """

    side: int
    first: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def columns(self) -> NDArray[np.int64]:
        """int64[rows, run]: where each weight belongs; for padding, the nearest column that exists."""
        columns: NDArray[np.int64] = self.first[:, np.newaxis] + np.arange(self.weights.shape[1])
        return np.clip(columns, 0, self.side - 1)

    def mirrored(self) -> Rows:
        """Return the rows that see in a picture what these see in the mirrored one."""
        return Rows(self.side, self.side - self.first - self.weights.shape[1], self.weights[:, ::-1])


def box_rows(side: int) -> Rows:
    """Return the 64 rows that filter and sample an axis of ``side`` pixels as the PDQ reference does.

    The filter's window is ``ceil(side / 128)`` long; around position ``i`` it reaches from ``i - (window - half)`` to
    ``i + half - 1`` with ``half = (window + 2) // 2``, cut off at the edges and averaged over what is left.
    """
    window = -(-side // _BOXES_PER_BUFFER)
    half = (window + 2) // 2

    def reach(at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.maximum(at - (window - half), 0), np.minimum(at + half, side)

    centres = ((np.arange(BUFFER_SIDE) + 0.5) * side / BUFFER_SIDE).astype(np.int64)
    start, stop = reach(centres)
    # Second pass: each row averages some positions; each of those is, by the first pass, the average of a run of
    # pixels. A run's weight goes in where it starts and out where it stops; the running sum is the weight of a pixel.
    positions = start[:, np.newaxis] + np.arange(window)
    inside = positions < stop[:, np.newaxis]
    run_start, run_stop = reach(np.minimum(positions, side - 1))
    weight = np.where(inside, 1.0 / ((stop - start)[:, np.newaxis] * (run_stop - run_start)), 0.0)
    steps = _collected(side, np.hstack([run_start, run_stop]), np.hstack([weight, -weight]))
    weights = steps.weights.cumsum(axis=1)
    last = np.max(np.where(inside, run_stop, 0), axis=1) - steps.first
    weights[np.arange(weights.shape[1]) >= last[:, np.newaxis]] = 0.0  # what the running sum leaves there is rounding
    return Rows(side, steps.first, weights)


def enlarging(rows: Rows, side: int) -> Rows:
    """Return rows for an axis of ``side`` pixels that see what ``rows`` see after it was enlarged bilinearly.

    Enlarging puts new pixel ``p`` at ``(p + 0.5) * side / rows.side - 0.5`` and weighs its two neighbours there; beyond
    the outermost pixel centres, the outermost pixel counts alone.
    """
    at = np.clip((rows.columns + 0.5) * side / rows.side - 0.5, 0.0, side - 1.0)
    left = np.minimum(at.astype(np.int64), max(side - 2, 0))
    share = at - left
    columns = np.hstack([left, np.minimum(left + 1, side - 1)])
    return _collected(side, columns, np.hstack([rows.weights * (1.0 - share), rows.weights * share]))


def undrafting(rows: Rows, side: int) -> Rows:
    """Return rows for a draft's axis of ``side`` pixels that see what ``rows`` see in its original.

    A draft's pixel is the mean of the original's pixels in one cell. Within each cell the original is taken to be the
    parabola whose means over this cell and over both its neighbours are the draft's three pixels.
    """
    factor = draft_factor(rows.side, side)
    cell = np.minimum(((rows.columns + 0.5) / factor).astype(np.int64), side - 1)
    at = (rows.columns + 0.5) / factor - 0.5 - cell
    # Half the parabola's second difference times (t^2 - mean of t^2 over the cell), averaged over an original pixel.
    curve = (at**2 + 1 / (12 * factor**2) - 1 / 12) / 2
    shares = (curve - at / 2, 1.0 - 2 * curve, curve + at / 2)
    columns = np.hstack([np.clip(cell + step, 0, side - 1) for step in (-1, 0, 1)])
    return _collected(side, columns, np.hstack([rows.weights * share for share in shares]))


def draft_factor(original: int, side: int) -> float:
    """Return how many pixels of the original one pixel of the draft stands for; the last one may stand for fewer."""
    whole = round(original / side)
    return whole if whole and -(-original // whole) == side else original / side


def _collected(side: int, columns: NDArray[np.int64], weights: NDArray[np.float64]) -> Rows:
    """Return rows from weights that may fall on the same column more than once."""
    first = columns.min(axis=1)
    offsets = columns - first[:, np.newaxis]
    length = int(offsets.max()) + 1
    flat = (offsets + np.arange(len(columns))[:, np.newaxis] * length).ravel()
    summed = np.bincount(flat, weights.ravel(), minlength=len(columns) * length)
    return Rows(side, first, np.asarray(summed, np.float64).reshape(len(columns), length))


def stacked(*blocks: Rows) -> sparse.csr_array:
    """Return the rows of all blocks, which share one side, as one float32 matrix of shape (rows, side)."""
    used = [block.weights != 0 for block in blocks]
    data = np.concatenate([block.weights[mask] for block, mask in zip(blocks, used, strict=True)])
    columns = np.concatenate([block.columns[mask] for block, mask in zip(blocks, used, strict=True)])
    ends = np.concatenate([np.zeros(1, np.int64), *(mask.sum(axis=1) for mask in used)]).cumsum()
    return sparse.csr_array(
        (data.astype(np.float32), columns.astype(np.int32), ends.astype(np.int32)),
        shape=(len(ends) - 1, blocks[0].side),
    )


def sample_down(matrix: sparse.csr_array, luma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return ``matrix @ luma``: the picture's height sampled, its width as it was."""
    height, width = luma.shape
    step = max(_PADDING, _BLOCK_PIXELS // height)
    if width > step:
        rows = np.empty((matrix.shape[0], width + _PADDING), np.float32)[:, :width]
        for left in range(0, width, step):
            rows[:, left : left + step] = sample_down(matrix, luma[:, left : left + step])
        return rows
    block = np.empty((height, width + _PADDING), np.float32)
    block[:, :width] = luma
    block[:, width:] = 0
    return _product(matrix, block)[:, :width]


def sample_across(matrix: sparse.csr_array, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``matrix @ rows.T``: the width sampled too, and the picture's axes swapped."""
    return _product(matrix, np.ascontiguousarray(rows.T))


def _product(matrix: sparse.csr_array, dense: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``matrix @ dense``, float32 both, by what does it in SciPy: its checks take as long as the product."""
    rows, columns = matrix.shape
    out = np.zeros((rows, dense.shape[1]), np.float32)
    csr_matvecs(
        rows, columns, dense.shape[1], matrix.indptr, matrix.indices, matrix.data, dense.reshape(-1), out.reshape(-1)
    )
    return out
