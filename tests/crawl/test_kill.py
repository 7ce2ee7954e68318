from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from incidents.samples import IDENTITY, RECIPIENT
from support.crawl import GUARDED, Project, end
from support.pictures import drawn, encode
from support.server import Reply, Server

from ingest_guard.incidents.chain import verify
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.sealing import Opener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.server import Seen

_SPIDERS = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/index")

        def parse(self, response):
            for link in response.css("a::attr(href)").getall():
                yield response.follow(link, self.parse_page)

        def parse_page(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
"""
_COMMAND = ("ingest-guard", "crawl", "tested")
_PAGES, _IMAGES, _KILLS = 16, 6, 10
_SAFE = {f"/safe{number}.jpg": encode(drawn(900 + number, (120, 90)), "JPEG") for number in range(_PAGES * _IMAGES)}
_LISTED = {
    f"/listed{number}.jpg": encode(drawn(1000 + number, (320, 240)), "JPEG", quality=85) for number in range(_PAGES)
}


class _Site:
    """A site whose images call back, one by one, before they are sent."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.before_image: Callable[[], None] = lambda: None
        paths = list(_SAFE)
        server.add("/index", "".join(f'<a href="/page{number}">' for number in range(_PAGES)).encode())
        for number, listed in enumerate(_LISTED):
            shown = [*paths[number * _IMAGES : (number + 1) * _IMAGES], listed]
            server.add(f"/page{number}", "".join(f'<img src="{path}" alt="{path}">' for path in shown).encode())
        for path, body in {**_SAFE, **_LISTED}.items():
            server.add(path, lambda seen, body=body: self._send(seen, body))

    def _send(self, seen: Seen, body: bytes) -> Reply:
        del seen
        self.before_image()
        return Reply(body, "image/jpeg")


@pytest.fixture
def site() -> Iterator[_Site]:
    """Serve an index, its pages, and images of which some are listed."""
    with Server() as server:
        yield _Site(server)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project that keeps what it can, and many requests under way."""
    settings = {
        "FEEDS": {"../out/all.jsonl": {"format": "jsonlines"}},
        "JOBDIR": "../out/job",
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": "../../out/httpcache",
        "ITEM_PIPELINES": {"scrapy.pipelines.images.ImagesPipeline": 1},
        "IMAGES_STORE": "../out/images",
        "CONCURRENT_REQUESTS": 32,
    }
    lists = {"a": [f"md5 {hashlib.md5(body, usedforsecurity=False).hexdigest()}" for body in _LISTED.values()]}
    policy = f"incidents: {{recipients: [{RECIPIENT}], folder: incidents}}\n"
    return Project(tmp_path, _SPIDERS, lists, settings={**GUARDED, **settings}, policy=policy)


def _entered(project: Project) -> list[str]:
    """Return the paths of all images in the log of incidents, which must be whole, with no number twice."""
    folder = project.project / "incidents"
    if not list(folder.glob("*.log")):
        return []
    chain = verify(folder)
    assert chain.problems == []
    entries = [line.content for line in read_lines(folder) if isinstance(line.content, Entry)]
    assert [entry.n for entry in entries] == list(range(1, len(entries) + 1))
    opener = Opener(str(IDENTITY), "the test")
    opened = [opener.open(entry.sealed) for entry in entries]
    return ["/" + each.addresses.requested.rpartition("/")[2] for each in opened if each.more_of is None]


def _killed_at(project: Project, site: _Site, number: int) -> None:
    """Start a crawl, and kill it when it asks for its so-many-th image; let it end if it does not ask for as many."""
    left, lock = [number], threading.Lock()
    process = project.begin(*_COMMAND, "--recover", "-a", f"base={site.server.base}")

    def count() -> None:
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os.kill(process.pid, signal.SIGKILL)

    site.before_image = count
    try:
        process.wait(60)
    finally:
        end(process)
    site.before_image = lambda: None


def test_killed_ten_times_and_every_record_is_there_once(project: Project, site: _Site) -> None:
    """At no kill a listed byte lies on the disk or a line is torn; in the end each safe image has one record.

    The log of incidents is whole after each kill, and has an entry for each listed image in the end.
    """
    rng = random.Random(20)
    feed = project.out / "all.jsonl"
    uids: list[str] = []
    for _ in range(_KILLS):
        _killed_at(project, site, rng.randint(1, 40))
        written = feed.read_bytes() if feed.exists() else b""
        assert not written or written.endswith(b"\n")
        uids = [json.loads(line)["uid"] for line in written.splitlines()]
        assert len(uids) == len(set(uids))
        result = project.result(0)
        assert result.traces(_LISTED, _SAFE.values()) == []
        assert set(_entered(project)) <= set(_LISTED)
        if len(uids) == len(_SAFE):  # a fast machine has them all before the last kill
            break
    assert uids
    last = project.wait(project.begin(*_COMMAND, "--recover", "-a", f"base={site.server.base}"))
    assert last.exit_code == 0, last.output[-2000:]
    records = [json.loads(line)["alt"] for line in feed.read_bytes().splitlines()]
    assert sorted(records) == sorted(_SAFE)
    # Whatever was dropped, before any of the kills or after them, has its entry.
    assert set(_entered(project)) == set(_LISTED)
    assert last.traces(_LISTED, _SAFE.values()) == []
