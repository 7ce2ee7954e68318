from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from support.crawl import GUARDED, Project, page
from support.pictures import encode, photographs
from support.server import Server

if TYPE_CHECKING:
    from pathlib import Path

_SPIDER = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(f"{self.base}/page")

        def parse(self, response):
            for image in response.css("img::attr(src)").getall():
                yield {"image_url": response.urljoin(image), "alt": image}
"""
_COLUMN = "score_open_nsfw_yahoo_1"


def test_a_crawl_with_a_detector(tmp_path: Path) -> None:
    """Scores are a column of the native layout and of no published one; what is over the bound makes no record."""
    shown = {f"/{name}.jpg": encode(photographs()[name], "JPEG") for name in ("astronaut", "chelsea", "coffee")}
    lists = {"a": ["md5 " + "0" * 31 + "1"]}
    project = Project(tmp_path, _SPIDER, lists, policy="detectors: {open_nsfw: {bound: 0.02}}\n")
    published = tmp_path / "published.parquet"
    feeds = {str(published): {"format": "parquet", "item_export_kwargs": {"outfit": "img2dataset"}}}
    project.set(**GUARDED, INGEST_GUARD_DATASET=str(tmp_path / "data"), FEEDS=feeds)
    with Server() as server:
        for path, body in shown.items():
            server.add(path, body, type="image/jpeg")
        server.add("/page", page([path.lstrip("/") for path in shown]))
        crawl = project.crawl(base=server.base)
    assert crawl.exit_code == 0, crawl.output[-2000:]
    (shard,) = (tmp_path / "data").glob("*.parquet")
    rows = pq.read_table(shard)
    scores = dict(zip(rows["url"].to_pylist(), rows[_COLUMN].to_pylist(), strict=True))
    assert scores == {
        f"{server.base}/chelsea.jpg": pytest.approx(0, abs=0.01),
        f"{server.base}/coffee.jpg": pytest.approx(0.013, abs=0.01),
    }
    assert rows.schema.field(_COLUMN).type == pa.float64()
    assert pq.read_table(published).num_rows == 2
    assert not [name for name in pq.read_schema(published).names if "score" in name or "safe" in name.lower()]
    assert (crawl.count("filtered/detected"), crawl.count("detected/open_nsfw")) == (1, 1)
    manifest = json.loads((tmp_path / "data" / "attestation.json").read_text())
    (said,) = manifest["check_sets"][0]["detectors"]
    assert (said["name"], said["model"], said["bound"]) == ("open_nsfw", "yahoo_1", 0.02)
    croissant = json.loads((tmp_path / "data" / "croissant.json").read_text())
    types = {each["name"]: each.get("dataType") for each in croissant["recordSet"][0]["field"]}
    assert types[_COLUMN] == "sc:Float"
