from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.attested import data_set, manifest, record, write_shard

from ingest_guard.dataset.attestation.files import write_manifest
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.dataset.records.layouts import outfit

if TYPE_CHECKING:
    from pathlib import Path


def head(folder: Path) -> dict[str, Any]:
    """Return the part of a card that datasets reads."""
    read: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return read


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("name", ["native", "laion", "img2dataset"])
def test_card_names_files_and_types(tmp_path: Path, suffix: str, name: str) -> None:
    """Only the shards are data, and each column has its type, whatever the first rows have."""
    data_set(tmp_path, suffix, name)
    read = head(tmp_path)
    assert read["configs"] == [{"config_name": "default", "data_files": f"records-*{suffix}"}]
    features = {each["name"]: each for each in read["dataset_info"]["features"]}
    assert list(features) == [column.name for column in outfit(name).columns]
    lists = next(each for each in features["attestation"]["struct"] if each["name"] == "lists")
    assert [each["name"] for each in lists["list"]] == ["id", "version", "severity"]
    assert features["md5"] == {"name": "md5", "dtype": "string"}
    assert verify(tmp_path).problems == ()


def test_an_operators_own_card_stays(tmp_path: Path) -> None:
    """It is written anew with each manifest, unless somebody has written another one."""
    data_set(tmp_path)
    ours = (tmp_path / "README.md").read_bytes()
    (tmp_path / "README.md").write_bytes(ours + b"more")
    data_set(tmp_path)
    assert (tmp_path / "README.md").read_bytes() == ours
    (tmp_path / "README.md").write_text("# Cats\n")
    data_set(tmp_path)
    assert (tmp_path / "README.md").read_text() == "# Cats\n"
    (tmp_path / "README.md").unlink()
    (tmp_path / "README.md").mkdir()
    data_set(tmp_path)
    assert not list((tmp_path / "README.md").iterdir())


def test_no_card_where_files_cannot_be_described(tmp_path: Path) -> None:
    """Shards of two formats, or of other names, have no common pattern and types."""
    write_shard(tmp_path / "records-00000.parquet", [record(1)])
    write_shard(tmp_path / "records-00001.jsonl", [record(2)])
    write_manifest(tmp_path, manifest())
    assert not (tmp_path / "README.md").exists()
