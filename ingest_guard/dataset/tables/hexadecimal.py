"""Hexadecimal text of many values at once -> their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Values: TypeAlias = npt.NDArray[np.uint8]
Rows: TypeAlias = npt.NDArray[np.int64]

_NO_DIGIT = 0x100


def _digits() -> npt.NDArray[np.uint16]:
    """Return the byte of each pair of characters, a 16-bit number in memory; 256 where they are no digits."""
    digit = np.full(256, _NO_DIGIT, np.uint16)
    for text in ("0123456789abcdef", "0123456789ABCDEF"):
        digit[np.frombuffer(text.encode(), np.uint8)] = np.arange(16)
    pairs = np.arange(1 << 16)
    first, second = digit[pairs & 0xFF], digit[pairs >> 8]
    return np.where((first | second) >= _NO_DIGIT, _NO_DIGIT, (first << 4) | (second & 0xFF)).astype(np.uint16)


_PAIRS = _digits()


def decode(text: Values, starts: Rows, lengths: Rows, size: int) -> tuple[Rows, Values]:
    """Return the values that some texts stand for.

    Parameters
    ----------
    text
        uint8[k]: all texts.
    starts, lengths
        int64[n]: where each lies.
    size
        Bytes of a value. A text may hold several, one after the other.

    Returns
    -------
    rows int64[m], values uint8[m, size]
        The texts that hold values, and those; a text of another length, or with anything in it that is no digit, holds
        none.
    """
    width = 2 * size
    several = np.where((lengths > 0) & (lengths % width == 0), lengths // width, 0)
    count = int(several.sum())
    rows = np.repeat(np.arange(len(lengths)), several)
    if not count:
        return rows, np.empty((0, size), np.uint8)
    if count == len(starts) and int(starts[-1] - starts[0]) == (count - 1) * width and (several == 1).all():
        # The usual case: each has its value, and they lie one after the other.
        digits = text[starts[0] : starts[0] + count * width].reshape(count, width)
    else:
        nth = np.arange(count) - np.repeat(np.cumsum(several) - several, several)
        digits = text[(starts[rows] + nth * width)[:, np.newaxis] + np.arange(width)]
    values = _PAIRS[np.ascontiguousarray(digits).view("<u2")]
    wrong = (values >= _NO_DIGIT).any(axis=1)
    if wrong.any():
        keep = ~np.isin(rows, rows[wrong])
        rows, values = rows[keep], values[keep]
    return rows, values.astype(np.uint8)


def decode_texts(texts: Sequence[object], size: int) -> tuple[Rows, Values]:
    """Return the same of Python's own strings; whatever is none holds no value."""
    known = [each if isinstance(each, str) else "" for each in texts]
    lengths = np.fromiter(map(len, known), np.int64, len(known))
    # One byte for each character: what is no ASCII is no digit either.
    text = np.frombuffer("".join(known).encode("ascii", "replace"), np.uint8)
    return decode(text, np.cumsum(lengths) - lengths, lengths, size)
