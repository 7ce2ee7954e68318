from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_guard.dataset.embeddings.embedding_files import find_embeddings
from ingest_guard.dataset.neighbours.calibrate import calibrate
from ingest_guard.errors import PolicyError


def write(folder: Path, *tables: np.ndarray) -> None:
    """Write tables with their embeddings."""
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(tables):
        pq.write_table(pa.table({"url": [f"u{row}" for row in range(len(rows))]}), folder / f"{number}.parquet")
        np.save(folder / f"{number}.npy", rows)


def test_the_shares_are_those_of_all_pairs(tmp_path: Path) -> None:
    """Where all records are drawn, each share is that of a brute force; it falls from band to band."""
    rng = np.random.default_rng(2)
    rows = (rng.standard_normal((60, 5)) + 1).astype(np.float32)
    write(tmp_path, rows[:10], rows[10:])
    found = calibrate(find_embeddings(tmp_path))
    units = rows.astype(np.float64) / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = np.array([float(units[a] @ units[b]) for a, b in combinations(range(60), 2)])
    assert (found.rows, found.pairs, found.not_compared) == (60, 1770, 0)
    for band, share in found.shares.items():
        assert share == pytest.approx(((cosines >= band - 1e-9) | (band == 0)).mean(), abs=1e-6)
    assert list(found.shares) == sorted(found.shares, reverse=True)
    assert found.shares[0.0] == 1
    assert "0.00 and above: 100 %" in "\n".join(found.lines())


def test_a_sample_is_drawn_from_all_tables(tmp_path: Path) -> None:
    """Of a larger data set a part is compared, the same each time; rows without an embedding are counted."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((400, 8)).astype(np.float16)
    rows[::4] = 0
    write(tmp_path, rows[:100], rows[100:])
    found = calibrate(find_embeddings(tmp_path), 100)
    assert found == calibrate(find_embeddings(tmp_path), 100)
    assert found.rows + found.not_compared == 100
    assert 10 < found.not_compared < 45
    assert f"{found.not_compared} more have no embedding" in found.lines()[-1]


@pytest.mark.parametrize("rows", [np.ones((1, 3)), np.zeros((5, 3)), np.ones((0, 3))], ids=["one", "zeros", "none"])
def test_too_few_records(tmp_path: Path, rows: np.ndarray) -> None:
    """A data set without a pair of embeddings cannot be calibrated."""
    write(tmp_path, rows.astype(np.float32))
    with pytest.raises(PolicyError, match="no pair to compare"):
        calibrate(find_embeddings(tmp_path))
