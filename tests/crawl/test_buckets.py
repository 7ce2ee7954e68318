from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from support.buckets import Buckets
from support.crawl import GUARDED, Project
from support.pictures import drawn, encode
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDERS = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page")

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
"""
_SAFE = {f"/safe{number}.jpg": encode(drawn(1400 + number, (96, 72)), "JPEG") for number in range(5)}
_SECRET = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION_NAME": "eu-west-1"}


@pytest.fixture
def buckets() -> Iterator[Buckets]:
    """Serve buckets."""
    with Buckets() as served:
        yield served


@pytest.fixture
def site() -> Iterator[Server]:
    """Serve a page whose first three images are shown."""
    with Server() as server:
        for path, body in _SAFE.items():
            server.add(path, body, type="image/jpeg")
        show(server, 3)
        yield server


def show(server: Server, images: int) -> None:
    """Let the page show so many images."""
    server.add("/page", "".join(f'<img src="{path}" alt="{path}">' for path in list(_SAFE)[:images]).encode())


def make(folder: Path, **settings: Any) -> Project:
    """Make a project whose data set is in a bucket, of two rows a shard."""
    lists = {"a": [f"md5 {hashlib.md5(b'nothing', usedforsecurity=False).hexdigest()}"]}
    return Project(folder, _SPIDERS, lists, settings={**GUARDED, "FEEDS": {}, "INGEST_GUARD_SHARD_ROWS": 2, **settings})


def alts_in(buckets: Buckets, names: list[str], prefix: str) -> list[str]:
    """Return the texts of all records, sorted."""
    tables = [pq.read_table(io.BytesIO(buckets.objects[prefix + name])) for name in names]
    return sorted(alt for table in tables for alt in table.column("alt").to_pylist())


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_data_set_in_a_bucket(
    scheme: str, tmp_path: Path, site: Server, buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole shards, uploaded as they fill; a second crawl asks the bucket what is there, and goes on from that."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", buckets.base)
    settings = {**_SECRET, "AWS_ENDPOINT_URL": buckets.base} if scheme == "s3" else {"GCS_PROJECT_ID": "test"}
    project = make(tmp_path, INGEST_GUARD_DATASET=f"{scheme}://the-bucket/cats/small", **settings)
    prefix = "the-bucket/cats/small/"
    first = project.crawl(base=site.base)
    assert first.exit_code == 0, first.log[-3000:]
    assert first.faults() == []
    shards = [name for name in buckets.keys(prefix) if name.endswith(".parquet")]
    assert shards == ["records-00000.parquet", "records-00001.parquet"]
    before = dict(buckets.objects)
    show(site, 5)
    second = project.crawl(base=site.base)
    assert second.exit_code == 0, second.log[-3000:]
    assert second.count("items_dropped/written_before") == 3
    shards = [name for name in buckets.keys(prefix) if name.endswith(".parquet")]
    assert shards == [f"records-{number:05d}.parquet" for number in range(3)]
    assert alts_in(buckets, shards, prefix) == sorted(_SAFE)
    assert {key: buckets.objects[key] for key in before if key.endswith(".parquet")} == {
        key: body for key, body in before.items() if key.endswith(".parquet")
    }
    assert not list((tmp_path / "out" / "tmp").iterdir())


def test_a_bucket_that_cannot_be_read(tmp_path: Path, site: Server, buckets: Buckets) -> None:
    """No crawl whose records have nowhere to go, or might overwrite what is there."""
    chosen = {"INGEST_GUARD_DATASET": "s3://the-bucket/cats", **_SECRET, "AWS_ENDPOINT_URL": buckets.base}
    buckets.refuse = True
    crawl = make(tmp_path, **chosen).crawl(base=site.base)
    assert crawl.exit_code == 1
    assert "the data set at s3://the-bucket/cats cannot be read" in " ".join(crawl.critical())
    assert site.asked() == []
