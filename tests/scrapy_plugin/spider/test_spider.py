from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response

from ingest_guard.pages.reading import MOST_LINKS, PageDocument, PageReading
from ingest_guard.scrapy_plugin.spider.spider import ImageTextSpider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scrapy_plugin.conftest import Chain

    from ingest_guard.workers.inline import InlinePool

URL = "http://site.example/page"
PAGE = b"""<!doctype html><html lang=en><meta charset=utf-8><img src=a.jpg alt="A sail"><img src=b.jpg>
<a href=/next>n</a><a href=/not rel=nofollow>x</a><a href=/file.pdf>p</a><a href=http://elsewhere.example/>e</a>"""


class Walker(ImageTextSpider):
    """A spider of one host."""

    name = "tested"
    start_urls = ("http://site.example/",)
    depth = 1
    user_agent = "Tested-Bot/1"


@pytest.fixture
def spider_chain(make_chain: Callable[..., Chain]) -> Chain:
    """Return a chain with that spider."""
    return make_chain(spider=Walker)


def collect(results: AsyncIterator[Any]) -> list[Any]:
    """Return what a callback gives."""

    async def gather() -> list[Any]:
        return [each async for each in results]

    return asyncio.run(gather())


def page(body: bytes, declared: str = "text/html", url: str = URL) -> HtmlResponse:
    """Return a page."""
    return HtmlResponse(url, headers={"Content-Type": declared}, body=body, request=Request(url))


def parse(chain: Chain, body: bytes, declared: str = "text/html") -> tuple[list[str], list[str]]:
    """Return the images and the links that the spider takes from a page that comes through the chain."""
    chain.site.answers[URL] = page(body, declared)
    found = collect(chain.crawler.spider.parse(chain.get(URL)))  # type: ignore[union-attr]
    items = [each["image_url"] for each in found if not isinstance(each, Request)]
    return items, [each.url for each in found if isinstance(each, Request)]


def test_images_and_links_of_a_page(spider_chain: Chain) -> None:
    """Images with a text make items; links to pages of the domains are followed."""
    assert parse(spider_chain, PAGE) == (["http://site.example/a.jpg"], ["http://site.example/next"])
    stats = spider_chain.stats()
    assert (stats["extract/images"], stats["extract/kept"], stats["filtered/no_text"]) == (2, 1, 1)
    assert stats["spider/pages"] == 1


def test_only_the_first_page_is_read_twice(spider_chain: Chain) -> None:
    """From then on the gate has images and links read, too."""
    parse(spider_chain, PAGE)
    assert spider_chain.stats()["texts_read"] == 2
    parse(spider_chain, PAGE + b" ")
    parse(spider_chain, PAGE + b"  ")
    assert spider_chain.stats()["texts_read"] == 4


@pytest.mark.parametrize(
    ("meta", "follows"),
    [
        (b"<meta name=robots content=nofollow>", False),
        (b"<meta name=ROBOTS content='NOINDEX, NoFollow'>", False),
        (b"<meta name=robots content=none>", False),
        (b"<meta name=tested-bot content=nofollow>", False),
        (b"<noscript><meta name=robots content=nofollow></noscript>", False),
        (b"<meta name=otherbot content=nofollow>", True),
        (b"<meta name=robots content=nofollowing>", True),
        (b"<meta name=description content=nofollow>", True),
        (b"<!-- <meta name=robots content=nofollow> -->", True),
    ],
)
def test_pages_that_ask_not_to_follow(spider_chain: Chain, meta: bytes, *, follows: bool) -> None:
    """Of everybody, or of this crawler; their images are taken as ever."""
    images, links = parse(spider_chain, meta + PAGE)
    assert images
    assert bool(links) is follows


def test_xhtml(spider_chain: Chain) -> None:
    """A page of XHTML is read as XML: what closes itself hides no link."""
    body = b'<html xmlns="http://www.w3.org/1999/xhtml"><head><script src="x"/></head><a href="/next"/></html>'
    assert parse(spider_chain, body, "application/xhtml+xml")[1] == ["http://site.example/next"]


def test_an_unknown_charset(spider_chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """No images, but the links; it is counted."""
    monkeypatch.setattr("ingest_guard.pages.charsets.detect", lambda _: Unsure())
    assert parse(spider_chain, b"<p>\xe9\xff<img src=a.jpg alt=b><a href=/next>") == ([], ["http://site.example/next"])
    assert spider_chain.stats()["extract/unknown_charset"] == 1


class Unsure:
    """A detector's answer that says nothing."""

    encoding = None
    confidence = 0.0


@pytest.mark.parametrize("document", [None, PageDocument(image_rows=b"{}\n", link_rows=b"[]\n")])
def test_a_page_that_cannot_be_read(
    spider_chain: Chain, document: PageDocument | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives nothing: it is counted, and what a worker made up is an error of that page alone."""
    response = page(PAGE)

    async def read(self: InlinePool, *_: object) -> PageReading:
        return PageReading([], None, None, None, document)

    monkeypatch.setattr(type(spider_chain.state.pool), "read", read)
    spider = spider_chain.crawler.spider
    if document is None:
        assert collect(spider.parse(response)) == []  # type: ignore[union-attr]
        assert collect(spider.images(response)) == collect(spider.follow(response)) == []  # type: ignore[union-attr]
        assert spider_chain.stats()["spider/pages_unread"] == 1
    else:
        with pytest.raises(TypeError, match="an image that is none"):
            collect(spider.parse(response))  # type: ignore[union-attr]


def test_other_responses_are_no_pages(spider_chain: Chain) -> None:
    """Neither images nor pages elsewhere."""
    spider = spider_chain.crawler.spider
    assert collect(spider.parse(Response(URL, body=PAGE))) == []  # type: ignore[union-attr]
    assert collect(spider.parse(page(PAGE, url="http://elsewhere.example/"))) == []  # type: ignore[union-attr]
    assert "texts_read" not in spider_chain.stats()


def test_a_callback_may_give_a_page_of_its_own(spider_chain: Chain) -> None:
    """What a browser or a middleware has made of it is read like any other."""
    spider = spider_chain.crawler.spider
    spider_chain.site.answers[URL] = page(b"<p>empty")
    response = spider_chain.get(URL).replace(body=PAGE)
    assert [item["image_url"] for item in collect(spider.images(response))] == ["http://site.example/a.jpg"]  # type: ignore[union-attr]


def test_too_many_links_are_left_out_and_counted(spider_chain: Chain) -> None:
    """And the event loop gets its turn between them."""
    body = b"".join(b"<a href=http://h%d.example/>" % number for number in range(MOST_LINKS + 3))
    began = time.process_time()
    assert parse(spider_chain, body) == ([], [])
    assert time.process_time() - began < 30
    assert spider_chain.stats()["spider/links_left_out"] == 3


def test_images_that_are_left_out_are_counted(spider_chain: Chain) -> None:
    """One with a text that is none is not cut to a shorter text."""
    images, _ = parse(spider_chain, PAGE + b'<img src=c.jpg alt="' + b"x" * 70_000 + b'">')
    assert images == ["http://site.example/a.jpg"]
    assert spider_chain.stats()["extract/images_cut"] == 1


def test_depth(spider_chain: Chain) -> None:
    """Beyond it no link is followed."""
    response = page(PAGE)
    response.request = Request(URL, meta={"ingest_guard_hops": 1})
    assert collect(spider_chain.crawler.spider.follow(response)) == []  # type: ignore[union-attr]
