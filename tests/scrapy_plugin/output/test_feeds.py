from __future__ import annotations

import builtins
import fcntl
import os
import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings
from support.records import record

from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.addon import _write_shards
from ingest_guard.scrapy_plugin.output import feeds, recovery, shelves
from ingest_guard.scrapy_plugin.output.exporters import ParquetExporter
from ingest_guard.scrapy_plugin.output.feeds import Dataset, chosen_settings, dataset_settings, numbered_on
from ingest_guard.scrapy_plugin.output.readback import cut_torn_line, uids
from ingest_guard.scrapy_plugin.output.shelves import dataset_uri, shelf_of
from ingest_guard.scrapy_plugin.output.storages import WholeFileStorage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy.crawler import Crawler
    from scrapy_plugin.conftest import Chain

NATIVE = outfit("native")


def crawler_with(**settings: Any) -> Any:
    """Return as much of a crawler as looking at a data set needs."""
    return SimpleNamespace(settings=Settings(settings), signals=SimpleNamespace(connect=lambda *_, **__: None))


def test_the_feed_of_a_folder(tmp_path: Path) -> None:
    """Shards of so many rows, numbered, of records alone, in the outfit that is wanted."""
    ((uri, feed),) = dataset_settings(str(tmp_path / "out"), outfit="laion", format="jsonl", rows=7)["FEEDS"].items()
    assert uri == f"{tmp_path}/out/records-%(batch_id)05d.jsonl"
    assert feed["batch_item_count"] == 7
    assert feed["item_export_kwargs"] == {"outfit": "laion"}
    assert feed["format"] == "jsonl"
    assert not feed["store_empty"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"format": "csv"}, "INGEST_GUARD_FORMAT to parquet or jsonl"),
        ({"outfit": "coyo"}, "INGEST_GUARD_OUTFIT to native, laion, img2dataset"),
        ({"rows": 0}, "INGEST_GUARD_SHARD_ROWS is 0"),
    ],
)
def test_a_data_set_that_cannot_be(options: dict[str, Any], why: str) -> None:
    """The error says which setting to change, and to what."""
    with pytest.raises(SetupError, match=why):
        dataset_settings("out", **options)


def test_a_project_without_a_data_set_has_its_own_feeds() -> None:
    """They stay as they are; Parquet is a further format, and files of it appear when they are whole."""
    assert chosen_settings(Settings()) == {}
    settings = Settings({"FEEDS": {"a.csv": {"format": "csv"}}, "FEED_STORAGES": {"file": "their.own.Storage"}})
    _write_shards(settings)
    assert settings.getdict("FEEDS") == {"a.csv": {"format": "csv"}}
    assert settings.getdict("FEED_STORAGES") == {"": WholeFileStorage, "file": "their.own.Storage"}
    assert settings.getdict("FEED_EXPORTERS")["parquet"] is ParquetExporter


def test_a_data_set_is_one_more_feed(tmp_path: Path) -> None:
    """Whatever else the project writes, at whatever priority; what the data set needs is there."""
    settings = Settings({"INGEST_GUARD_DATASET": tmp_path})
    settings.set("FEEDS", {"a.csv": {"format": "csv"}}, "cmdline")
    settings.set("FEED_STORAGES", {"": "their.own.Storage"}, "project")
    _write_shards(settings)
    assert list(settings.getdict("FEEDS")) == ["a.csv", f"{tmp_path}/records-%(batch_id)05d.parquet"]
    assert settings.getdict("FEED_STORAGES")[""] is WholeFileStorage


@pytest.mark.parametrize(
    ("value", "uri"),
    [
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("file:///data/set%20one/", "/data/set one"),
        ("/data/set/", "/data/set"),
    ],
)
def test_places_of_data_sets(value: str, uri: str) -> None:
    """One way to write each."""
    assert dataset_uri(value) == uri


def test_places_that_cannot_be_listed() -> None:
    """A second crawl there would overwrite the first one's shards."""
    with pytest.raises(SetupError, match=r"is at ftp://, whose shards cannot be listed.*FEEDS"):
        dataset_uri("ftp://host/out")


def test_numbers_go_on(chain: Chain) -> None:
    """The first shard of a crawl has the number after the last one that is there."""
    chain.state.first_shard = 7
    spider: Any = SimpleNamespace(crawler=chain.crawler)
    assert numbered_on({"batch_id": 1, "name": "x"}, spider) == {"batch_id": 7, "name": "x"}
    assert numbered_on({"batch_id": 3}, spider) == {"batch_id": 9}


def test_a_folder_is_taken_up(tmp_path: Path) -> None:
    """Its uids, of both formats, and the number after the highest; an empty one begins with 0."""
    crawler = crawler_with(INGEST_GUARD_DATASET=str(tmp_path / "new" / "set"))
    keys, first = Dataset.take_up(crawler)
    assert (len(keys), first) == (0, 0)
    folder = tmp_path / "held"
    folder.mkdir()
    write_parquet(folder / "records-00003.parquet", [record(1), record(2)], NATIVE)
    (folder / "records-00011.jsonl").write_text('{"uid": "' + "a" * 32 + '"}\n{"uid": "torn')
    (folder / "telemetry.jsonl").write_text('{"uid": "' + "b" * 32 + '"}\n')
    keys, first = Dataset.take_up(crawler_with(INGEST_GUARD_DATASET=str(folder)))
    assert (len(keys), first) == (3, 12)
    assert record(2)["uid"] in keys
    assert "a" * 32 in keys
    assert "b" * 32 not in keys
    assert Dataset.take_up(crawler_with())[1] == 0


def test_another_outfit_is_refused(tmp_path: Path) -> None:
    """One folder, one schema."""
    write_parquet(tmp_path / "records-00000.parquet", [record(1)], NATIVE)
    settings = {"INGEST_GUARD_DATASET": str(tmp_path), "INGEST_GUARD_OUTFIT": "img2dataset"}
    with pytest.raises(SetupError, match=r'has the outfit native.*set INGEST_GUARD_OUTFIT = "native"'):
        Dataset.take_up(crawler_with(**settings))


def test_one_crawl_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is claimed is not claimed again, until it is let go; a file system without locks has none."""
    first, second = (shelf_of(crawler_with(INGEST_GUARD_DATASET=str(tmp_path))) for _ in range(2))
    assert first is not None
    assert second is not None
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
    shelf = shelf_of(crawler_with(INGEST_GUARD_DATASET=str(tmp_path / "file")))
    assert shelf is not None
    with pytest.raises(SetupError, match="cannot be the folder of a data set"):
        shelf.claim()


@pytest.mark.parametrize(("uri", "package"), [("s3://b/x", "boto3"), ("gs://b/x", "google-cloud-storage")])
def test_a_bucket_without_its_client(uri: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scrapy would switch all feeds off and crawl on; here the crawl does not start."""
    load = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith(("boto3", "google")):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith(("boto3", "google.cloud.storage"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SetupError, match=f"pip install {package}"):
        shelf_of(crawler_with(INGEST_GUARD_DATASET=uri))


def test_google_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the place, and nothing of the credentials."""
    from google.cloud import storage  # noqa: PLC0415 - slow to import

    def refuse(**_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(storage, "Client", refuse)
    with pytest.raises(SetupError, match=re.escape("at gs://b/x cannot be read (RuntimeError)")):
        shelf_of(crawler_with(INGEST_GUARD_DATASET="gs://b/x"))


def test_a_shard_that_cannot_be_fetched() -> None:
    """An object that went away between the listing and the reading is an error, not a shard without records."""

    class Gone(shelves._Remote):
        def _download(self, key: str, file: Any) -> None:
            raise RuntimeError(key)

    with pytest.raises(SetupError, match="cannot be read"), Gone("s3://b/x").fetch("records-00000.jsonl"):
        pass


def test_shards_are_counted_when_they_are_stored(make_crawler: Callable[..., Crawler], tmp_path: Path) -> None:
    """Those of the data set, and not the one whose upload failed."""
    crawler = make_crawler(INGEST_GUARD_DATASET=str(tmp_path / "set"))
    dataset = Dataset(shelf_of(crawler), crawler)  # type: ignore[arg-type]
    slot = SimpleNamespace(uri=f"{tmp_path}/set/records-00000.parquet")
    dataset.shard_closed(slot)
    dataset.shard_closed(SimpleNamespace(uri=f"{tmp_path}/other.jsonl"))
    crawler.stats.inc_value("feedexport/failed_count/S3FeedStorage")
    dataset.shard_closed(slot)
    dataset.shard_closed(slot)
    assert crawler.stats.get_value("ingest_guard/shards") == 2
    dataset.stopped()


def test_uids_are_read_back(tmp_path: Path) -> None:
    """Of whole lines, and of tables that have any; what is no uid is passed over."""
    lines = tmp_path / "x.jsonl"
    lines.write_text(f'{{"uid": "{"a" * 32}"}}\nnonsense\n[1]\n{{"uid": 3}}\n{{"uid": "short"}}\n{{"uid": "torn')
    assert list(uids(lines)) == ["a" * 32]
    assert lines.read_bytes().endswith(b"}\n")
    write_parquet(tmp_path / "x.parquet", [record(1)], NATIVE)
    assert list(uids(tmp_path / "x.parquet")) == [record(1)["uid"]]
    long = tmp_path / "long.jsonl"
    long.write_bytes(b"x" * 200_000)
    cut_torn_line(long)
    assert long.read_bytes() == b""


def test_feeds_that_cannot_be_read_back_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A resumed crawl goes on without them, with a warning; one that starts over does not start."""
    feed = tmp_path / "x.jsonl"
    feed.write_text(f'{{"uid": "{"a" * 32}"}}\n')
    job = tmp_path / "job"
    job.mkdir()
    (job / "ingest_guard.json").write_text('{"state": "closed"}')
    chosen = {"FEEDS": {"ftp://host/x.csv": {"format": "csv"}, str(feed): {"format": "jsonl"}}, "JOBDIR": str(job)}
    keys, _ = recovery.take_up(crawler_with(**chosen))
    assert "a" * 32 in keys
    assert "Records of before may come twice" in caplog.text
    with pytest.raises(SetupError, match="not on this machine"):
        recovery.take_up(crawler_with(**chosen, INGEST_GUARD_RECOVER=True))
    assert len(recovery.take_up(crawler_with(**{**chosen, "JOBDIR": str(tmp_path / "new")}))[0]) == 0


def test_percent_signs_of_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older versions of Scrapy want them twice."""
    monkeypatch.setattr(feeds, "_ESCAPED", "%%")
    assert list(dataset_settings("/a%20b")["FEEDS"]) == ["/a%%20b/records-%(batch_id)05d.parquet"]
