"""The file of candidates: which records lie near to seeds. It is a directory of abuse imagery, and treated as one.

It names records by uid, table and row, and how near they lie by a band; it has no address, no order by nearness and no
seed. It is readable for its owner alone, sealed to those who may open it, and lies outside of the data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile
from ingest_guard.dataset.neighbours.seeds import name_rows
from ingest_guard.dataset.recheck.sealed_lines import write_lines

_BANDS = 20
"""Bands of similarity from 0 to 1: each is 0.05 wide."""
NOTICE = (
    "Sensitive: candidates for abuse imagery, by their records. Not for publication; nothing here says what a picture "
    "shows."
)
Bands = Mapping[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
"""Table -> its rows, sorted, and the band of each."""


def band_of(similarity: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the band of similarities: their twentieths, rounded down. What is below 0 is in band 0."""
    # Half floats have errors of some 1e-4: a copy must not fall out of the highest band by that.
    return np.clip(np.floor(similarity.astype(np.float64) * _BANDS + 1e-6), 0, _BANDS).astype(np.int64)


def band_name(band: int) -> float:
    """Return the lowest similarity of a band."""
    return band / _BANDS


def count_bands(found: Bands) -> dict[float, int]:
    """Return how many records are in each band, the nearest first."""
    counts = Counter(band for _, bands in found.values() for band in bands.tolist())
    return {band_name(band): counts[band] for band in sorted(counts, reverse=True)}


def write_candidates(
    path: Path, head: Mapping[str, Any], files: Sequence[EmbeddingFile], found: Bands, recipients: Sequence[str]
) -> None:
    """Write the candidates in the order of tables and rows; they are on disk when this returns.

    Parameters
    ----------
    path
        The file; it must not exist.
    head
        For the first line: what was searched, and when.
    files, found
        The tables, and what was found in them.
    recipients
        age recipients (``age1...``) who may open it; none: it is not sealed.

    Raises
    ------
    DatasetError
        It cannot be written.
    """
    write_lines(path, _lines(head, files, found), recipients, what="candidates")


def _lines(head: Mapping[str, Any], files: Sequence[EmbeddingFile], found: Bands) -> Iterator[Mapping[str, Any]]:
    yield {"candidates": 1, "notice": NOTICE, **head}
    for file in files:
        rows, bands = found.get(file.name, (np.empty(0, np.int64), np.empty(0, np.int64)))
        if len(rows):
            for uid, row, band in zip(name_rows(file, rows), rows.tolist(), bands.tolist(), strict=True):
                yield {"uid": uid, "shard": file.name, "row": row, "band": band_name(band)}
