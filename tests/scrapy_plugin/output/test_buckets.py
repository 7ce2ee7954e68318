from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow.fs
import pytest
from scrapy.settings import Settings
from support.buckets import Buckets

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.monitoring.telemetry import Telemetry
from ingest_guard.scrapy_plugin.output.buckets import open_store
from ingest_guard.scrapy_plugin.output.feeds import chosen_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler


def crawler_with(**settings: Any) -> Any:
    """Return as much of a crawler as opening its data set needs."""
    return SimpleNamespace(settings=Settings(settings))


@pytest.mark.parametrize("written", ["~/out", "../home/out", "file://HOME/out", "HOME/out", "HOME/out/"])
def test_shards_telemetry_and_manifest_lie_in_one_place(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_crawler: Callable[..., Crawler]
) -> None:
    """However it is written."""
    home = tmp_path / "home"
    for folder in (home, tmp_path / "here"):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path / "here")
    crawler = make_crawler(INGEST_GUARD_DATASET=written.replace("HOME", str(home)))
    (feed,) = chosen_settings(crawler.settings)["FEEDS"]
    store = open_store(crawler)
    assert store is not None
    noted: list[Path] = []
    monkeypatch.setattr(Telemetry, "__init__", lambda _self, _runtime, folder: noted.append(folder))
    runtime: Any = SimpleNamespace(crawler=SimpleNamespace(settings=crawler.settings, signals=SimpleNamespace()))
    runtime.crawler.signals.connect = lambda *_args, **_kwargs: None
    Telemetry.watch(runtime)
    places = {os.path.realpath(place) for place in (Path(feed).parent, store.uri, *noted)}
    assert places == {str(home.resolve() / "out")}
    assert len(noted) == 1


@pytest.mark.parametrize(
    ("uri", "missing", "package"),
    [
        ("s3://b/x", "boto3", "boto3"),
        ("gs://b/x", "google.cloud.storage", "google-cloud-storage"),
        ("s3://b/x", "pyarrow.fs", r'"ingest-guard\[parquet\]"'),
    ],
)
def test_a_bucket_without_its_client(uri: str, missing: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scrapy would switch all feeds off and crawl on; here the crawl does not start."""
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SetupError, match=f"pip install {package}"):
        open_store(crawler_with(INGEST_GUARD_DATASET=uri))


def test_google_without_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the place, and nothing of the credentials."""

    def refuse(**_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(pyarrow.fs, "GcsFileSystem", refuse)
    with pytest.raises(SetupError, match=r"at gs://b/x cannot be read \(RuntimeError\)"):
        open_store(crawler_with(INGEST_GUARD_DATASET="gs://b/x"))


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_bucket_has_the_shards_that_a_folder_would_have(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of folders in it, too; a folder beside it with a longer name is another data set."""
    with Buckets() as buckets:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", buckets.base)
        secret = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": buckets.base}
        store = open_store(crawler_with(INGEST_GUARD_DATASET=f"{scheme}://b/set/", GCS_PROJECT_ID="test", **secret))
        assert store is not None
        buckets.objects = {"b/other/records-00000.jsonl": b""}
        assert store.names() == []
        names = ["records-00000.jsonl", "sub/part.jsonl.gz", "x.tombstones.jsonl", "telemetry.jsonl", ".hidden.jsonl"]
        buckets.objects |= {f"b/set/{name}": name.encode() * 9 for name in names} | {"b/sets/x.jsonl": b""}
        assert store.names() == names[:2]
        for name in names[:2]:
            with store.fetch(name) as path:
                assert path.read_bytes() == name.encode() * 9
                assert path.name == name.rpartition("/")[2]
            assert not path.exists()
        with pytest.raises(SetupError, match=f"at {scheme}://b/set cannot be read"), store.fetch("none.jsonl"):
            pass


def test_the_region_is_asked_for_where_no_setting_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of Amazon's own service alone; keys in the address go before those of the settings."""
    made: dict[str, Any] = {}
    monkeypatch.setattr(pyarrow.fs, "resolve_s3_region", lambda bucket: f"region of {bucket}")
    monkeypatch.setattr(pyarrow.fs, "S3FileSystem", lambda **chosen: made.update(chosen))
    open_store(crawler_with(INGEST_GUARD_DATASET="s3://b/x", AWS_SESSION_TOKEN="t"))  # noqa: S106 - made up
    assert made["region"] == "region of b"
    assert (made["access_key"], made["session_token"], made["endpoint_override"]) == (None, "t", None)
    open_store(crawler_with(INGEST_GUARD_DATASET="s3://k:s@b/x", AWS_ENDPOINT_URL="http://h", AWS_ACCESS_KEY_ID="n"))
    assert (made["access_key"], made["secret_key"], made["region"]) == ("k", "s", None)
    open_store(crawler_with(INGEST_GUARD_DATASET="s3://b/x", AWS_REGION_NAME="eu-west-1"))
    assert made["region"] == "eu-west-1"
