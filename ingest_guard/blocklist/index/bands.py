"""How a value is cut into bands, and how far each band is searched: the parameters of the multi-index.

The cost of a look-up is a number of probes (one table cell each) and a number of candidates (one full comparison
each). Wider bands mean fewer candidates and more probes. :func:`plan` weighs both for a given number of entries.
"""

import heapq
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index.words import WORD_BITS

MAX_BAND_BITS = 26
"""Widest band: its bitmap and rank array take 12 MiB."""

_MAX_PROBES = 1 << 17
# Nanoseconds, measured with NumPy 2.4 in batches of ten queries on one core; only their ratios matter.
_PROBE = 5.0
# All bands' bitmaps together leave the processor's cache.
_FAR_PROBE = 15.0
_NEAR_BITS = 24
_CANDIDATE = 35.0
_FLAT = 8.0
# Some forty NumPy calls, shared by the few queries of one picture, after a decode that emptied the caches.
_OVERHEAD = 120_000.0
# Bitmap and ranks may take so many bytes an entry: 2 ** width * 3 / 16 bytes a band.
_TABLE_BYTES_PER_ENTRY = 64


def ball(width: int, radius: int) -> int:
    """Return how many values of `width` bits are within `radius` of one (0 for a negative radius)."""
    return sum(comb(width, flips) for flips in range(radius + 1))


@lru_cache(maxsize=256)
def masks(width: int, radius: int) -> npt.NDArray[np.int64]:
    """Return all values of `width` bits with at most `radius` bits set.

    Sorted, so that probes that differ in their low bits alone follow each other and share a cache line.

    Returns
    -------
    int64[ball(width, radius)]
    """
    found = [sum(1 << bit for bit in bits) for flips in range(radius + 1) for bits in combinations(range(width), flips)]
    out = np.array(sorted(found), dtype=np.int64)
    out.setflags(write=False)
    return out


def split(bits: int, count: int) -> tuple[int, ...]:
    """Cut `bits` into `count` bands of nearly equal width, wider ones first."""
    narrow, wider = divmod(bits, count)
    return (narrow + 1,) * wider + (narrow,) * (count - wider)


def _weight(width: int, entries: int) -> float:
    """Return the cost of one probe of a band: the cell, and the entries expected in it."""
    return (_PROBE if width <= _NEAR_BITS else _FAR_PROBE) + _CANDIDATE * entries / (1 << width)


@lru_cache(maxsize=1024)
def radii(widths: tuple[int, ...], distance: int, entries: int) -> tuple[int, ...]:
    """Return the radius of each band for a look-up within `distance`; -1: the band need not be searched.

    The sum of ``radius + 1`` is ``distance + 1``, and the cost is the least possible: each further unit goes to the
    band where it is cheapest, which is optimal as each unit costs more than the one before in the same band.
    """
    chosen = [-1] * len(widths)
    heap = [(_weight(width, entries), band) for band, width in enumerate(widths)]
    heapq.heapify(heap)
    for _ in range(distance + 1):
        _, band = heapq.heappop(heap)
        chosen[band] += 1
        step = chosen[band] + 1
        heapq.heappush(heap, (comb(widths[band], step) * _weight(widths[band], entries), band))
    return tuple(chosen)


def cost(widths: tuple[int, ...], distance: int, entries: int) -> float:
    """Return the expected nanoseconds of one look-up; infinite where it takes too many probes."""
    searched = radii(widths, distance, entries)
    if sum(ball(width, radius) for width, radius in zip(widths, searched, strict=True)) > _MAX_PROBES:
        return float("inf")
    return _OVERHEAD + sum(
        ball(width, radius) * _weight(width, entries) for width, radius in zip(widths, searched, strict=True)
    )


def flat_cost(entries: int, bits: int) -> float:
    """Return the expected nanoseconds of comparing a query with every entry."""
    return _FLAT * entries * (1.0 if bits > WORD_BITS else 0.5)


def plan(entries: int, bits: int, distance: int, *, batches: bool = False) -> tuple[int, ...]:
    """Choose the widths of the bands for so many entries of `bits` bits, searched within `distance`.

    With `batches`, for look-ups of thousands of queries at a time, which share what the calls themselves cost.

    Returns
    -------
    tuple of int
        Widths that add up to `bits`, wider ones first; empty where comparing with every entry is cheaper.
    """
    best: tuple[int, ...] = ()
    least = flat_cost(entries, bits)
    for count in range(-(-bits // MAX_BAND_BITS), bits // 8 + 1):
        widths = split(bits, count)
        if distance >= bits or sum(1 << width for width in widths) * 3 > 16 * _TABLE_BYTES_PER_ENTRY * entries:
            continue
        if (expected := cost(widths, distance, entries) - batches * _OVERHEAD) < least:
            best, least = widths, expected
    return best
