from __future__ import annotations

import base64
import gzip
from typing import TYPE_CHECKING

import pytest
from incidents.samples import RECIPIENT
from support.leaks import UNGUARDED, Case, Twin, listed, safe, small, twins
from support.server import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.crawl import Project

_INCIDENTS = f"incidents: {{recipients: [{RECIPIENT}]}}\n"
# A careless spider: it keeps whatever it is given, and hands it on to feeds, logs and stores.
_SPIDER = """
    import base64
    import os
    import signal
    from pathlib import Path

    import scrapy
    from tested.hoard import keep, keep_failure, keep_living

    GIVEN = Path(__file__).resolve().parents[2] / "given"


    def data_url(name):
        return (GIVEN / name).read_text()


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(data_url("data-start"), self.arrived, errback=self.missed)
            yield scrapy.Request(self.base + "/start", self.parse_start)

        def parse_start(self, response):
            os.kill(os.getpid(), signal.SIGUSR2)
            for path in self.settings.getlist("PATHS"):
                fails = "fail" in path
                meta = {"download_fail_on_dataloss": fails, "dont_retry": fails}
                yield scrapy.Request(self.base + path, self.arrived, errback=self.missed, meta=meta)
            for name in ("data-short", "data-long"):
                yield scrapy.Request(data_url(name), self.arrived, errback=self.missed)
            files = [f"{self.base}/listed/media-{number}.jpg" for number in range(3)]
            safe = self.base + "/safe.jpg"
            yield {"image_url": safe, "file_urls": [safe, *files], "image_urls": [safe, *files], "alt": "files"}
            yield {"image_url": safe, "file_urls": [data_url("data-media")], "alt": "a data: URL to be stored"}
            yield {"image_url": data_url("data-item"), "alt": "a data: URL as an item"}

        def arrived(self, response):
            keep("callback", response)
            yield {"image_url": response.url, "alt": base64.b64encode(response.body).decode()}

        def missed(self, failure):
            keep_failure("errback", failure)

        def closed(self, reason):
            os.kill(os.getpid(), signal.SIGUSR2)
            keep_living("living")
"""
_PARTS = """
    import hashlib

    from scrapy import signals
    from scrapy.exceptions import StopDownload
    from scrapy.extensions.feedexport import BlockingFeedStorage
    from tested.hoard import keep


    class Stopper:
        # Stops downloads half-way: what has come by then travels in the exception, past all process_response.
        @classmethod
        def from_crawler(cls, crawler):
            stopper = cls()
            crawler.signals.connect(stopper.bytes_received, signal=signals.bytes_received)
            return stopper

        def bytes_received(self, data, request, spider):
            if "stop" in request.url:
                raise StopDownload(fail="fail" in request.url)


    class Counter:
        # Counts images by what they are and where, as somebody might who looks for duplicates.
        @classmethod
        def from_crawler(cls, crawler):
            counter = cls()
            counter.stats = crawler.stats
            crawler.signals.connect(counter.response_received, signal=signals.response_received)
            return counter

        def response_received(self, response, request, spider):
            self.stats.inc_value(f"images/{hashlib.sha256(response.body).hexdigest()}/{response.url}")


    class Between:
        # A downloader middleware of somebody else's, between the gate and the sentinel.
        def process_response(self, request, response):
            keep("middleware", response)
            return response

        def process_exception(self, request, exception):
            keep("middleware", exception, request)


    class Broken:
        # A pipeline of somebody else's that fails on some items, and drops others: Scrapy prints both.
        def process_item(self, item):
            keep("pipeline", item)
            if "plain" in str(item.get("image_url")):
                raise ValueError("broken")
            return item


    class Spooled(BlockingFeedStorage):
        # What the storages for S3, Google Cloud and FTP are: a temporary file, and then an upload in a thread.
        def __init__(self, uri, *, feed_options=None):
            pass

        def _store_in_thread(self, file):
            file.seek(0)
            keep("uploaded-feed", file.read(), file.name)
            file.close()
"""


def _plain(number: int, **options: object) -> Reply:
    return Reply(listed(number), "image/jpeg", **options)  # type: ignore[arg-type]  # a test's shorthand


def data_url(body: bytes) -> str:
    """Return an image as an address."""
    return "data:image/jpeg;base64," + base64.b64encode(body).decode()


def _line(number: int) -> bytes:
    """Return what stands where a server should have put something short: parsers quote it in their errors."""
    return base64.b64encode(listed(number))[:3000]


_REPLIES = {
    "plain": _plain(1),
    "gzip": Reply(gzip.compress(listed(2)), "image/jpeg", headers=(("Content-Encoding", "gzip"),)),
    "error": _plain(3, status=503),
    "stop-fail": _plain(4),
    "stop": _plain(5),
    "cut": _plain(6, length=len(listed(6)) + 99),
    "cut-fail": _plain(7, length=len(listed(7)) + 99),
    "redirect": _plain(8, status=302, headers=(("Location", "/safe.jpg"),)),
    "login": _plain(9, status=401, headers=(("WWW-Authenticate", 'Basic realm="x"'),)),
    "page": Reply(b"<p><img src='" + data_url(listed(10)).encode() + b"'>"),
    "refresh": Reply(b"<p>", headers=(("Refresh", f"0; url={data_url(listed(11))}"),)),
    "location": Reply(b"<p>", status=302, headers=(("Location", data_url(listed(12))),)),
    "bad-header": Reply(raw=b"HTTP/1.1 200 OK\r\n" + _line(0) + b"\r\nContent-Length: 2\r\n\r\nok"),
    "bad-status": Reply(raw=b"HTTP/1.1 " + _line(13) + b" OK\r\n\r\nok"),
    "bad-length": Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: " + _line(14) + b"\r\n\r\nok"),
    "bad-chunk-fail": Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _line(15)),
}
_BAD = {"bad-header": 0, "bad-status": 13, "bad-length": 14, "bad-chunk-fail": 15}
_MEDIA = {f"media-{number}": 20 + number for number in range(3)}
# Scrapy prints links of more than 2083 characters at INFO, and shorter ones at DEBUG.
_DATA = {
    "data-start": small(1),
    "data-short": small(2),
    "data-long": listed(32),
    "data-media": small(3),
    "data-item": listed(34),
}
GREEDY_FLAGGED = {
    **{name: listed(number) for number, name in enumerate(list(_REPLIES)[:12], 1)},
    **{name: listed(number) for name, number in _BAD.items()},
    **{name: listed(number) for name, number in _MEDIA.items()},
    **_DATA,
}


@pytest.fixture(scope="session")
def greedy_server() -> Iterator[Server]:
    """Serve listed images in every way that a host may think of."""
    with Server() as running:
        running.add("/start", b"<p>start")
        running.add("/safe.jpg", safe(), type="image/jpeg")
        for name, reply in _REPLIES.items():
            running.add(_path(name), reply)
        for name, number in _MEDIA.items():
            running.add(_path(name), listed(number), type="image/jpeg")
        yield running


def _path(name: str) -> str:
    if name in {"stop-fail", "cut-fail", *_BAD}:
        return f"/doubtful/{name}.jpg"  # nobody ever comes to know what these are
    return f"/listed/{name}" if name == "page" else f"/listed/{name}.jpg"


def _give(project: Project) -> None:
    given = project.folder / "given"
    given.mkdir()
    for name, body in _DATA.items():
        (given / name).write_text(data_url(body))


@pytest.fixture(scope="session")
def greedy(greedy_server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Crawl all of it in a project that does what it can to keep what it gets: guarded, strictly guarded, and not.

    ``careless`` drops the same images with a middleware as one would write it who does not know what the guard knows.
    """
    ordinary = {
        "TELNETCONSOLE_ENABLED": None,
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": "../../out/httpcache",
        "JOBDIR": "../out/job",
        "ITEM_PIPELINES": {
            "scrapy.pipelines.files.FilesPipeline": 1,
            "scrapy.pipelines.images.ImagesPipeline": 2,
            "tested.parts.Broken": 3,
        },
        "FILES_STORE": "../out/files",
        "IMAGES_STORE": "../out/images",
        "DOWNLOADER_MIDDLEWARES": {"tested.parts.Between": 500},
        "EXTENSIONS": {
            "tested.hoard.Recording": 0,
            "tested.parts.Stopper": 0,
            "tested.parts.Counter": 0,
            "scrapy.extensions.debug.StackTraceDump": 0,
        },
        "FEEDS": {
            "../out/records.jsonl": {"format": "jsonlines", "overwrite": True},
            "spooled://feed": {"format": "jsonlines"},
        },
        "FEED_STORAGES": {"spooled": "tested.parts.Spooled"},
        "RETRY_ENABLED": True,
        "RETRY_TIMES": 1,
        "DOWNLOAD_FAIL_ON_DATALOSS": False,
        "HTTPERROR_ALLOW_ALL": True,
        "MEDIA_ALLOW_REDIRECTS": True,
        "PATHS": [*(_path(name) for name in _REPLIES), "/safe.jpg"],
    }
    extensions = {name: order for name, order in ordinary["EXTENSIONS"].items() if "Stopper" not in name}
    careless = {"tested.parts.Between": 500, "tested.hoard.Careless": 950}
    cases = {
        "guarded": Case(ordinary, _INCIDENTS),
        "strict": Case({**ordinary, "EXTENSIONS": extensions}, f"level: strict\n{_INCIDENTS}"),
        "unguarded": Case({**ordinary, **UNGUARDED}),
        "careless": Case({**ordinary, **UNGUARDED, "DOWNLOADER_MIDDLEWARES": careless}),
    }
    return twins(
        tmp_path_factory.mktemp("greedy"),
        _SPIDER,
        cases,
        GREEDY_FLAGGED,
        modules={"parts": _PARTS},
        prepare=_give,
        arguments={"base": greedy_server.base},
    )
