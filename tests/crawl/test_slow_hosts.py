from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
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
    urls = ""

    async def start(self):
        for url in self.urls.split(","):
            yield scrapy.Request(url)

    def parse(self, response):
        for image in response.css("img"):
            yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
        for link in response.css("a"):
            yield response.follow(link)
"""
LISTED = {"made-up": ["md5 " + "0" * 31 + "1"]}
SLOW, STUCK, HARMLESS = 108, 102, 90  # widths at which the hostile hasher takes a second, never ends, does nothing


def add_site(server: Server, width: int, pages: int, images: int) -> str:
    """Add pages that lead one to the next, each with images of a width; return the first one's URL."""
    for page in range(pages):
        tags = ""
        for number in range(images):
            name = f"/{page}-{number}.png"
            # Equal bytes are scanned once.
            picture = encode(drawn(hash((server.port, page, number)) % 10_000, (width, 90)), "PNG")
            server.add(name, Reply(picture, "image/png"))
            tags += f'<img src="{name}" alt="an image">'
        link = f'<a href="/{page + 1}">next</a>' if page + 1 < pages else ""
        server.add(f"/{page}", Reply((tags + link).encode()))
    return server.url("/0")


@pytest.mark.parametrize("workers", [1, 2])
def test_quick_hosts_do_not_wait_for_a_slow_one(tmp_path: Path, workers: int) -> None:
    """One host whose images take a second each: three others, asked for after it, are through long before."""
    policy = f"records: {{hashes: [hostile]}}\nself_test: {{interval: 1h}}\nworkers: {workers}\n"
    project = Project(tmp_path, SPIDER, LISTED)
    install(project.project)
    (project.project / "policy.yaml").write_text(f"blocklist: ../blocklist\n{policy}")
    with ExitStack() as stack:
        slow, *quick = [stack.enter_context(Server(f"127.0.0.{number}")) for number in (1, 2, 3, 4)]
        # So many that the fetches of the slow host alone would fill all that Scrapy has under way.
        urls = [add_site(slow, SLOW, 1, 18), *(add_site(server, HARMLESS, 5, 8) for server in quick)]
        crawl = project.crawl(urls=",".join(urls))
    assert crawl.exit_code == 0
    hosts = [urlsplit(record["url"]).hostname for record in crawl.records]
    assert len(hosts) == 18 + 3 * 5 * 8
    last_quick = max(place for place, host in enumerate(hosts) if host != slow.host)
    # In the order of their arrival: what the slow host had by then is a small part.
    assert hosts[:last_quick].count(slow.host) <= 6
    assert crawl.count("domains/held_fetches") > 0
    assert float(crawl.stats["ingest_guard/domains/largest_share"]) > 0.7
    assert not crawl.faults()


def test_a_host_whose_scans_time_out_is_closed(tmp_path: Path) -> None:
    """Three scans time out; all further images of the host are dropped at once and counted, and other hosts go on."""
    policy = "records: {hashes: [hostile]}\nlimits: {seconds: 1}\n"
    project = Project(tmp_path, SPIDER, LISTED, policy=policy)
    install(project.project)
    with Server() as stuck, Server("127.0.0.2") as other:
        crawl = project.crawl(urls=f"{add_site(stuck, STUCK, 1, 20)},{add_site(other, HARMLESS, 2, 8)}")
    assert crawl.exit_code == 0
    assert len(crawl.records) == 16
    assert crawl.count("not_scannable/timeout") == 3
    assert crawl.count("not_scannable/domain_budget") == crawl.count("domains/dropped") == 17
    assert crawl.count("domains/failed_scans") == 3
    assert crawl.count("domains/closings") == 1
    assert crawl.count("checked") == 36
    assert 3 <= float(crawl.stats["ingest_guard/domains/failed_seconds"]) < 5
    assert not crawl.faults()
