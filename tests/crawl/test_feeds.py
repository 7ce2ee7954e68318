from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from support.crawl import GUARDED, Crawl, Project
from support.pictures import drawn, encode
from support.server import Server

from ingest_guard.dataset.shards import outfit_of, read_rows, shard_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each image of a page twice, as pages show them. At its first page or after so many records, it may be told to stop.
_SPIDERS = """
    import os

    import scrapy
    from scrapy import signals


    class Tested(scrapy.Spider):
        name = "tested"
        base = stop = ""
        records = kill = 0

        @classmethod
        def from_crawler(cls, crawler, *args, **kwargs):
            spider = super().from_crawler(crawler, *args, **kwargs)
            crawler.signals.connect(spider.item_scraped, signals.item_scraped)
            return spider

        def item_scraped(self, item):
            # Items without an image come first where images take their time.
            self.records += "title" not in item
            if self.kill and self.records == int(self.kill):
                os.kill(os.getpid(), 9)

        async def start(self):
            yield scrapy.Request(self.base + "/index")

        def parse(self, response):
            for link in response.css("a::attr(href)").getall():
                yield response.follow(link, self.parse_page)

        def parse_page(self, response):
            if self.stop:
                self.stop = ""
                os.kill(os.getpid(), 15)
            for image in response.css("img") * 2:
                url = response.urljoin(image.attrib["src"])
                yield {"image_url": url, "alt": image.attrib["alt"], "alt_source": "alt", "language": "en-GB"}
            yield {"title": "an item without an image"}
            for link in response.css("a::attr(href)").getall():
                yield response.follow(link, self.parse_page)
"""
_PAGES, _IMAGES = 4, 5
_SAFE = {f"/safe{number}.jpg": encode(drawn(1300 + number, (96, 72)), "JPEG") for number in range(_PAGES * _IMAGES)}
_POLICY = "records: {items_without_image: pass}"


class Site(Server):
    """An index, its pages, each with a link to the next, and their images."""

    def __init__(self) -> None:
        super().__init__()
        self.add("/index", b'<a href="/page0">')
        for path, body in _SAFE.items():
            self.add(path, body, type="image/jpeg")
        self.link(_PAGES)

    def link(self, pages: int) -> None:
        """Let there be so many pages."""
        paths = list(_SAFE)
        for number in range(pages):
            shown = paths[number * _IMAGES : (number + 1) * _IMAGES]
            following = f'<a href="/page{number + 1}">' if number + 1 < pages else ""
            images = "".join(f'<img src="{path}" alt="{path}">' for path in shown)
            self.add(f"/page{number}", f"{images}{following}".encode())


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve the site."""
    with Site() as server:
        yield server


def make(folder: Path, **settings: Any) -> Project:
    """Make a project with a data set in ``out/set``, of four rows a shard."""
    ours = {"FEEDS": {}, "INGEST_GUARD_DATASET": str(folder / "out" / "set"), "INGEST_GUARD_SHARD_ROWS": 4}
    lists = {"a": [f"md5 {hashlib.md5(b'nothing', usedforsecurity=False).hexdigest()}"]}
    return Project(folder, _SPIDERS, lists, settings={**GUARDED, **ours, **settings}, policy=_POLICY)


def crawl(project: Project, site: Site, *options: str, **arguments: object) -> Crawl:
    """Crawl the site."""
    return project.crawl("tested", *options, base=site.base, **arguments)


def rows_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each shard, by its name."""
    return {file.name: list(read_rows(file)) for file in shard_files(folder)}


def alts_of(folder: Path, field: str = "alt") -> list[str]:
    """Return the texts of all records, sorted."""
    return sorted(row[field] for rows in rows_of(folder).values() for row in rows)


def test_a_data_set_in_parquet(tmp_path: Path, site: Site) -> None:
    """Shards of the wanted size, each record once; a second crawl adds what is new, in shards of its own."""
    project, folder = make(tmp_path), tmp_path / "out" / "set"
    folder.mkdir()
    (folder / ".records-00007.parquet.4711.part").write_bytes(b"left by a crawl that was killed")
    site.link(2)
    done = tmp_path / "done.json"
    first = crawl(project, site, "-s", f"INGEST_GUARD_COMPLETION={done}")
    assert first.exit_code == 0, first.log[-2000:]
    assert first.faults() == []
    rows = rows_of(folder)
    assert {name: len(found) for name, found in rows.items()} == {
        "records-00000.parquet": 4,
        "records-00001.parquet": 4,
        "records-00002.parquet": 2,
    }
    assert alts_of(folder) == sorted(list(_SAFE)[: 2 * _IMAGES])
    assert not list(folder.glob(".records-*.part"))
    one = rows["records-00000.parquet"][0]
    assert (one["alt_source"], one["language"], one["format"]) == ("alt", "en-GB", "JPEG")
    assert one["uid"] == hashlib.md5((one["alt"] + one["url"]).encode(), usedforsecurity=False).hexdigest()
    counts = json.loads(done.read_text())["counts"]
    assert {name: counts[name] for name in ("records", "duplicates", "items_dropped/duplicate", "shards")} == {
        "records": 10,
        "duplicates": 10,
        "items_dropped/duplicate": 10,
        "shards": 3,
    }
    before = {file.name: file.read_bytes() for file in shard_files(folder)}
    site.link(3)
    again = crawl(project, site)
    assert again.exit_code == 0, again.log[-2000:]
    assert again.count("items_dropped/written_before") == 20
    assert sorted(rows_of(folder)) == [f"records-{number:05d}.parquet" for number in range(5)]
    assert alts_of(folder) == sorted(list(_SAFE)[: 3 * _IMAGES])
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_data_set_in_json_lines_for_other_tools(tmp_path: Path, site: Site) -> None:
    """The same for the other format, in another outfit; another one in the same folder does not start, nor a second."""
    folder = tmp_path / "out" / "set %20"
    chosen = {"INGEST_GUARD_DATASET": str(folder), "INGEST_GUARD_FORMAT": "jsonl", "INGEST_GUARD_OUTFIT": "laion"}
    project = make(tmp_path, **chosen)
    done = crawl(project, site)
    assert done.exit_code == 0, done.log[-2000:]
    assert sorted(rows_of(folder)) == [f"records-{number:05d}.jsonl" for number in range(5)]
    assert alts_of(folder, "TEXT") == sorted(_SAFE)
    made = outfit_of(folder / "records-00000.jsonl")
    assert made is not None
    assert made.name == "laion"
    torn = folder / "records-00004.jsonl"
    torn.write_bytes(torn.read_bytes()[:-30])
    asked = len(site.asked())
    other = crawl(project, site, "-s", "INGEST_GUARD_OUTFIT=native")
    assert other.exit_code == 1
    assert 'has the outfit laion, and this crawl would write native; set INGEST_GUARD_OUTFIT = "laion"' in other.log
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    second = crawl(project, site)
    os.close(lock)
    assert second.exit_code == 1
    assert "another crawl writes to the data set" in second.log
    assert len(site.asked()) == asked
    assert crawl(project, site).exit_code == 0
    assert alts_of(folder, "TEXT") == sorted(_SAFE)


def test_stopped_and_resumed_no_record_is_lost_or_doubled(tmp_path: Path, site: Site) -> None:
    """A shard that is not full is closed whole at a SIGTERM; the resumed crawl goes on with the next number."""
    project, folder = make(tmp_path, JOBDIR="../out/job", CONCURRENT_REQUESTS=1), tmp_path / "out" / "set"
    paused = crawl(project, site, stop="at the first page")
    assert paused.stats["finish_reason"] == "shutdown"
    held = rows_of(folder)
    assert 0 < sum(map(len, held.values())) < len(_SAFE)
    assert any(len(rows) < 4 for rows in held.values())
    resumed = crawl(project, site)
    assert resumed.stats["finish_reason"] == "finished"
    assert alts_of(folder) == sorted(_SAFE)
    assert {name: rows for name, rows in rows_of(folder).items() if name in held} == held


def test_killed_it_leaves_whole_shards_and_recovers(tmp_path: Path, site: Site) -> None:
    """Kill -9 leaves no visible shard that is not whole; started over, each record is there once."""
    project, folder = make(tmp_path, JOBDIR="../out/job"), tmp_path / "out" / "set"
    assert crawl(project, site, kill=7).exit_code == -signal.SIGKILL
    assert all(pq.ParquetFile(file).metadata.num_rows == 4 for file in shard_files(folder))
    assert list(folder.glob(".records-*.part"))
    done = crawl(project, site, "-s", "INGEST_GUARD_RECOVER=True")
    assert done.exit_code == 0, done.log[-2000:]
    assert alts_of(folder) == sorted(_SAFE)
    assert not list(folder.glob(".records-*.part"))


def test_parquet_in_a_feed_of_ones_own(tmp_path: Path, site: Site) -> None:
    """Without a data set, Parquet is a format like others: whole files, in the feed's outfit, read back in the end."""
    feed = tmp_path / "out" / "own.parquet"
    feeds = {
        str(feed): {"format": "parquet", "item_export_kwargs": {"outfit": "img2dataset", "row_group": 3}},
        str(tmp_path / "out" / "own.jsonl"): {"format": "jsonl"},
    }
    project = make(tmp_path, FEEDS=feeds, INGEST_GUARD_DATASET=None)
    assert crawl(project, site).exit_code == 0
    assert sorted(row["caption"] for row in read_rows(feed)) == sorted(_SAFE)
    assert pq.ParquetFile(feed).metadata.num_row_groups == 7
    # A feed for all items has the other item of each page, too; a table of records has no place for it.
    lines = (tmp_path / "out" / "own.jsonl").read_text().splitlines()
    assert len(lines) == len(_SAFE) + _PAGES
    again = crawl(project, site, "-s", "INGEST_GUARD_RECOVER=True")
    assert again.exit_code == 0
    assert again.count("items_dropped/written_before") == 2 * len(_SAFE)
    assert again.count("items_dropped/no_record") == _PAGES


def test_records_that_cannot_be_written_end_the_crawl(tmp_path: Path, site: Site) -> None:
    """A full disk is no success: Scrapy alone would log an error for each record, and exit with 0."""
    project = make(tmp_path, FEEDS={"/dev/full": {"format": "jsonl"}}, INGEST_GUARD_DATASET=None)
    full = crawl(project, site)
    assert full.stats["finish_reason"] == "ingest_guard_failed"
    assert "records cannot be written (No space left on device)" in " ".join(full.critical())
