from __future__ import annotations

import hashlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from support.crawl import Crawl, Project, page
from support.pictures import drawn, encode
from support.server import Reply, Seen, Server
from support.statements import XAP, assertion, data_mining, jumbf_segments, segment, store, uses

from ingest_guard.policy.records import OptOutPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPIDER = """
    import scrapy

    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        pages = ""
        own = ""
        allowed_domains = ["127.0.0.1"]

        async def start(self):
            for url in self.pages.split():
                yield scrapy.Request(url)
            for url in self.own.split():
                yield scrapy.Request(url, callback=self.parse_image, meta={"allow_offsite": True})

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": image.attrib["src"], "alt": image.attrib["alt"]}
            for later in response.css("a::attr(href)").getall():
                yield response.follow(later, callback=self.parse_image, cb_kwargs={"page": response.url})

        def parse_image(self, response, page=None):
            tell(url=response.url, size=len(response.body))
            yield {"image_url": response.url, "alt": "its own", "page_url": page}
"""
_LISTED = encode(drawn(1), "JPEG")
_PAST, _FUTURE = "25 Jun 2010 15:00:00 PST", "Sat, 25 Jun 2233 15:00:00 GMT"
_IMAGES: dict[str, tuple[str | None, list[tuple[str, str]]]] = {
    # name: what counts it, its headers
    "ok": (None, []),
    "noai": ("noai", [("X-Robots-Tag", "noai, noimageai")]),
    "for-us": ("noimageai", [("X-Robots-Tag", "otherbot: noindex"), ("X-Robots-Tag", "Tested-Bot: noimageai")]),
    "for-partner": ("noml", [("X-Robots-Tag", "otherbot: noindex, partnerbot: noml")]),
    "for-others": (None, [("X-Robots-Tag", "otherbot: noindex, noai")]),
    "none": ("noindex", [("X-Robots-Tag", "max-snippet: 3"), ("X-Robots-Tag", "NONE")]),
    "noimageindex": ("noimageindex", [("x-robots-tag", "noimageindex")]),
    "gone": ("unavailable_after", [("X-Robots-Tag", f"unavailable_after: {_PAST}")]),
    "soon-gone": (None, [("X-Robots-Tag", f"unavailable_after: {_FUTURE}")]),
    "reserved": ("tdm_reservation", [("tdm-reservation", "1"), ("tdm-policy", "https://terms.example/")]),
    "not-reserved": (None, [("tdm-reservation", "0")]),
    "usage": ("content_usage", [("Content-Usage", "search=y"), ("Content-Usage", "train-ai=n")]),
    "usage-yes": (None, [("Content-Usage", "train-ai=y, search=n")]),
    "signal": ("content_signal", [("Content-Signal", "search=yes, ai-train=no")]),
    "licence": ("rsl_license", [("Link", '</l.xml>; rel="license"; type="application/rsl+xml"')]),
    "meant": ("informal_usage", [("Content-Usage", "train-genai=n")]),
    "robots-usage": ("content_usage", []),
    "robots-usage-yes": (None, []),
    "robots-partner": ("robots_txt", []),
    "iptc": ("iptc", []),
    "iptc-yes": (None, []),
    "c2pa": ("c2pa", []),
}
_SEGMENTS = {
    # name: what the file says of itself
    "/i/iptc.jpg": segment(0xE1, XAP + data_mining("DMI-PROHIBITED-AIMLTRAINING")),
    "/i/iptc-yes.jpg": segment(0xE1, XAP + data_mining("DMI-ALLOWED")),
    "/i/c2pa.jpg": b"".join(jumbf_segments(store(assertion(uses(ai_training="notAllowed"))), 90)),
}
_PAGES: dict[str, tuple[str | None, str, list[tuple[str, str]]]] = {
    # name: what counts its image, markup, headers
    "/meta-noai": ("noai", "<meta name=robots content='noindex, noai'>", []),
    "/meta-for-us": ("noimageai", "<META NAME=Tested-Bot CONTENT=noimageai>", []),
    "/meta-for-partner": ("noml", "<meta content=noml name=partnerbot>", []),
    "/meta-for-others": (None, "<meta name=otherbot content=noai>", []),
    "/meta-commented": (None, "<!-- <meta name=robots content=noai> -->", []),
    "/meta-tdm": ("tdm_reservation", "<meta name=tdm-reservation content=1>", [("tdm-reservation", "0")]),
    "/header": ("noindex", "", [("X-Robots-Tag", "noindex")]),
    "/header-tdm": ("tdm_reservation", "", [("TDM-Reservation", "1")]),
    "/licence": ("rsl_license", "<link rel=license type='application/rsl+xml' href=/l.xml>", []),
    "/robots-signal": ("content_signal", "", []),
    "/of-the-file/page": ("tdm_file", "", []),
    "/of-the-file/but-free": (None, "<meta name=tdm-reservation content=0>", []),
}
_ROBOTS = b"""User-agent: *
Content-Usage: /i/robots-usage train-ai=n
Content-Usage: /i/robots-usage-yes train-ai=y
Content-Signal: /robots-signal ai-train=no

User-agent: PartnerBot
Disallow: /i/robots-partner
"""
_POLICY = "opt_outs:\n  agents: [PartnerBot]\n  tdm_wait: 1s\n  ai_txt: true\n"
_SWITCHES = [name for name, field in OptOutPolicy.model_fields.items() if field.default is True]
_ALL_OFF = "opt_outs:\n" + "".join(f"  {name}: false\n" for name in _SWITCHES)
_SETTINGS = {
    "ROBOTSTXT_OBEY": None,
    "USER_AGENT": "Tested-Bot/1.0 (+https://tested.example)",
    "DOWNLOAD_TIMEOUT": 20,
}


class World:
    """Four hosts: pages and images; images of whom a file speaks; one that wants no crawler; one that is slow."""

    def __init__(self, pages: Server, filed: Server, closed: Server, slow: Server) -> None:
        self.pages, self.filed, self.closed, self.slow = pages, filed, closed, slow
        self.number = 0
        self.released = threading.Event()
        shown = [self.image(pages, f"/i/{name}.jpg", tuple(told)) for name, (_, told) in _IMAGES.items()]
        pages.add("/.well-known/tdmrep.json", b'[{"location": "/of-the-file/", "tdm-reservation": 1}]')
        rules = b'[{"location": "/free/*.jpg$", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]'
        filed.add("/.well-known/tdmrep.json", rules, type="application/json")
        filed.add("/ai.txt", b"User-Agent: *\nDisallow: *not-for-ai*\n", type="text/plain")
        pages.add("/robots.txt", _ROBOTS, type="text/plain")
        closed.add("/robots.txt", b"User-agent: *\nDisallow: /\n", type="text/plain")
        slow.add("/.well-known/tdmrep.json", self._wait)
        self.to_filed = self.image(filed, "/target.jpg")
        shown += [
            self.image(filed, "/free/ok.jpg"),
            self.image(filed, "/free/not-for-ai.jpg"),
            self.image(filed, "/kept.jpg"),
            self.image(closed, "/closed.jpg"),
            self.image(slow, "/slow.jpg"),
            pages.add("/i/moved.jpg", b"", status=302, headers=(("Location", "there.jpg"), ("X-Robots-Tag", "noai"))),
            pages.add("/i/moved-away.jpg", b"", status=302, headers=(("Location", self.to_filed),)),
            pages.add("/i/error.jpg", b"no", status=404, headers=(("X-Robots-Tag", "noindex"),)),
            pages.add("/i/listed.jpg", _LISTED, type="image/jpeg", headers=(("X-Robots-Tag", "noai"),)),
        ]
        self.image(pages, "/i/there.jpg")
        own = "".join(f'<a href="{url}">' for url in (self.image(pages, "/own/later.jpg"),)).encode()
        self.start = [pages.add("/", page(shown))]
        for name, (_, markup, told) in _PAGES.items():
            shown_there = self.image(pages, f"/of{name}.jpg")
            links = own if name == "/meta-noai" else b""
            body = f"<head>{markup}</head>".encode() + page([shown_there]) + links
            self.start.append(pages.add(name, body, headers=tuple(told)))
        self.own = [
            self.image(pages, "/own/ok.jpg"),
            self.image(pages, "/own/noai.jpg", (("X-Robots-Tag", "noai"),)),
            self.image(filed, "/own.jpg"),
        ]

    def image(self, server: Server, path: str, headers: tuple[tuple[str, str], ...] = ()) -> str:
        """Serve a picture of its own."""
        self.number += 1
        image = encode(drawn(600 + self.number, (90, 70)), "JPEG")
        image = image[:2] + _SEGMENTS.get(path, b"") + image[2:]
        return server.add(path, image, type="image/jpeg", headers=headers)

    def _wait(self, seen: Seen) -> Reply:
        self.released.wait(20)
        return Reply(b'[{"location": "/", "tdm-reservation": 1}]')

    def arguments(self) -> dict[str, Any]:
        """Return what the spider is told."""
        return {"pages": " ".join(self.start), "own": " ".join(self.own)}

    def asked(self) -> list[str]:
        """Return all addresses that were asked for."""
        return [
            each.url(path) for each in (self.pages, self.filed, self.closed, self.slow) for path in sorted(each.asked())
        ]

    def forget(self) -> None:
        """Forget what was asked for."""
        for each in (self.pages, self.filed, self.closed, self.slow):
            each.log.clear()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve pages and images with every signal."""
    with Server() as pages, Server("127.0.0.2") as filed, Server("127.0.0.3") as closed, Server("127.0.0.4") as slow:
        made = World(pages, filed, closed, slow)
        yield made
        made.released.set()


def make(folder: Any, policy: str, **settings: Any) -> Project:
    """Make a project that lists one image."""
    lists = {"a": [f"sha256 {hashlib.sha256(_LISTED).hexdigest()}"]}
    return Project(folder, _SPIDER, lists, policy=policy, settings={**_SETTINGS, **settings})


@pytest.fixture(scope="module")
def heeded(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Crawl, list[str]]:
    """Crawl with every opt-out heeded: (what became of it, what was asked for)."""
    world.forget()
    crawl = make(tmp_path_factory.mktemp("heeded"), _POLICY).crawl(**world.arguments())
    return crawl, world.asked()


@pytest.fixture(scope="module")
def unheeded(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Crawl, list[str]]:
    """Crawl with every opt-out switched off in the policy."""
    world.forget()
    crawl = make(tmp_path_factory.mktemp("unheeded"), _ALL_OFF).crawl(**world.arguments())
    return crawl, world.asked()


def test_only_what_nobody_has_opted_out_is_recorded(heeded: tuple[Crawl, list[str]], world: World) -> None:
    """Each signal keeps out what it is about, and nothing else."""
    crawl, _ = heeded
    expected = [world.pages.url(f"/i/{name}.jpg") for name, (reason, _) in _IMAGES.items() if reason is None]
    expected += [world.pages.url(f"/of{name}.jpg") for name, (reason, _, _) in _PAGES.items() if reason is None]
    expected += [world.filed.url("/free/ok.jpg"), world.slow.url("/slow.jpg"), world.pages.url("/own/ok.jpg")]
    assert crawl.record_urls() == sorted(expected)
    assert crawl.exit_code == 0
    assert crawl.faults() == []


def test_each_reason_is_counted(heeded: tuple[Crawl, list[str]]) -> None:
    """``opted_out/REASON`` counts images, under one reason each; what was dropped is counted as such."""
    crawl, _ = heeded
    reasons = [reason for reason, _ in _IMAGES.values()] + [reason for reason, _, _ in _PAGES.values()]
    # A redirect; an image that the spider asked for, and one from a page that had opted out; files of the images' host.
    reasons += ["noai", "noai", "noai", "tdm_file", "tdm_file", "tdm_file", "ai_txt", "robots_txt"]
    expected = Counter(reason for reason in reasons if reason is not None)
    prefix = "ingest_guard/opted_out/"
    counted = {key.removeprefix(prefix): value for key, value in crawl.stats.items() if key.startswith(prefix)}
    assert counted == expected
    assert crawl.count("images_dropped/refused") == 2
    dropped = crawl.count("images_dropped/opted_out") + crawl.count("items_dropped/opted_out")
    assert dropped + 2 == sum(expected.values())


def test_an_opted_out_image_is_checked_all_the_same(heeded: tuple[Crawl, list[str]]) -> None:
    """A match is a match, and an error an error, whatever else their headers say."""
    crawl, _ = heeded
    assert crawl.count("matched/a") == 1
    assert crawl.count("images_dropped/match") == 1
    assert crawl.count("images_dropped/status") == 1


def test_what_has_opted_out_is_not_asked_for(heeded: tuple[Crawl, list[str]], world: World) -> None:
    """Images of pages that opted out, of hosts whose file reserves them, or whose robots.txt forbids them."""
    _, asked = heeded
    for name, (reason, _, _) in _PAGES.items():
        assert (world.pages.url(f"/of{name}.jpg") in asked) == (reason is None), name
    for name in _IMAGES:
        assert (world.pages.url(f"/i/{name}.jpg") in asked) == (name not in {"robots-usage", "robots-partner"}), name
    assert not {world.filed.url("/kept.jpg"), world.filed.url("/free/not-for-ai.jpg")}.intersection(asked)
    assert [url for url in asked if url.startswith(world.closed.base)] == [world.closed.url("/robots.txt")]


def test_the_file_is_asked_for_once_a_host(heeded: tuple[Crawl, list[str]], world: World) -> None:
    """Once, and told apart: read, missing, refused, failed; who waits for it does so for a bounded time."""
    crawl, asked = heeded
    files = Counter(url for url in asked if url.endswith("/.well-known/tdmrep.json"))
    hosts = (world.pages, world.filed, world.slow)
    assert files == Counter(host.url("/.well-known/tdmrep.json") for host in hosts)
    assert crawl.count("tdm_files/read") == 2
    assert crawl.count("tdm_files/refused") == 1
    assert crawl.count("tdm_files/failed") == 1
    assert asked.count(world.filed.url("/ai.txt")) == crawl.count("ai_files/read") == 1


def test_the_spider_gets_what_it_asks_for(heeded: tuple[Crawl, list[str]]) -> None:
    """An opt-out keeps an image out of the records; the callback that asked for it has it."""
    crawl, _ = heeded
    assert len(crawl.events) == 4
    assert all(event["size"] > 500 for event in crawl.events)


def test_switched_off_in_the_policy(unheeded: tuple[Crawl, list[str]], world: World) -> None:
    """The control: with every switch off, all of it becomes records, and no host is asked for a file."""
    crawl, asked = unheeded
    failing = {world.pages.url("/i/error.jpg"), world.pages.url("/i/listed.jpg")}
    wanted = len(_IMAGES) + len(_PAGES) + 9 + 4 - len(failing)
    assert len(crawl.records) == wanted
    assert not failing.intersection(crawl.record_urls())
    assert crawl.count("items_dropped/opted_out") == crawl.count("images_dropped/opted_out") == 0
    assert not [key for key in crawl.stats if "opted_out" in key or "tdm_files" in key or "ai_files" in key]
    assert not [url for url in asked if "well-known" in url or url.endswith(".txt")]


def test_answers_from_the_cache_count_the_same(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A page that comes out of the HTTP cache says what it said when it was put there."""
    project = make(tmp_path_factory.mktemp("cached"), "opt_outs: {tdm_file: false}\n", HTTPCACHE_ENABLED=True)
    pages = " ".join(map(world.pages.url, ("/header", "/meta-noai", "/meta-commented")))
    own = world.pages.url("/own/noai.jpg")
    crawls = []
    for _ in range(2):
        world.forget()
        crawls.append(project.crawl(pages=pages, own=own))
    assert world.pages.url("/header") not in world.asked()
    assert crawls[1].stats["httpcache/hit"] >= 4
    for crawl in crawls:
        assert crawl.record_urls() == [world.pages.url("/of/meta-commented.jpg")]
        assert crawl.count("opted_out/noindex") == 1
        assert crawl.count("opted_out/noai") == 3
