from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.crawl import Crawl, Project
from support.pictures import drawn, encode
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDER = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page")

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}


    class Promising(scrapy.Spider):
        name = "promising"

        def parse_safe(self, response):
            '''Yield an item for an image.

            @url BASE/safe1.jpg
            @returns items 1 1
            '''
            yield {"image_url": response.url, "alt": str(len(response.body))}

        def parse_listed(self, response):
            '''Yield an item for an image that is listed.

            @url BASE/listed.jpg
            @returns items 1 1
            '''
            yield {"image_url": response.url, "alt": str(len(response.body))}
"""
_TOP = """\
import sys

from scrapy.utils.project import get_project_settings

settings = get_project_settings()
settings.set("LOG_FILE", "../out/crawl.log")
"""
_SCRIPTS = {
    "CrawlerProcess": """
from scrapy.crawler import CrawlerProcess

process = CrawlerProcess(settings)
process.crawl("tested", base=sys.argv[1])
process.start()
""",
    "CrawlerRunner": """
from scrapy.utils.log import configure_logging
from scrapy.utils.reactor import install_reactor

configure_logging(settings)
install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
from twisted.internet import reactor

from scrapy.crawler import CrawlerRunner

crawl = CrawlerRunner(settings).crawl("tested", base=sys.argv[1])
crawl.addBoth(lambda result: (print(result), reactor.stop()))
reactor.run()
""",
    "AsyncCrawlerRunner, no reactor": """
import asyncio

from scrapy.crawler import AsyncCrawlerRunner
from scrapy.utils.log import configure_logging

settings.set("TWISTED_REACTOR_ENABLED", False)
configure_logging(settings)


async def main():
    runner = AsyncCrawlerRunner(settings)
    await runner.crawl("tested", base=sys.argv[1])


asyncio.run(main())
""",
}
_SAFE = {f"/safe{number}.jpg": encode(drawn(40 + number), "JPEG") for number in range(3)}
_LISTED = encode(drawn(1), "JPEG")
_LISTS = {"a": [f"sha256 {hashlib.sha256(_LISTED).hexdigest()}"]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a page with images, one of them listed."""
    with Server() as running:
        paths = [*_SAFE, "/listed.jpg"]
        running.add("/page", "".join(f'<img src="{path}" alt="{path}">' for path in paths).encode())
        running.add("/listed.jpg", _LISTED, type="image/jpeg")
        for path, body in _SAFE.items():
            running.add(path, body, type="image/jpeg")
        yield running


@pytest.fixture(scope="module")
def scripts(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Crawl]:
    """Run a crawl from a script in each way that Scrapy has for it."""
    folder = tmp_path_factory.mktemp("scripts")

    def run(number: int, text: str) -> Crawl:
        project = Project(folder / str(number), _SPIDER, _LISTS)
        (project.project / "run.py").write_text(_TOP + text)
        return project.wait(project.start("run.py", server.base))

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(_SCRIPTS, pool.map(run, range(len(_SCRIPTS)), _SCRIPTS.values()), strict=True))


@pytest.mark.parametrize("name", _SCRIPTS)
def test_a_crawl_from_a_script_is_guarded(name: str, scripts: dict[str, Crawl]) -> None:
    """However a script starts it, safe images become records, and a listed one does not."""
    crawl = scripts[name]
    assert crawl.exit_code == 0, crawl.output[-3000:] + crawl.log[-3000:]
    assert sorted(record["alt"] for record in crawl.records) == sorted(_SAFE)
    assert crawl.count("matched") == 1
    assert crawl.faults() == []
    assert crawl.traces({"listed": _LISTED}, _SAFE.values()) == []


def test_contracts_are_checked_under_the_guard(server: Server, tmp_path: Path) -> None:
    """``scrapy check``, which takes the pipelines away, runs guarded: a contract on a listed image gets no image."""
    project = Project(tmp_path, _SPIDER.replace("BASE", server.base), _LISTS)
    server.log.clear()
    done = project.run("check", "promising")
    assert sorted(server.asked()) == ["/listed.jpg", "/safe1.jpg"]
    assert done.exit_code == 1
    assert "Promising] parse_safe" not in done.output
    assert "promising" in done.output
    assert f"{len(_LISTED)}" not in done.output
    assert done.traces({"listed": _LISTED}, _SAFE.values()) == []
