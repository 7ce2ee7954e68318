from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from support.records import record

from ingest_guard.dataset.attestation.inventory import take_all
from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.report.attested import count_records
from ingest_guard.dataset.shards.location import FolderStore
from ingest_guard.dataset.shards.names import is_shard, next_number, shard_files, shard_names
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.dataset.tables.shard_files import find_shards
from ingest_guard.errors import DatasetError, PolicyError

if TYPE_CHECKING:
    from pathlib import Path

SHARDS = ["more.ndjson", "part.jsonl", "part.jsonl.gz", "records-00000.jsonl", "sub/deep/x.jl", "sub/records.parquet"]
OTHERS = [
    *(
        "x.tombstones.jsonl",
        "x.tombstones-1.jsonl",
        "tombstones.jsonl",
        "tombstones-2026.parquet",
        "tombstones/part.jsonl",
    ),
    *("telemetry.jsonl", "sub/telemetry.jsonl", "attestation.json", ".attestation-running.json", "croissant.json"),
    *(".records-00001.parquet.77.part", ".hidden.jsonl", ".hidden/part.jsonl", "notes.txt", "list.json"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with shards and with files that are none, each with one record."""
    line = json.dumps(record(1)).encode() + b"\n"
    for name in (*SHARDS, *OTHERS):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            write_parquet(path, [record(1)], outfit("native"))
        else:
            path.write_bytes(gzip.compress(line) if name.endswith(".gz") else line)
    return tmp_path / "set"


def test_all_who_read_a_data_set_find_the_same_shards(folder: Path) -> None:
    """Report, recheck, manifest and a crawl that goes on: a tombstone is a shard for none of them."""
    assert shard_names(folder) == SHARDS
    assert [str(path.relative_to(folder)) for path in shard_files(folder)] == SHARDS
    found = count_records(folder)
    assert (found.files, found.rows) == (len(SHARDS), len(SHARDS))
    assert list(find_shards(folder)[1]) == SHARDS
    assert [each.shard.name for each in take_all(folder)] == SHARDS
    assert FolderStore(str(folder)).names() == SHARDS


@pytest.mark.parametrize("name", OTHERS)
def test_files_that_are_no_shards(name: str) -> None:
    """Hidden ones, the time series, tombstones, manifests, and everything of another kind."""
    assert not is_shard(name)


def test_a_link_is_not_overlooked(tmp_path: Path) -> None:
    """It counts as a shard, and recheck, which writes shards anew, refuses it; a link to a folder is not followed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.jsonl").write_text("{}\n")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "link.jsonl").symlink_to(tmp_path / "elsewhere" / "x.jsonl")
    (tmp_path / "set" / "folder").symlink_to(tmp_path / "elsewhere")
    assert shard_names(tmp_path / "set") == ["link.jsonl"]
    with pytest.raises(PolicyError, match="no plain file"):
        find_shards(tmp_path / "set")


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    """Its shards are not taken for none."""
    with pytest.raises(DatasetError, match="none cannot be read: No such file"):
        shard_names(tmp_path / "none")


def test_numbers_go_on() -> None:
    """After the highest number of a shard that a crawl wrote; other files have none."""
    assert next_number([]) == next_number(["part-00007.jsonl", "sub/records-00009.jsonl"]) == 0
    assert next_number(["records-00003.parquet", "records-00011.jsonl", "records-99.jsonl.gz"]) == 12
