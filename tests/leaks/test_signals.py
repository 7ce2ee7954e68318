"""Signals that carry raw bytes, whatever downloads them: HTTP/1.1 and HTTP/2 through Twisted, aiohttp, httpx."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest
import scrapy
from support.leaks import UNGUARDED, Case, Twin, listed, safe, twins
from support.leaks_servers import http2
from support.server import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPIDER = """
    import scrapy
    from tested.hoard import keep, keep_failure, keep_living


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            for path in ("/listed/plain.jpg", "/listed/stop.jpg", "/safe.jpg"):
                yield scrapy.Request(self.base + path, self.arrived, errback=self.missed)

        def arrived(self, response):
            keep("callback", response)

        def missed(self, failure):
            keep_failure("errback", failure)

        def closed(self, reason):
            keep_living("living")
"""
_PARTS = """
    from scrapy import signals
    from scrapy.exceptions import StopDownload
    from tested.hoard import keep


    class Pieces:
        # Hears of downloads while they are under way.
        @classmethod
        def from_crawler(cls, crawler):
            part = cls()
            crawler.signals.connect(part.bytes_received, signal=signals.bytes_received)
            crawler.signals.connect(part.headers_received, signal=signals.headers_received)
            return part

        def bytes_received(self, data, request, spider):
            keep("pieces", data)
            if "stop" in request.url:
                raise StopDownload(fail=True)

        def headers_received(self, headers, body_length, request, spider):
            keep("headers", headers)


    class Stopper:
        @classmethod
        def from_crawler(cls, crawler):
            part = cls()
            crawler.signals.connect(part.bytes_received, signal=signals.bytes_received)
            return part

        def bytes_received(self, data, request, spider):
            if "stop" in request.url:
                raise StopDownload(fail=True)


    class Whole:
        # Hears of downloads that are complete.
        @classmethod
        def from_crawler(cls, crawler):
            part = cls()
            crawler.signals.connect(part.response_downloaded, signal=signals.response_downloaded)
            return part

        def response_downloaded(self, response, request, spider):
            keep("whole", response)
"""
_FLAGGED = {"plain": listed(1), "stop": listed(2)}
_SERVED = {"/listed/plain.jpg": listed(1), "/listed/stop.jpg": listed(2), "/safe.jpg": safe()}
_SPECIFIED = "scrapy.core.downloader.handlers"
_HANDLERS = {
    "http11": ("http", f"{_SPECIFIED}.http11.HTTP11DownloadHandler", "twisted"),
    "http2": ("https", f"{_SPECIFIED}.http2.H2DownloadHandler", "h2"),
    "aiohttp": ("http", f"{_SPECIFIED}._aiohttp.AiohttpDownloadHandler", "aiohttp"),
    "httpx": ("http", f"{_SPECIFIED}._httpx.HttpxDownloadHandler", "httpx"),
}


def _is_there(name: str) -> bool:
    """Tell whether this version of Scrapy has a handler, and sends the signals from it."""
    if name == "http2":
        return scrapy.version_info >= (2, 18)
    return importlib.util.find_spec(_HANDLERS[name][1].rpartition(".")[0]) is not None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve listed images over HTTP/1.1."""
    with Server() as running:
        for path, body in _SERVED.items():
            running.add(path, Reply(body, "image/jpeg"))
        yield running


def _extensions(*names: str) -> dict[str, int]:
    return {"tested.hoard.Recording": 0, **{f"tested.parts.{name}": 0 for name in names}}


@pytest.fixture(scope="module", params=[name for name in _HANDLERS if _is_there(name)])
def heard(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Crawl with extensions that listen: strictly guarded, guarded and stopped half-way, and not guarded."""
    scheme, handler, package = _HANDLERS[request.param]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"install {package} to run this test")
    settings: dict[str, Any] = {"DOWNLOAD_HANDLERS": {scheme: handler}, "HTTPERROR_ALLOW_ALL": True}
    cases = {
        "strict": Case({**settings, "EXTENSIONS": _extensions("Whole")}, "level: strict"),
        "guarded": Case({**settings, "EXTENSIONS": _extensions("Stopper")}),
        "unguarded": Case({**settings, **UNGUARDED, "EXTENSIONS": _extensions("Whole", "Pieces")}),
    }
    folder = tmp_path_factory.mktemp("signals")
    modules = {"parts": _PARTS}
    if request.param == "http2":
        with http2(_SERVED, folder) as base:
            return twins(folder, _SPIDER, cases, _FLAGGED, modules=modules, arguments={"base": base})
    return twins(folder, _SPIDER, cases, _FLAGGED, modules=modules, arguments={"base": server.base})


@pytest.fixture(scope="module")
def listening(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Crawl with extensions that listen to pieces of downloads."""
    cases = {
        "strict": Case({"EXTENSIONS": _extensions("Pieces")}, "level: strict"),
        "default": Case({"EXTENSIONS": _extensions("Whole", "Pieces")}),
    }
    folder = tmp_path_factory.mktemp("listening")
    return twins(folder, _SPIDER, cases, _FLAGGED, modules={"parts": _PARTS}, arguments={"base": server.base})


def test_complete_responses_are_heard_of_after_the_check(heard: dict[str, Twin]) -> None:
    """In the strict level ``response_downloaded`` tells of what passed; without the guard, of everything."""
    assert heard["strict"].crawl.exit_code == 0, heard["strict"].crawl.log[-3000:]
    assert heard["strict"].reached("whole")
    assert heard["strict"].traces == {}
    assert "plain" in heard["unguarded"].left("whole")


def test_pieces_are_heard_of_by_nobody(listening: dict[str, Twin], heard: dict[str, Twin]) -> None:
    """The strict level does not start with a listener to pieces of downloads; without the guard it gets them all."""
    strict = listening["strict"]
    assert strict.crawl.exit_code != 0
    assert not strict.reached("pieces")
    assert not strict.reached("headers")
    assert strict.traces == {}
    assert {"plain", "stop"} <= heard["unguarded"].left("pieces")


def test_in_the_default_level_listeners_are_named(listening: dict[str, Twin]) -> None:
    """There they get what they listen to, and nobody else does: a warning at the start says who."""
    default = listening["default"]
    lines = [line for line in default.crawl.log.splitlines() if "unchecked bytes of responses go to" in line]
    (line,) = lines
    assert all(name in line for name in ("tested.parts.Whole", "tested.parts.Pieces"))
    assert set(default.traces) == {"whole", "pieces"}


def test_nothing_else_gets_out_of_any_handler(heard: dict[str, Twin]) -> None:
    """Whole or stopped half-way, a listed image ends at the gate; without the guard, callback and errback get it."""
    assert heard["guarded"].crawl.exit_code == 0, heard["guarded"].crawl.log[-3000:]
    assert heard["guarded"].crawl.count("matched") >= 1
    assert heard["guarded"].reached("errback")
    assert heard["guarded"].traces == {}
    assert "plain" in heard["unguarded"].left("callback")
    assert "stop" in heard["unguarded"].left("errback")
