from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_guard.dataset.embeddings import vector_files
from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile, find_embeddings
from ingest_guard.errors import DatasetError, PolicyError

HASHES = [f"{number:032x}" for number in range(6)]


def write(folder: Path, hashes: list[Any], name: str = "hash", **others: Any) -> Path:
    """Write a table in PD12M's layout, and return the folder of its embeddings."""
    (folder / "metadata").mkdir(parents=True)
    (folder / "embeddings").mkdir()
    pq.write_table(pa.table({name: hashes, **others}), folder / "metadata" / "pd12m.00.parquet")
    return folder / "embeddings"


def read(files: list[EmbeddingFile]) -> Any:
    """Return all embeddings."""
    return np.concatenate([block for each in files for _, block in each.blocks()])


@pytest.mark.parametrize("shape", [(3,), (1, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
@pytest.mark.parametrize("name", ["hash", "md5", "sha256"])
def test_a_file_for_each_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: str, name: str
) -> None:
    """A vector is found by the hash of its record; a record without a file, or without a hash, cannot be compared."""
    monkeypatch.setattr(vector_files, "_STREAMED", 4)
    hashes: list[Any] = [*HASHES, None, "../../secret", "no hash"]
    folder = write(tmp_path, hashes, name)
    for number in (1, 2, 5):
        np.save(folder / f"{HASHES[number]}.npy", np.full(shape, number, dtype))
    found = find_embeddings(tmp_path)
    assert [(each.rows, each.width, each.member) for each in found] == [(9, 3, name)]
    rows = read(found)
    assert [row for row in range(9) if not np.isnan(rows[row]).any()] == [1, 2, 5]
    assert rows[[1, 2, 5]].tolist() == [[number] * 3 for number in (1, 2, 5)]


def test_a_hash_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    """What is no hash names no file, whatever it leads to."""
    folder = write(tmp_path, ["../secret", HASHES[0]])
    np.save(tmp_path / "secret.npy", np.ones(3))
    np.save(folder / f"{HASHES[0]}.npy", np.ones(3))
    assert np.isnan(read(find_embeddings(tmp_path))[0]).all()


def test_a_second_column_may_name_the_files(tmp_path: Path) -> None:
    """Where the likeliest column names no file, the next one counts."""
    folder = write(tmp_path, HASHES, "md5", hash=[1, 2, 3, 4, 5, 6])
    np.save(folder / f"{HASHES[3]}.npy", np.ones(3))
    assert find_embeddings(tmp_path)[0].member == "md5"


@pytest.mark.parametrize("hashes", [HASHES, [None] * 3, []], ids=["no files", "no hashes", "no records"])
def test_a_folder_without_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashes: list[Any]) -> None:
    """A table whose records have no files there has no embeddings."""
    monkeypatch.setattr(vector_files, "_LOOKED_AT", 2)
    write(tmp_path, pa.array(hashes, pa.string()))
    with pytest.raises(PolicyError, match=r"embeddings/HASH\.npy"):
        find_embeddings(tmp_path)


BAD: dict[str, Callable[[Path], None]] = {
    "of another width": lambda path: np.save(path, np.ones(4)),
    "of two rows": lambda path: np.save(path, np.ones((2, 3))),
    "of three dimensions": lambda path: np.save(path, np.ones((1, 1, 3))),
    "of whole numbers": lambda path: np.save(path, np.ones(3, np.int32)),
    "of objects": lambda path: np.save(path, np.array([{}] * 3, object), allow_pickle=True),
    "a number": lambda path: np.save(path, np.float32(1)),
    "empty": lambda path: np.save(path, np.ones(0)),
    "no array": lambda path: path.write_text("x") and None,
    "cut off": lambda path: (np.save(path, np.ones(3)), path.write_bytes(path.read_bytes()[:-1]))[0],
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("number", [0, 4], ids=["the first", "a later one"])
def test_files_that_are_no_vectors(tmp_path: Path, kind: str, number: int) -> None:
    """What is no vector of the others' width is refused by name, never unpickled, and never left out."""
    folder = write(tmp_path, HASHES)
    for each in HASHES:
        np.save(folder / f"{each}.npy", np.ones(3))
    BAD[kind](folder / f"{HASHES[number]}.npy")
    with pytest.raises(DatasetError, match=HASHES[1] if kind == "of another width" and not number else HASHES[number]):
        read(find_embeddings(tmp_path))
