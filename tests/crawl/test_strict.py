from __future__ import annotations

import hashlib
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import scrapy
from support.crawl import Crawl, Project
from support.pictures import drawn, encode
from support.server import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTED = encode(drawn(1), "JPEG")
_STOPPED = encode(drawn(4), "JPEG")
_SAFE = encode(drawn(2), "JPEG")
_RECORDED = encode(drawn(3), "JPEG")
_SPIDER = """
    import scrapy
    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page", self.parse_page)

        def parse_page(self, response):
            for path in ("/listed.jpg", "/stopped.jpg", "/safe.jpg"):
                yield scrapy.Request(self.base + path, self.arrived, errback=self.missed, cb_kwargs={"path": path})
            yield {"image_url": self.base + "/recorded.jpg", "alt": "recorded"}

        def arrived(self, response, path):
            tell(arrived=path, length=len(response.body))

        def missed(self, failure):
            response = getattr(failure.value, "response", None)
            tell(missed=failure.request.cb_kwargs["path"], type=type(failure.value).__name__,
                 held=len(response.body) if response is not None else 0)


    class Browsing(Tested):
        name = "browsing"

        def parse_page(self, response):
            from scrapy.utils.response import open_in_browser
            try:
                open_in_browser(response, _openfunc=lambda url: tell(opened="/page"))
            except Exception as error:
                tell(refused="/page", type=type(error).__name__)


    class Telnet(Tested):
        name = "telnet"
        custom_settings = {"TELNETCONSOLE_ENABLED": True}
"""
_PARTS = """
    from scrapy import signals
    from scrapy.exceptions import StopDownload
    from tested.reporting import tell


    class Whole:
        # Hears of each response when its download is complete.
        @classmethod
        def from_crawler(cls, crawler):
            part = cls()
            crawler.signals.connect(part.response_downloaded, signal=signals.response_downloaded)
            return part

        def response_downloaded(self, response, request, spider):
            tell(heard=request.url.rpartition("/")[2], length=len(response.body))


    class Pieces:
        @classmethod
        def from_crawler(cls, crawler):
            part = cls()
            crawler.signals.connect(part.bytes_received, signal=signals.bytes_received)
            return part

        def bytes_received(self, data, request, spider):
            tell(piece=request.url.rpartition("/")[2], length=len(data))
            if "stopped" in request.url:
                raise StopDownload(fail=True)


    class Late(Pieces):
        # Connects when the crawl is under way.
        @classmethod
        def from_crawler(cls, crawler):
            part = cls()
            part.crawler = crawler
            crawler.signals.connect(part.response_received, signal=signals.response_received)
            return part

        def response_received(self, response, request, spider):
            self.crawler.signals.connect(self.bytes_received, signal=signals.bytes_received)


    class Between:
        def process_exception(self, request, exception):
            response = getattr(exception, "response", None)
            tell(between=request.url.rpartition("/")[2], length=len(response.body) if response is not None else 0)


    from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
    from scrapy.utils.defer import deferred_from_coro


    class OldStyle:
        # As handlers were written before they were coroutines.
        lazy = False

        def __init__(self, crawler):
            self.inner = HTTP11DownloadHandler.from_crawler(crawler)

        @classmethod
        def from_crawler(cls, crawler):
            return cls(crawler)

        def download_request(self, request, spider):
            tell(old_style=spider.name)
            return deferred_from_coro(self.inner.download_request(request))

        async def close(self):
            await self.inner.close()
"""
_LISTS = {"a": [f"sha256 {hashlib.sha256(body).hexdigest()}" for body in (_LISTED, _STOPPED)]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a page, listed images and others."""
    with Server() as running:
        running.add("/page", b"<p>page")
        for path, body in {
            "/listed.jpg": _LISTED,
            "/stopped.jpg": _STOPPED,
            "/safe.jpg": _SAFE,
            "/recorded.jpg": _RECORDED,
        }.items():
            running.add(path, Reply(body, "image/jpeg"))
        yield running


_WHOLE = {"EXTENSIONS": {"tested.parts.Whole": 0}}
_PIECES = {"EXTENSIONS": {"tested.parts.Pieces": 0}, "DOWNLOADER_MIDDLEWARES": {"tested.parts.Between": 500}}
_LATE = {"EXTENSIONS": {"tested.parts.Late": 0}, "CONCURRENT_REQUESTS": 1}
_OLD = {"DOWNLOAD_HANDLERS": {"http": "tested.parts.OldStyle"}}
_CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "default, whole": ("default", "tested", _WHOLE),
    "strict, whole": ("strict", "tested", _WHOLE),
    "default, pieces": ("default", "tested", _PIECES),
    "strict, pieces": ("strict", "tested", _PIECES),
    "default, late": ("default", "tested", _LATE),
    "strict, late": ("strict", "tested", _LATE),
    "strict, no reactor": ("strict", "tested", {**_WHOLE, "TWISTED_REACTOR_ENABLED": False}),
    "strict, old handler": ("strict", "tested", {**_WHOLE, **_OLD}),
    "default, browsing": ("default", "browsing", {}),
    "strict, browsing": ("strict", "browsing", {}),
    "default, telnet": ("default", "telnet", {}),
    "strict, telnet": ("strict", "telnet", {}),
}


@pytest.fixture(scope="module")
def crawls(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Crawl]:
    """Run each crawl."""
    folder = tmp_path_factory.mktemp("strict")

    def run(number: int, case: tuple[str, str, dict[str, Any]]) -> Crawl:
        level, spider, settings = case
        project = Project(
            folder / str(number),
            _SPIDER,
            _LISTS,
            settings={"TELNETCONSOLE_ENABLED": None, **settings},
            policy=f"level: {level}",
            modules={"parts": _PARTS},
        )
        return project.crawl(spider, base=server.base)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(_CASES, pool.map(run, range(len(_CASES)), _CASES.values()), strict=True))


def _told(crawl: Crawl, what: str) -> dict[str, int]:
    return {event[what]: event["length"] for event in crawl.events if what in event}


# Without a reactor, the download handler of older versions of Scrapy needs httpx.
_HAS_HANDLER = scrapy.version_info >= (2, 19) or importlib.util.find_spec("httpx") is not None
_STRICT_WHOLE = [
    "strict, whole",
    "strict, old handler",
    *(["strict, no reactor"] if _HAS_HANDLER else []),
]


@pytest.mark.parametrize("case", _STRICT_WHOLE)
def test_nobody_hears_of_unchecked_responses(case: str, crawls: dict[str, Crawl]) -> None:
    """In the strict level, on each loop and handler, the signal for a response comes after its check."""
    crawl = crawls[case]
    assert crawl.exit_code == 0, crawl.log[-3000:]
    heard = _told(crawl, "heard")
    assert heard["page"] > 0
    assert heard["safe.jpg"] == len(_SAFE)
    assert not {"listed.jpg", "stopped.jpg"} & heard.keys()
    assert heard["recorded.jpg"] == 0
    assert _told(crawl, "arrived") == {"/safe.jpg": len(_SAFE)}


def test_in_the_default_level_they_do(crawls: dict[str, Crawl]) -> None:
    """The control: without the wrapper, an extension gets a listed body whole, and a warning at the start names it."""
    crawl = crawls["default, whole"]
    assert _told(crawl, "heard")["listed.jpg"] == len(_LISTED)
    assert "WARNING: ingest_guard: unchecked bytes of responses go to response_downloaded: tested.parts.Whole" in (
        crawl.log
    )


@pytest.mark.parametrize("case", _STRICT_WHOLE)
def test_each_response_is_counted_once(case: str, crawls: dict[str, Crawl]) -> None:
    """What the handler has checked, the gate knows again: the figures are those of the default level."""
    counted = {
        name: {key: value for key, value in crawls[each].stats.items() if key.startswith("ingest_guard/")}
        for name, each in (("strict", case), ("default", "default, whole"))
    }
    for key in ("checked", "matched", "no_known_match", "not_an_image", "records", "bytes"):
        assert counted["strict"][f"ingest_guard/{key}"] == counted["default"][f"ingest_guard/{key}"]
    assert crawls[case].count("checked") == 4
    assert crawls[case].record_urls() == crawls["default, whole"].record_urls() != []


def test_the_older_kind_of_handler_is_called_as_it_expects(crawls: dict[str, Crawl]) -> None:
    """A handler that takes the spider and returns a Deferred works inside of the wrapper."""
    assert {"old_style": "tested"} in crawls["strict, old handler"].events


def test_pieces_of_downloads_go_to_nobody(crawls: dict[str, Crawl], server: Server) -> None:
    """The strict level does not start with an extension that listens to them, and says which."""
    crawl = crawls["strict, pieces"]
    assert crawl.exit_code != 0
    assert crawl.events == []
    (line,) = crawl.critical()
    assert "bytes_received: tested.parts.Pieces.bytes_received" in line
    assert "remove that extension" in line


def test_in_the_default_level_pieces_do(crawls: dict[str, Crawl]) -> None:
    """The control: an extension gets pieces of a listed body; of a stopped download nothing goes further."""
    crawl = crawls["default, pieces"]
    assert _told(crawl, "piece")["listed.jpg"] > 0
    assert _told(crawl, "between")["stopped.jpg"] == 0
    assert {event["missed"]: event["held"] for event in crawl.events if "missed" in event}["/stopped.jpg"] == 0


def test_a_late_listener_latches_the_guard(crawls: dict[str, Crawl]) -> None:
    """Whoever connects to pieces of downloads when the crawl is under way ends it before the next request goes out."""
    crawl = crawls["strict, late"]
    assert "piece" not in {key for event in crawl.events for key in event}
    assert crawl.stats["finish_reason"] == "ingest_guard_failed"
    assert "tested.parts.Pieces.bytes_received" in crawl.log
    assert _told(crawl, "arrived") == {}
    assert crawl.records == []
    assert "listed.jpg" in _told(crawls["default, late"], "piece")


def test_nothing_is_opened_in_a_browser(crawls: dict[str, Crawl]) -> None:
    """In the strict level ``open_in_browser`` raises before it writes; in the default level it leaves its file."""
    strict, default = crawls["strict, browsing"], crawls["default, browsing"]
    assert [event for event in strict.events if "opened" in event] == []
    assert {"refused": "/page", "type": "IngestGuardError"} in strict.events
    assert list((strict.out / "tmp").iterdir()) == []
    assert {"opened": "/page"} in default.events
    (left,) = (default.out / "tmp").iterdir()
    assert b"<p>page" in left.read_bytes()


def test_doors_into_the_process_stay_shut(crawls: dict[str, Crawl]) -> None:
    """A spider that switches the telnet console on gets it in the default level, and no start in the strict one."""
    crawl = crawls["strict, telnet"]
    assert crawl.exit_code != 0
    (line,) = crawl.critical()
    assert "TELNETCONSOLE_ENABLED is on" in line
    assert "remove the setting" in line
    assert "Telnet console listening" in crawls["default, telnet"].log
