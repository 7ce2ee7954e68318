from __future__ import annotations

import gzip
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.extensions import feedexport
from scrapy.settings import Settings
from support.records import record

from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.addon import _write_shards
from ingest_guard.scrapy_plugin.output.buckets import open_store
from ingest_guard.scrapy_plugin.output.feed_exporters import ParquetExporter, WholeFileStorage
from ingest_guard.scrapy_plugin.output.feeds import Dataset, chosen_settings, dataset_settings, numbered_on

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


def test_numbers_go_on(chain: Chain) -> None:
    """The first shard of a crawl has the number after the last one that is there."""
    chain.state.first_shard = 7
    spider: Any = SimpleNamespace(crawler=chain.crawler)
    assert numbered_on({"batch_id": 1, "name": "x"}, spider).items() >= {"batch_id": 7, "name": "x"}.items()
    assert numbered_on({"batch_id": 3}, spider)["batch_id"] == 9


def test_a_folder_is_claimed(tmp_path: Path) -> None:
    """Its uids, of both formats, and the number after the highest; an empty one begins with 0."""
    crawler = crawler_with(INGEST_GUARD_DATASET=str(tmp_path / "new" / "set"))
    keys, first = Dataset.claim(crawler)
    assert (len(keys), first) == (0, 0)
    folder = tmp_path / "held"
    folder.mkdir()
    write_parquet(folder / "records-00003.parquet", [record(1), record(2)], NATIVE)
    (folder / "records-00011.jsonl").write_text('{"uid": "' + "a" * 32 + '"}\n{"uid": "torn')
    (folder / "telemetry.jsonl").write_text('{"uid": "' + "b" * 32 + '"}\n')
    keys, first = Dataset.claim(crawler_with(INGEST_GUARD_DATASET=str(folder)))
    assert (len(keys), first) == (3, 12)
    assert record(2)["uid"] in keys
    assert "a" * 32 in keys
    assert "b" * 32 not in keys
    assert Dataset.claim(crawler_with())[1] == 0


def test_files_of_others_are_read_and_left_as_they_are(tmp_path: Path) -> None:
    """Their records do not come twice either; they need not end with a newline, nor have the crawl's outfit."""
    line = json.dumps({"uid": "c" * 32, "caption": "x"}).encode()
    (tmp_path / "part.jsonl").write_bytes(line)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part.jsonl.gz").write_bytes(gzip.compress(line.replace(b"c" * 32, b"d" * 32)))
    (tmp_path / "x.tombstones.jsonl").write_bytes(line.replace(b"c" * 32, b"e" * 32))
    keys, first = Dataset.claim(crawler_with(INGEST_GUARD_DATASET=str(tmp_path)))
    assert [each * 32 in keys for each in "cde"] == [True, True, False]
    assert first == 0
    assert (tmp_path / "part.jsonl").read_bytes() == line


def test_another_outfit_is_refused(tmp_path: Path) -> None:
    """One folder, one schema."""
    write_parquet(tmp_path / "records-00000.parquet", [record(1)], NATIVE)
    settings = {"INGEST_GUARD_DATASET": str(tmp_path), "INGEST_GUARD_OUTFIT": "img2dataset"}
    with pytest.raises(SetupError, match=r'has the outfit native.*set INGEST_GUARD_OUTFIT = "native"'):
        Dataset.claim(crawler_with(**settings))


def test_shards_are_counted_when_they_are_stored(make_crawler: Callable[..., Crawler], tmp_path: Path) -> None:
    """Those of the data set, and not the one whose upload failed."""
    crawler = make_crawler(INGEST_GUARD_DATASET=str(tmp_path / "set"))
    dataset = Dataset(open_store(crawler), crawler)  # type: ignore[arg-type]
    slot = SimpleNamespace(uri=f"{tmp_path}/set/records-00000.parquet")
    dataset.shard_closed(slot)
    dataset.shard_closed(SimpleNamespace(uri=f"{tmp_path}/other.jsonl"))
    crawler.stats.inc_value("feedexport/failed_count/S3FeedStorage")
    dataset.shard_closed(slot)
    dataset.shard_closed(slot)
    assert crawler.stats.get_value("ingest_guard/shards") == 2
    dataset.stopped()


_NAMES = ["x%(time)s", "a%20b", "100% set", "50%off", "%(name)s %%(x)d", "%%", "%(batch_id)05d", "x%"]


@pytest.mark.parametrize("name", _NAMES)
def test_percent_signs_of_a_folder_are_percent_signs(chain: Chain, name: str) -> None:
    """Whatever Scrapy would read into a name, in the old way of its versions and in the new one."""
    spider = chain.crawler.spider
    (template,) = dataset_settings(f"/{name}")["FEEDS"]
    parameters = numbered_on({"time": "noon", "name": "tested", "batch_id": 1}, spider)
    wanted = f"/{name}/records-00000.parquet"
    assert template % parameters == wanted
    if (apply := getattr(feedexport, "apply_uri_params", None)) is not None:
        assert apply(template, parameters) == wanted
