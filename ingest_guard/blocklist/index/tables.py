"""The tables of the multi-index: which entries have which band value.

All bands share four flat arrays. Band *b* owns the cells from ``bases[b]`` to ``bases[b] + 2 ** widths[b]``, one for
each value that the band can have. Wider bands come first, so that each base is a multiple of the band's size, and
``base + value ^ mask`` needs no brackets.

``bitmap``
    One bit a cell: is there any entry? Small enough to stay in the cache, it answers most probes.
``ranks``
    Used cells before each 64 cells: with a popcount, a used cell's number among the used ones.
``starts``
    Where each used cell's entries begin in ``entries``, and one more at the end.
``entries``
    Entry numbers, band by band, in the order of the cells.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index.words import WORD_BITS, Words, cut

MAX_SLOTS = (1 << 32) - 1
"""Entries times bands: what a 32-bit position can address."""


def bases(widths: tuple[int, ...]) -> tuple[int, ...]:
    """Return each band's first cell."""
    return tuple(accumulate((1 << width for width in widths), initial=0))[:-1]


def cells(widths: tuple[int, ...]) -> int:
    """Return how many cells all bands have together, rounded up to whole 64-bit words."""
    return -(-sum(1 << width for width in widths) // WORD_BITS) * WORD_BITS


@dataclass(frozen=True, slots=True)
class Tables:
    """The four arrays, and how the bands are cut.

    Attributes
    ----------
    widths
        Bits of each band, wider ones first.
    bitmap
        uint64[cells / 64].
    ranks
        uint32[cells / 64].
    starts
        uint32[used cells + 1].
    entries
        uint32[entries * bands].
    """

    widths: tuple[int, ...]
    bitmap: npt.NDArray[np.uint64]
    ranks: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.uint32]
    entries: npt.NDArray[np.uint32]


def fill(words: Words, widths: tuple[int, ...]) -> Tables:
    """Sort the entries into the cells of each band.

    Parameters
    ----------
    words
        uint64[n, w], n * len(widths) at most 2 ** 32 - 1.
    widths
        From :func:`~ingest_guard.blocklist.index.bands.plan`.
    """
    count = len(words)
    if count * len(widths) > MAX_SLOTS:
        raise ValueError(f"{count} entries in {len(widths)} bands are too many for one index; split the list")
    bitmap = np.zeros(cells(widths) // 8, np.uint8)
    entries = np.empty(count * len(widths), "<u4")
    starts: list[npt.NDArray[np.uint32]] = []
    start = 0
    for band, (width, base) in enumerate(zip(widths, bases(widths), strict=True)):
        # Cell and entry number in one 64-bit number: NumPy sorts those several times as fast as it argsorts.
        slots = cut(words, start, width)
        slots <<= np.uint64(32)
        slots |= np.arange(count, dtype=np.uint64)
        slots.sort()
        entries[band * count : (band + 1) * count] = slots & np.uint64(0xFFFFFFFF)
        slots >>= np.uint64(32)
        first = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))
        used = slots[first].astype(np.int64) + base
        np.bitwise_or.at(bitmap, used >> 3, (1 << (used & 7)).astype(np.uint8))
        starts.append((first + band * count).astype("<u4"))
        start += width
    starts.append(np.array([entries.size], "<u4"))
    words_of_cells = bitmap.view("<u8")
    ones = np.bitwise_count(words_of_cells).astype(np.uint32)
    ranks = np.zeros(len(ones), "<u4")
    np.cumsum(ones[:-1], out=ranks[1:])
    return Tables(widths, words_of_cells, ranks, np.concatenate(starts), entries)
