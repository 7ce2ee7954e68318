from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.blocklists import make_blocklist
from support.rechecks import read_lines, record, value, write_lines

from ingest_guard.cli.main import main
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.promises import format_manifest
from ingest_guard.dataset.recheck.cleaning import Target
from ingest_guard.dataset.recheck.difference import remove_difference
from ingest_guard.errors import DatasetError, PolicyError

GONE = (3, 7, 12)


def rows(*names: str, renamed: dict[str, str] | None = None, numbers: Any = range(20)) -> list[dict[str, Any]]:
    """Return records with some columns."""
    return [{(renamed or {}).get(name, name): record(number)[name] for name in names} for number in numbers]


LEFT = [number for number in range(20) if number not in GONE]
KINDS = {
    "uid": (rows("uid", "url"), rows("uid", numbers=LEFT), "uid"),
    "url and text": (
        rows("url", "alt", renamed={"url": "URL", "alt": "TEXT"}),
        rows("url", "alt", renamed={"alt": "caption"}, numbers=LEFT),
        "url and text",
    ),
    "one without uids": (rows("uid", "url", "alt"), rows("url", "alt", numbers=LEFT), "url and text"),
}


@pytest.mark.parametrize("mode", ["clean", "in_place", "dry_run"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_records_that_another_release_lacks_go(tmp_path: Path, kind: str, mode: str, ending: str) -> None:
    """By uid, or by address and text; in whatever order and files; embeddings in step; with counts alone."""
    mine, theirs, key = KINDS[kind]
    data, other, clean = tmp_path / "data", tmp_path / "other", tmp_path / "clean"
    if ending == "jsonl":
        write_lines(data / "a.jsonl", mine)
    else:
        data.mkdir()
        pq.write_table(pa.Table.from_pylist(mine), data / "a.parquet")
    np.save(data / "a.npy", np.arange(20, dtype=np.float16)[:, None])
    write_lines(other / "x.jsonl", theirs[::-2])
    write_lines(other / "y" / "z.jsonl", [*theirs[-2::-2], *theirs[:3]])
    before = (data / f"a.{ending}").read_bytes()
    report = remove_difference(data, other, Target(clean if mode == "clean" else None, mode == "in_place"))
    assert (report.key, report.records, report.removed, report.not_compared) == (key, 20, 3, 0)
    assert not list(tmp_path.glob("*tombstones*"))
    target = clean if mode == "clean" else data
    if mode == "dry_run":
        assert (data / f"a.{ending}").read_bytes() == before
        return
    found = read_lines(target / "a.jsonl") if ending == "jsonl" else pq.read_table(target / "a.parquet").to_pylist()
    assert found == [mine[number] for number in LEFT]
    assert np.load(target / "a.npy")[:, 0].tolist() == LEFT
    if mode == "clean":
        manifest = Manifest.load(clean)
        (said,) = manifest.differences
        assert (said.key, said.counts) == (key, {"compared": 20, "removed": 3, "not_compared": 0})
        assert "another release" in "\n".join(format_manifest(manifest))


def test_records_without_a_key_stay(tmp_path: Path) -> None:
    """A record that has no uid is counted, and never taken for one that went; nor is the other release's."""
    write_lines(tmp_path / "data" / "a.jsonl", [{"uid": "1"}, {"uid": None}, {"uid": ""}, {"uid": "2"}])
    write_lines(tmp_path / "other" / "a.jsonl", [{"uid": "1"}, {"uid": None}])
    write_lines(tmp_path / "other" / "b.jsonl", [])
    report = remove_difference(tmp_path / "data", tmp_path / "other", Target(tmp_path / "clean"))
    assert (report.records, report.removed, report.not_compared, report.others) == (4, 1, 2, 2)
    assert [row["uid"] for row in read_lines(tmp_path / "clean" / "a.jsonl")] == ["1", None, ""]
    assert "2 records have no uid and could not be compared" in "\n".join(report.lines())


def test_a_text_belongs_to_its_address(tmp_path: Path) -> None:
    """The same address with another text is another record; where text and address meet does not matter."""
    mine = [{"url": "u", "text": "a"}, {"url": "u", "text": "b"}, {"url": "ua", "text": ""}, {"url": "u", "text": None}]
    write_lines(tmp_path / "data" / "a.jsonl", mine)
    write_lines(tmp_path / "other" / "a.jsonl", [{"url": "u", "caption": "a"}, {"url": "u", "caption": ""}])
    remove_difference(tmp_path / "data", tmp_path / "other", Target(in_place=True))
    assert read_lines(tmp_path / "data" / "a.jsonl") == [mine[0], mine[3]]


@pytest.mark.parametrize(
    ("theirs", "error", "message"),
    [
        ([{"uid": "other"}], PolicyError, "a release of the same data set"),
        ([{"md5": "x"}], PolicyError, "neither uids nor addresses"),
        ([{"url": "x"}], PolicyError, "neither uids nor addresses"),
        ([], PolicyError, "a release of the same data set"),
        (None, PolicyError, "holds no shard"),
    ],
)
def test_another_release_that_says_nothing(tmp_path: Path, theirs: Any, error: type[Exception], message: str) -> None:
    """What has no record or no key in common is refused: it would empty the data set."""
    write_lines(tmp_path / "data" / "a.jsonl", rows("uid", "url", "alt"))
    (tmp_path / "other").mkdir()
    if theirs is not None:
        write_lines(tmp_path / "other" / "a.jsonl", theirs)
    before = (tmp_path / "data" / "a.jsonl").read_bytes()
    for target in (Target(tmp_path / "clean"), Target(in_place=True), Target()):
        with pytest.raises(error, match=message):
            remove_difference(tmp_path / "data", tmp_path / "other", target)
    assert (tmp_path / "data" / "a.jsonl").read_bytes() == before
    assert not (tmp_path / "clean").exists()


def test_releases_that_are_not_apart(tmp_path: Path) -> None:
    """A folder is no other release of itself, nor of what lies in it."""
    write_lines(tmp_path / "data" / "in" / "a.jsonl", rows("uid"))
    for one, two in itertools.product([tmp_path / "data", tmp_path / "data" / "in"], repeat=2):
        with pytest.raises(PolicyError, match="not apart"):
            remove_difference(one, two, Target())


def test_a_damaged_release(tmp_path: Path) -> None:
    """A file of the other release that cannot be read ends the run: its records would be taken for removed ones."""
    write_lines(tmp_path / "data" / "a.jsonl", rows("uid"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DatasetError, match=r"a\.parquet"):
        remove_difference(tmp_path / "data", tmp_path / "other", Target())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Return what runs a recheck, and returns exit code, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["ingest-guard", "recheck", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def test_the_command(tmp_path: Path, run: Any) -> None:
    """1 where records went, 0 where none did, 3 where some had no key; as text and as JSON."""
    data, other = tmp_path / "data", tmp_path / "other"
    write_lines(data / "a.jsonl", rows("uid"))
    write_lines(other / "a.jsonl", rows("uid", numbers=LEFT))
    code, out, _ = run(data, "--difference", other, "--dry-run", "--json")
    assert (code, json.loads(out)["removed"], json.loads(out)["kept"]) == (1, 3, 17)
    code, out, _ = run(data, "--difference", other, "--in-place")
    assert code == 1
    assert "20 records in 1 shard: 3 removed, 17 kept" in out
    assert run(data, "--difference", other, "--dry-run")[0] == 0
    write_lines(data / "b.jsonl", [{"uid": None}])
    assert run(data, "--difference", other, "--dry-run")[0] == 3
    # Other names of columns.
    write_lines(tmp_path / "p" / "a.jsonl", [{"id": row["uid"], "hash": "x"} for row in rows("uid")])
    write_lines(tmp_path / "q" / "a.jsonl", [{"id": row["uid"]} for row in rows("uid", numbers=LEFT)])
    code, out, _ = run(tmp_path / "p", "--difference", tmp_path / "q", "--dry-run", "--preset", "pd12m")
    assert (code, "3 removed" in out) == (1, True)
    assert run(tmp_path / "p", "--difference", tmp_path / "q", "--dry-run", "--columns", "uid=id")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--blocklist", "x"),
        ("--policy", "x"),
        ("--neighbours", 3),
        ("--tombstones", "x"),
        ("--recipient", "age1x"),
        ("--since", "x"),
        ("--not-compared", "remove"),
        ("--jobs", 2),
    ],
)
def test_what_is_not_for_a_difference(tmp_path: Path, run: Any, arguments: tuple[Any, ...]) -> None:
    """An option that would say nothing is refused by name."""
    write_lines(tmp_path / "data" / "a.jsonl", rows("uid"))
    write_lines(tmp_path / "other" / "a.jsonl", rows("uid"))
    code, _, error = run(tmp_path / "data", "--difference", tmp_path / "other", "--dry-run", *arguments)
    assert code == 2
    assert f"{arguments[0]} is not for --difference" in error


def test_a_preset_says_which_columns_count(tmp_path: Path, run: Any) -> None:
    """PD12M's hash is an MD5; the summary says what share of the records could be compared."""
    table = [{"id": str(number), "hash": value(number, "md5") if number else None} for number in range(3)]
    write_lines(tmp_path / "data" / "a.jsonl", table)
    store = make_blocklist(tmp_path / "list", {"l": [("md5", value(2, "md5"))]})
    arguments = (tmp_path / "data", "--blocklist", store, "--dry-run")
    assert run(*arguments)[0] == 2
    code, out, _ = run(*arguments, "--preset", "pd12m")
    assert code == 1
    assert "66.6 % of the records could be compared" in out
    assert json.loads(run(*arguments, "--preset", "pd12m", "--json")[1])["compared_share"] == pytest.approx(2 / 3)
    assert "--preset datacomp: a.jsonl has no column sha256" in run(*arguments, "--preset", "datacomp")[2]
    assert run(*arguments, "--preset", "other")[0] == 2
