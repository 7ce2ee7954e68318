from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_guard.dataset.embeddings import embedding_files as module
from ingest_guard.dataset.embeddings.embedding_files import find_embeddings
from ingest_guard.errors import DatasetError, PolicyError

ROWS = np.arange(30, dtype=np.float16).reshape(10, 3) + 1


def table(path: Path, rows: int = 10, **columns: Any) -> Path:
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    urls = [f"https://site.example/{path.stem}/{number}.jpg" for number in range(rows)]
    pq.write_table(pa.table({"url": urls, **columns}), path)
    return path


def npy(path: Path, rows: Any = ROWS) -> None:
    """Write an array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, rows)


def one_folder(folder: Path) -> None:
    """Write LAION's layout in one folder."""
    table(folder / "metadata_0003.parquet")
    npy(folder / "img_emb_0003.npy")


def side_by_side(folder: Path) -> None:
    """Write what clip-retrieval writes."""
    table(folder / "metadata" / "metadata_3.parquet")
    npy(folder / "img_emb" / "img_emb_3.npy")
    npy(folder / "text_emb" / "text_emb_3.npy", ROWS * 2)


def datacomp(folder: Path) -> None:
    """Write DataComp's layout."""
    table(folder / "0a1b.parquet")
    np.savez(folder / "0a1b.npz", l14_img=ROWS, b32_img=ROWS[:, :2], l14_txt=ROWS * 2)


def same_name(folder: Path) -> None:
    """Write arrays called as their tables."""
    table(folder / "x.parquet")
    npy(folder / "x.npy")


def lists(folder: Path) -> None:
    """Write a column of lists."""
    table(folder / "x.parquet", emb=pa.array(ROWS.astype(np.float32).tolist(), pa.list_(pa.float32())))


def fixed_lists(folder: Path) -> None:
    """Write a column of lists of one length, of half floats."""
    flat = pa.array(ROWS.ravel(), pa.float16())
    table(folder / "x.parquet", emb=pa.FixedSizeListArray.from_arrays(flat, 3))


def json_lines(folder: Path) -> None:
    """Write JSON Lines beside an array."""
    folder.mkdir(exist_ok=True)
    (folder / "x.jsonl").write_text("".join(json.dumps({"url": f"u{n}"}) + "\n\n" for n in range(10)))
    npy(folder / "x.npy")


@pytest.mark.parametrize(
    "layout", [one_folder, side_by_side, datacomp, same_name, lists, fixed_lists, json_lines], ids=lambda f: f.__name__
)
def test_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Callable[[Path], None]) -> None:
    """The embeddings of each known layout are found, and read whole however few rows are read at a time."""
    monkeypatch.setattr(module, "_STREAMED", 4)
    layout(tmp_path / "data")
    (found,) = find_embeddings(tmp_path / "data")
    assert (found.rows, found.width) == (10, 3)
    blocks = list(found.blocks())
    assert [start for start, _ in blocks] == list(np.cumsum([0, *(len(block) for _, block in blocks)])[:-1])
    assert np.array_equal(np.concatenate([block for _, block in blocks]).astype(np.float16), ROWS)


def test_embeddings_elsewhere(tmp_path: Path) -> None:
    """A folder that is named counts, and what lies beside the tables does not."""
    table(tmp_path / "data" / "metadata_1.parquet")
    npy(tmp_path / "data" / "metadata_1.npy", ROWS * 2)
    npy(tmp_path / "vectors" / "img_emb_1.npy")
    (found,) = find_embeddings(tmp_path / "data", tmp_path / "vectors")
    assert found.path == tmp_path / "vectors" / "img_emb_1.npy"


def test_a_row_without_an_embedding_is_no_number(tmp_path: Path) -> None:
    """A null or an empty list in a column becomes a row that cannot be compared."""
    table(tmp_path / "x.parquet", 3, emb=pa.array([[1.0, 2.0], None, []], pa.list_(pa.float32())))
    (found,) = find_embeddings(tmp_path)
    ((_, block),) = found.blocks()
    assert np.isnan(block[1:]).all()
    assert block[0].tolist() == [1, 2]


def cut(path: Path) -> None:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (ROWS[:9], "has 9 rows, and .* has 10"),
        (np.asfortranarray(ROWS), "Fortran order"),
        (np.array([{}] * 10, object).reshape(10, 1), "embeddings are float16"),
        (ROWS.astype(np.int8), "holds int8"),
        (ROWS.astype(np.complex64), "holds complex64"),
        (ROWS.ravel(), r"has the shape \(30,\)"),
        (np.empty((10, 0), np.float16), r"has the shape \(10, 0\)"),
        (ROWS.astype(np.longdouble), "embeddings are float16"),
    ],
)
def test_arrays_that_are_no_embeddings_are_refused_by_name(tmp_path: Path, array: Any, message: str) -> None:
    """Another number of rows, another order, objects (never unpickled), other types and shapes are errors."""
    table(tmp_path / "x.parquet")
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(DatasetError, match=message) as error:
        find_embeddings(tmp_path)
    assert "x.npy" in str(error.value)


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"no array at all", b"\x93NUMPY\x01\x00\xff\xff{"])
@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_damaged_files_are_errors(tmp_path: Path, name: str, data: bytes) -> None:
    """What is no array, or no archive of arrays, is refused by name."""
    table(tmp_path / "x.parquet")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DatasetError, match=name):
        find_embeddings(tmp_path)


def test_an_array_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    """A file that is shorter than its header says is refused before it is searched."""
    same_name(tmp_path)
    cut(tmp_path / "x.npy")
    with pytest.raises(DatasetError, match="not as long as its header says"):
        find_embeddings(tmp_path)


def test_an_array_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    """A file of another shape than the one that was found is not searched."""
    for layout, name in ((same_name, "a"), (datacomp, "b")):
        layout(tmp_path / name) if name == "b" else (tmp_path / name).mkdir() or layout(tmp_path / name)
        (found,) = find_embeddings(tmp_path / name)
        if found.member:
            np.savez(found.path, l14_img=ROWS[:5])
        else:
            np.save(found.path, ROWS[:5])
        with pytest.raises(DatasetError, match="was changed meanwhile"):
            list(found.blocks())


def test_widths_that_differ_are_an_error(tmp_path: Path) -> None:
    """Two tables of embeddings of different models are not searched together."""
    for name, width in (("a", 3), ("b", 2)):
        table(tmp_path / f"{name}.parquet")
        npy(tmp_path / f"{name}.npy", ROWS[:, :width])
    with pytest.raises(DatasetError, match="not of one model"):
        find_embeddings(tmp_path)


def test_a_table_without_embeddings_says_what_was_looked_for(tmp_path: Path) -> None:
    """The error names the places."""
    table(tmp_path / "metadata_7.parquet", numbers=[1.0] * 10)
    with pytest.raises(PolicyError, match=r"img_emb_N\.npy for metadata_N"):
        find_embeddings(tmp_path)


def test_which_array_and_which_column(tmp_path: Path) -> None:
    """Where there are several, one is named; a name that is not there is an error that lists those that are."""
    table(tmp_path / "a" / "x.parquet")
    np.savez(tmp_path / "a" / "x.npz", one=ROWS, two=ROWS[:, :2])
    with pytest.raises(PolicyError, match="several arrays \\(one, two\\)"):
        find_embeddings(tmp_path / "a")
    assert find_embeddings(tmp_path / "a", column="two")[0].width == 2
    with pytest.raises(PolicyError, match="has no array three"):
        find_embeddings(tmp_path / "a", column="three")
    both = {name: pa.array([[1.0]] * 10, pa.list_(pa.float64())) for name in ("one", "two")}
    table(tmp_path / "b" / "x.parquet", **both)
    with pytest.raises(PolicyError, match="several columns of lists"):
        find_embeddings(tmp_path / "b")
    assert find_embeddings(tmp_path / "b", column="two")[0].member == "two"
    with pytest.raises(PolicyError, match="has no column three"):
        find_embeddings(tmp_path / "b", column="three")


def test_lists_of_several_lengths_are_an_error(tmp_path: Path) -> None:
    """A column whose rows differ in width is no column of embeddings."""
    table(tmp_path / "x.parquet", 2, emb=pa.array([[1.0, 2.0], [1.0]], pa.list_(pa.float32())))
    (found,) = find_embeddings(tmp_path)
    with pytest.raises(DatasetError, match="another number of dimensions"):
        list(found.blocks())


def test_a_damaged_table_is_an_error(tmp_path: Path) -> None:
    """A Parquet file that cannot be read is named."""
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DatasetError, match=r"x\.parquet cannot be read as Parquet"):
        find_embeddings(tmp_path)
