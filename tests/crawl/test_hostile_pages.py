from __future__ import annotations

import asyncio
import gzip
import signal
import time
from typing import TYPE_CHECKING

import pytest
from support.crawl import Project
from support.hostile_texts import KINDS
from support.server import Reply, Server
from support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

SPIDER = """
import asyncio
import time

import scrapy

from tested.reporting import tell

PAGES = 40

class Tested(scrapy.Spider):
    name = "tested"
    base = ""
    bad = "1"
    custom_settings = {"CONCURRENT_REQUESTS": 4}

    async def start(self):
        self.longest = 0.0
        self.watching = asyncio.ensure_future(self.watch())
        for n in range(PAGES):
            yield scrapy.Request(f"{self.base}bad{n - 5}" if 5 <= n < 5 + int(self.bad) else f"{self.base}{n}")

    async def watch(self):
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now

    def parse(self, response):
        tell(page=response.url)

    def closed(self, reason):
        self.watching.cancel()
        tell(longest=self.longest)
"""
GZIP = (("Content-Encoding", "gzip"),)
LISTS = {"made-up": ["md5 " + "0" * 31 + "1"]}


def test_no_page_holds_the_crawl_up(tmp_path: Path) -> None:
    """Pages of a megabyte that were dear to read: all others are served, and the event loop goes on."""
    project = Project(tmp_path, SPIDER, LISTS)
    with Server() as server:
        for number in range(40):
            server.add(f"/{number}", b"<!doctype html><p>x</p>")
        for number, make in enumerate(KINDS.values()):
            body = gzip.compress(make(1 << 20), 1)
            server.add(f"/bad{number}", Reply(body, "text/html", headers=GZIP))
        crawl = project.crawl(base=server.url("/"), bad=len(KINDS))
        assert len(server.asked()) == 40
    assert crawl.exit_code == 0
    assert crawl.stats["finish_reason"] == "finished"
    assert sum("bad" not in event.get("page", "bad") for event in crawl.events) == 40 - len(KINDS)
    # Far more than it takes, for machines that do something else besides; a minute without the bounds.
    assert crawl.events[-1]["longest"] < 5
    assert not crawl.faults()


def _slowly(_: object) -> Reply:
    time.sleep(0.3)
    return Reply(b"<p>x</p>")


@pytest.mark.parametrize("kind", ["line breaks in base64", "references in base64"])
def test_sigterm_ends_a_crawl_in_order_whatever_it_reads(tmp_path: Path, kind: str) -> None:
    """A crawl that has just met such a page ends within seconds when it is asked to, with its statistics."""
    project = Project(tmp_path, SPIDER, LISTS)
    with Server() as server:
        for number in range(40):
            server.add(f"/{number}", _slowly)
        body = gzip.compress(KINDS[kind](4 << 20), 1)
        server.add("/bad0", Reply(body, "text/html", headers=GZIP))
        process = project.begin("scrapy", "crawl", "tested", "-a", f"base={server.url('/')}")
        asyncio.run(until(lambda: "/bad0" in server.asked()))
        time.sleep(0.3)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        crawl = project.wait(process)
    assert time.monotonic() - asked < 30
    assert crawl.stats["finish_reason"] == "shutdown"
