from __future__ import annotations

import gzip
import json
import os
import stat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.blocklists import make_blocklist
from support.rechecks import flipped, read_lines, record, uids, value, write_lines

from ingest_guard.dataset.cutting import writing
from ingest_guard.dataset.recheck.added_entries import Earlier, resolve, version_folder
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.shards.read import read_rows
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.errors import DatasetError, PolicyError
from ingest_guard.policy.policy import Policy

GONE = {3, 5, 12}
LISTED = [("md5", value(3, "md5")), ("pdq", flipped(value(5, "pdq"), 20)), ("sha256", value(12, "sha256"))]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Return the plan for a list that knows three of the records."""
    return Plan(Policy(blocklist=make_blocklist(tmp_path / "blocklist", {"l": LISTED})))


def names(numbers: set[int]) -> set[str]:
    """Return the uids of records by their numbers."""
    return uids(record(number) for number in numbers)


@pytest.mark.parametrize("name", ["native", "laion", "img2dataset"])
def test_parquet_of_each_outfit(tmp_path: Path, plan: Plan, name: str) -> None:
    """What is left has the same schema, documentation, compression and row groups; what went is in the tombstones."""
    out = tmp_path / "out"
    out.mkdir()
    dressed = outfit(name)
    rows = [dressed.row(record(number)) for number in range(30)]
    write_parquet(out / "records-00000.parquet", rows[:20], dressed, row_group=6, note={"check_set": "0" * 16})
    write_parquet(out / "records-00001.parquet", rows[20:], dressed)
    os.chmod(out / "records-00000.parquet", 0o640)  # noqa: PTH101 - as a user would
    report = recheck(out, plan, Output(clean := tmp_path / "clean"))
    assert (report.records, report.removed, report.kept, report.changed) == (30, 3, 27, 1)
    kept = [row for file in sorted(clean.glob("*.parquet")) for row in read_rows(file)]
    assert uids(kept) == names(set(range(30)) - GONE)
    before, after = (pq.ParquetFile(folder / "records-00000.parquet") for folder in (out, clean))
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert [after.metadata.row_group(n).num_rows for n in range(after.metadata.num_row_groups)] == [4, 6, 5, 2]
    assert after.metadata.row_group(0).column(0).compression == "ZSTD"
    assert stat.S_IMODE((clean / "records-00000.parquet").stat().st_mode) == 0o640
    assert (clean / "records-00001.parquet").read_bytes() == (out / "records-00001.parquet").read_bytes()
    assert report.tombstones == tmp_path / "clean.tombstones.jsonl"
    assert stat.S_IMODE(report.tombstones.stat().st_mode) == 0o600
    head, *graves = read_lines(report.tombstones)
    assert "Not for publication" in head["notice"]
    assert head["blocklist"] == report.version
    by_uid = {each["uid"]: each for each in graves}
    assert set(by_uid) == names(GONE)
    assert by_uid[record(5)["uid"]]["matches"] == [{"list": "l", "algorithm": "pdq"}]
    assert set(by_uid[record(3)["uid"]]) == {"uid", "shard", "action", "matches"}


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_lines_stay_as_they_are(tmp_path: Path, plan: Plan, ending: str) -> None:
    """Kept lines are the same bytes, odd ones too; lines that are no record have nothing to compare."""
    lines = [json.dumps(record(number), indent=None).encode() + b"\n" for number in range(8)]
    lines[1:1] = [b"\n", b"no JSON\n", b"[1, 2]\n", b'{"uid": "x", "md5": 7, "pdq": "zz"}\r\n']
    out = tmp_path / "out" / f"x{ending}"
    out.parent.mkdir()
    out.write_bytes(gzip.compress(b"".join(lines)) if ending.endswith("gz") else b"".join(lines))
    report = recheck(out.parent, plan, Output(tmp_path / "clean"))
    data = (tmp_path / "clean" / out.name).read_bytes()
    expected = [line for line in lines if not any(record(number)["uid"].encode() in line for number in GONE)]
    assert (gzip.decompress(data) if ending.endswith("gz") else data) == b"".join(expected)
    assert (report.records, report.removed, report.not_compared) == (11, 2, 3)
    assert report.unread == {"md5": 1, "pdq": 1}
    removing = recheck(out.parent, plan, Output(tmp_path / "strict", not_compared="remove"))
    assert (removing.removed, removing.dropped) == (5, 3)
    assert len(read_lines(removing.tombstones or Path())) == 3


@pytest.mark.parametrize("line", ["[" * 200_000, f'{{"md5": "{"0" * 32}", "x": {"[" * 99_999}1{"]" * 99_999}}}'])
def test_lines_that_are_nested_without_end(tmp_path: Path, plan: Plan, line: str) -> None:
    """Another reader may find a record in one, so it is an error that names file and line, and nothing is written."""
    source = tmp_path / "deep"
    source.mkdir()
    (source / "a.jsonl").write_text(json.dumps(record(1)) + "\n\n" + line + "\n")
    with pytest.raises(DatasetError, match=r"a\.jsonl, line 3: nested too deeply"):
        recheck(source, plan, Output(clean=tmp_path / "clean"))
    assert not list((tmp_path / "clean").glob("*.jsonl"))


def test_foreign_tables(tmp_path: Path, plan: Plan) -> None:
    """Other people's Parquet: columns by name, uid from text and address, folders inside, int96 and codecs kept."""
    deep = tmp_path / "out" / "part=1"
    deep.mkdir(parents=True)
    table = pa.table(
        {
            "MD5": [value(number, "md5") for number in range(6)],
            "pdq_hash": pa.array([bytes.fromhex(value(number, "pdq")) for number in range(6)]),
            "URL": [record(number)["url"] for number in range(6)],
            "TEXT": [record(number)["alt"] for number in range(6)],
            "when": pa.array([0] * 6, pa.timestamp("ns")),
        }
    )
    file = deep / "some.parquet"
    pq.write_table(table, file, compression={"MD5": "snappy"}, use_deprecated_int96_timestamps=True, version="1.0")
    found = recheck(tmp_path / "out", Plan(plan.policy, columns={"pdq": "pdq_hash"}), Output(tmp_path / "clean"))
    assert found.removed == 2
    assert {each["uid"] for each in read_lines(found.tombstones or Path())[1:]} == names({3, 5})
    cleaned = pq.ParquetFile(tmp_path / "clean" / "part=1" / "some.parquet")
    assert cleaned.read().column("MD5").to_pylist() == [value(number, "md5") for number in (0, 1, 2, 4)]
    columns = [cleaned.metadata.row_group(0).column(number) for number in range(5)]
    assert [column.compression for column in columns[:2]] == ["SNAPPY", "UNCOMPRESSED"]
    assert columns[4].physical_type == "INT96"
    nameless = tmp_path / "nameless.parquet"
    pq.write_table(table.select(["MD5"]), nameless)
    recheck(nameless, plan, Output(tmp_path / "one"))
    assert [each["row"] for each in read_lines(tmp_path / "one.tombstones.jsonl")[1:]] == [3]


def test_wrong_tables(tmp_path: Path, plan: Plan) -> None:
    """Nothing to compare, a column that is not there or of a wrong type, no shards, links, cut files: told apart."""
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(PolicyError, match="holds no shard"):
        recheck(out, plan, Output())
    pq.write_table(pa.table({"a": [1], "md5": [1]}), out / "a.parquet")
    with pytest.raises(PolicyError, match="of type int64"):
        recheck(out, plan, Output())
    with pytest.raises(PolicyError, match="has no column of that name"):
        recheck(out, Plan(plan.policy, columns={"md5": "b"}), Output())
    pq.write_table(pa.table({"a": [1]}), out / "a.parquet")
    with pytest.raises(PolicyError, match="none of its columns can be compared: the lists hold md5, sha256, pdq"):
        recheck(out, plan, Output())
    (out / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        recheck(out, plan, Output())
    (out / "a.parquet").unlink()
    (out / "a.jsonl.gz").write_bytes(gzip.compress(json.dumps(record(1)).encode())[:-12])
    with pytest.raises(DatasetError, match="damaged or cut off"):
        recheck(out, plan, Output())
    (out / "a.jsonl.gz").unlink()
    (out / "a.jsonl").symlink_to(write_lines(tmp_path / "b.jsonl", [record(1)]))
    with pytest.raises(PolicyError, match="no plain file"):
        recheck(out, plan, Output())


def test_outputs_that_are_in_the_way(tmp_path: Path, plan: Plan) -> None:
    """Nothing is written over; tombstones never lie among records; one recheck at a time."""
    out = write_lines(tmp_path / "out" / "a.jsonl", [record(3)]).parent
    for output, text in [
        (Output(tmp_path), "exists and is no empty folder"),
        (Output(out / "clean"), "outside of the records"),
        (Output(tmp_path / "clean", in_place=True), "choose one"),
        (Output(tmp_path / "clean", tombstones=tmp_path / "clean" / "t"), "outside of the records"),
        (Output(in_place=True, tombstones=out / "t"), "outside of the records"),
        (Output(in_place=True, tombstones=out / "a.jsonl"), "outside of the records"),
    ]:
        with pytest.raises(PolicyError, match=text):
            recheck(out, plan, output)
    taken = tmp_path / "taken"
    taken.touch()
    with pytest.raises(PolicyError, match="never written over"):
        recheck(out, plan, Output(in_place=True, tombstones=taken))
    with pytest.raises(DatasetError, match="no record was removed"):
        recheck(out, plan, Output(in_place=True, tombstones=tmp_path / "absent" / "t"))
    assert len(read_lines(out / "a.jsonl")) == 1
    assert recheck(out, plan, Output()).removed == 1
    assert [path.name for path in out.iterdir()] == ["a.jsonl"]


def test_in_place_twice(tmp_path: Path, plan: Plan) -> None:
    """The second run finds nothing and changes nothing; each run that removes something has tombstones of its own."""
    out = write_lines(tmp_path / "out" / "a.jsonl", [record(number) for number in range(6)]).parent
    (out / ".a.jsonl.123.part").write_text("left behind")
    (out / "telemetry.jsonl").write_text("{}\n")
    assert recheck(out, plan, Output(in_place=True)).removed == 2
    assert not (out / ".a.jsonl.123.part").exists()
    before = writing.stamp(out / "a.jsonl")
    again = recheck(out, plan, Output(in_place=True))
    assert (again.removed, again.tombstones) == (0, None)
    assert writing.stamp(out / "a.jsonl") == before
    write_lines(out / "b.jsonl", [record(12)])
    third = recheck(out, plan, Output(in_place=True, jobs=2))
    assert third.tombstones == tmp_path / "out.tombstones-2.jsonl"
    assert (out / "b.jsonl").read_bytes() == b""


def test_a_match_may_cost_its_page(tmp_path: Path) -> None:
    """Where a list's action is drop_page, the other records of the page go, too, in whatever shard they are."""
    store = make_blocklist(tmp_path / "b", {"l": LISTED[:1], "h": [("md5", value(20, "md5"))]})
    policy = Policy.model_validate(
        {"blocklist": store, "lists": {"l": {"action": "drop_page"}, "h": {"action": "hold"}}}
    )
    write_lines(tmp_path / "out" / "a.jsonl", [record(number) for number in range(5)])
    pq.write_table(pa.Table.from_pylist([record(5), record(20), record(21)]), tmp_path / "out" / "b.parquet")
    report = recheck(tmp_path / "out", Plan(policy), Output(tmp_path / "clean"))
    graves = read_lines(report.tombstones or Path())[1:]
    assert {each["uid"] for each in graves} == names({3, 4, 5, 20})
    assert report.actions == {"drop_page": 3, "hold": 1}
    assert report.algorithms == {"md5": 2, "page": 2}
    assert report.lists == {"l": 1, "h": 1}


def test_addresses(tmp_path: Path) -> None:
    """A listed address or domain is found in each of a record's addresses, however it is spelled."""
    odd = "[]|'\\^`{}\""
    store = make_blocklist(
        tmp_path / "b",
        {
            "l": [
                ("url", "https://images.example.org/1.jpg"),
                ("url", "https://w.example/p"),
                *(("url", f"https://odd.example/{char}?{char}") for char in odd),
            ]
        },
    )
    rows = [
        record(1, url="HTTPS://images.example.org:443/./1.jpg#x"),
        record(2, page_url="https://w.example/p"),
        record(3, final_url=None),
        record(4, url=None, final_url=None, page_url=None),
        *(record(5, uid=f"{char}1", url=f"https://odd.example/{char}?{char}") for char in odd),
        *(record(5, uid=f"{char}2", url=f"https://odd.example/%{ord(char):x}?%{ord(char):X}") for char in odd),
    ]
    write_lines(tmp_path / "out" / "a.jsonl", rows)
    schema = pa.schema([(name, pa.string()) for name in ("uid", "url", "final_url", "page_url")])
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / "out" / "b.parquet")
    report = recheck(tmp_path / "out", Plan(Policy(blocklist=store)), Output(tmp_path / "clean"))
    assert (report.removed, report.not_compared) == (44, 2)
    assert report.algorithms == {"url": 44}
    assert "byte for byte" in " ".join(report.recall())


def versions(tmp_path: Path) -> tuple[Path, str]:
    """Build a list, and a second version that gained something; return the store and the first version."""
    store = tmp_path / "blocklist"
    old = [("md5", value(1, "md5")), ("pdq", value(2, "pdq")), ("url", "https://old.example/")]
    first = (make_blocklist(store, {"l": old, "same": [("sha1", value(4, "sha1"))]}) / "current").read_text().strip()
    make_blocklist(store, {"l": [*old, *LISTED, ("url", "https://new.example/")], "same": [("sha1", value(4, "sha1"))]})
    return store, first


def test_what_a_list_gained(tmp_path: Path) -> None:
    """With --since, only what came since counts: of digests, near values and addresses."""
    store, first = versions(tmp_path)
    rows = [record(number) for number in range(8)]
    rows += [record(50, page_url="https://old.example/"), record(51, page_url="https://new.example/")]
    out = write_lines(tmp_path / "out" / "a.jsonl", rows).parent
    whole = recheck(out, Plan(Policy(blocklist=store)), Output())
    assert whole.removed == 7
    since = Plan(Policy(blocklist=store), (Earlier(version_folder(store, first)),))
    report = recheck(out, since, Output(tmp_path / "clean"))
    assert {each["uid"] for each in read_lines(report.tombstones or Path())[1:]} == uids([rows[3], rows[5], rows[9]])
    assert report.near_entries == {"pdq": 1}
    assert report.since == (first,)
    assert "what it gained since" in report.lines()[0]
    nothing = Plan(Policy(blocklist=store), (Earlier(resolve(store, (store / "current").read_text().strip()[:8])),))
    assert recheck(out, nothing, Output()).removed == 0


def test_what_counts_more_than_before_is_new(tmp_path: Path) -> None:
    """A list that was not compared then, or within less, counts as a whole."""
    store, first = versions(tmp_path)
    rows = [record(1), record(2, pdq=flipped(value(2, "pdq"), 20)), record(3)]
    out = write_lines(tmp_path / "out" / "a.jsonl", rows).parent
    folder = version_folder(store, first)
    every = {("l", None, "md5"): 0.0, ("l", None, "pdq"): 31.0, ("l", None, "url"): 0.0}
    assert recheck(out, Plan(Policy(blocklist=store), (Earlier(folder, every),)), Output()).removed == 1
    nearer = {**every, ("l", None, "pdq"): 12.0}
    assert recheck(out, Plan(Policy(blocklist=store), (Earlier(folder, nearer),)), Output()).removed == 2
    assert recheck(out, Plan(Policy(blocklist=store), (Earlier(folder, {}),)), Output()).removed == 3
    both = (Earlier(folder, every), Earlier(folder, {}))
    assert recheck(out, Plan(Policy(blocklist=store), both), Output()).removed == 3


def test_versions_are_found(tmp_path: Path) -> None:
    """By name, the beginning of one, or a folder; what is not there is told with what is."""
    store, first = versions(tmp_path)
    folder = store / "versions" / first
    assert resolve(store, first) == resolve(store, first[:10]) == resolve(store, str(folder)) == folder
    assert resolve(folder, first).resolve() == folder.resolve()
    assert resolve(tmp_path, str(store)).name == (store / "current").read_text().strip()
    for since, text in [("f" * 64, "kept are"), ("", "neither"), ("nowhere", "neither")]:
        with pytest.raises(PolicyError, match=text):
            resolve(store, since)
    (store / "versions" / ("0" * 64)).mkdir()
    (store / "versions" / ("01" * 32)).mkdir()
    with pytest.raises(PolicyError, match="versions of"):
        resolve(store, "0")


def test_a_keyed_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sealed blocklist is compared with its key, which the policy names."""
    from ingest_guard.blocklist.build.build import ListSource, build  # noqa: PLC0415 - one test

    key = bytes(range(32))
    monkeypatch.setenv("LIST_KEY", key.hex())
    file = tmp_path / "l.txt"
    file.write_text("".join(f"{name} {text}\n" for name, text in [*LISTED, ("url", "https://new.example/")]))
    first = build(tmp_path / "b", [ListSource("l", "plain", file)], key=key).version
    rows: list[dict[str, Any]] = [
        *(record(number) for number in range(13)),
        record(13, page_url="https://new.example/"),
    ]
    out = write_lines(tmp_path / "out" / "a.jsonl", rows).parent
    policy = Policy.model_validate({"blocklist": tmp_path / "b", "list_key": {"env": "LIST_KEY"}})
    assert recheck(out, Plan(policy), Output()).removed == 4
    file.write_text(file.read_text() + f"pdq {value(1, 'pdq')}\nmd5 {value(2, 'md5')}\n")
    build(tmp_path / "b", [ListSource("l", "plain", file)], key=key)
    since = (Earlier(version_folder(tmp_path / "b", first)),)
    assert recheck(out, Plan(policy, since), Output()).removed == 2
