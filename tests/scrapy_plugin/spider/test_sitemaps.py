from __future__ import annotations

import asyncio
import gzip
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.http import HtmlResponse, Response, TextResponse, XmlResponse
from scrapy.utils.sitemap import Sitemap

from ingest_guard.scrapy_plugin.spider.sitemaps import in_robots, in_text, mend, read_sitemap
from ingest_guard.scrapy_plugin.spider.spider import ImageTextSpider

_ROBOTS = "https://site.example/robots.txt"
_PAGES = ["https://site.example/a?x=1&y=2", "https://site.example/b"]


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("Sitemap: https://site.example/map.xml", "https://site.example/map.xml"),
        ("sitemap:https://site.example/map.xml", "https://site.example/map.xml"),
        ("  SITEMAP : /map.xml  ", "https://site.example/map.xml"),
        ("Sitemap: /map.xml # the large one", "https://site.example/map.xml"),
        ("Sitemap: /map.xml\t#the large one", "https://site.example/map.xml"),
        ("Sitemap: /map.xml#part", "https://site.example/map.xml"),
        ("Sitemap: # none", None),
        ("Sitemap:", None),
        ("# Sitemap: /map.xml", None),
        ("Disallow: /sitemap: x", None),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_sitemaps_that_a_robots_txt_names(line: str, address: str | None, end: str) -> None:
    """With comments, in any case, relative, between any line ends."""
    body = f"User-agent: *{end}{line}{end}Disallow: /x{end}".encode()
    assert list(in_robots(body, _ROBOTS)) == ([address] if address else [])
    first = b"\xef\xbb\xbf" + f"{line}{end}".encode()
    assert list(in_robots(first, _ROBOTS)) == ([address] if address else [])


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_a_sitemap_in_text(codec: str, end: str) -> None:
    """One address in each line, in any encoding that has a mark."""
    assert in_text((end.join(_PAGES) + end).encode(codec)) == _PAGES


@pytest.mark.parametrize("body", [b"", b"<urlset/>", b"<html>https://a/", b"see https://site.example/", b"\x00\x01"])
def test_what_is_no_sitemap_in_text(body: bytes) -> None:
    """Its first line must be an address."""
    assert in_text(body) is None


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("/?a=1&amp;b=2", "/?a=1&b=2"),
        ("/?a=1&b=2", "/?a=1&b=2"),
        ("/?a=1&copy=2", "/?a=1&copy=2"),
        ("/?a&&b", "/?a&&b"),
        ("/caf&eacute;", "/caf\u00e9"),
        ("/a&nbsp;b", "/a\u00a0b"),
        ("/&unknown;", "/&unknown;"),
        ("/&#233;&#xE9;", "/\u00e9\u00e9"),
        ("/&lt;&gt;&quot;&apos;", "/<>\"'"),
        ("<![CDATA[/?a=1&b=2&eacute;]]>", "/?a=1&b=2&eacute;"),
        ("/&", "/&"),
    ],
)
def test_ampersands_and_entities_of_a_sitemap(written: str, address: str) -> None:
    """An address is what its publisher meant, with XML's references, HTML's entities or neither."""
    body = f"<?xml version='1.0'?><urlset><url><loc>{written}</loc></url><url><loc>/next</loc></url></urlset>"
    assert [entry["loc"] for entry in Sitemap(mend(body.encode()))] == [address, "/next"]


def test_other_encodings_are_left_to_the_parser() -> None:
    """What is not ASCII beneath is not looked at byte by byte."""
    body = "<urlset><url><loc>/a</loc></url></urlset>".encode("utf-16")
    assert mend(body) == body


@given(body=st.binary(max_size=200))
def test_no_body_is_an_error(body: bytes) -> None:
    """Whatever a host sends."""
    assert isinstance(mend(body), bytes)
    assert in_text(body) is None or isinstance(in_text(body), list)
    assert list(in_robots(body, _ROBOTS)) is not None
    assert read_sitemap(body, 1000) is None or body


def _xml(*addresses: str) -> bytes:
    entries = "".join(f"<url><loc>{each}</loc></url>" for each in addresses)
    return f"<?xml version='1.0'?><urlset>{entries}</urlset>".encode()


_MAP = "https://site.example/map"
_ANSWERS = {
    "text": TextResponse(f"{_MAP}.txt", body="\n".join(_PAGES).encode()),
    "text without a type": Response(_MAP, body="\n".join(_PAGES).encode()),
    "text in gzip": Response(f"{_MAP}.txt.gz", body=gzip.compress("\n".join(_PAGES).encode())),
    "xml": XmlResponse(f"{_MAP}.xml", body=_xml(*_PAGES)),
    "xml as text": TextResponse(f"{_MAP}.php", body=_xml(*_PAGES)),
    "xml as html": HtmlResponse(_MAP, body=b"\n" + _xml(*_PAGES)),
    "xml in gzip as xml": XmlResponse(f"{_MAP}.xml", body=gzip.compress(_xml(*_PAGES))),
    "xml in gzip as html": HtmlResponse(f"{_MAP}.php", body=gzip.compress(_xml(*_PAGES))),
    "xml in gzip as anything": Response(f"{_MAP}?page=1", body=gzip.compress(_xml(*_PAGES))),
    "text in gzip as text": TextResponse(f"{_MAP}.txt", body=gzip.compress("\n".join(_PAGES).encode())),
    "entities in gzip": Response(f"{_MAP}.gz", body=gzip.compress(_xml(*_PAGES).replace(b"&", b"&#38;"))),
    "xml in gzip": Response(f"{_MAP}.xml.gz", body=gzip.compress(_xml(*_PAGES))),
}


def _spider() -> Any:
    spider = ImageTextSpider("https://site.example/")
    spider._max_size, spider._warn_size = 1 << 20, 1 << 20
    limits = SimpleNamespace(bytes=1 << 20)
    counts: Counter[str] = Counter()
    spider.__dict__["_state"] = SimpleNamespace(
        policy=SimpleNamespace(limits=limits), count=lambda name: counts.update([name]), counts=counts
    )
    spider.__dict__["_filters"] = SimpleNamespace(blocks_host=lambda _: False)
    spider.__dict__["_pending"] = SimpleNamespace(is_full=lambda: False)
    return spider


def _parsed(answer: Response) -> list[Request]:
    async def collect(spider: Any) -> list[Request]:
        return [request async for request in spider._parse_sitemap(answer)]

    return asyncio.run(collect(_spider()))


@pytest.mark.parametrize("name", _ANSWERS)
def test_pages_of_a_sitemap_are_asked_for(name: str) -> None:
    """In text or XML, packed or not, whatever type it is served as."""
    answer = _ANSWERS[name].replace(request=Request(_ANSWERS[name].url))
    found = _parsed(answer)
    assert [request.url for request in found] == _PAGES


def test_a_robots_txt_leads_to_sitemaps() -> None:
    """A line that is no address is passed over: its error would end the crawl of the others."""
    body = b"Sitemap: /one.xml # comment\nSitemap: http:// \nSitemap: https://site.example/two.xml\n"
    found = _parsed(TextResponse(_ROBOTS, body=body))
    assert {"https://site.example/one.xml", "https://site.example/two.xml"} <= {request.url for request in found}


def test_only_pages_within_the_domains_are_asked_for() -> None:
    """As for links: other hosts and lines that are no address are left out."""
    body = b"https://site.example/a\nhttps://other.example/b\nnot an address\n"
    found = _parsed(TextResponse(f"{_MAP}.txt", body=body))
    assert [request.url for request in found] == ["https://site.example/a"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>no map",
        b"no address",
        b"<rss/>",
        b"<?xml version='1.0'?>",
        gzip.compress(b"<html>"),
        gzip.compress(_xml(*_PAGES))[:-9],
        b"\x00" * 99,
    ],
    # Not the bytes: there is a time in what is packed.
    ids=["empty", "page", "text", "feed", "no root", "packed page", "packed and cut", "zeros"],
)
def test_what_is_no_sitemap_is_counted(body: bytes) -> None:
    """It gives no request and ends nothing."""
    spider = _spider()

    async def collect() -> list[Request]:
        return [request async for request in spider._parse_sitemap(Response(f"{_MAP}.xml", body=body))]

    assert asyncio.run(collect()) == []
    assert dict(spider._state.counts) == {"spider/sitemaps_unread": 1}


def test_an_index_leads_to_sitemaps() -> None:
    """Those that it names are read as sitemaps again."""
    body = b"<sitemapindex><sitemap><loc>https://site.example/1.xml.gz</loc></sitemap></sitemapindex>"
    found = _parsed(Response(f"{_MAP}.xml", body=body))
    assert [request.url for request in found] == ["https://site.example/1.xml.gz"]
    assert found[0].callback.__name__ == "_parse_sitemap"


@pytest.mark.parametrize(
    "unit", [b"&", b"&eacute;", b"<![CDATA[", b"<![CDATA[]]>", b"&#1", b"]]>", b"<url><loc>/a</loc></url>"]
)
def test_a_sitemap_takes_no_time(unit: bytes) -> None:
    """However many references, sections and addresses it has; of these the first 50,000 count."""
    body = b"<urlset>" + unit * ((4 << 20) // len(unit)) + b"</urlset>"
    started = time.process_time()
    found = read_sitemap(gzip.compress(body, 1), 8 << 20)
    assert time.process_time() - started < 6
    assert found is None or len(found.entries) <= 50_000
