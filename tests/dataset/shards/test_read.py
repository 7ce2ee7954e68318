from __future__ import annotations

import builtins
import gzip
import io
import json
import os
import re
import stat
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.records import record

from ingest_guard.dataset import shards
from ingest_guard.dataset.records.layouts import NAMES, outfit
from ingest_guard.dataset.shards.names import shard_files
from ingest_guard.dataset.shards.read import (
    count_rows,
    cut_torn_line,
    iter_batches,
    load_arrow,
    note_of,
    outfit_of,
    read_rows,
    read_uids,
)
from ingest_guard.dataset.shards.writer import ShardWriter, write_parquet
from ingest_guard.errors import DatasetError, SetupError
from ingest_guard.files import atomic as publishing
from ingest_guard.files.atomic import hidden_name, publish, remove_hidden

if TYPE_CHECKING:
    from pathlib import Path


def names_in(folder: Path) -> list[str]:
    """Return the names of all that is in a folder, sorted."""
    return sorted(entry.name for entry in folder.iterdir())


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_rows_come_back_as_they_were_written(name: str, tmp_path: Path) -> None:
    """Parquet and JSON Lines give the same rows: times are text, and no struct has fields that it had not."""
    chosen = outfit(name, hashes=("phash",), all_hashes=True)
    views = [{"algorithm": "pdq", "frame": 0, "view": "native", "value": "00" * 32}]
    last = record(2, alt="", page_url=None, pdq=None, phash="ab" * 8, hashes=views)
    rows = [chosen.row(each) for each in (record(0), record(1, fetched_at="2026-01-02T03:04:05.250Z"), last)]
    assert write_parquet(tmp_path / "x.parquet", rows, chosen, note={"check_set": "c"}) == 3
    assert list(read_rows(tmp_path / "x.parquet")) == rows
    assert list(read_rows(write(tmp_path / "x.jsonl", rows))) == rows
    for path in (tmp_path / "x.parquet", tmp_path / "x.jsonl"):
        assert outfit_of(path) == chosen
        assert sum(batch.num_rows for batch in iter_batches(path)) == 3
    one, other = (pa.Table.from_batches(iter_batches(tmp_path / f"x.{kind}", rows=2)) for kind in ("parquet", "jsonl"))
    assert one.equals(other)


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    """Its note names schema, outfit and check set; each column and field has its documentation; zstd throughout."""
    path = tmp_path / "x.parquet"
    write_parquet(path, [record(0)], outfit("native"), note={"check_set": "c5"})
    assert note_of(path) == {"format": 1, "outfit": "native", "check_set": "c5", "guard": note_of(path)["guard"]}
    schema = pq.read_schema(path)
    for column in outfit("native").columns:
        assert schema.field(column.name).metadata[b"doc"].decode() == column.doc
        # Tools that take over our types write null where they failed.
        assert schema.field(column.name).nullable
    assert schema.field("fetched_at").type == pa.timestamp("ms", tz="UTC")
    assert schema.field("attestation").type.field("guard").metadata == {b"doc": b"name and version of the guard"}
    group = pq.ParquetFile(path).metadata.row_group(0)
    assert {group.column(number).compression for number in range(group.num_columns)} == {"ZSTD"}


def test_row_groups_are_written_as_they_fill(tmp_path: Path) -> None:
    """No more than a row group is held in memory; before the end nobody sees the file."""
    path = tmp_path / "x.parquet"
    shard = ShardWriter(path, outfit("native"), row_group=10)
    sizes = []
    for number in range(35):
        shard.add(record(number))
        sizes.append(hidden_name(path).stat().st_size)
        assert len(shard._waiting) < 10
    assert sizes[8] < sizes[10] < sizes[20]
    assert shard_files(tmp_path) == []
    shard.close()
    assert shard_files(tmp_path) == [path]
    assert names_in(tmp_path) == ["x.parquet"]
    metadata = pq.ParquetFile(path).metadata
    assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == [10, 10, 10, 5]


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """An error among the rows costs the shard, and no name of it is left."""
    rows = (record(1 // number) for number in (1, 0))
    with pytest.raises(ZeroDivisionError):
        write_parquet(tmp_path / "x.parquet", rows, outfit("native"))
    assert names_in(tmp_path) == []


def test_an_open_file_is_written_and_left_open() -> None:
    """As Scrapy's exporters are given one."""
    file = io.BytesIO()
    with ShardWriter(file, outfit("native")) as shard:
        shard.add(record(1))
    assert shard.path is None
    assert pq.read_table(io.BytesIO(file.getvalue())).num_rows == 1
    with pytest.raises(ZeroDivisionError), ShardWriter(file, outfit("native")):
        raise ZeroDivisionError
    assert not file.closed


def test_a_shard_is_never_overwritten_unasked(tmp_path: Path) -> None:
    """The second of the same name gets the next free one; with replace it takes the first one's place."""
    path = tmp_path / "x.parquet"
    for number in range(3):
        write_parquet(path, [record(number)], outfit("native"))
    assert names_in(tmp_path) == ["x-1.parquet", "x-2.parquet", "x.parquet"]
    assert [row["uid"] for row in read_rows(path)] == [record(0)["uid"]]
    write_parquet(path, [record(9)], outfit("native"), replace=True)
    assert [row["uid"] for row in read_rows(path)] == [record(9)["uid"]]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There, too, nothing is overwritten."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(publishing.os, "link", refuse)
    for number in range(2):
        write_parquet(tmp_path / "x.parquet", [record(number)], outfit("native"))
    assert names_in(tmp_path) == ["x-1.parquet", "x.parquet"]


def test_whoever_may_read_the_folder_may_read_the_shard(tmp_path: Path) -> None:
    """Its mode is that of any new file, whatever it was written with."""
    hidden = hidden_name(tmp_path / "x.parquet")
    hidden.write_bytes(b"")
    hidden.chmod(0o600)
    before = os.umask(0o027)
    try:
        assert stat.S_IMODE(publish(hidden, tmp_path / "x.parquet").stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_what_was_never_finished_is_removed(tmp_path: Path) -> None:
    """Hidden files of ours and nothing else; a pattern says of which names."""
    for name in (".records-00001.parquet.77.part", ".other.parquet.77.part", ".records-00001.parquet", "x.part"):
        (tmp_path / name).write_bytes(b"")
    assert remove_hidden(tmp_path, re.compile(r"records-\d+\.parquet")) == 1
    assert names_in(tmp_path) == [".other.parquet.77.part", ".records-00001.parquet", "x.part"]
    assert remove_hidden(tmp_path) == 1


def test_rows_that_do_not_fit_cost_nobody_else(tmp_path: Path) -> None:
    """A number too large, a missing value and a list where a text belongs are left out and counted."""
    rows = [record(0), record(1, width=2**40), record(2, uid=None), record(3, alt=["x"]), record(4)]
    with ShardWriter(tmp_path / "x.parquet", outfit("native")) as shard:
        for row in rows:
            shard.add(row)
    assert [row["uid"] for row in read_rows(tmp_path / "x.parquet")] == [record(0)["uid"], record(4)["uid"]]
    assert (shard.rows, shard.refused) == (2, 3)


@settings(max_examples=30)
@given(alt=st.text(max_size=30))
def test_any_text_can_be_written(alt: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Halves of characters become the replacement character; everything else comes back."""
    path = tmp_path_factory.mktemp("texts") / "x.parquet"
    write_parquet(path, [record(1, alt=alt)], outfit("native"))
    (back,) = read_rows(path)
    assert back["alt"] == alt.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_some_columns_of_a_shard(tmp_path: Path) -> None:
    """Of either format; a column that is not there is named."""
    write_parquet(tmp_path / "x.parquet", [record(0)], outfit("native"))
    write(tmp_path / "x.jsonl", [record(0)])
    for kind in ("parquet", "jsonl"):
        (batch,) = iter_batches(tmp_path / f"x.{kind}", ["md5", "uid"])
        assert sorted(batch.to_pydict()) == ["md5", "uid"]
    with pytest.raises(DatasetError, match="no column 'sha512'"):
        list(iter_batches(tmp_path / "x.parquet", ["sha512"]))


def test_damaged_shards_are_named(tmp_path: Path) -> None:
    """The file, the line, and what to do; no byte of it."""
    whole = tmp_path / "x.parquet"
    write_parquet(whole, [record(0)], outfit("native"))
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"x\.parquet cannot be read as Parquet.*restore or remove"):
        list(read_rows(whole))
    lines = write(tmp_path / "y.jsonl", [record(0)])
    lines.write_bytes(lines.read_bytes() * 2 + b'{"uid": "secret')
    with pytest.raises(DatasetError, match=r"y\.jsonl, line 3: not a JSON object") as caught:
        list(read_rows(lines))
    assert "secret" not in str(caught.value)
    for missing in ("z.jsonl", "z.parquet"):
        with pytest.raises(DatasetError, match=r"z\."):
            list(read_rows(tmp_path / missing))
    (tmp_path / "list.jsonl").write_text("[1]\n")
    with pytest.raises(DatasetError, match="line 1"):
        outfit_of(tmp_path / "list.jsonl")


def test_a_page_that_is_damaged_inside_a_shard(tmp_path: Path) -> None:
    """Damage that shows only when the rows are read is the same error."""
    path = tmp_path / "x.parquet"
    write_parquet(path, [record(number) for number in range(500)], outfit("native"))
    body = bytearray(path.read_bytes())
    body[100:4000] = b"\xff" * 3900
    path.write_bytes(bytes(body))
    with pytest.raises(DatasetError, match="damaged"):
        list(read_rows(path))


def test_foreign_parquet_has_no_outfit(tmp_path: Path) -> None:
    """A file that says nothing of itself, or something else under our key, is read all the same."""
    for metadata in (None, {"ingest_guard": "no json"}, {"ingest_guard": "[]"}):
        table = pa.table({"md5": ["0" * 32]}).replace_schema_metadata(metadata)
        pq.write_table(table, tmp_path / "x.parquet")
        assert outfit_of(tmp_path / "x.parquet") is None
        assert note_of(tmp_path / "x.parquet") == {}
    assert list(read_rows(tmp_path / "x.parquet")) == [{"md5": "0" * 32}]
    (tmp_path / "x.jsonl").write_bytes(b"")
    assert outfit_of(tmp_path / "x.jsonl") is None
    assert note_of(tmp_path / "x.jsonl") == {}


def test_without_pyarrow_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON Lines are read all the same."""
    lines = write(tmp_path / "x.jsonl", [record(0)])
    load = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name=name)
        return load(name, *args, **kwargs)

    monkeypatch.delattr(shards, "arrow", raising=False)
    monkeypatch.delitem(sys.modules, "ingest_guard.dataset.shards.arrow", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SetupError, match=r'pip install "ingest-guard\[parquet\]"'):
        load_arrow()
    assert len(list(read_rows(lines))) == 1


def test_packed_lines_are_read_as_plain_ones(tmp_path: Path) -> None:
    """Rows, number, outfit and uids; one that is cut off is an error that names it."""
    plain = write(tmp_path / "x.jsonl", [record(0), record(1)])
    packed = tmp_path / "x.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_rows(packed)) == list(read_rows(plain)) == [record(0), record(1)]
    assert count_rows(packed) == count_rows(plain) == 2
    assert outfit_of(packed) == outfit("native")
    assert list(read_uids(packed)) == [record(0)["uid"], record(1)["uid"]]
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"x\.jsonl\.gz cannot be read"):
        list(read_uids(packed))


def test_uids_are_read_back(tmp_path: Path) -> None:
    """Of whole lines, and of tables that have any; what is no uid is left out."""
    lines = tmp_path / "x.jsonl"
    lines.write_text(f'{{"uid": "{"a" * 32}"}}\nnonsense\n[1]\n{{"uid": 3}}\n{{"uid": "short"}}\n{{"uid": "torn')
    assert list(read_uids(lines)) == ["a" * 32]
    write_parquet(tmp_path / "x.parquet", [record(1)], outfit("native"))
    assert list(read_uids(tmp_path / "x.parquet")) == [record(1)["uid"]]
    pq.write_table(pa.table({"md5": ["0" * 32]}), tmp_path / "y.parquet")
    assert list(read_uids(tmp_path / "y.parquet")) == []


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    """However long it is; whole lines stay as they are."""
    lines = tmp_path / "x.jsonl"
    for torn in (b"", b'{"uid": "torn', b"x" * 200_000):
        lines.write_bytes(b'{"uid": "whole"}\n' + torn)
        cut_torn_line(lines)
        assert lines.read_bytes() == b'{"uid": "whole"}\n'
    lines.write_bytes(b"x" * 200_000)
    cut_torn_line(lines)
    assert lines.read_bytes() == b""
