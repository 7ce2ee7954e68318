from __future__ import annotations

import hashlib
import importlib.util
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import scrapy
from support.crawl import Crawl, Project
from support.listed import pdq_of
from support.pictures import drawn, encode
from support.server import nginx_http2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDER = """
    import scrapy
    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page.html")

        def parse(self, response):
            for image in response.css("img"):
                url, alt = response.urljoin(image.attrib["src"]), image.attrib["alt"]
                if "item" in url:
                    yield {"image_url": url, "alt": alt}
                else:
                    yield scrapy.Request(url, self.arrived, errback=self.missed, cb_kwargs={"alt": alt})

        def arrived(self, response, alt):
            tell(arrived=alt, length=len(response.body), protocol=str(response.protocol))
            yield {"image_url": response.url, "alt": alt}

        def missed(self, failure):
            tell(missed=failure.request.cb_kwargs["alt"], type=type(failure.value).__name__,
                 outcome=str(getattr(failure.value, "outcome", "")))
"""
_SAFE = {
    "item1.jpg": encode(drawn(21), "JPEG"),
    "item2.png": encode(drawn(22, (160, 120)), "PNG"),
    "asked1.webp": encode(drawn(23), "WEBP"),
    "asked2.jpg": encode(drawn(24), "JPEG", quality=60),
}
_LISTED = {
    "item-exact.jpg": encode(drawn(1), "JPEG"),
    "item-near.png": encode(drawn(2).resize((280, 210)), "PNG"),
    "asked-exact.jpg": encode(drawn(1), "JPEG", quality=80),
    "asked-near.jpg": encode(drawn(2).resize((240, 180)), "JPEG"),
}
_LISTS = {
    "exact": [f"sha256 {hashlib.sha256(_LISTED[name]).hexdigest()}" for name in ("item-exact.jpg", "asked-exact.jpg")],
    "near": [f"pdq {pdq_of(drawn(2))}"],
}
_HANDLERS = "scrapy.core.downloader.handlers"
_NO_REACTOR = {"TWISTED_REACTOR_ENABLED": False}


def _has(*modules: str) -> bool:
    return any(importlib.util.find_spec(name) is not None for name in modules)


def _handled_by(name: str, **settings: Any) -> dict[str, Any]:
    return {"DOWNLOAD_HANDLERS": dict.fromkeys(("http", "https"), f"{_HANDLERS}.{name}"), **settings}


@dataclass(frozen=True)
class _Host:
    """A way to run Scrapy: settings, and whether pages come over TLS; ``protocol`` is what the server must see."""

    settings: dict[str, Any]
    tls: bool = False
    protocol: str = "HTTP/1.1"


_HTTP2 = {"DOWNLOAD_HANDLERS": {"https": f"{_HANDLERS}.http2.H2DownloadHandler"}}
_HOSTS = {
    "asyncio": _Host({}),
    "asyncio, TLS": _Host({}, tls=True),
    "HTTP/2": _Host(_HTTP2, tls=True, protocol="HTTP/2.0"),
}
if _has("uvloop"):
    _HOSTS["uvloop"] = _Host({"ASYNCIO_EVENT_LOOP": "uvloop.Loop"})
_HAS_AIOHTTP = scrapy.version_info >= (2, 19)
if _HAS_AIOHTTP:
    _HOSTS["aiohttp"] = _Host(_handled_by("_aiohttp.AiohttpDownloadHandler"), tls=True)
    _HOSTS["no reactor"] = _Host(_NO_REACTOR)
if _has("httpx", *(["httpx2"] if _HAS_AIOHTTP else [])):
    _HTTPX = "_httpx.HttpxDownloadHandler"
    _HOSTS["httpx"] = _Host(_handled_by(_HTTPX))
    if _HAS_AIOHTTP:
        _HOSTS["httpx, HTTP/2"] = _Host(_handled_by(_HTTPX, HTTPX_HTTP2_ENABLED=True), tls=True, protocol="HTTP/2.0")
    _HOSTS["httpx, no reactor"] = _Host(_handled_by(_HTTPX, **_NO_REACTOR))


@dataclass(frozen=True)
class _Done:
    crawl: Crawl
    protocols: set[str]


@pytest.fixture(scope="module")
def crawls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, _Done]]:
    """Crawl the same site in each way, two at a time; an agent of its own tells each apart in the server's log."""
    folder = tmp_path_factory.mktemp("compat")
    site, work = folder / "site", folder / "nginx"
    site.mkdir()
    for name, body in {**_SAFE, **_LISTED}.items():
        (site / name).write_bytes(body)
    tags = "".join(f'<img src="/{name}" alt="{name}">' for name in [*_SAFE, *_LISTED])
    (site / "page.html").write_text(f"<!doctype html><title>page</title>{tags}")
    with nginx_http2(site, work) as (plain, tls), ThreadPoolExecutor(2) as pool:

        def run(number: int, host: _Host) -> Crawl:
            settings = {"USER_AGENT": f"agent-{number}.", **host.settings}
            project = Project(folder / str(number), _SPIDER, _LISTS, settings=settings)
            return project.crawl(base=tls if host.tls else plain)

        done = dict(zip(_HOSTS, pool.map(run, range(len(_HOSTS)), _HOSTS.values()), strict=True))
        yield {name: _Done(crawl, _protocols(work, number)) for number, (name, crawl) in enumerate(done.items())}


def _protocols(work: Path, number: int) -> set[str]:
    lines = (work / "access.log").read_text().splitlines()
    return {found for line in lines if f"agent-{number}." in line for found in re.findall(r"(HTTP/\d\.\d)\"", line)}


@pytest.mark.parametrize("name", _HOSTS)
def test_safe_images_become_records_and_no_listed_one_does(name: str, crawls: dict[str, _Done]) -> None:
    """Whatever loop and handler Scrapy runs with: each image on no list has a record, with the digest of its bytes."""
    crawl = crawls[name].crawl
    assert crawl.exit_code == 0, crawl.log[-3000:]
    assert crawl.stats["finish_reason"] == "finished"
    digests = {file: hashlib.sha256(body).hexdigest() for file, body in _SAFE.items()}
    assert {record["alt"]: record["sha256"] for record in crawl.records} == digests
    assert len(crawl.records) == len(_SAFE)
    assert crawl.faults() == []


@pytest.mark.parametrize("name", _HOSTS)
def test_what_the_spider_asks_for_arrives_or_is_blocked(name: str, crawls: dict[str, _Done]) -> None:
    """The callback gets a safe image whole, the errback an ImageBlocked for a listed one."""
    events = crawls[name].crawl.events
    arrived = {event["arrived"]: event["length"] for event in events if "arrived" in event}
    assert arrived == {file: len(body) for file, body in _SAFE.items() if file.startswith("asked")}
    missed = {event["missed"]: (event["type"], event["outcome"]) for event in events if "missed" in event}
    assert missed == dict.fromkeys(("asked-exact.jpg", "asked-near.jpg"), ("ImageBlocked", "match"))


@pytest.mark.parametrize("name", _HOSTS)
def test_figures_are_the_same_everywhere(name: str, crawls: dict[str, _Done]) -> None:
    """Each image is counted once, under the list that knows it."""
    crawl = crawls[name].crawl
    counted = {key: crawl.count(key) for key in ("checked", "no_known_match", "matched/exact", "matched/near")}
    assert counted == {"checked": 8, "no_known_match": 4, "matched/exact": 2, "matched/near": 2}
    assert crawl.count("errors") == crawl.count("sentinel/dropped") == 0


@pytest.mark.parametrize("name", _HOSTS)
def test_nothing_of_a_listed_image_is_written(name: str, crawls: dict[str, _Done]) -> None:
    """Neither the log at DEBUG, the feed nor a temporary file holds anything of what matched."""
    assert crawls[name].crawl.traces(_LISTED, _SAFE.values()) == []


@pytest.mark.parametrize("name", _HOSTS)
def test_the_crawl_used_the_protocol_it_was_to_use(name: str, crawls: dict[str, _Done]) -> None:
    """The control: the server saw HTTP/2 where that is what is tested, and nothing else."""
    assert crawls[name].protocols == {_HOSTS[name].protocol}
