""":func:`neighbours`: find the records of a data set whose embeddings lie near to those of seeds."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ingest_guard._clock import now
from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile
from ingest_guard.dataset.neighbours import candidates
from ingest_guard.dataset.neighbours.checkpoint import Checkpoint
from ingest_guard.dataset.neighbours.nearest import PLANTED_COSINE, Pass, Search, Wanted, plant
from ingest_guard.dataset.neighbours.seeds import Rows
from ingest_guard.dataset.neighbours.unit_rows import normalised
from ingest_guard.dataset.recheck.summary import share
from ingest_guard.errors import DatasetError

Origin = Literal["blocklist", "tombstones", "uids", "vectors"]


@dataclass(frozen=True, slots=True)
class Seeds:
    """What is looked for.

    Attributes
    ----------
    origin
        Where they come from.
    vectors
        (number, dimensions), float32.
    rows
        The records that they are of; these are no candidates. Empty where the vectors came from elsewhere.
    unusable
        Records among the seeds without a vector that could be compared.
    """

    origin: Origin
    vectors: npt.NDArray[np.float32]
    rows: Rows = field(default_factory=dict)
    unusable: int = 0


@dataclass(slots=True)
class Summary:
    """What a search did: counts alone.

    Attributes
    ----------
    tables, compared, not_compared
        Tables; rows that were compared, and that could not be (zeros, or no numbers).
    seeds, seeds_from, unusable_seeds
        Vectors that were searched for, and where they come from; seeds without one.
    candidates
        Lowest similarity of a band -> records in it.
    wanted
        What was asked for.
    removed
        Records that left the data set, seeds among them; None where none were to.
    """

    tables: int
    compared: int
    not_compared: int
    seeds: int
    seeds_from: Origin
    unusable_seeds: int
    candidates: dict[float, int]
    wanted: Wanted
    removed: int | None = None

    @property
    def found(self) -> int:
        """Candidates in all."""
        return sum(self.candidates.values())

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        asked = [f"the {self.wanted.k:,} nearest of each"] if self.wanted.k else []
        asked += [f"all from {self.wanted.above} on"] if self.wanted.above is not None else []
        lines = [
            f"{self.compared:,} rows in {self.tables:,} tables compared with {self.seeds:,} seeds ({', '.join(asked)})",
            f"{self.found:,} candidates",
        ]
        lines += [f"  similarity {band:.2f} and above: {count:,}" for band, count in self.candidates.items()]
        lines.append(f"{share(self.compared, self.compared + self.not_compared)} of the rows could be compared")
        if self.not_compared:
            lines.append(f"{self.not_compared:,} rows have no embedding that could be compared")
        if self.unusable_seeds:
            lines.append(f"{self.unusable_seeds:,} seeds have no embedding that could be compared")
        if self.removed is not None:
            lines.append(f"{self.removed:,} records removed, seeds among them")
        return lines


def neighbours(
    files: Sequence[EmbeddingFile],
    seeds: Seeds,
    wanted: Wanted,
    *,
    threads: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    checkpoint: Checkpoint | None = None,
) -> tuple[candidates.Bands, Summary]:
    """Search all rows once, and return the candidates.

    Parameters
    ----------
    files
        From :func:`~ingest_guard.dataset.embeddings.embedding_files.find_embeddings`.
    seeds, wanted
        What is looked for, and what of it.
    threads
        Cores to use; 0: all of this process.
    progress
        Called with the number of rows that were searched since.
    checkpoint
        Where the search stands after each file; one that was killed goes on there.

    Raises
    ------
    DatasetError
        A file cannot be read, a seed is no vector, or rows that were planted in memory were not found.
    """
    threads = threads or len(os.sched_getaffinity(0))
    search = Search(seeds.vectors, wanted, threads)
    done, state = checkpoint.load() if checkpoint is not None else (0, Pass())
    search.resume(state)
    first = sum(each.rows for each in files[:done])
    progress(first)
    for number, file in enumerate(files[done:], done + 1):
        for start, block in file.blocks():
            search.scan(block, first + start)
            progress(len(block))
        first += file.rows
        if checkpoint is not None:
            checkpoint.save(number, search.state())
    return conclude(files, seeds, search.state(), wanted)


def conclude(
    files: Sequence[EmbeddingFile], seeds: Seeds, state: Pass, wanted: Wanted
) -> tuple[candidates.Bands, Summary]:
    """Return the candidates of a search that has seen all files; DatasetError where planted rows are not found."""
    _require_planted_found(seeds.vectors)
    found = _by_table(files, state.hits.row, state.hits.similarity, seeds.rows)
    counts = candidates.count_bands(found)
    return found, Summary(
        tables=len(files),
        compared=state.compared,
        not_compared=state.not_compared,
        seeds=len(seeds.vectors),
        seeds_from=seeds.origin,
        unusable_seeds=seeds.unusable,
        candidates=counts,
        wanted=wanted,
    )


def head_of(summary: Summary) -> dict[str, object]:
    """Return what a file of candidates says of the search."""
    return {
        "created": now(),
        "seeds": summary.seeds,
        "k": summary.wanted.k,
        "above": summary.wanted.above,
        "compared": summary.compared,
        "not_compared": summary.not_compared,
    }


def _by_table(
    files: Sequence[EmbeddingFile],
    row: npt.NDArray[np.int64],
    similarity: npt.NDArray[np.float32],
    seeds: Rows,
) -> Mapping[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return each row once, with the band of its nearest seed, without the seeds themselves."""
    order = np.lexsort((-similarity, row))
    row, bands = row[order], candidates.band_of(similarity[order])
    keep = np.r_[True, row[1:] != row[:-1]] if len(row) else np.empty(0, bool)
    row, bands = row[keep], bands[keep]
    found = {}
    first = 0
    for file in files:
        low, high = np.searchsorted(row, (first, first + file.rows))
        rows, its_bands = row[low:high] - first, bands[low:high]
        if file.name in seeds:
            others = ~np.isin(rows, seeds[file.name])
            rows, its_bands = rows[others], its_bands[others]
        if len(rows):
            found[file.name] = (rows, its_bands)
        first += file.rows
    return found


def _require_planted_found(vectors: npt.NDArray[np.float32]) -> None:
    """Search for rows that are known to be near, in memory: a search that misses them has found nothing out.

    Each piece of the data has such rows, too; here they go the whole way, from half floats to hits.
    """
    units, _ = normalised(vectors)
    planted = plant(units)
    at = np.arange(len(planted)) * 3
    rows = np.random.default_rng(len(vectors)).standard_normal((at[-1] + 3, units.shape[1]), np.float32)
    rows[at] = planted
    test = Search(units[: len(planted)], Wanted(0, above=PLANTED_COSINE - 0.01))
    test.scan(rows.astype(np.float16), 0)
    hits = test.state().hits
    expected = set(zip(range(len(planted)), at.tolist(), strict=True))
    if not expected <= set(zip(hits.seed.tolist(), hits.row.tolist(), strict=True)):
        raise DatasetError("the search did not find rows that were planted in it: do not trust what it has found")
