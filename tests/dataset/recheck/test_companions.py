from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.blocklists import make_blocklist
from support.rechecks import record, value, write_lines

from ingest_guard.dataset.cutting import renames
from ingest_guard.dataset.embeddings.embedding_files import find_embeddings
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.dataset.shards.read import read_rows
from ingest_guard.errors import DatasetError
from ingest_guard.policy.policy import Policy

COUNT, WIDTH, LISTED = 24, 4, (0, 7, 8, 23, 30)


def vector(number: int, dtype: Any = np.float16) -> Any:
    """Return the embedding of a record, which names it."""
    return np.array([number + 1, 2, 3, 4], dtype)


def vectors(table: int, dtype: Any = np.float16) -> Any:
    """Return those of all records of a table."""
    return np.array([vector(number, dtype) for number in numbers(table)])


def numbers(table: int) -> range:
    """Return the records of a table."""
    return range(table * COUNT, (table + 1) * COUNT)


def parquet(path: Path, table: int, **columns: Any) -> None:
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_pylist([record(number) for number in numbers(table)])
    for name, column in columns.items():
        rows = rows.append_column(name, column)
    pq.write_table(rows, path, row_group_size=10)


def saved(path: Path, array: Any) -> None:
    """Write an array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def one_folder(folder: Path, table: int) -> None:
    """Write LAION's layout, in one folder."""
    parquet(folder / f"metadata_{table:04d}.parquet", table)
    saved(folder / f"img_emb_{table:04d}.npy", vectors(table))
    saved(folder / f"text_emb_{table:04d}.npy", -vectors(table))


def side_by_side(folder: Path, table: int) -> None:
    """Write clip-retrieval's."""
    parquet(folder / "metadata" / f"metadata_{table}.parquet", table)
    saved(folder / "img_emb" / f"img_emb_{table}.npy", vectors(table))
    saved(folder / "text_emb" / f"text_emb_{table}.npy", -vectors(table))


def datacomp(folder: Path, table: int) -> None:
    """Write DataComp's."""
    parquet(folder / f"{table}a1b.parquet", table)
    np.savez(folder / f"{table}a1b.npz", l14_img=vectors(table), l14_txt=-vectors(table), b32_img=vectors(table)[:, :1])


def lines(folder: Path, table: int) -> None:
    """Write JSON Lines beside an array."""
    write_lines(folder / f"x{table}.jsonl", [record(number) for number in numbers(table)])
    saved(folder / f"x{table}.npy", vectors(table, np.float64))


def pd12m(folder: Path, table: int) -> None:
    """Write PD12M's, with an array for each table."""
    parquet(folder / "metadata" / f"pd12m.{table:02d}.parquet", table)
    saved(folder / "embeddings" / f"pd12m.{table:02d}.npy", vectors(table, np.float32))


def by_hash(folder: Path, table: int) -> None:
    """Write a file for each record, but for one."""
    parquet(folder / "metadata" / f"pd12m.{table:02d}.parquet", table)
    for number in numbers(table):
        if number != 3:
            array = vector(number, np.float32)
            saved(folder / "embeddings" / f"{value(number, 'md5')}.npy", array[np.newaxis] if number % 2 else array)


def column(folder: Path, table: int) -> None:
    """Write a column of lists."""
    parquet(folder / f"x{table}.parquet", table, emb=pa.array(vectors(table, np.float32).tolist()))


LAYOUTS = [one_folder, side_by_side, datacomp, lines, pd12m, by_hash, column]
Layout = Callable[[Path, int], None]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return a plan whose list knows some records of both tables."""
    listed = [("md5", value(number, "md5")) for number in LISTED]
    return Plan(Policy(blocklist=make_blocklist(tmp_path / "blocklist", {"l": listed})))


def require_in_step(folder: Path) -> None:
    """Require that what stays is there with its own embedding, row by row."""
    found = find_embeddings(folder)
    assert sum(each.rows for each in found) == 2 * COUNT - len(LISTED)
    for each in found:
        urls = [row["url"] for row in read_rows(each.table)]
        rows = np.concatenate([block for _, block in each.blocks()])
        assert len(urls) == len(rows) == each.rows
        for url, row in zip(urls, rows, strict=True):
            number = int(url.rsplit("/", 1)[1].removesuffix(".jpg"))
            assert number not in LISTED
            if number == 3 and each.path.is_dir():
                assert np.isnan(row).all()
            else:
                assert row.tolist() == vector(number).tolist()
    for text in folder.rglob("text_emb_*.npy"):
        images = text.parent.parent / "img_emb" / text.name.replace("text", "img")
        images = images if images.is_file() else text.with_name(text.name.replace("text", "img"))
        assert np.array_equal(np.load(text), -np.load(images))
    for archive in map(np.load, folder.rglob("*.npz")):
        assert np.array_equal(archive["l14_txt"], -archive["l14_img"])
        assert np.array_equal(archive["b32_img"], archive["l14_img"][:, :1])


@pytest.mark.parametrize("mode", ["clean", "in_place"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__)
def test_embeddings_lose_the_same_rows(tmp_path: Path, plan: Plan, layout: Layout, mode: str) -> None:
    """In each layout, into a new folder and in place: each record that stays keeps its own vector, all others go."""
    data = tmp_path / "data"
    for table in range(2):
        layout(data, table)
    before = {path.relative_to(data) for path in data.rglob("*") if path.is_file()}
    target = data if mode == "in_place" else tmp_path / "clean"
    report = recheck(data, plan, Output(in_place=True) if mode == "in_place" else Output(target))
    assert report.removed == len(LISTED)
    require_in_step(target)
    after = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
    gone = {Path("embeddings", f"{value(number, 'md5')}.npy") for number in LISTED} if layout is by_hash else set()
    assert before - after == gone
    assert not [path for path in after if path.name.startswith(".")]
    assert recheck(target, plan, Output()).removed == 0


def test_embeddings_beside_a_folder_of_tables(tmp_path: Path, plan: Plan) -> None:
    """Where the tables' folder alone is named, its neighbour folders go along, and come to lie beside the tables."""
    for table in range(2):
        side_by_side(tmp_path / "data", table)
    recheck(tmp_path / "data" / "metadata", plan, Output(tmp_path / "clean"))
    require_in_step(tmp_path / "clean")
    assert (tmp_path / "clean" / "img_emb" / "img_emb_0.npy").is_file()
    recheck(tmp_path / "data" / "metadata", plan, Output(in_place=True))
    require_in_step(tmp_path / "data")


def test_embeddings_that_are_named(tmp_path: Path, plan: Plan) -> None:
    """A folder that is named is cut, and what lies beside the tables is cut, too."""
    for table in range(2):
        lines(tmp_path / "data", table)
        saved(tmp_path / "vectors" / f"x{table}.npy", vectors(table))
    recheck(tmp_path / "data", plan, Output(in_place=True, embeddings=tmp_path / "vectors"))
    require_in_step(tmp_path / "data")
    for table, rows in ((0, COUNT - 4), (1, COUNT - 1)):
        assert len(np.load(tmp_path / "vectors" / f"x{table}.npy")) == rows


def test_a_file_that_two_records_share_stays(tmp_path: Path, plan: Plan) -> None:
    """The vector of a record that goes stays where another record has the same image."""
    parquet(tmp_path / "data" / "a.parquet", 0)
    rows = [record(number, md5=None) | {"hash": value(number % 12, "md5")} for number in range(COUNT)]
    rows[0]["md5"] = rows[13]["md5"] = value(0, "md5")
    rows[0]["hash"], rows[13]["hash"] = value(5, "md5"), value(100, "md5")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "a.parquet")
    for row in rows:
        saved(tmp_path / "data" / "embeddings" / f"{row['hash']}.npy", vector(1))
    assert recheck(tmp_path / "data", plan, Output(tmp_path / "clean")).removed == 2
    assert recheck(tmp_path / "data", plan, Output(in_place=True)).removed == 2
    for folder in (tmp_path / "clean", tmp_path / "data"):
        left = {path.stem for path in (folder / "embeddings").iterdir()}
        assert value(5, "md5") in left
        assert value(100, "md5") not in left


def other_rows(folder: Path) -> None:
    """Cut an array alone."""
    saved(folder / "x0.npy", vectors(0)[1:])


def an_object(folder: Path) -> None:
    """Put objects into an array."""
    np.save(folder / "x0.npy", np.array([{}] * COUNT, object), allow_pickle=True)


def in_columns(folder: Path) -> None:
    """Write an array column by column."""
    saved(folder / "x0.npy", np.asfortranarray(vectors(0)))


def damaged(folder: Path) -> None:
    """Cut a file off."""
    (folder / "x0.npy").write_bytes((folder / "x0.npy").read_bytes()[:-2])


def a_link(folder: Path) -> None:
    """Put a link in an array's place."""
    (folder / "x0.npy").rename(folder.parent / "elsewhere.npy")
    (folder / "x0.npy").symlink_to(folder.parent / "elsewhere.npy")


def two_owners(folder: Path) -> None:
    """Write a second table of the same name."""
    parquet(folder / "x0.parquet", 0)


@pytest.mark.parametrize(
    "spoil", [other_rows, an_object, in_columns, damaged, a_link, two_owners], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("mode", ["clean", "in_place", "dry_run"])
def test_embeddings_that_do_not_fit_are_refused(
    tmp_path: Path, plan: Plan, spoil: Callable[[Path], None], mode: str
) -> None:
    """What cannot be cut in step ends the run with an error that names it, and nothing was changed."""
    data = tmp_path / "data"
    for table in range(2):
        lines(data, table)
    spoil(data)
    before = {path: path.read_bytes() for path in data.iterdir()}
    output = {"clean": Output(tmp_path / "clean"), "in_place": Output(in_place=True), "dry_run": Output()}[mode]
    with pytest.raises(DatasetError, match=r"x0\.npy"):
        recheck(data, plan, output)
    assert {path: path.read_bytes() for path in data.iterdir()} == before
    assert not (tmp_path / "clean").exists()
    assert not list(tmp_path.glob("*tombstones*"))


def test_an_array_that_changes_meanwhile_is_an_error(
    tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embeddings that another program writes while the records are compared are not cut."""
    for table in range(2):
        lines(tmp_path / "data", table)
    opened = Plan.open

    def meanwhile(self: Plan) -> Any:
        saved(tmp_path / "data" / "x1.npy", vectors(1))
        return opened(self)

    monkeypatch.setattr(Plan, "open", meanwhile)
    for output in (Output(tmp_path / "clean"), Output(in_place=True)):
        with pytest.raises(DatasetError, match=r"x1\.npy was changed"):
            recheck(tmp_path / "data", plan, output)


def test_a_pair_that_was_left_half_renamed(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds one of a pair renamed finishes it in place, and refuses anything else."""
    data = tmp_path / "data"
    for table in range(2):
        lines(data, table)
    replaced = Path.replace

    def failing(self: Path, target: Path) -> Any:
        if str(target).endswith(".npy"):
            raise OSError(5, "Input/output error")
        return replaced(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        with pytest.raises(DatasetError, match="cannot be written"):
            recheck(data, plan, Output(in_place=True))
    assert renames.is_pending(data)
    with pytest.raises(DatasetError, match="run it again, in place"):
        recheck(data, plan, Output(tmp_path / "clean"))
    recheck(data, plan, Output(in_place=True))
    require_in_step(data)
    assert not renames.is_pending(data)
    assert not list(data.glob(".*"))


@pytest.mark.parametrize(
    "note",
    [
        "",
        "{}x",
        "[1]",
        '[{"from": "x"}]',
        '[{"name": "x0.npy", "from": "other"}]',
        '[{"name": "x0.npy", "from": 3}]',
        "3",
    ],
)
def test_a_note_that_no_recheck_wrote(tmp_path: Path, plan: Plan, note: str) -> None:
    """A note of renames that is something else is an error, and nothing is renamed."""
    data = tmp_path / "data"
    lines(data, 0)
    before = {path: path.read_bytes() for path in data.iterdir()}
    (data / ".recheck-renames").write_text(note)
    with pytest.raises(DatasetError, match="not what a recheck notes"):
        recheck(data, plan, Output(in_place=True))
    assert {path: path.read_bytes() for path in before} == before


def test_the_note_may_lack_files_that_were_renamed(tmp_path: Path) -> None:
    """What is noted and is there already was renamed before the kill; what is noted to go and is gone, too."""
    (tmp_path / "a").write_text("new")
    (tmp_path / ".b.3.part").write_text("new")
    entries: list[dict[str, str]] = [
        {"name": "a", "from": ".a.3.part"},
        {"name": "b", "from": ".b.3.part"},
        {"name": "c"},
    ]
    (tmp_path / ".recheck-renames").write_text(json.dumps(entries))
    renames.finish(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new"}
