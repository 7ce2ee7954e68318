from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from support.crawl import Crawl, Project
from support.pictures import drawn, encode
from support.server import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTED = encode(drawn(1), "JPEG")
_SAFE = encode(drawn(2), "JPEG")
_DATA_URL = "data:image/jpeg;base64," + base64.b64encode(encode(drawn(5), "JPEG")).decode()
_SPIDER = """
    import ctypes
    import logging
    import resource
    import scrapy
    from tested.reporting import OUT, tell


    class Records(logging.Handler):
        # A handler of somebody else's, that looks at records as they are and not at their text alone.
        def emit(self, record):
            with (OUT / "seen-records.txt").open("a") as file:
                file.write(f"{record.getMessage()} {record.args!r} {record.__dict__.get('item')!r}\\n")


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            logging.getLogger("scrapy").addHandler(Records())
            yield scrapy.Request(self.base + "/page", self.parse_page)

        def parse_page(self, response):
            tell(core=resource.getrlimit(resource.RLIMIT_CORE)[0], dumpable=ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
            yield scrapy.Request(self.base + "/moved.jpg", self.arrived, errback=self.missed)
            yield scrapy.Request(self.base + "/long?" + "x" * 3000, self.arrived)
            yield {"file_urls": [self.base + "/secret-file.jpg"], "alt": "to be stored",
                   "image_url": self.base + "/safe.jpg"}
            yield {"image_url": self.base + "/safe.jpg", "alt": "complains"}

        def arrived(self, response):
            pass

        def missed(self, failure):
            self.logger.info("missed %s", failure.request.url)
            raise ValueError("an errback that fails")
"""
_PARTS = """
    from scrapy.exceptions import DropItem
    from scrapy.logformatter import LogFormatter


    class Strict:
        # Drops what has no file, and says whose.
        def process_item(self, item):
            if item.get("alt") == "complains":
                raise DropItem("no good " + DATA_URL)
            if item.get("file_urls") and not item.get("files"):
                raise DropItem("no file from " + item["file_urls"][0])
            return item


    class Own(LogFormatter):
        def dropped(self, item, exception, response, spider):
            return {**super().dropped(item, exception, response, spider), "msg": "OWN %(exception)s %(item)s"}


    DATA_URL = __DATA_URL__
""".replace("__DATA_URL__", repr(_DATA_URL))
_SECRETS = ("secret-target", "secret-file", "moved.jpg")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a page, and a listed image behind a redirect and by itself."""
    with Server() as running:
        running.add("/page", b"<p>page")
        running.add("/moved.jpg", Reply(b"", status=302, headers=(("Location", "/secret-target.jpg"),)))
        for path in ("/secret-target.jpg", "/secret-file.jpg"):
            running.add(path, _LISTED, type="image/jpeg")
        running.add("/safe.jpg", _SAFE, type="image/jpeg")
        yield running


def _crawl(server: Server, folder: Any, policy: str) -> Crawl:
    settings = {
        "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1, "tested.parts.Strict": 2},
        "FILES_STORE": "../out/files",
        "LOG_FORMATTER": "tested.parts.Own",
        "REDIRECT_ENABLED": True,
    }
    lists = {"a": [f"sha256 {hashlib.sha256(_LISTED).hexdigest()}"]}
    project = Project(folder, _SPIDER, lists, settings=settings, policy=policy, modules={"parts": _PARTS})
    return project.crawl(base=server.base)


@pytest.fixture(scope="module")
def crawls(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Crawl]:
    """Crawl with everything on, strictly, and with everything off."""
    folder = tmp_path_factory.mktemp("hygiene")
    off = "hygiene: {core_dumps: true, dumpable: true, log_filter: false}"
    policies = {"on": "", "strict": "level: strict", "off": off}
    return {name: _crawl(server, folder / name, policy) for name, policy in policies.items()}


def _after_verdict(crawl: Crawl) -> list[str]:
    """Return the lines of the log that name a match, beside those from before there was a verdict."""
    return [
        line
        for line in crawl.log.splitlines()
        if any(secret in line for secret in _SECRETS) and "downloadermiddlewares.redirect" not in line
    ]


def test_memory_is_not_written_or_read(crawls: dict[str, Crawl]) -> None:
    """Once the spider is open, the process leaves no core dump and shows its memory to nobody, unless told to."""
    on, off = (next(event for event in crawls[name].events if "core" in event) for name in ("on", "off"))
    assert (on["core"], on["dumpable"]) == (0, 0)
    assert off["dumpable"] == 1


@pytest.mark.parametrize("name", ["on", "strict"])
def test_no_line_after_the_verdict_names_a_match(name: str, crawls: dict[str, Crawl]) -> None:
    """Media pipelines, errbacks and dropped items: no line of the log shows the address of what matched."""
    crawl = crawls[name]
    assert crawl.exit_code == 0, crawl.log[-3000:]
    assert crawl.count("matched") == 2
    assert _after_verdict(crawl) == []
    assert "(withheld by ingest_guard)" in crawl.log
    assert "an errback that fails" in crawl.log


def test_without_the_filter_they_do(crawls: dict[str, Crawl]) -> None:
    """The control: an errback logs what it missed, and newer versions of Scrapy which file was not stored."""
    lines = "\n".join(_after_verdict(crawls["off"]))
    assert "missed http" in lines


def test_records_are_changed_for_every_handler(crawls: dict[str, Crawl]) -> None:
    """A handler that reads a record's arguments and extras finds no more than its text says."""
    seen = (crawls["on"].out / "seen-records.txt").read_text()
    assert "(withheld by ingest_guard)" in seen
    assert not [
        line for line in seen.splitlines() if any(secret in line for secret in _SECRETS) and "Redirecting" not in line
    ]


def test_before_a_verdict_the_strict_level_names_nothing(crawls: dict[str, Crawl]) -> None:
    """A redirect's target, and a link that is too long, stand in the log of the default level alone."""
    for name, expected in (("on", True), ("strict", False)):
        lines = crawls[name].log.splitlines()
        redirect = next(line for line in lines if "Redirecting (302)" in line)
        too_long = next(line for line in lines if "Ignoring link (url length" in line)
        assert ("secret-target" in redirect) is expected
        assert ("x" * 3000 in too_long) is expected
    assert "Crawled (200)" in crawls["strict"].log


def test_an_item_that_was_dropped_for_a_match_is_not_printed(crawls: dict[str, Crawl]) -> None:
    """The project's own formatter is asked; what it says of a match, or of a data: URL, does not get into the log."""
    own = [line for line in crawls["on"].log.splitlines() if "OWN" in line]
    assert len(own) == 2
    assert any("no file from (withheld by ingest_guard)" in line for line in own)
    assert any("an item withheld by ingest_guard" in line for line in own)
    assert any("no good data:(withheld by ingest_guard)" in line for line in own)


@pytest.mark.parametrize("name", ["on", "strict", "off"])
def test_no_log_has_a_data_url(name: str, crawls: dict[str, Crawl]) -> None:
    """Not even without the filter: the formatter is always there."""
    assert _DATA_URL[:80] not in crawls[name].log
