from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.spark import QUIET, spark_session  # noqa: F401 - a fixture

from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile, find_embeddings
from ingest_guard.dataset.neighbours import over_spark
from ingest_guard.dataset.neighbours.finding import Seeds, neighbours
from ingest_guard.dataset.neighbours.nearest import Search, Wanted
from ingest_guard.dataset.neighbours.over_spark import neighbours_over, search_file
from ingest_guard.dataset.neighbours.removal import remove_found
from ingest_guard.dataset.recheck.cleaning import Target, cleaning

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = QUIET


@pytest.fixture
def files(tmp_path: Path) -> list[EmbeddingFile]:
    """Write three tables, one with embeddings in a column, and rows that cannot be compared."""
    rng = np.random.default_rng(5)
    (tmp_path / "data").mkdir()
    for number in range(3):
        rows = rng.standard_normal((50, 8)).astype(np.float32)
        rows[number] = 0
        table = pa.table({"uid": [f"{number}-{row}" for row in range(50)]})
        if number == 1:
            table = table.append_column("emb", pa.array(rows.tolist(), pa.list_(pa.float32())))
        else:
            np.save(tmp_path / "data" / f"{number}.npy", rows.astype(np.float16))
        pq.write_table(table, tmp_path / "data" / f"{number}.parquet")
    return find_embeddings(tmp_path / "data")


@pytest.fixture
def seeds(files: list[EmbeddingFile]) -> Seeds:
    """Return two records as seeds."""
    (_, block), *_ = files[1].blocks()
    return Seeds("uids", np.asarray(block[[7, 9]], np.float32), {files[1].name: np.array([7, 9])})


def as_lists(found: Any) -> dict[str, list[list[int]]]:
    """Return what was found as lists."""
    return {name: [rows.tolist(), bands.tolist()] for name, (rows, bands) in found.items()}


@pytest.mark.parametrize("wanted", [Wanted(5), Wanted(0, 0.5), Wanted(3, 0.6)])
def test_each_file_by_itself(files: list[EmbeddingFile], seeds: Seeds, wanted: Wanted) -> None:
    """What a task finds in each file, put together in any order, is what one pass finds."""
    expected, whole = neighbours(files, seeds, wanted)
    search = Search(seeds.vectors, wanted)
    for number in (2, 0, 1):
        search.take_in(search_file(files[number], number * 50, seeds.vectors, wanted))
    found, summary = over_spark.conclude(files, seeds, search.state(), wanted)
    assert as_lists(found) == as_lists(expected)
    assert summary == whole
    assert (summary.compared, summary.not_compared) == (147, 3)


def test_over_spark(session: SparkSession, files: list[EmbeddingFile], seeds: Seeds, tmp_path: Path) -> None:
    """Over two workers the same rows are found as in one process, and removed with a manifest."""
    expected, whole = neighbours(files, seeds, Wanted(5, 0.6))
    found, summary = neighbours_over(session, files, seeds, Wanted(5, 0.6))
    assert as_lists(found) == as_lists(expected)
    assert summary == whole
    with cleaning(tmp_path / "data", Target(tmp_path / "clean")) as records:
        removed = remove_found(records, found, seeds, summary)
    assert removed == summary.found + 2
    assert Manifest.load(tmp_path / "clean").searches[0].counts["removed"] == removed
    assert sum(each.rows for each in find_embeddings(tmp_path / "clean")) == 150 - removed
