"""The same search over Spark, for data sets that one machine does not read in time: a task for each file.

    >>> from ingest_guard.data import Seeds, Wanted, find_embeddings, neighbours_over  # doctest: +SKIP
    >>> files = find_embeddings(Path("/shared/laion"))  # doctest: +SKIP
    >>> found, summary = neighbours_over(spark, files, Seeds("vectors", vectors), Wanted(100))  # doctest: +SKIP

The files lie where the driver and all executors have them, by the same path. What is found comes back to the driver,
file by file, which keeps the best; :func:`~ingest_guard.dataset.neighbours.removal.remove_found` and
:func:`~ingest_guard.dataset.neighbours.candidates.write_candidates` are as without Spark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile
from ingest_guard.dataset.neighbours.candidates import Bands
from ingest_guard.dataset.neighbours.finding import Seeds, Summary, conclude
from ingest_guard.dataset.neighbours.nearest import Pass, Search, Wanted
from ingest_guard.dataset.neighbours.unit_rows import Floats

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def neighbours_over(
    session: SparkSession, files: Sequence[EmbeddingFile], seeds: Seeds, wanted: Wanted
) -> tuple[Bands, Summary]:
    """Search all rows once, on all executors, and return the candidates.

    Parameters
    ----------
    session
        Spark.
    files, seeds, wanted
        As of :func:`~ingest_guard.dataset.neighbours.finding.neighbours`.

    Raises
    ------
    DatasetError
        A seed is no vector, or planted rows were not found.
    pyspark.errors.PySparkException
        An executor cannot read a file, or planted rows were not found there.
    """
    context = session.sparkContext
    search = Search(seeds.vectors, wanted)
    task = _Task(context.broadcast(seeds.vectors), wanted)
    starts, first = [], 0
    for each in files:
        starts.append((each, first))
        first += each.rows
    for state in context.parallelize(starts, max(1, len(starts))).map(task).toLocalIterator(prefetchPartitions=True):
        search.take_in(state)
    return conclude(files, seeds, search.state(), wanted)


def search_file(file: EmbeddingFile, first: int, seeds: Floats, wanted: Wanted) -> Pass:
    """Return what is found in one file whose first row has an index among the rows of all files."""
    search = Search(seeds, wanted)
    for start, block in file.blocks():
        search.scan(block, first + start)
    return search.state()


@dataclass(frozen=True)
class _Task:
    """What an executor does with a file; the seeds are sent to each executor once."""

    seeds: object
    wanted: Wanted

    def __call__(self, task: tuple[EmbeddingFile, int]) -> Pass:
        file, first = task
        return search_file(file, first, self.seeds.value, self.wanted)  # type: ignore[attr-defined]
