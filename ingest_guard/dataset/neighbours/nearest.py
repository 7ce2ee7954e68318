"""The exact search: one sequential pass over all rows, whatever the number of seeds.

Rows are half floats of about unit length. A block of them is converted to single precision and multiplied with the
seeds, the products are divided by the rows' own norms, and what is above the present bound of a seed is kept. Each core
has a thread of its own with one BLAS thread: the product of one block is too small for more (threads of BLAS alone
reach half of the speed).

Nothing is approximate: a row is missed only where it cannot be compared, and those rows are counted. In every piece of
the data some rows are planted, copies of seeds with noise; a search that does not see these fails.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.neighbours.unit_rows import Floats, normalised, prepare
from ingest_guard.errors import DatasetError

_BLOCK = 1024
"""Rows of one product: 3 MB in single precision at 768 dimensions, which stays in the cache of most machines."""
_PIECE = 1 << 16
"""Rows that a thread takes at a time."""
_POOLED = 1 << 18
"""Hits that wait, at most, until they are merged: 4 MB."""
_PLANTED = 16
PLANTED_COSINE = 0.97
_PLANTED_ERROR = 0.002
MOST_HITS = 20_000_000
"""Rows above a similarity that are kept, for all seeds together."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the nearest rows of each seed is wanted.

    Attributes
    ----------
    k
        The nearest rows of each seed; 0: none by number.
    above
        All rows of at least this cosine similarity as well; None: none by similarity.
    """

    k: int = 100
    above: float | None = None


@dataclass(slots=True)
class Hits:
    """Rows near to seeds.

    Attributes
    ----------
    seed, row
        Index of the seed, and of the row from the first row of all files on; int64, same length.
    similarity
        Cosine, float32.
    """

    seed: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    similarity: Floats

    @classmethod
    def none(cls) -> Hits:
        """Return no hits."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(slots=True)
class Pass:
    """What a pass has found so far, and may go on with after an interruption.

    Attributes
    ----------
    hits
        The best so far.
    compared, not_compared
        Rows that were compared; rows of zeros, or with values that are no numbers.
    """

    hits: Hits = field(default_factory=Hits.none)
    compared: int = 0
    not_compared: int = 0


class Search:
    """Holds seeds, and searches arrays of rows for what is near to them.

    Parameters
    ----------
    seeds
        (number, dimensions), any float type; divided by their norms here.
    wanted
        What is wanted.
    threads
        Cores to use.

    Raises
    ------
    DatasetError
        A seed is zero or no number, or there are none; or threadpoolctl is not installed.
    """

    def __init__(self, seeds: npt.NDArray[np.floating], wanted: Wanted, threads: int = 1) -> None:
        self._limits = _load_limits()
        units, usable = normalised(np.ascontiguousarray(seeds, np.float32))
        if not len(units) or not usable.all():
            raise DatasetError("the seeds are no vectors that could be compared: one is zero, or no number")
        self.seeds = units
        self.wanted = wanted
        self._planted = plant(units)
        self._threads = max(1, threads)
        self._kept = _Best(len(units), wanted)
        self._lock = Lock()
        self._state = Pass()

    def resume(self, state: Pass) -> None:
        """Go on from what an earlier pass had found."""
        self._state = Pass(Hits.none(), state.compared, state.not_compared)
        self._kept = _Best(len(self.seeds), self.wanted)
        self._kept.add(state.hits)

    def take_in(self, other: Pass) -> None:
        """Add what was found elsewhere in other rows."""
        with self._lock:
            self._kept.add(other.hits)
        self._state.compared += other.compared
        self._state.not_compared += other.not_compared

    def scan(self, rows: npt.NDArray[np.floating], first: int) -> npt.NDArray[np.int64]:
        """Compare all rows of one array, and return the indexes in it of those that cannot be compared.

        Parameters
        ----------
        rows
            (number, dimensions), float16, float32 or float64; a memory map is read once, from front to back.
        first
            Index of its first row among the rows of all files.
        """
        pieces = range(0, len(rows), _PIECE)
        with self._limits(1, user_api="blas"):
            if self._threads == 1 or len(pieces) == 1:
                bad = [self._piece(rows, start, first) for start in pieces]
            else:
                with ThreadPoolExecutor(self._threads) as pool:
                    bad = list(pool.map(lambda start: self._piece(rows, start, first), pieces))
        found = np.concatenate(bad) if bad else np.empty(0, np.int64)
        self._state.compared += len(rows) - len(found)
        self._state.not_compared += len(found)
        return found

    def state(self) -> Pass:
        """Return what was found so far."""
        return Pass(self._kept.hits(), self._state.compared, self._state.not_compared)

    def _piece(self, rows: npt.NDArray[np.floating], start: int, first: int) -> npt.NDArray[np.int64]:
        """Compare some rows; the bounds of the seeds are those of all threads."""
        bad: list[npt.NDArray[np.int64]] = []
        waiting: list[Hits] = []
        count = 0
        bounds = self._kept.bounds
        end = min(start + _PIECE, len(rows))
        room = np.empty((_BLOCK + len(self._planted), rows.shape[1]), np.float32)
        products = np.empty((len(self.seeds), len(room)), np.float32)
        for at in range(start, end, _BLOCK):
            planted = self._planted if at == start else self._planted[:0]
            block, inverse, usable = prepare(rows[at : min(at + _BLOCK, end)], planted, room)
            similarities = products[:, : len(block)]
            np.matmul(self.seeds, block.T, out=similarities)
            similarities *= inverse
            if len(planted):
                _require_planted(similarities[:, -len(planted) :])
                similarities, usable = similarities[:, : -len(planted)], usable[: -len(planted)]
            if not usable.all():
                bad.append(np.flatnonzero(~usable) + at)
            hits = _above(similarities, self._bounds_within(similarities, bounds, usable), usable)
            hits.row += at + first
            waiting.append(hits)
            count += len(hits.row)
            if count > _POOLED or np.isneginf(bounds).any():
                bounds = self._merge(waiting)
                waiting, count = [], 0
        self._merge(waiting)
        return np.concatenate(bad) if bad else np.empty(0, np.int64)

    def _bounds_within(self, similarities: Floats, bounds: Floats, usable: npt.NDArray[np.bool_]) -> Floats:
        """Return the bounds; where a seed has none yet, what the best of these rows alone must reach."""
        k = self.wanted.k
        open_ones = np.flatnonzero(np.isneginf(bounds))
        if not len(open_ones) or usable.sum() <= k:
            return bounds
        bounds = bounds.copy()
        bounds[open_ones] = np.partition(similarities[open_ones][:, usable], -k, axis=1)[:, -k]
        if self.wanted.above is not None:
            np.minimum(bounds, np.float32(self.wanted.above), out=bounds)
        return bounds

    def _merge(self, waiting: Iterable[Hits]) -> Floats:
        with self._lock:
            self._kept.add(*waiting)
            return self._kept.bounds


def _load_limits() -> Any:
    try:
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 - an extra
    except ImportError:
        raise DatasetError(
            'the search for neighbours takes threadpoolctl: pip install "ingest-guard[neighbours]"'
        ) from None
    return threadpool_limits


def plant(seeds: Floats) -> Floats:
    """Return rows that are known to be near to the first seeds: copies of them with noise put in."""
    rng = np.random.default_rng(len(seeds))
    units = seeds[:_PLANTED]
    noise = rng.standard_normal(units.shape, np.float32)
    if units.shape[1] == 1:
        return units.copy()
    # At a right angle to the seed, so that the cosine is known.
    noise, _ = normalised(noise - np.einsum("ij,ij->i", noise, units)[:, None] * units)
    planted: Floats = PLANTED_COSINE * units + np.float32(np.sqrt(1 - PLANTED_COSINE**2)) * noise
    return planted


def _require_planted(similarities: Floats) -> None:
    """Raise DatasetError where planted rows are not as near to their seeds, the first ones, as they are known to be."""
    own = similarities[np.arange(similarities.shape[1]), np.arange(similarities.shape[1])]
    if not (own > PLANTED_COSINE - _PLANTED_ERROR).all():
        raise DatasetError("the search did not find rows that were planted in it: do not trust what it has found")


def _above(similarities: Floats, bounds: Floats, usable: npt.NDArray[np.bool_]) -> Hits:
    """Return what is at or above the bound of its seed; seeds in rows, rows of data in columns."""
    mask = similarities >= bounds[:, None]
    if not usable.all():
        mask &= usable
    seed, row = np.divmod(np.flatnonzero(mask), mask.shape[1])
    return Hits(seed, row, similarities[seed, row])


class _Best:
    """The hits to keep: the best ``k`` of each seed, and all above the similarity that is wanted."""

    def __init__(self, seeds: int, wanted: Wanted) -> None:
        self._wanted = wanted
        self._seeds = seeds
        self._hits = Hits.none()
        self._fixed = np.float32(np.inf if wanted.above is None else wanted.above)
        # What a row must reach to be kept: nothing, as long as a seed has fewer than k.
        start = np.float32(-np.inf) if wanted.k else self._fixed
        self.bounds: Floats = np.full(seeds, start, np.float32)

    def hits(self) -> Hits:
        return self._hits

    def add(self, *new: Hits) -> None:
        everything = [self._hits, *(each for each in new if len(each.row))]
        if len(everything) == 1:
            return
        seed = np.concatenate([each.seed for each in everything])
        row = np.concatenate([each.row for each in everything])
        similarity = np.concatenate([each.similarity for each in everything])
        order = _by_seed(seed, similarity, row)
        seed, row, similarity = seed[order], row[order], similarity[order]
        starts = np.searchsorted(seed, np.arange(self._seeds))
        rank = np.arange(len(seed)) - starts[seed]
        kept = (rank < self._wanted.k) | (similarity >= self._fixed)
        self._hits = Hits(seed[kept], row[kept], similarity[kept])
        if len(self._hits.row) > MOST_HITS:
            raise DatasetError(
                f"more than {MOST_HITS:,} rows are that similar to a seed: this is no neighbourhood; raise --above"
            )
        if self._wanted.k:
            last = starts + self._wanted.k - 1
            ends = np.append(starts[1:], len(seed))
            full = last < ends
            bounds = np.full(self._seeds, -np.inf, np.float32)
            bounds[full] = similarity[last[full]]
            self.bounds = np.minimum(bounds, self._fixed)


def _by_seed(seed: npt.NDArray[np.int64], similarity: Floats, row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the order of hits: by seed, the nearest first.

    Of equal similarities the earlier row comes first, so that the result does not depend on the number of threads. One
    key that holds seed and similarity is sorted five times as fast as three keys.
    """
    bits = np.ascontiguousarray(similarity).view(np.uint32)
    falling = np.where(bits >> 31, bits, ~bits & np.uint32(0x7FFFFFFF))
    key = (seed.astype(np.uint64) << np.uint64(32)) | falling
    order = np.argsort(key)
    key = key[order]
    same = np.flatnonzero(key[1:] == key[:-1])
    if len(same):
        at = np.union1d(same, same + 1)
        order[at] = order[at[np.lexsort((row[order[at]], key[at]))]]
    return order
