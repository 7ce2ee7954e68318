"""HTTP caches: what they store, what they held before the guard, and what they bring in behind its back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.caches import CLEAN_DBM
from support.leaks import UNGUARDED, Case, Twin, listed, safe, twins
from support.server import Reply, Server

import ingest_guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.crawl import Crawl, Project
    from support.server import Seen

_SPIDER = """
    import scrapy
    from scrapy.exceptions import CloseSpider
    from tested.hoard import keep, keep_failure, keep_living


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        again = ()

        async def start(self):
            self.again = []
            for path in ("fresh", "revalidated", "broken", "changed"):
                yield scrapy.Request(f"{self.base}/listed/{path}.jpg", self.arrived, errback=self.missed)
            yield scrapy.Request(self.base + "/last", self.last, priority=-10, dont_filter=True)

        def arrived(self, response):
            keep("callback", response)

        def missed(self, failure):
            keep_failure("errback", failure)
            self.again.append(failure.request)

        def last(self, response):
            # Tries again what failed, as errbacks do, and is stopped before it comes to that.
            self.crawler.engine.pause()
            for request in self.again:
                yield request.replace(dont_filter=True)
            raise CloseSpider("stopped")

        def closed(self, reason):
            keep_living("living")
"""
_OLD = {name: listed(number) for number, name in enumerate(("fresh", "revalidated", "broken", "changed"), 1)}
_NEW = {"new": listed(9)}
_FLAGGED = {**_OLD, **_NEW}
_SETTINGS: dict[str, Any] = {
    "HTTPCACHE_ENABLED": True,
    "HTTPCACHE_DIR": "../../out/httpcache",
    "HTTPCACHE_POLICY": "scrapy.extensions.httpcache.RFC2616Policy",
    "HTTPCACHE_DBM_MODULE": CLEAN_DBM,
    "HTTPERROR_ALLOW_ALL": True,
    "CONCURRENT_REQUESTS": 1,
    "JOBDIR": "../out/job",
}
_STORAGES = {
    "files": "scrapy.extensions.httpcache.FilesystemCacheStorage",
    "database": "scrapy.extensions.httpcache.DbmCacheStorage",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve images that a cache may keep; most of them it must ask for again."""

    def changed(seen: Seen) -> Reply:
        body = _NEW["new"] if "if-none-match" in seen.headers else _OLD["changed"]
        return Reply(body, "image/jpeg", headers=(("ETag", '"a"'), ("Cache-Control", "max-age=0")))

    def broken(seen: Seen) -> Reply:
        if "if-none-match" in seen.headers:
            return Reply(b"", status=503)
        return Reply(_OLD["broken"], "image/jpeg", headers=(("ETag", '"a"'), ("Cache-Control", "max-age=0")))

    with Server() as running:
        running.add("/last", b"<p>last")
        long, short = (("Cache-Control", "max-age=99999"),), (("Cache-Control", "max-age=0"),)
        running.add("/listed/fresh.jpg", Reply(_OLD["fresh"], "image/jpeg", headers=long))
        running.add("/listed/revalidated.jpg", Reply(_OLD["revalidated"], "image/jpeg", headers=short, etag='"a"'))
        running.add("/listed/changed.jpg", changed)
        running.add("/listed/broken.jpg", broken)
        yield running


@pytest.fixture(scope="module", params=_STORAGES)
def old(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Fill a cache without the guard; then crawl again with it, without it, and with a middleware that drops."""
    settings = {**_SETTINGS, "HTTPCACHE_STORAGE": _STORAGES[request.param]}
    careless = {"DOWNLOADER_MIDDLEWARES": {"tested.hoard.Careless": 950}}
    cases = {
        "guarded": Case(settings, "old_stores: accept"),
        "unguarded": Case({**settings, **UNGUARDED}),
        "careless": Case({**settings, **UNGUARDED, **careless}),
    }

    def run(project: Project, case: Case) -> Crawl:
        case.configure(project, **UNGUARDED, JOBDIR=None, DOWNLOADER_MIDDLEWARES=None)
        filled = project.crawl(base=server.base)
        assert filled.stats["httpcache/store"] >= len(_OLD)
        for file in (project.out / "hoard").iterdir():
            file.unlink()
        case.configure(project)
        return project.crawl(base=server.base)

    return twins(tmp_path_factory.mktemp("caches"), _SPIDER, cases, _FLAGGED, run=run)


def test_old_entries_are_dropped_on_their_way_out(old: dict[str, Twin]) -> None:
    """What a cache holds from before the guard and takes for fresh is served as a response, and checked as one."""
    assert old["guarded"].crawl.stats["httpcache/hit"] >= 1
    assert "fresh" not in _outside(old["guarded"])
    assert "fresh" in old["unguarded"].left("callback")


def test_revalidated_bodies_meet_the_sentinel(old: dict[str, Twin]) -> None:
    """The gate sees an empty 304, or an error; the cache puts the old body in its place, and the sentinel drops it."""
    assert old["guarded"].crawl.stats["httpcache/revalidate"] == 2
    assert old["guarded"].crawl.count("sentinel/dropped") >= 2
    assert not {"revalidated", "broken"} & _outside(old["guarded"])
    assert {"revalidated", "broken"} <= old["unguarded"].left("callback")


def test_requests_carry_no_cached_response(old: dict[str, Twin]) -> None:
    """A request whose answer was dropped has the cached one in its meta; whoever sends it again queues that, too."""
    assert old["guarded"].reached("errback")
    assert "changed" not in _outside(old["guarded"])
    assert old["guarded"].left("job") == set()
    assert "changed" in old["careless"].left("errback")
    assert "changed" in old["careless"].left("job")


def test_caches_store_nothing_new(old: dict[str, Twin]) -> None:
    """Either storage keeps what came from the network, unless it was dropped before."""
    assert "new" not in {each for names in old["guarded"].traces.values() for each in names}
    assert "new" in old["unguarded"].left("httpcache")


@pytest.mark.parametrize("storage", _STORAGES)
def test_an_old_cache_is_refused_and_purged(storage: str, server: Server, tmp_path: Any) -> None:
    """A crawl does not start with a cache from before the guard; after a purge nothing listed is in it."""

    def run(project: Project, case: Case) -> Crawl:
        case.configure(project, **UNGUARDED, JOBDIR=None)
        project.crawl(base=server.base)
        case.configure(project)
        return project.crawl(base=server.base)

    settings = {**_SETTINGS, "HTTPCACHE_STORAGE": _STORAGES[storage]}
    twin = twins(tmp_path, _SPIDER, {"guarded": Case(settings)}, _FLAGGED, run=run)["guarded"]
    assert twin.crawl.exit_code != 0
    assert "ingest-guard purge" in twin.crawl.critical()[0]
    assert twin.left("httpcache") == set(_OLD)
    done = subprocess.run(
        [sys.executable, "-c", "from ingest_guard.cli import main; main()", "purge"],
        cwd=twin.project,
        env={**os.environ, "PYTHONPATH": str(Path(ingest_guard.__file__).parents[1])},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert Twin(twin.crawl, twin.project, _FLAGGED).left("httpcache") == set()


def test_a_cache_that_would_write_memory_is_refused(server: Server, tmp_path: Path) -> None:
    """An ndbm database writes the unused parts of its pages as its memory was: the crawl ends before a request."""
    settings = {
        **_SETTINGS,
        "HTTPCACHE_STORAGE": _STORAGES["database"],
        "HTTPCACHE_DBM_MODULE": "dbm.ndbm",
    }
    before = len(server.log)
    twin = twins(tmp_path, _SPIDER, {"guarded": Case(settings)}, _FLAGGED, arguments={"base": server.base})["guarded"]
    assert twin.crawl.exit_code != 0
    assert "dbm.dumb" in twin.crawl.critical()[0]
    assert len(server.log) == before


def _outside(twin: Twin) -> set[str]:
    """Return what was found anywhere but in the cache, which had it before."""
    return {name for place, names in twin.traces.items() if place != "httpcache" for name in names}


def test_the_search_knows_what_is_harmless() -> None:
    """The control: an image that nobody lists shares no block with a listed one."""
    from support.traces import Needles  # noqa: PLC0415 - for this control alone

    assert Needles(_FLAGGED, [safe()]).find(safe()) == set()
