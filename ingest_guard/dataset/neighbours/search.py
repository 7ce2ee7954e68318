"""The exact search: one sequential pass over all rows, whatever the number of seeds.

Rows are half floats of about unit length. A block of them is converted to single precision, divided by its own norms
and multiplied with the seeds; what is above the present bound of a seed is kept. Each core has a thread of its own with
one BLAS thread: the product of one block is too small for more (threads of BLAS alone reach half of the speed).

Nothing is approximate: a row is missed only where it cannot be compared, and those rows are counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from ingest_guard.errors import DatasetError

_BLOCK = 4096
"""Rows of one product: 12 MB in single precision at 768 dimensions, which stays in the cache of most machines."""
_PIECE = 1 << 16
"""Rows that a thread takes at a time."""
_POOLED = 1 << 18
"""Hits that wait, at most, until they are merged: 4 MB."""
MOST_HITS = 20_000_000
"""Rows above a similarity that are kept, for all seeds together."""

Floats = npt.NDArray[np.float32]


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
        A seed is zero or no number, or there are none.
    """

    def __init__(self, seeds: npt.NDArray[np.floating], wanted: Wanted, threads: int = 1) -> None:
        units, usable = normalised(np.ascontiguousarray(seeds, np.float32))
        if not len(units) or not usable.all():
            raise DatasetError("the seeds are no vectors that could be compared: one is zero, or no number")
        self.seeds = units
        self.wanted = wanted
        self._threads = max(1, threads)
        self._kept = _Best(len(units), wanted)
        self._lock = Lock()
        self._state = Pass()

    def resume(self, state: Pass) -> None:
        """Go on from what an earlier pass had found."""
        self._state = Pass(Hits.none(), state.compared, state.not_compared)
        self._kept = _Best(len(self.seeds), self.wanted)
        self._kept.add(state.hits)

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
        with threadpool_limits(1, user_api="blas"):
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
        for at in range(start, min(start + _PIECE, len(rows)), _BLOCK):
            block, usable = normalised(np.asarray(rows[at : min(at + _BLOCK, start + _PIECE)], np.float32))
            if not usable.all():
                bad.append(np.flatnonzero(~usable) + at)
            hits = _above(self.seeds @ block.T, bounds, usable)
            hits.row += at + first
            waiting.append(hits)
            count += len(hits.row)
            if count > _POOLED:
                bounds = self._merge(waiting)
                waiting, count = [], 0
        self._merge(waiting)
        return np.concatenate(bad) if bad else np.empty(0, np.int64)

    def _merge(self, waiting: Iterable[Hits]) -> Floats:
        with self._lock:
            self._kept.add(*waiting)
            return self._kept.bounds


def normalised(rows: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return rows divided by their norms, and which of them can be compared; the others are zeros.

    Parameters
    ----------
    rows
        (number, dimensions) of single precision.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    usable = np.isfinite(norms) & (norms > 0)
    if usable.all():
        return np.divide(rows, norms[:, None], dtype=np.float32), usable
    safe = np.where(usable[:, None], rows, np.float32(0))
    return np.divide(safe, np.where(usable, norms, np.float32(1))[:, None], dtype=np.float32), usable


def _above(similarities: Floats, bounds: Floats, usable: npt.NDArray[np.bool_]) -> Hits:
    """Return what is at or above the bound of its seed; seeds in rows, rows of data in columns."""
    mask = similarities >= bounds[:, None]
    if not usable.all():
        mask &= usable
    seed, row = np.nonzero(mask)
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
        # Equal similarities: the earlier row first, so that the result does not depend on the number of threads.
        order = np.lexsort((row, -similarity, seed))
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


def pairs(hits: Hits) -> Iterator[tuple[int, int, float]]:
    """Yield seed, row and similarity of each hit, seed by seed, the nearest first."""
    yield from zip(hits.seed.tolist(), hits.row.tolist(), hits.similarity.tolist(), strict=True)
