from __future__ import annotations

from typing import TYPE_CHECKING

from support.crawl import Project
from support.server import Server

if TYPE_CHECKING:
    from pathlib import Path

_SPIDER = """
    import scrapy
    from ingest_guard.blocklist.blocklist import Blocklist


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        custom_settings = {"DOWNLOAD_DELAY": 0.05, "RANDOMIZE_DOWNLOAD_DELAY": False}

        async def start(self):
            yield scrapy.Request(self.base + "/page?0")

        def parse(self, response):
            # From here on the guard is as blind as a fault could make it.
            Blocklist.match_exact = lambda *_: []
            number = int(response.url.rpartition("?")[2]) + 1
            # A hundred seconds: more than any crawl here may take.
            if number < 2000:
                yield scrapy.Request(f"{self.base}/page?{number}")
"""


def test_a_guard_that_goes_blind_ends_its_crawl(tmp_path: Path) -> None:
    """The repeated self-test finds out, says so, and the crawl is closed for that reason."""
    policy = "self_test: {interval: 1s}\nviews: {orientations: false}"
    project = Project(tmp_path, _SPIDER, {"known": ["md5 " + "ab" * 16]}, policy=policy)
    with Server() as server:
        server.add("/page", b"<p>A page", type="text/html")
        crawl = project.crawl(base=server.base)
    (line,) = crawl.critical()
    assert "has failed and drops everything from here on: the self-test's picture got through" in line
    assert crawl.stats["finish_reason"] == "ingest_guard_failed"
    assert crawl.count("self_tests") >= 1
    assert 1 <= crawl.stats["response_received_count"] < 2000
