from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.crawl import GUARDED, Project
from support.pictures import drawn, encode
from support.server import Server

from ingest_guard.dataset.shards import read_rows, shard_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from consumers.conftest import Consumer

_SPIDERS = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page")

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"], "language": "en"}
"""
_SAFE = {f"/safe{number}.jpg": encode(drawn(1500 + number, (96, 72)), "JPEG") for number in range(7)}
_ALTS = sorted(f"Picture {path} of a cat" for path in _SAFE)


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    """Serve a page and its images."""
    with Server() as server:
        shown = "".join(f'<img src="{path}" alt="Picture {path} of a cat">' for path in _SAFE)
        server.add("/page", shown.encode())
        for path, body in _SAFE.items():
            server.add(path, body, type="image/jpeg")
        yield server


@pytest.fixture(scope="module")
def project(site: Server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Crawl the site once for each outfit, into ``out/native`` and so on; three rows a shard."""
    folder = tmp_path_factory.mktemp("crawled")
    made = Project(folder, _SPIDERS, {"a": [f"md5 {'0' * 31}1"]}, settings={**GUARDED, "FEEDS": {}})
    for outfit in ("native", "img2dataset"):
        chosen = {"DATASET": folder / "out" / outfit, "OUTFIT": outfit, "SHARD_ROWS": 3}
        options = [part for name, value in chosen.items() for part in ("-s", f"INGEST_GUARD_{name}={value}")]
        crawl = made.crawl("tested", *options, base=site.base)
        assert crawl.exit_code == 0, crawl.log[-2000:]
        assert len(shard_files(folder / "out" / outfit)) == 3
    return made


_PANDAS = """
import glob, json, sys
import duckdb, pandas

folder = sys.argv[1]
table = pandas.concat([pandas.read_parquet(file) for file in sorted(glob.glob(folder + "/*.parquet"))])
assert str(table.fetched_at.dtype).startswith("datetime64[ms, UTC"), table.fetched_at.dtype
assert str(table.width.dtype) == "int32"
query = duckdb.sql(f"select uid, alt, attestation.lists[1].id, fetched_at from '{folder}/*.parquet'")
counted = duckdb.sql(f"select count(distinct uid), count(*) from '{folder}/*.parquet' where width > 50").fetchall()[0]
print(json.dumps({
    "columns": list(table.columns),
    "pandas": sorted(table.alt),
    "checked": table.attestation.iloc[0]["check_set"],
    "duckdb": sorted(row[1] for row in query.fetchall()),
    "lists": sorted({row[2] for row in query.fetchall()}),
    "counted": counted,
}))
"""


def test_pandas_and_duckdb(project: Project, consumer: Consumer) -> None:
    """Typed columns, structs that can be asked, all shards as one table."""
    folder = project.out / "native"
    told = json.loads(consumer.run(_PANDAS, folder))
    rows = [row for file in shard_files(folder) for row in read_rows(file)]
    assert told["columns"] == list(rows[0])
    assert told["pandas"] == told["duckdb"] == _ALTS
    assert told["checked"] == rows[0]["attestation"]["check_set"]
    assert told["lists"] == ["a"]
    assert told["counted"] == [len(_SAFE), len(_SAFE)]


_DATASETS = """
import json, sys
import datasets

loaded = datasets.load_dataset("parquet", data_files=sys.argv[1] + "/*.parquet", split="train", cache_dir=sys.argv[2])
print(json.dumps({
    "rows": sorted(row["alt"] for row in loaded),
    "features": {name: str(feature) for name, feature in loaded.features.items()},
    "checked": loaded[0]["attestation"]["check_set"],
}))
"""


def test_hugging_face_datasets(project: Project, consumer: Consumer, tmp_path: Path) -> None:
    """All shards are one data set, with the types of the schema."""
    told = json.loads(consumer.run(_DATASETS, project.out / "native", tmp_path / "cache").splitlines()[-1])
    assert told["rows"] == _ALTS
    assert told["features"]["width"] == "Value('int32')"
    assert told["features"]["fetched_at"] == "Value('timestamp[ms, tz=UTC]')"
    assert len(told["checked"]) == 16


_IMG2DATASET = """
import sys
import img2dataset

if __name__ == "__main__":
    img2dataset.download(
        url_list=sys.argv[1], input_format="parquet", caption_col="caption", output_folder=sys.argv[2],
        compute_hash="md5", verify_hash=["md5", "md5"], save_additional_columns=["uid", "pdq"],
        output_format="files", resize_mode="no", processes_count=1, thread_count=2, enable_wandb=False,
    )
"""


def test_img2dataset_downloads_what_was_checked_and_nothing_else(
    project: Project, site: Server, consumer: Consumer, tmp_path: Path
) -> None:
    """It reads our shards as they are; an image that has changed since it was checked is left out by its digest."""
    site.add("/safe3.jpg", encode(drawn(1600, (96, 72)), "JPEG"), type="image/jpeg")
    folder = project.out / "img2dataset"
    consumer.run(_IMG2DATASET, folder, tmp_path / "images")
    told = [json.loads(file.read_text()) for file in (tmp_path / "images").glob("*/*.json")]
    rows = {row["url"]: row for file in shard_files(folder) for row in read_rows(file)}
    got = {site.url(path) for path in _SAFE} - {site.url("/safe3.jpg")}
    assert {entry["url"] for entry in told if entry["status"] == "success"} == got
    kept = [row for file in shard_files(tmp_path / "images") for row in read_rows(file)]
    assert [row["url"] for row in kept if row["error_message"] == "hash mismatch"] == [site.url("/safe3.jpg")]
    assert len(kept) == len(_SAFE)
    for entry in told:
        row = rows[entry["url"]]
        assert (entry["caption"], entry["uid"], entry["pdq"]) == (row["caption"], row["uid"], row["pdq"])
        assert entry["md5"] == row["md5"]
    texts = sorted(file.read_text() for file in (tmp_path / "images").glob("*/*.txt"))
    assert texts == sorted(rows[url]["caption"] for url in got)
    images = [file.read_bytes() for file in (tmp_path / "images").glob("*/*.jpg")]
    assert len(images) == len(got)
