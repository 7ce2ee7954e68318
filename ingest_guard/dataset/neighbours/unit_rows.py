"""Rows of embeddings as single precision, and their norms: what makes a product of two rows their cosine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_SIGN_AND_NUMBER = np.int32(0x8FFFE000 - (1 << 32))
_EXPONENT = np.float32(2.0**112)
_NO_HALF = np.float32(1 << 16)
_LEAST_SQUARE, _MOST_SQUARE = np.float32(1e-30), np.float32(1e30)

Floats = npt.NDArray[np.float32]


def normalised(rows: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return rows divided by their norms, and which of them can be compared; the others are zeros.

    Parameters
    ----------
    rows
        (number, dimensions) of single precision.
    """
    rows = np.array(rows, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", rows, rows)
    inverse, usable = _inverse_norms(rows, squares)
    rows[~usable] = 0
    return rows * inverse[:, None], usable


def prepare(
    rows: npt.NDArray[np.floating], planted: Floats, room: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Return rows of single precision with planted ones behind them, what to multiply them with, and which are usable.

    Parameters
    ----------
    rows
        (number, dimensions), float16, float32 or float64.
    planted
        (number, dimensions); may have no rows.
    room
        Where they are put: as many rows at least, as many dimensions.

    Returns
    -------
    tuple
        The rows; 1 / norm of each, 0 where it cannot be compared; and which can be compared.
    """
    block = room[: len(rows) + len(planted)]
    converted = block[: len(rows)]
    block[len(rows) :] = planted
    if rows.dtype == np.float16 and rows.dtype.isnative:
        _convert_halves(rows, converted)
        squares = np.einsum("ij,ij->i", block, block)
        if squares.max(initial=0) < _NO_HALF**2:
            return block, *_inverse_norms(block, squares)
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(converted, rows, casting="same_kind")
        return block, *_inverse_norms(block, np.einsum("ij,ij->i", block, block))


def _convert_halves(rows: npt.NDArray[np.float16], target: Floats) -> None:
    """Convert half floats, three times as fast as NumPy does.

    Sign, exponent and mantissa are shifted to where single precision has them; the multiplication moves the exponent's
    zero. Infinity and what is no number become numbers from 2^16 on by that, which no half float has: where a row has a
    norm of that, NumPy must convert.
    """
    bits = target.view(np.int32)
    np.copyto(bits, rows.view(np.int16))
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, _SIGN_AND_NUMBER, out=bits)
    np.multiply(target, _EXPONENT, out=target)


def _inverse_norms(rows: Floats, squares: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return 1 / norm of each row, and which rows can be compared; others, and their products, become zeros.

    `squares` are the rows' own products, and may be wrong where they are no usual numbers.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        usual = (squares > _LEAST_SQUARE) & (squares < _MOST_SQUARE)
        if usual.all():
            return np.reciprocal(np.sqrt(squares)), usual
        # Zeros and what is no number; and rows so large or small that their squares are not what they should be.
        odd = np.flatnonzero(~usual)
        largest = np.abs(rows[odd]).max(axis=1)
        fine = np.isfinite(largest) & (largest > 0)
        rows[odd[~fine]] = 0
        rows[odd[fine]] /= largest[fine, None]
        squares[odd] = np.einsum("ij,ij->i", rows[odd], rows[odd])
        usable = usual
        usable[odd] = fine
        return np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1)), 0).astype(np.float32), usable
