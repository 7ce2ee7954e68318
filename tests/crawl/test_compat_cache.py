from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from support.caches import CLEAN_DBM
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
            yield scrapy.Request(self.base + "/start")

        def parse(self, response):
            for path in ("/fresh.jpg", "/stale.jpg", "/moved.jpg", "/flaky.jpg", "/listed.jpg", "/flaky-listed.jpg"):
                yield scrapy.Request(self.base + path, self.arrived, errback=self.missed, cb_kwargs={"path": path})

        def arrived(self, response, path):
            tell(arrived=path, length=len(response.body), cached="cached" in response.flags)
            yield {"image_url": response.url, "alt": path}

        def missed(self, failure):
            tell(missed=failure.request.cb_kwargs["path"], type=type(failure.value).__name__)
"""
_SAFE = {f"/{name}.jpg": encode(drawn(seed), "JPEG") for name, seed in (("fresh", 31), ("stale", 32), ("flaky", 33))}
_LISTED = {"/listed.jpg": encode(drawn(1), "JPEG"), "/flaky-listed.jpg": encode(drawn(1), "JPEG", quality=80)}
_PATHS = ["/flaky.jpg", "/fresh.jpg", "/moved.jpg", "/stale.jpg"]
_FRESH, _STALE = (("Cache-Control", "max-age=3600"),), (("Cache-Control", "max-age=0"),)
_CACHES = [
    (policy, storage)
    for policy in ("DummyPolicy", "RFC2616Policy")
    for storage in ("FilesystemCacheStorage", "DbmCacheStorage")
]


class _Site(Server):
    """A site for one project: what is flaky fails at the first request for it, and answers from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.add("/start", Reply(b"<p>start", headers=_FRESH))
        self.add("/fresh.jpg", Reply(_SAFE["/fresh.jpg"], "image/jpeg", headers=_FRESH))
        self.add("/stale.jpg", Reply(_SAFE["/stale.jpg"], "image/jpeg", headers=_STALE, etag='"s"'))
        self.add("/moved.jpg", Reply(b"", status=301, headers=(("Location", "/fresh.jpg?moved"), *_FRESH)))
        self.add("/listed.jpg", Reply(_LISTED["/listed.jpg"], "image/jpeg", headers=_FRESH))
        for path, body in (("/flaky.jpg", _SAFE["/flaky.jpg"]), ("/flaky-listed.jpg", _LISTED["/flaky-listed.jpg"])):
            self.add(path, self._flaky(Reply(body, "image/jpeg", headers=_FRESH)))

    def _flaky(self, reply: Reply) -> object:
        def answer(seen: Seen) -> Reply:
            return Reply(b"<p>later", status=503) if len(self.requests_to(seen.path)) == 1 else reply

        return answer


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], tuple[Crawl, Crawl]]]:
    """Crawl the same site twice with each cache, with the guard both times; the second time, the cache is full."""
    folder = tmp_path_factory.mktemp("caches")
    lists = {"a": [f"md5 {hashlib.md5(body, usedforsecurity=False).hexdigest()}" for body in _LISTED.values()]}

    def run(kind: tuple[str, str]) -> tuple[Crawl, Crawl]:
        policy, storage = kind
        settings = {
            "HTTPCACHE_ENABLED": True,
            "HTTPCACHE_DIR": "../../out/httpcache",
            "HTTPCACHE_POLICY": f"scrapy.extensions.httpcache.{policy}",
            "HTTPCACHE_STORAGE": f"scrapy.extensions.httpcache.{storage}",
            "HTTPCACHE_DBM_MODULE": CLEAN_DBM,
            "HTTPCACHE_IGNORE_HTTP_CODES": [503],
            "RETRY_ENABLED": True,
        }
        project = Project(folder / "-".join(kind), _SPIDER, lists, settings=settings)
        with _Site() as site:
            return project.crawl(base=site.base), project.crawl(base=site.base)

    with ThreadPoolExecutor(2) as pool:
        yield dict(zip(_CACHES, pool.map(run, _CACHES), strict=True))


@pytest.mark.parametrize("kind", _CACHES, ids="-".join)
def test_cached_or_not_the_same_records_come(
    kind: tuple[str, str], pairs: dict[tuple[str, str], tuple[Crawl, Crawl]]
) -> None:
    """With each policy and storage, retries and redirects included: safe images become records, listed ones never."""
    for crawl in pairs[kind]:
        assert crawl.exit_code == 0, crawl.log[-3000:]
        digests = {path: hashlib.sha256(_SAFE.get(path, _SAFE["/fresh.jpg"])).hexdigest() for path in _PATHS}
        assert {record["alt"]: record["sha256"] for record in crawl.records} == digests
        missed = {event["missed"]: event["type"] for event in crawl.events if "missed" in event}
        assert missed == dict.fromkeys(_LISTED, "ImageBlocked")
        assert crawl.faults() == []


@pytest.mark.parametrize("kind", _CACHES, ids="-".join)
def test_the_cache_works_under_the_guard(
    kind: tuple[str, str], pairs: dict[tuple[str, str], tuple[Crawl, Crawl]]
) -> None:
    """What passed is served from the cache the second time; what did not was never stored, and is asked for again."""
    first, second = (
        {event["arrived"]: event["cached"] for event in crawl.events if "arrived" in event} for crawl in pairs[kind]
    )
    assert first["/flaky.jpg"] is first["/stale.jpg"] is False
    assert dict.fromkeys(_PATHS, True) == second
    stats = pairs[kind][1].stats
    assert stats.get("httpcache/revalidate", 0) == (1 if kind[0] == "RFC2616Policy" else 0)
    assert stats["httpcache/hit"] >= 4
    assert pairs[kind][1].count("matched") == 2


@pytest.mark.parametrize("kind", _CACHES, ids="-".join)
def test_no_cache_holds_anything_listed(
    kind: tuple[str, str], pairs: dict[tuple[str, str], tuple[Crawl, Crawl]]
) -> None:
    """The search of all files finds nothing of a listed image, and finds the safe ones in the cache."""
    crawl = pairs[kind][1]
    assert crawl.traces(_LISTED, _SAFE.values()) == []
    assert {trace.name for trace in crawl.traces(_SAFE)} == set(_SAFE)


def test_a_failing_answer_is_retried_and_a_match_is_not(pairs: dict[tuple[str, str], tuple[Crawl, Crawl]]) -> None:
    """The retries counted are those of the two flaky addresses."""
    first, second = pairs["DummyPolicy", "FilesystemCacheStorage"]
    assert first.stats["retry/count"] == 2
    assert "retry/count" not in second.stats
