from __future__ import annotations

from typing import TYPE_CHECKING

from support.crawl import Project
from support.pictures import drawn, encode
from support.server import Server

if TYPE_CHECKING:
    from pathlib import Path

SPIDER = """
import scrapy

class Tested(scrapy.Spider):
    name = "tested"
    page = ""
    images = ""
    allowed_domains = ["127.0.0.1"]

    async def start(self):
        yield scrapy.Request(self.page)

    def parse(self, response):
        for url in self.images.split():
            yield {"image_url": url, "alt": "a picture"}
"""


def test_robots_txt_of_an_image_host_holds_for_all_images_that_come_at_once(tmp_path: Path) -> None:
    """Of many images on a new, off-site host, none that its robots.txt forbids is asked for; the others are."""
    project = Project(
        tmp_path,
        SPIDER,
        {"made-up": ["md5 " + "0" * 31 + "1"]},
        settings={"ROBOTSTXT_OBEY": True, "RETRY_ENABLED": False},
    )
    with Server() as server, Server("127.0.0.2") as images:
        images.add("/robots.txt", b"User-agent: *\nDisallow: /private/\n", type="text/plain")
        paths = [f"/{folder}/{number}.png" for number in range(4) for folder in ("private", "open")]
        for number, path in enumerate(paths):
            images.add(path, encode(drawn(number, (90, 90)), "PNG"), type="image/png")
        page = server.add("/", b"<p>A page.</p>")
        crawl = project.crawl(page=page, images=" ".join(images.url(path) for path in paths))
        asked = images.asked()
    assert sorted(asked) == sorted(
        ["/robots.txt", "/.well-known/tdmrep.json", *(path for path in paths if "open" in path)]
    )
    assert crawl.record_urls() == sorted(images.url(path) for path in paths if "open" in path)
    assert crawl.count("images_dropped/refused") == 4
    assert not crawl.faults()
