from __future__ import annotations

import fcntl
import os
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import ImageOps
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode
from support.rechecks import brute_force, flipped, read_lines, record, uids, value, write_lines

from ingest_guard import Guard
from ingest_guard.dataset.cutting import writing
from ingest_guard.dataset.recheck import near, run, search
from ingest_guard.dataset.recheck.added_entries import Earlier, version_folder
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.dataset.records.items import Target
from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.records.record import build_record
from ingest_guard.dataset.shards.read import read_rows
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.errors import DatasetError, PolicyError
from ingest_guard.policy.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

LISTED = [("md5", value(3, "md5")), ("pdq", value(5, "pdq")), ("phash", value(7, "phash"))]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return a plan for a small list."""
    return Plan(Policy(blocklist=make_blocklist(tmp_path / "b", {"l": LISTED})))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Write some records."""
    return write_lines(tmp_path / "out" / "a.jsonl", [record(number) for number in range(9)]).parent


def test_large_lists_are_searched_where_they_lie(out: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that is too large to be copied finds the same, also with what it gained and in small batches."""
    rows = read_lines(out / "a.jsonl")
    rows += [record(number, pdq=flipped(value(5, "pdq"), number), pdq_quality=number * 2) for number in range(20, 36)]
    write_lines(out / "a.jsonl", rows)
    expected = len(brute_force(rows, LISTED))
    assert recheck(out, plan, Output()).removed == expected
    monkeypatch.setattr(near, "_COPIED", 0)
    monkeypatch.setattr(near, "_QUERIES", 3)
    assert recheck(out, plan, Output()).removed == expected
    store = plan.policy.blocklist
    first = (store / "current").read_text().strip()
    make_blocklist(store, {"l": [*LISTED, ("pdq", value(1, "pdq"))]})
    assert recheck(out, Plan(plan.policy, (Earlier(version_folder(store, first)),)), Output()).removed == 1


def test_further_perceptual_hashes(tmp_path: Path, plan: Plan) -> None:
    """A column of another perceptual hash that the list holds is compared within that one's threshold."""
    near_by, apart = flipped(value(7, "phash"), 4), flipped(value(7, "phash"), 5)
    rows = [
        record(20, phash=near_by),
        record(21, phash=apart),
        record(22, phash=apart + near_by),
        record(23, phash=None),
    ]
    write_lines(tmp_path / "out" / "a.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "out" / "b.parquet")
    report = recheck(tmp_path / "out", plan, Output(tmp_path / "clean"))
    graves = read_lines(tmp_path / "clean.tombstones.jsonl")[1:]
    assert {each["uid"] for each in graves} == uids([rows[0], rows[2]])
    assert report.algorithms == {"phash": 4}


def test_only_one_at_a_time(out: Path, plan: Plan) -> None:
    """A second recheck of a folder, or one during a crawl into it, is refused."""
    descriptor = os.open(out, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(DatasetError, match="at work in"):
        recheck(out, plan, Output(in_place=True))
    os.close(descriptor)
    assert recheck(out, plan, Output(in_place=True)).removed == 2


@pytest.mark.parametrize("mode", ["in_place", "clean"])
def test_a_shard_that_changes_meanwhile(
    out: Path, tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """What was written to between the search and the writing is not cleaned by what the search found."""
    searched = run.search

    def touched(path: Path, *more: Any) -> Any:
        found = searched(path, *more)
        os.utime(path, ns=(1, 1))
        return found

    monkeypatch.setattr(run, "search", touched)
    before = (out / "a.jsonl").read_bytes()
    write_lines(out / "b.jsonl", [record(1)])
    with pytest.raises(DatasetError, match="was changed while it was compared"):
        recheck(out, plan, Output(in_place=True) if mode == "in_place" else Output(tmp_path / "clean"))
    assert (out / "a.jsonl").read_bytes() == before
    assert not (tmp_path / "clean").exists()


def test_a_full_disk(out: Path, tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is told; the old shard stays, and nothing half written is left."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    before = (out / "a.jsonl").read_bytes()
    monkeypatch.setattr(writing, "flush_closed", full)
    for output in (Output(in_place=True), Output(tmp_path / "clean")):
        with pytest.raises(DatasetError, match="No space left on device"):
            recheck(out, plan, output)
    assert [path.name for path in out.iterdir()] == ["a.jsonl"]
    assert (out / "a.jsonl").read_bytes() == before
    monkeypatch.setattr(writing, "flush_folder", full)
    with pytest.raises(DatasetError, match="cannot be written"):
        writing.appear(tmp_path / "out", tmp_path / "elsewhere")
    monkeypatch.setattr(writing.shutil, "rmtree", full)
    with pytest.raises(DatasetError, match="cannot be written"):
        writing.partial_folder(tmp_path / "clean")
    with pytest.raises(DatasetError, match="cannot be opened"), writing.only_one(tmp_path / "absent"):
        pass


def test_without_pyarrow(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parquet without pyarrow is told with what to install."""
    pq.write_table(pa.Table.from_pylist([record(1)]), tmp_path / "a.parquet")
    monkeypatch.delitem(sys.modules, "ingest_guard.dataset.tables.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DatasetError, match=r"ingest-guard\[parquet\]"):
        recheck(tmp_path / "a.parquet", plan, Output())


def test_an_empty_parquet_shard(tmp_path: Path, plan: Plan) -> None:
    """A shard of which nothing is left is still one, with its columns; rechecking it again is fine."""
    folder = tmp_path / "out"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist([record(3)]), folder / "a.parquet")
    assert recheck(folder, plan, Output(in_place=True)).kept == 0
    left = pq.ParquetFile(folder / "a.parquet")
    assert (left.metadata.num_rows, left.metadata.num_row_groups) == (0, 0)
    assert recheck(folder, plan, Output(in_place=True)).records == 0
    assert recheck(folder, plan, Output(tmp_path / "clean")).shards == 1


def test_addresses_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same address is looked up once, and memory stays bounded."""
    opened = Plan(Policy(blocklist=make_blocklist(tmp_path / "b", {"l": [("url", "https://a.example/")]}))).open()
    monkeypatch.setattr(near, "_REMEMBERED", 2)
    asked = near.Addresses(opened.blocklist)
    long = "https://b.example/" + "x" * 600
    for _ in range(2):
        assert asked.lists(["https://a.example/", None, "https://c.example/", long, "https://d.example/"]) == ["l"]
    assert len(asked._known) == 2


def test_jobs_in_this_process(out: Path, plan: Plan) -> None:
    """What runs in a child, run here; a list that changed meanwhile stops it."""
    run._open_in_child(plan, plan.open().version)
    found = run._search_in_child((out / "a.jsonl", "a.jsonl"))
    assert sorted(found.removed) == [3, 5]
    run._IN_CHILD.clear()
    with pytest.raises(PolicyError, match="changed meanwhile"):
        run._open_in_child(plan, "0" * 64)


def test_pages_of_tables_that_have_none(tmp_path: Path, plan: Plan) -> None:
    """A table without pages has no record on one, and a record without an address no name."""
    pq.write_table(pa.table({"md5": [value(3, "md5")]}), tmp_path / "a.parquet")
    assert search.search_pages(tmp_path / "a.parquet", "a", plan.open(), {b"x"}) == {}
    assert search.uid_of(None, "text") is None


def test_columns_of_odd_kinds(tmp_path: Path, plan: Plan) -> None:
    """A column called hashes that is something else is passed over; texts as bytes are read."""
    folder = tmp_path / "out"
    folder.mkdir()
    kinds = {
        "a": pa.array(["text", "text"]),
        "b": pa.array([["x"], []]),
        "c": pa.array([[{"other": 1}], []]),
        "d": pa.array([None, None], pa.list_(pa.struct([("algorithm", pa.string())]))),
    }
    for name, column in kinds.items():
        values = pa.array([value(3, "md5"), None])
        names = pa.array([b"\xff", b"u"])
        pq.write_table(pa.table({"md5": values, "hashes": column, "uid": names}), folder / f"{name}.parquet")
    report = recheck(folder, plan, Output(tmp_path / "clean"))
    assert (report.removed, report.not_compared) == (4, 4)
    graves = read_lines(tmp_path / "clean.tombstones.jsonl")[1:]
    assert {each["uid"] for each in graves} == {"\udcff"}


def test_what_each_kind_of_record_lets_a_recheck_find(tmp_path: Path) -> None:
    """Turned copies and later frames are found where records have all hashes, and only there; the summary says so."""
    picture, other = drawn(31, (256, 192)), drawn(32, (256, 192))
    copies = {
        "same": encode(picture.resize((240, 180)), "PNG"),
        "mirror": encode(ImageOps.mirror(picture), "PNG"),
        "inverse": encode(ImageOps.invert(picture), "PNG"),
        "later": encode(other, "GIF", save_all=True, append_images=[picture]),
        "other": encode(other, "PNG"),
    }
    old = make_blocklist(tmp_path / "old", {"l": [("md5", "0" * 32)]})
    new = make_blocklist(tmp_path / "new", {"l": [("pdq", pdq_of(picture))]})
    found = {}
    for kind in ("native", "all"):
        guard = Guard.from_policy(Policy.model_validate({"blocklist": old, "records": {"record_hashes": kind}}))
        rows = []
        dressed = outfit("img2dataset", all_hashes=kind == "all")
        for name, data in copies.items():
            target = Target(f"https://e.org/{name}", f"https://e.org/{name}", name, None)
            made = build_record(
                target,
                guard.check(data),
                final_url=target.url,
                fetched_at="2024-02-29T12:00:00Z",
                attestation=guard.attestation,
            )
            rows.append(dressed.row(made))
        folder = tmp_path / kind
        folder.mkdir()
        write_parquet(folder / "records-00000.parquet", rows, dressed)
        report = recheck(folder, Plan(Policy(blocklist=new)), Output(tmp_path / f"clean-{kind}"))
        kept = {row["caption"] for row in read_rows(tmp_path / f"clean-{kind}" / "records-00000.parquet")}
        found[kind] = set(copies) - kept
        assert report.all_views == (len(copies) if kind == "all" else 0)
        assert bool(report.recall()) == (kind == "native")
    assert found == {"native": {"same"}, "all": {"same", "mirror", "inverse", "later"}}
