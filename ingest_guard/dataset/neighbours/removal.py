"""Records that are near to seeds leave the data set: by themselves, or along with what a recheck removes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest_guard._clock import now
from ingest_guard.dataset.attestation.model import NeighbourSearch
from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile, find_embeddings
from ingest_guard.dataset.neighbours.candidates import Bands
from ingest_guard.dataset.neighbours.finding import Seeds, Summary, neighbours
from ingest_guard.dataset.neighbours.nearest import Wanted
from ingest_guard.dataset.neighbours.seeds import Rows, gather, name_rows
from ingest_guard.dataset.recheck import provenance
from ingest_guard.dataset.recheck.cleaning import Cleaning
from ingest_guard.dataset.recheck.search import NEIGHBOUR, PAGE, Removed
from ingest_guard.verdict import Action

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def remove_found(
    records: Cleaning, found: Bands, seeds: Seeds, summary: Summary, sign: Ed25519PrivateKey | None = None
) -> int:
    """Write the data set without candidates and seeds, and return how many records went.

    Parameters
    ----------
    records
        The data set.
    found, seeds, summary
        What was found, what was looked for, and what the search did.
    sign
        Who signs the manifest.

    Raises
    ------
    DatasetError, AttestationError
        A file was changed meanwhile, or something cannot be written.
    """
    deleted = {name: rows for name in records.shards if len(rows := _union(found, seeds.rows, name))}
    removed = sum(map(len, deleted.values()))
    said = provenance.Reissued(
        lambda _, gone: describe_search(summary, gone), summary.compared + summary.not_compared, removed
    )
    records.write(deleted, lambda old, new: provenance.reissue(old, new, said, sign))
    return removed


def describe_search(summary: Summary, removed: int) -> NeighbourSearch:
    """Return what a manifest says of a search."""
    return NeighbourSearch(
        at=now(),
        seeds=summary.seeds,
        seeds_from=summary.seeds_from,
        k=summary.wanted.k,
        above=summary.wanted.above,
        counts={"compared": summary.compared, "removed": removed, "not_compared": summary.not_compared},
    )


Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@dataclass(slots=True)
class RemovedNeighbours:
    """The neighbours of what a blocklist knows, which a recheck removes in the same run.

    Attributes
    ----------
    source, embeddings, column, columns
        As of :func:`~ingest_guard.dataset.embeddings.embedding_files.find_embeddings`.
    wanted, threads
        As of :func:`~ingest_guard.dataset.neighbours.finding.neighbours`.
    progress
        Shows a number of rows; what it yields is called with the number of rows that were searched since.
    """

    source: Path
    wanted: Wanted
    embeddings: Path | None = None
    column: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0
    progress: Progress = lambda _: nullcontext(lambda _: None)
    _files: list[EmbeddingFile] = field(default_factory=list)
    _summary: Summary | None = None
    _unusable: int = 0

    def prepare(self) -> None:
        """Find the embeddings of all tables; raises as the function that does."""
        self._files = find_embeddings(self.source, self.embeddings, self.column, self.columns)

    def find(self, removed: Mapping[str, Mapping[int, Removed]]) -> dict[str, dict[int, Removed]]:
        """Return the neighbours of the records that lists know: by table, by row."""
        rows = {name: listed for name, records in removed.items() if len(listed := _listed(records))}
        vectors, self._unusable = gather(self._files, rows)
        if not len(vectors):
            return {}
        seeds = Seeds("blocklist", vectors, rows, self._unusable)
        with self.progress(sum(each.rows for each in self._files)) as progress:
            found, self._summary = neighbours(self._files, seeds, self.wanted, threads=self.threads, progress=progress)
        return {each.name: _removed(each, found[each.name][0]) for each in self._files if each.name in found}

    def steps(self) -> tuple[NeighbourSearch, ...]:
        """Return what the manifest says of it; nothing where there was no seed."""
        if self._summary is None:
            return ()
        return (describe_search(self._summary, self._summary.found),)

    def lines(self) -> list[str]:
        """Return what came of it: counts alone."""
        if self._summary is None:
            without = f" ({self._unusable:,} have no embedding that could be compared)" if self._unusable else ""
            return [f"neighbours: no removed record has an embedding to look for{without}"]
        return [f"neighbours: {line.strip()}" for line in self._summary.lines()]


def _removed(file: EmbeddingFile, rows: npt.NDArray[np.int64]) -> dict[int, Removed]:
    said = (("", None, NEIGHBOUR),)
    named = zip(rows.tolist(), name_rows(file, rows), strict=True)
    return {row: Removed(uid, Action.DROP, said) for row, uid in named}


def _listed(records: Mapping[int, Removed]) -> npt.NDArray[np.int64]:
    """Return the rows of records that a list knows by itself, sorted."""
    rows = [row for row, each in records.items() if any(name != PAGE for _, _, name in each.matches)]
    return np.array(sorted(rows), np.int64)


def _union(found: Bands, seeds: Rows, name: str) -> npt.NDArray[np.int64]:
    none = np.empty(0, np.int64)
    near = found[name][0] if name in found else none
    return np.union1d(near, seeds.get(name, none)).astype(np.int64)
