"""How similar random records of a data set are: without that, no similarity says anything.

Embeddings of one model crowd in a part of the space, so that pictures without anything in common may have a cosine of
0.5, and it is another number for each model and each data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile
from ingest_guard.dataset.neighbours.candidates import band_name, band_of
from ingest_guard.dataset.neighbours.seeds import Rows, gather
from ingest_guard.dataset.neighbours.unit_rows import normalised
from ingest_guard.errors import PolicyError

SAMPLE = 3_000
"""Records to draw. They make 4.5 million pairs: enough to see a similarity that one pair in a million has."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How similar pairs of random records are.

    Attributes
    ----------
    rows, not_compared
        Records that were drawn and compared; those that were drawn and could not be.
    pairs
        How many pairs they make.
    shares
        Lowest similarity of a band -> share of the pairs in it and above, the nearest first.
    """

    rows: int
    not_compared: int
    pairs: int
    shares: dict[float, float]

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        lines = [f"{self.rows:,} random records, {self.pairs:,} pairs; share of them by cosine similarity:"]
        lines += [f"  {band:.2f} and above: {100 * share:.4g} %" for band, share in self.shares.items()]
        if self.not_compared:
            lines.append(f"{self.not_compared:,} more have no embedding that could be compared")
        return lines


def calibrate(files: Sequence[EmbeddingFile], sample: int = SAMPLE) -> Calibration:
    """Compare some random records with each other.

    Parameters
    ----------
    files
        From :func:`~ingest_guard.dataset.embeddings.embedding_files.find_embeddings`.
    sample
        How many to draw; the same ones each time.

    Raises
    ------
    PolicyError
        Fewer than two of them can be compared.
    DatasetError
        A file cannot be read.
    """
    vectors, not_compared = gather(files, _draw(files, sample))
    if len(vectors) < 2:  # noqa: PLR2004 - a pair
        raise PolicyError("fewer than two of the records drawn have an embedding, so there is no pair to compare")
    units, _ = normalised(vectors)
    counts = np.zeros(int(band_of(np.ones(1, np.float32))[0]) + 1, np.int64)
    for row in range(len(units) - 1):
        counts += np.bincount(band_of(units[row + 1 :] @ units[row]), minlength=len(counts))
    pairs = int(counts.sum())
    above = np.cumsum(counts[::-1])[::-1]
    shares = {band_name(band): int(above[band]) / pairs for band in reversed(range(len(counts))) if above[band]}
    return Calibration(len(units), not_compared, pairs, shares)


def _draw(files: Sequence[EmbeddingFile], sample: int) -> Rows:
    ends = np.cumsum([each.rows for each in files])
    total = int(ends[-1])
    rng = np.random.default_rng(0)
    drawn: npt.NDArray[np.int64] = np.sort(rng.choice(total, min(sample, total), replace=False)).astype(np.int64)
    rows = {}
    for each, end in zip(files, ends.tolist(), strict=True):
        low, high = np.searchsorted(drawn, (end - each.rows, end))
        if high > low:
            rows[each.name] = drawn[low:high] - (end - each.rows)
    return rows
