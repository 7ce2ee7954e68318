from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from support.crawl import GUARDED, Crawl, Project
from support.pictures import drawn, encode
from support.server import Server

from ingest_guard.pages.extract import EXTRACTION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDERS = """
    import os

    import scrapy
    from scrapy.exceptions import CloseSpider


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        stop = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page", dont_filter=True)

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
            if self.stop == "kill":
                os.kill(os.getpid(), 9)
            if self.stop:
                raise CloseSpider(self.stop)
"""
_COMMAND = ("ingest-guard", "crawl")
_SAFE = {f"/safe{number}.jpg": encode(drawn(710 + number, (160, 120)), "JPEG") for number in range(4)}
_LISTED = encode(drawn(1), "JPEG")


@pytest.fixture
def site() -> Iterator[Server]:
    """Serve a page with some images, one of them listed."""
    with Server() as server:
        server.add("/page", "".join(f'<img src="{path}" alt="{path}">' for path in [*_SAFE, "/listed.jpg"]).encode())
        server.add("/listed.jpg", _LISTED, type="image/jpeg")
        for path, body in _SAFE.items():
            server.add(path, body, type="image/jpeg")
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project whose feed is added to."""
    lists = {"a": [f"md5 {hashlib.md5(_LISTED, usedforsecurity=False).hexdigest()}"]}
    settings = {"FEEDS": {"../out/records.jsonl": {"format": "jsonlines"}}, "JOBDIR": "../out/job"}
    return Project(tmp_path, _SPIDERS, lists, settings=settings)


def _crawl(project: Project, site: Server, *options: str) -> Crawl:
    return project.wait(project.begin(*_COMMAND, *options, "tested", "-a", f"base={site.base}"))


def test_a_crawl_that_ends_well_exits_0_and_says_what_it_was_held_against(
    project: Project, site: Server, tmp_path: Path
) -> None:
    """The completion file names lists, counts and the reason; the exit code is 0."""
    file = tmp_path / "done.json"
    crawl = _crawl(project, site, "--completion", str(file))
    assert crawl.exit_code == 0, crawl.output[-2000:]
    facts = json.loads(file.read_text())
    assert facts["finish_reason"] == "finished"
    assert facts["counts"]["records"] == len(_SAFE)
    assert facts["counts"]["matched"] == 1
    assert facts["list_version"] == crawl.stats["ingest_guard/list_version"]
    assert facts["feeds_failed"] == 0


def test_a_crawl_without_the_guard_exits_4(project: Project, site: Server, tmp_path: Path) -> None:
    """A command line that removes the add-on, in a project without the second line, is told by the exit code."""
    file = tmp_path / "done.json"
    file.write_text('{"finish_reason": "finished", "feeds_failed": 0}')
    crawl = _crawl(project, site, "--completion", str(file), "-s", "ADDONS={}")
    assert site.asked() == ["/page"]
    assert crawl.exit_code == 4
    assert "the guard failed or was not part of this crawl" in crawl.output
    assert not file.exists()


def test_a_crawl_that_cannot_start_exits_as_scrapy_says(project: Project, site: Server) -> None:
    """A missing blocklist is an error at the start; no request goes out."""
    (project.project / "policy.yaml").write_text("blocklist: ../nowhere\n")
    crawl = _crawl(project, site)
    assert crawl.exit_code == 1
    assert site.asked() == []
    assert "The crawl does not start." in crawl.output
    assert "Traceback" not in crawl.output


@pytest.mark.parametrize(("reason", "code"), [("shutdown", 5), ("closespider_itemcount", 0)])
def test_a_crawl_that_was_stopped_exits_5(reason: str, code: int, project: Project, site: Server) -> None:
    """Stopped before its end it is not complete; a bound that the operator set himself is an end."""
    process = project.begin(*_COMMAND, "tested", "-a", f"base={site.base}", "-a", f"stop={reason}")
    assert project.wait(process).exit_code == code


def test_a_feed_that_cannot_be_stored_exits_5(project: Project, site: Server) -> None:
    """Records that never arrived are no success."""
    (project.folder / "a-file").write_text("")
    project.set(**GUARDED, FEEDS={"ftp://user:none@127.0.0.1:1/records.jsonl": {"format": "jsonlines"}})
    crawl = _crawl(project, site)
    assert crawl.exit_code == 5
    assert "could not be stored" in crawl.output


def test_a_job_that_was_not_closed_is_not_resumed(project: Project, site: Server) -> None:
    """After kill -9, Scrapy would end with the rest missing; the guard refuses, and says how to go on."""
    process = project.begin(*_COMMAND, "tested", "-a", f"base={site.base}", "-a", "stop=kill")
    assert project.wait(process).exit_code == -9
    asked = len(site.asked())
    crawl = project.crawl(base=site.base)
    assert crawl.exit_code == 1
    assert "--recover" in " ".join(crawl.critical())
    assert len(site.asked()) == asked


def test_recovery_makes_each_record_once(project: Project, site: Server) -> None:
    """A torn line is cut off, what has a record is left out, the rest is made; then the job counts as closed."""
    feed = project.folder / "feed.jsonl"
    project.set(**GUARDED, FEEDS={str(feed): {"format": "jsonlines"}}, JOBDIR="../out/job")
    whole = _crawl(project, site)
    assert whole.exit_code == 0
    lines = feed.read_bytes().splitlines(keepends=True)
    assert len(lines) == len(_SAFE)
    feed.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    (project.out / "job" / "ingest_guard.json").write_text(f'{{"state": "running", "extraction": {EXTRACTION}}}')
    crawl = _crawl(project, site, "--recover")
    assert crawl.exit_code == 0, crawl.output[-2000:]
    records = [json.loads(line) for line in feed.read_bytes().splitlines()]
    assert sorted(record["alt"] for record in records) == sorted(_SAFE)
    assert lines[:2] == feed.read_bytes().splitlines(keepends=True)[:2]
    assert crawl.count("items_dropped/written_before") == 2
    assert _crawl(project, site).exit_code == 0


@pytest.mark.parametrize(
    ("feeds", "why"),
    [
        ({"s3://bucket/x.jsonl": {"format": "jsonlines"}}, "not on this machine"),
        ({"../out/x.csv": {"format": "csv"}}, "only plain JSON Lines and Parquet"),
        ({"../out/x.jsonl": {"format": "jsonlines", "overwrite": True}}, "written anew"),
    ],
)
def test_a_feed_that_cannot_be_read_back_stops_the_recovery(
    feeds: dict[str, dict[str, object]], why: str, project: Project, site: Server
) -> None:
    """Rather no crawl than records twice."""
    project.set(**GUARDED, FEEDS=feeds)
    crawl = _crawl(project, site, "--recover")
    assert crawl.exit_code == 1
    assert why in crawl.output
    assert site.asked() == []
