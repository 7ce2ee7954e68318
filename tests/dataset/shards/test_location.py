from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingest_guard.dataset.shards.location import BucketStore, FolderStore, dataset_uri, local_folder
from ingest_guard.errors import SetupError


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("file:///data/set%20one/", "/data/set one"),
        ("/data/set/", "/data/set"),
        ("~/out", "HOME/out"),
        ("out", "HERE/out"),
        ("a:b/out/", "HERE/a:b/out"),
        (Path("out"), "HERE/out"),
    ],
)
def test_places_of_data_sets(value: str | Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One way to write each; a relative path counts from the folder in which the crawl is started."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    expected = uri.replace("HOME", str(tmp_path / "home")).replace("HERE", str(tmp_path / "here"))
    assert dataset_uri(value) == expected
    assert local_folder(value) == (None if "://" in expected else Path(expected))


def test_places_that_cannot_be_listed() -> None:
    """A second crawl there would overwrite the first one's shards."""
    with pytest.raises(SetupError, match=r"is at ftp://, whose shards cannot be listed.*FEEDS"):
        dataset_uri("ftp://host/out")


def test_no_data_set_has_no_folder() -> None:
    """Nor has one in a bucket."""
    assert local_folder(None) is local_folder("") is None
    assert local_folder("s3://bucket/folder") is None


def test_one_crawl_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is claimed is not claimed again, until it is let go; a file system without locks has none."""
    first, second = (FolderStore(str(tmp_path)) for _ in range(2))
    first.claim()
    with pytest.raises(SetupError, match="another crawl writes to the data set"):
        second.claim()
    first.release()
    first.release()
    second.claim()
    second.release()

    def refuse(*_: object) -> None:
        raise OSError(95, os.strerror(95))

    monkeypatch.setattr(fcntl, "flock", refuse)
    first.claim()
    first.release()


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    """A file of that name, say."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="cannot be the folder of a data set"):
        FolderStore(str(tmp_path / "file")).claim()


def test_a_shard_that_cannot_be_fetched() -> None:
    """An object that went away between the listing and the reading is an error, which shows no key of an address."""

    class Gone:
        def open_input_stream(self, path: str, *, compression: None) -> None:
            raise RuntimeError(path)

    store = BucketStore("s3://key:secret@b/x", Gone())
    with pytest.raises(SetupError, match=r"at s3://b/x cannot be read \(RuntimeError\)"), store.fetch("x.jsonl"):
        pass


def test_a_bucket_that_is_not_there_is_not_an_empty_one() -> None:
    """An empty listing is looked into; a key that is not allowed to ask for the bucket itself gets the listing."""
    from pyarrow.fs import FileType  # noqa: PLC0415 - heavy

    class Missing:
        is_allowed = True

        def get_file_info(self, asked: Any) -> Any:
            if not isinstance(asked, str):
                return []
            if not self.is_allowed:
                raise PermissionError(asked)
            return SimpleNamespace(type=FileType.NotFound)

    system = Missing()
    with pytest.raises(SetupError, match="cannot be read"):
        BucketStore("gs://b/x", system).names()
    system.is_allowed = False
    assert BucketStore("gs://b/x", system).names() == []
