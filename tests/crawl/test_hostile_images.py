from __future__ import annotations

from typing import TYPE_CHECKING

from support.crawl import Project
from support.hostile import install
from support.pictures import drawn, encode
from support.server import Reply, Server

if TYPE_CHECKING:
    from pathlib import Path

SPIDER = """
import scrapy

class Tested(scrapy.Spider):
    name = "tested"
    url = ""

    async def start(self):
        yield scrapy.Request(self.url)

    def parse(self, response):
        for image in response.css("img"):
            yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
"""
POLICY = """
    records: {hashes: [hostile]}
    limits: {seconds: 1, memory: 256 MiB}
    fairness: {failures: 0}
"""
# What the hostile hasher does at these widths, and what becomes of the image.
KILLERS = {101: "worker_crashed", 105: "worker_crashed", 102: "timeout", 103: "memory", 104: "hasher_failed"}
HARMLESS = (90, 91, 92, 93, 94, 95, 96, 97)


def test_a_crawl_outlives_images_that_kill_or_stall_what_decodes_them(tmp_path: Path) -> None:
    """Images that crash, stall or bloat a worker are dropped and counted by reason; all others get records."""
    widths = [width for pair in zip(HARMLESS, [*KILLERS, 101, 102, 105], strict=True) for width in pair]
    project = Project(tmp_path, SPIDER, {"made-up": ["md5 " + "0" * 31 + "1"]}, policy=POLICY)
    install(project.project)
    with Server() as server:
        for number, width in enumerate(widths):
            server.add(f"/{number}.png", Reply(encode(drawn(number, (width, 90)), "PNG"), "image/png"))
        tags = "".join(f'<img src="/{number}.png" alt="{width}">' for number, width in enumerate(widths))
        server.add("/", Reply(tags.encode()))
        crawl = project.crawl(url=server.url("/"))
    assert crawl.exit_code == 0
    assert sorted(int(record["alt"]) for record in crawl.records) == sorted(HARMLESS)
    assert all(record["hostile"] == "00" * 8 for record in crawl.records)
    reasons = [KILLERS[width] for width in widths if width in KILLERS]
    assert {reason: crawl.count(f"not_scannable/{reason}") for reason in set(reasons)} == {
        reason: reasons.count(reason) for reason in set(reasons)
    }
    assert crawl.count("checked") == len(widths)
    assert crawl.count("workers/lost") == reasons.count("worker_crashed") + reasons.count("timeout")
    assert crawl.stats["finish_reason"] == "finished"
    assert not crawl.faults()
