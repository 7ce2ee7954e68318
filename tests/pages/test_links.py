from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import HtmlResponse
from scrapy.linkextractors import LinkExtractor

from ingest_guard.pages.extract import extract_images
from ingest_guard.pages.findings import PageLimits
from ingest_guard.pages.metas import read_links
from ingest_guard.pages.reader import read_page
from ingest_guard.pages.reading import MOST_LINKS, PageLink, PageQuestion

URL = "https://site.example/a/b?c"


def links(text: str, encoding: str = "utf-8", media_type: str = "text/html") -> list[PageLink]:
    """Return the links of a page."""
    return read_links(text, encoding, URL, media_type)


def urls(text: str, encoding: str = "utf-8", media_type: str = "text/html") -> list[str]:
    """Return the addresses of links."""
    return [link.url for link in links(text, encoding, media_type)]


HREFS = st.sampled_from(
    [
        "/x",
        "x",
        "../x",
        "?q=1",
        "/x#f",
        "//other.example/x",
        "https://other.example/x?y=z&amp;w",
        " /blank ",
        "mailto:a@b.example",
        "javascript:void(0)",
        "tel:1",
        "/ä",
        "/q?a=ü",
        "/a b",
        "/%7Ea",
        "http://[",
        "/x;y=1",
    ]
)
RELS = st.sampled_from(["", " rel=nofollow", ' rel="x NOFOLLOW"', ' rel="ugc,nofollow"', " rel=me"])
LINKS = st.builds(
    lambda tag, href, rel: f'<{tag}{rel} href="{href}">t</{tag}>', st.sampled_from(["a", "area", "A"]), HREFS, RELS
)
PAGES = st.builds(
    lambda base, parts: f"<!doctype html><html><head>{base}</head><body><div>{'<p>x'.join(parts)}</div></body></html>",
    st.sampled_from(["", '<base href="/base/">', '<base href="https://base.example/d/e">']),
    st.lists(LINKS, max_size=8),
)


@given(PAGES)
def test_links_are_those_of_scrapys_own_extractor(text: str) -> None:
    """On ordinary pages the same addresses, in the same order, but for fragments, which no request has.

    Left out are other schemes, templates that were not filled in, and what leads to a part of the page itself.
    """
    response = HtmlResponse(URL, body=text.encode(), encoding="utf-8")
    theirs = [link.url.partition("#")[0] for link in LinkExtractor(deny_extensions=[]).extract_links(response)]
    expected = [url for url in dict.fromkeys(theirs) if url.startswith("http")]
    assert urls(text) == expected


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ('<a href="x">', ["https://site.example/a/x"]),
        ('<area href="/x">', ["https://site.example/x"]),
        ('<base href="/b/"><a href="x">', ["https://site.example/b/x"]),
        ('<a href="x"><base href="/b/">', ["https://site.example/b/x"]),
        ('<base target=_top><base href="/b/"><base href="/c/"><a href="x">', ["https://site.example/b/x"]),
        ('<svg><a href="/x">', ["https://site.example/x"]),
        ('<noscript><a href="/x"></noscript>', ["https://site.example/x"]),
        ('<template><a href="/x"></template>', ["https://site.example/x"]),
        ('<script>"<a href=/x>"</script>', []),
        ('<!-- <a href="/x"> -->', []),
        ('<a href="{{ url }}">', []),
        ('<a href="data:image/png;base64,iVBORw0KGgo">', []),
        ('<a href="file:///etc/passwd">', []),
        ("<a>x</a><a href>y</a><a href='#f'>z</a>", []),
        ('<a href="//stra\u00dfe.example/a">', ["https://xn--strae-oqa.example/a"]),
        ('<link href="/x"><form action="/y">', []),
        ('<a href="/x"></a><a href="/x#y"></a>', ["https://site.example/x"]),
    ],
)
def test_what_is_a_link(markup: str, found: list[str]) -> None:
    """``a`` and ``area``, counted from the first ``base``, each address once."""
    assert urls(markup) == found


def test_letters_in_a_query_are_sent_in_the_encoding_of_the_page() -> None:
    """As browsers do; the path is UTF-8 in any case."""
    assert urls('<a href="/é?é">', "windows-1252") == ["https://site.example/%C3%A9?%E9"]
    assert urls('<a href="/é?é">', "utf-16le") == ["https://site.example/%C3%A9?%C3%A9"]


@pytest.mark.parametrize("rel", ["nofollow", "NoFollow", "ugc nofollow", "ugc,nofollow", "\tnofollow\n"])
def test_nofollow(rel: str) -> None:
    """A link that is not to be followed says so in any case, among other words too."""
    assert links(f'<a href="/x" rel="{rel}">') == [PageLink("https://site.example/x", nofollow=True)]
    assert links('<a href="/x" rel="me nofollowing">') == [PageLink("https://site.example/x", nofollow=False)]


def test_xhtml_is_read_as_xml() -> None:
    """An element that closes itself hides no link, whatever its prefix; broken XML is read as HTML."""
    page = '<h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:title/><h:a href="/x"/></h:html>'
    assert urls(page, media_type="application/xhtml+xml") == ["https://site.example/x"]
    assert urls('<html><script src="q"/><a href="/x">', media_type="application/xhtml+xml") == [
        "https://site.example/x"
    ]
    assert urls("no XML <a href=/x>", media_type="application/xhtml+xml") == ["https://site.example/x"]


@pytest.mark.parametrize(
    "fault",
    [
        "<p>",
        "&nbsp;",
        "<br>",
        "<b x=1/>",
        "</i>",
        "<x y='1' y='2'/>",
        "<!-- a -- b -->",
        "a & b",
        "\x01",
        "<a href=/y>",
    ],
)
@pytest.mark.parametrize("hider", ["<script src='q'/>", "<title/>", "", "<h:p xmlns:h='x'/>"])
def test_a_broken_page_of_xml_gives_links_and_images_of_one_reading(hider: str, fault: str) -> None:
    """Where a fault ends one reader's tree, the links are those of the tree that gives the images: all of them."""
    page = (
        f"<html xmlns='http://www.w3.org/1999/xhtml'><body>{hider}<a href='/before'/><img src='/1.jpg' alt='x'/>"
        f"{fault}<a href='/behind'/><img src='/2.jpg' alt='y'/></body></html>"
    )
    for media_type in ("application/xhtml+xml", "application/xml"):
        found = urls(page, media_type=media_type)
        images = [image.url for image in extract_images(page.encode(), URL, content_type=media_type)]
        assert images == ["https://site.example/1.jpg", "https://site.example/2.jpg"]
        assert [url for url in found if not url.endswith("/y")] == [
            "https://site.example/before",
            "https://site.example/behind",
        ]


def test_many_links_are_cut_and_counted() -> None:
    """Beyond a number of links the page is known to have more."""
    page = "".join(f"<a href=/{n}>" for n in range(MOST_LINKS + 3)).encode()
    reading = read_page(page, declared="text/html", limits=PageLimits(), question=PageQuestion(URL))
    assert reading.document is not None
    assert (sum(1 for _ in reading.document.links()), reading.document.links_cut) == (MOST_LINKS, 3)


def test_depth_costs_nothing() -> None:
    """Links stand at any depth, and are found in linear time."""
    began = time.process_time()
    assert urls("<div>" * 60_000 + "<a href=/x>") == ["https://site.example/x"]
    assert len(urls("<a href=/x></a>" * 100_000)) == 1
    assert time.process_time() - began < 10
