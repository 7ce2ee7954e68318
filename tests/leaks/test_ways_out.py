from __future__ import annotations

import base64
import gzip
import hashlib
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pdqhash
import pytest
from support.crawl import Crawl, Project
from support.pictures import drawn, encode
from support.server import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPIDER = """
    import gc
    import hashlib

    import scrapy
    from scrapy.http import Response
    from tested.reporting import tell

    LARGEST = 1000


    def held_by(value, seen, depth=0):
        # The length of the longest body, or other bytes, that an errback can reach from what it is given.
        if id(value) in seen or depth > 3:
            return 0
        seen.add(id(value))
        if isinstance(value, (bytes, bytearray)):
            return len(value)
        if isinstance(value, Response):
            return max([len(value.body), *(held_by(v, seen, depth + 1) for v in value.headers.values())])
        if isinstance(value, dict):
            return max([0, *(held_by(inner, seen, depth + 1) for inner in value.values())])
        if isinstance(value, (list, tuple, set)):
            return max([0, *(held_by(inner, seen, depth + 1) for inner in value)])
        return 0


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/start", self.parse_start)

        def parse_start(self, response):
            for path in self.settings.getlist("PATHS"):
                yield self.request(path, download_fail_on_dataloss="fail" in path, dont_retry="fail" in path)
            yield self.request("/safe.jpg?disk", ftp_local_filename=self.settings["DISK"])
            yield {"image_urls": [f"{self.base}/safe.jpg"], "file_urls": self.files(), "alt": "files"}
            yield {"image_url": f"{self.base}/safe2.jpg", "alt": "bytes", "extra": self.settings["DATA_URL"]}

        def files(self):
            return [f"{self.base}/in-memory{number}.jpg" for number in range(3)]

        def request(self, path, **meta):
            return scrapy.Request(
                self.base + path, self.arrived, errback=self.missed, meta=meta, cb_kwargs={"path": path}
            )

        def arrived(self, response, path):
            tell(arrived=path, length=len(response.body))

        def missed(self, failure):
            seen, longest = set(), 0
            for error in (failure.value, failure.value.__context__, failure.value.__cause__):
                if error is None:
                    continue
                longest = max(longest, held_by(vars(error), seen))
                trace = error.__traceback__
                while trace is not None:
                    longest = max(longest, held_by(dict(trace.tb_frame.f_locals), seen))
                    trace = trace.tb_next
            longest = max(longest, held_by(failure.request.meta, seen))
            tell(missed=failure.request.cb_kwargs["path"], type=type(failure.value).__name__, holds=longest)

        def closed(self, reason):
            listed = set(self.settings.getlist("LISTED"))
            gc.collect()
            bodies = [found.body for found in gc.get_objects() if isinstance(found, Response)]
            tell(alive=sum(hashlib.sha256(body).hexdigest() in listed for body in bodies), responses=len(bodies))
"""
_PARTS = """
    from scrapy import signals
    from scrapy.exceptions import StopDownload
    from tested.reporting import tell


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


    class Between:
        # A downloader middleware of somebody else's, between the gate and the sentinel.
        def process_response(self, request, response):
            tell(between=request.url.rpartition("/")[2], length=len(response.body))
            return response

        def process_exception(self, request, exception):
            response = getattr(exception, "response", None)
            tell(between=request.url.rpartition("/")[2], length=len(response.body) if response is not None else 0)


    class Broken:
        # A pipeline of somebody else's that fails: Scrapy prints the item that it failed on.
        def process_item(self, item):
            if item.get("alt") == "bytes":
                raise ValueError("broken")
            return item
"""


@cache
def _listed(number: int) -> bytes:
    return encode(drawn(1).resize((240 + 4 * number, 180 + 3 * number)), "JPEG", quality=70 + number)


_SAFE = {"/safe.jpg": encode(drawn(2), "JPEG"), "/safe2.jpg": encode(drawn(3), "JPEG")}
_HEADER = base64.b64encode(_listed(0))[:3000]


def _plain(number: int, **options: object) -> Reply:
    return Reply(_listed(number), "image/jpeg", **options)  # type: ignore[arg-type]  # a test's shorthand


_REPLIES = {
    "/plain.jpg": _plain(1),
    "/gzip.jpg": Reply(gzip.compress(_listed(2)), "image/jpeg", headers=(("Content-Encoding", "gzip"),)),
    "/error.jpg": _plain(3, status=503),
    "/stop-fail.jpg": _plain(4),
    "/stop.jpg": _plain(5),
    "/cut.jpg": _plain(6, length=len(_listed(6)) + 99),
    "/cut-fail.jpg": _plain(11, length=len(_listed(11)) + 99),
    "/redirect.jpg": _plain(7, status=302, headers=(("Location", "/safe.jpg"),)),
    "/login.jpg": _plain(8, status=401, headers=(("WWW-Authenticate", 'Basic realm="x"'),)),
    "/page": Reply(b'<p><img src="data:image/jpeg;base64,' + base64.b64encode(_listed(9)) + b'">'),
    "/refresh": Reply(
        b"<p>", headers=(("Refresh", "0; url=data:image/jpeg;base64," + base64.b64encode(_listed(10)).decode()),)
    ),
    "/bad-header.jpg": Reply(raw=b"HTTP/1.1 200 OK\r\n" + _HEADER + b"\r\nContent-Length: 2\r\n\r\nok"),
}
_BLOCKED = [path for path in _REPLIES if path not in ("/stop-fail.jpg", "/cut-fail.jpg", "/bad-header.jpg")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve listed images in every way that a host may think of."""
    with Server() as running:
        running.add("/start", b"<p>start")
        for path, reply in _REPLIES.items():
            running.add(path, reply)
        for path, body in _SAFE.items():
            running.add(path, body, type="image/jpeg")
        for number in range(3):
            running.add(f"/in-memory{number}.jpg", _listed(20 + number), type="image/jpeg")
        yield running


@pytest.fixture(scope="module")
def flagged() -> dict[str, bytes]:
    """Return everything that is listed and was served."""
    return {f"listed {number}": _listed(number) for number in (*range(12), 20, 21, 22)}


@pytest.fixture(scope="module")
def crawl(server: Server, flagged: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Crawl all of it in a project that does what it can to keep what it gets."""
    folder = tmp_path_factory.mktemp("leaks")
    bits = pdqhash.compute(np.asarray(drawn(1)))[0]
    settings = {
        "TELNETCONSOLE_ENABLED": None,
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": "../../out/httpcache",
        "HTTPCACHE_STORAGE": "scrapy.extensions.httpcache.DbmCacheStorage",
        "JOBDIR": "../out/job",
        "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1, "tested.parts.Broken": 2},
        "FILES_STORE": "../out/files",
        "DOWNLOADER_MIDDLEWARES": {"tested.parts.Between": 500},
        "EXTENSIONS": {"tested.parts.Stopper": 0},
        "RETRY_ENABLED": True,
        "RETRY_TIMES": 1,
        "DOWNLOAD_FAIL_ON_DATALOSS": False,
        "HTTPERROR_ALLOW_ALL": True,
        "PATHS": list(_REPLIES),
        "DISK": str(folder / "out" / "from-ftp.jpg"),
        "DATA_URL": "an ordinary text",
        "LISTED": [hashlib.sha256(body).hexdigest() for body in flagged.values()],
        "MEDIA_ALLOW_REDIRECTS": True,
    }
    lists = {"a": [f"pdq {np.packbits(bits).tobytes().hex()}"]}
    return Project(folder, _SPIDER, lists, settings=settings, modules={"parts": _PARTS}).crawl(base=server.base)


def _missed(crawl: Crawl) -> dict[str, dict[str, object]]:
    return {event["missed"]: event for event in crawl.events if "missed" in event}


@pytest.mark.parametrize(
    "folder", ["httpcache", "job", "files", "tmp", "home", "crawl.log", "output.txt", "records.jsonl"]
)
def test_no_file_holds_anything_of_a_listed_image(folder: str, crawl: Crawl, flagged: dict[str, bytes]) -> None:
    """The HTTP cache, the job directory, media stores, temporary files, the log at DEBUG, and the feed are clean."""
    assert crawl.exit_code == 0
    traces = crawl.traces(flagged, _SAFE.values())
    assert [trace for trace in traces if trace.file.relative_to(crawl.out).parts[0] == folder] == []


def test_no_other_file_was_written(crawl: Crawl) -> None:
    """The crawl wrote nowhere else, so the search has seen everything."""
    known = {"httpcache", "job", "files", "tmp", "home", "crawl.log", "output.txt", "records.jsonl"}
    assert {path.name for path in crawl.out.iterdir()} - known == {"events.jsonl", "stats-tested.json"}


def test_the_cache_keeps_what_passes(crawl: Crawl) -> None:
    """The control of the search: the start page's neighbour, a safe answer, is found in the cache's database."""
    assert any((crawl.out / "httpcache").iterdir())
    assert "httpcache/store" in crawl.stats
    assert crawl.traces({"safe": _SAFE["/safe.jpg"]}) != []


@pytest.mark.parametrize("path", _BLOCKED)
def test_an_errback_can_reach_no_byte(path: str, crawl: Crawl) -> None:
    """Neither the exception, its traceback's frames, nor the request's meta hold a body or a long header."""
    event = _missed(crawl)[path]
    assert event["type"] == "ImageBlocked"
    assert event["holds"] < 200


@pytest.mark.parametrize(
    ("path", "error"), [("/stop-fail.jpg", "StopDownload"), ("/cut-fail.jpg", "ResponseDataLossError")]
)
def test_a_download_that_failed_brings_no_byte_along(path: str, error: str, crawl: Crawl) -> None:
    """An exception carries what had come by then past every middleware; it and its traceback are emptied on the way."""
    event = _missed(crawl)[path]
    assert event["type"] == error
    assert event["holds"] < 200


def test_a_middleware_between_gate_and_sentinel_sees_no_listed_body(crawl: Crawl, flagged: dict[str, bytes]) -> None:
    """Other middlewares see what passed; of what did not, neither a response nor what an exception carries."""
    lengths = {event["between"]: event["length"] for event in crawl.events if "between" in event}
    assert lengths["start"] > 0
    assert lengths["stop-fail.jpg"] == 0
    assert not {path.lstrip("/") for path in _BLOCKED} & lengths.keys()
    assert not {len(body) for body in flagged.values()} & set(lengths.values())


def test_a_listed_error_page_is_not_retried(crawl: Crawl, server: Server) -> None:
    """A match ends the matter: no retry asks for the same image again."""
    assert server.asked().count("/error.jpg") == 1
    assert "retry/count" not in crawl.stats


def test_a_download_straight_to_disk_is_refused(crawl: Crawl, server: Server) -> None:
    """``ftp_local_filename`` makes a handler write before anybody looks: such a request does not go out."""
    assert _missed(crawl)["/safe.jpg?disk"]["type"] == "RequestRefused"
    assert "/safe.jpg?disk" not in server.asked()
    assert crawl.count("refused/ftp_local_filename") == 1


def test_no_listed_body_stays_in_memory(crawl: Crawl) -> None:
    """Media pipelines keep failures for the whole crawl, and with them the responses: those are empty."""
    (event,) = [event for event in crawl.events if "alive" in event]
    assert "file_count" not in crawl.stats
    assert event["alive"] == 0
    assert event["responses"] > 0


def test_a_header_line_that_is_none_is_not_logged(crawl: Crawl) -> None:
    """At DEBUG, Scrapy logs header lines that it cannot read as the server sent them."""
    assert "Skipping the bad response header" not in crawl.log
    assert _HEADER[:60].decode() not in crawl.log


def test_nobody_is_let_into_the_process(crawl: Crawl) -> None:
    """The telnet console and remote control, which read a crawl's memory, are off unless the project wants them."""
    assert "TelnetConsole" not in crawl.log
    assert "RemoteControl" not in crawl.log


def test_statistics_name_no_url_and_no_value(crawl: Crawl, flagged: dict[str, bytes]) -> None:
    """The guard's own statistics are words and numbers."""
    own = [name for name in crawl.stats if name.startswith("ingest_guard/")]
    assert len(own) > 5
    for body in flagged.values():
        for algorithm in ("md5", "sha1", "sha256"):
            assert not any(hashlib.new(algorithm, body).hexdigest() in name for name in own)
    assert not any("jpg" in name or "http:" in name for name in own)
