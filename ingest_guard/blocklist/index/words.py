"""Values as 64-bit words: views without copies, distances, and the bands cut out of them."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Words: TypeAlias = npt.NDArray[np.uint64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

WORD_BITS = 64
VALUE_BYTES = (8, 32)


def as_values(array: object, what: str) -> Bytes:
    """Return `array` as C-contiguous uint8[n, 8 | 32].

    Raises
    ------
    ValueError
        Another dtype or shape.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 2:  # noqa: PLR2004 - rows, bytes
        found = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{what}: expected an array uint8[n, 8] or uint8[n, 32], got {found}")
    if array.shape[1] not in VALUE_BYTES:
        raise ValueError(f"{what}: expected 8 or 32 bytes a value, got {array.shape[1]}")
    return np.ascontiguousarray(array)


def as_words(values: Bytes) -> Words:
    """View uint8[n, 8 | 32] as uint64[n, 1 | 4], little-endian."""
    return values.view("<u8")


def distances(left: Words, right: Words) -> npt.NDArray[np.uint16]:
    """Return the Hamming distances of rows that correspond: uint16[n], 0 to 256."""
    counts = np.bitwise_count(left ^ right)
    if counts.shape[1] == 1:
        single: npt.NDArray[np.uint16] = counts[:, 0].astype(np.uint16)
        return single
    # Four byte-sized counts a row, added two by two inside a 32-bit number: a sum over an axis of length four costs
    # NumPy several times as much. Byte by byte they would overflow at 256, where every bit differs.
    pairs: npt.NDArray[np.uint32] = counts.view("<u4")[:, 0]
    pairs = (pairs & 0x00FF00FF) + ((pairs >> 8) & 0x00FF00FF)
    total: npt.NDArray[np.uint16] = ((pairs + (pairs >> 16)) & 0xFFFF).astype(np.uint16)
    return total


def close_pairs(
    words: Words,
    queries: Words,
    entry: npt.NDArray[np.int64],
    owner: npt.NDArray[np.int64],
    limits: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """Find the pairs of an entry and a query that are close enough.

    Parameters
    ----------
    words
        uint64[n, w]: the entries, C-contiguous.
    queries
        uint64[m, w], C-contiguous.
    entry, owner
        int64[k]: the pairs, by number of entry and query.
    limits
        int64[m]: largest distance of each query.

    Returns
    -------
    positions among the pairs int64[j], distances uint16[j]
    """
    if words.shape[1] == 1:
        apart = distances(words.take(entry, axis=0), queries.take(owner, axis=0))
        near = np.flatnonzero(apart <= limits.take(owner))
        return near, apart[near]
    # Half of a value first: unrelated ones differ in 64 of 128 bits, so hardly any is looked at a second time.
    # A complex number is NumPy's way to move 16 bytes at once.
    halves = words.view(np.complex128).reshape(-1).take(entry << 1).view("<u8")
    halves ^= queries[:, :2].copy().view(np.complex128).reshape(-1).take(owner).view("<u8")
    pairs: npt.NDArray[np.uint16] = np.bitwise_count(halves).view("<u2")
    possible = np.flatnonzero((pairs & 0xFF) + (pairs >> 8) <= limits.max())
    if not possible.size:
        return possible, np.empty(0, np.uint16)
    apart = distances(words.take(entry[possible], axis=0), queries.take(owner[possible], axis=0))
    near = np.flatnonzero(apart <= limits.take(owner[possible]))
    return possible[near], apart[near]


def cut(words: Words, start: int, width: int) -> Words:
    """Return bits ``start`` to ``start + width`` of each row as a number: uint64[n]."""
    word, shift = divmod(start, WORD_BITS)
    value: Words = words[:, word] >> np.uint64(shift)
    if shift + width > WORD_BITS:
        value |= words[:, word + 1] << np.uint64(WORD_BITS - shift)
    value &= np.uint64((1 << width) - 1)
    return value


class Cutter:
    """Cuts all bands at once: what :func:`cut` does, without a dozen small operations a band.

    Parameters
    ----------
    widths
        Bits of each band; they follow each other.
    bases
        Added to each band's values.
    """

    def __init__(self, widths: tuple[int, ...], bases: tuple[int, ...]) -> None:
        starts = np.cumsum((0, *widths[:-1]))
        self._low = starts // WORD_BITS
        # A band that ends in its first word finds only bits above its own in the second, and the mask drops them.
        self._high = np.minimum(self._low + 1, sum(widths) // WORD_BITS - 1)
        self._right = (starts % WORD_BITS).astype(np.uint64)
        # Shifted by 64 where a band begins with a word: NumPy defines that as zero.
        self._left = np.uint64(WORD_BITS) - self._right
        self._masks = np.array([(1 << width) - 1 for width in widths], np.uint64)
        self._bases = np.array(bases, np.int64)

    def __call__(self, words: Words) -> npt.NDArray[np.int64]:
        """Return the value of each row in each band, plus the band's base: int64[n, bands]."""
        value = words.take(self._low, axis=1) >> self._right
        value |= words.take(self._high, axis=1) << self._left
        value &= self._masks
        cells: npt.NDArray[np.int64] = value.view(np.int64)
        cells += self._bases
        return cells
