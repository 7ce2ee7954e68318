from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
from support.crawl import Crawl, Project
from support.pictures import drawn, encode
from support.server import Reply, Seen, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPIDER = """
    import scrapy
    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            for path in ("/listed.jpg", "/safe.jpg", "/page", "/failing.jpg"):
                yield scrapy.Request(self.base + path, errback=self.missed, cb_kwargs={"path": path})

        def parse(self, response, path):
            tell(arrived=path, length=len(response.body), flags=response.flags)

        def missed(self, failure):
            tell(missed=failure.request.cb_kwargs["path"], type=type(failure.value).__name__)
"""
_LISTED = encode(drawn(1), "JPEG")
_INSIDE = encode(drawn(1), "PNG")
_SAFE = encode(drawn(2), "JPEG")
_STALE = (("Cache-Control", "max-age=0"),)
_CACHE = {"HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": "../../out/httpcache"}
_REVALIDATING = {**_CACHE, "HTTPCACHE_POLICY": "scrapy.extensions.httpcache.RFC2616Policy"}


def _failing(seen: Seen) -> Reply:
    """Answer with a listed image first, and with an error when the cache asks whether that is still current."""
    if "if-none-match" in seen.headers:
        return Reply(b"<p>later", status=503)
    return Reply(_LISTED, "image/jpeg", etag='"f"', headers=_STALE)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve what a cache has to ask about again each time."""
    page = b'<img src="data:image/png;base64,' + base64.b64encode(_INSIDE) + b'">'
    with Server() as running:
        running.add("/listed.jpg", _LISTED, type="image/jpeg", etag='"l"', headers=_STALE)
        running.add("/safe.jpg", _SAFE, type="image/jpeg", etag='"s"', headers=_STALE)
        running.add("/page", page, etag='"p"', headers=_STALE)
        running.add("/failing.jpg", _failing)
        yield running


@pytest.fixture(scope="module")
def crawls(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Crawl, list[Seen]]]:
    """Crawl without the guard, so that the cache holds listed images; then with it, on the very same cache."""
    lists = {"a": [f"sha256 {hashlib.sha256(body).hexdigest()}" for body in (_LISTED, _INSIDE)]}
    project = Project(tmp_path_factory.mktemp("cache"), _SPIDER, lists, policy="old_stores: accept")
    done = {}
    for name, settings in (
        ("before", {"ADDONS": {}, **_REVALIDATING}),
        ("revalidating", {"ADDONS": {"ingest_guard.Addon": 0}, **_REVALIDATING}),
        ("from cache", {"ADDONS": {"ingest_guard.Addon": 0}, **_CACHE}),
    ):
        server.log.clear()
        project.set(**{"INGEST_GUARD_POLICY": "policy.yaml", **settings})
        done[name] = (project.crawl(base=server.base), list(server.log))
    return done


def _ends(crawl: Crawl) -> tuple[dict[str, int], dict[str, str]]:
    arrived = {event["arrived"]: event["length"] for event in crawl.events if "arrived" in event}
    missed = {event["missed"]: event["type"] for event in crawl.events if "missed" in event}
    return arrived, missed


def test_before_the_guard_everything_is_cached(crawls: dict[str, tuple[Crawl, list[Seen]]]) -> None:
    """The control: without the guard, all four bodies arrive and are cached."""
    crawl, _ = crawls["before"]
    assert _ends(crawl)[0].keys() == {"/listed.jpg", "/safe.jpg", "/page", "/failing.jpg"}
    assert crawl.stats["httpcache/store"] == 4


def test_an_old_body_that_a_304_brings_back_is_dropped(crawls: dict[str, tuple[Crawl, list[Seen]]]) -> None:
    """A cache that revalidates answers behind the gate, with a body from before the guard: the sentinel drops it."""
    crawl, log = crawls["revalidating"]
    assert all("if-none-match" in seen.headers for seen in log)
    assert len(log) == 4
    arrived, missed = _ends(crawl)
    assert arrived == {"/safe.jpg": len(_SAFE)}
    assert missed == dict.fromkeys(("/listed.jpg", "/page", "/failing.jpg"), "ImageBlocked")
    assert crawl.stats["httpcache/revalidate"] == 4
    assert (crawl.count("sentinel/checked"), crawl.count("sentinel/dropped")) == (4, 3)


def test_an_old_body_that_the_cache_serves_is_dropped(crawls: dict[str, tuple[Crawl, list[Seen]]]) -> None:
    """A plain cache hit from before the guard is checked like any response."""
    crawl, log = crawls["from cache"]
    assert log == []
    arrived, missed = _ends(crawl)
    assert arrived == {"/safe.jpg": len(_SAFE)}
    assert missed == dict.fromkeys(("/listed.jpg", "/page", "/failing.jpg"), "ImageBlocked")
    assert crawl.stats["httpcache/hit"] == 4
