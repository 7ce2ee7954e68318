"""What a browser shows of a page, extraction finds: with the same source and the same text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from support.devtools import browser
from support.server import Server
from support.shown import shown_images
from support.themes import CAPTIONS_SCRIPT, THEMES, theme_page

from ingest_guard.pages.extract import extract_images
from ingest_guard.policy.records import Extract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.devtools import Browser

SCREEN = 1000
BROWSER_LIKE = Extract(choose="nearest", width=SCREEN, screen=SCREEN)
PAGES: dict[str, bytes] = {
    "plain": (
        b"<img src='a 1.png' alt='A &amp; B &eacute;'><img src=/img//b.png alt=''><img src=./x/../c.png title=t>"
    ),
    "base": b"<base href='/img/'><img src=d.png alt=d><img src='../e.png?q=1&amp;r=2#f' alt=e>",
    "srcset": (
        b"<img src=s1.png srcset='s1.png 1x, s2,3.png 2x' alt=density>"
        b"<img alt=comma srcset='s4,5.png, s6.png 3x'>"
        b"<img sizes=100vw srcset='w500.png 500w, w1000.png 1000w, w2000.png 2000w' alt=width src=w.png>"
        b"<img srcset='bad.png 1q, good.png' src=fallback.png alt=bad>"
        b"<img srcset='only2.png 2x' src=only1.png alt=one>"
    ),
    "picture": (
        b"<picture><source media='(max-width: 600px)' srcset=p1.png>"
        b"<source media='(min-width: 601px)' srcset=p2.png><img src=p3.png alt=media></picture><picture>"
        b"<source type=image/x-unknown srcset=p4.png><source type=image/png srcset=p5.png>"
        b"<img src=p6.png alt=type></picture><picture>"
        b"<source media='(prefers-color-scheme: dark)' srcset=p7.png><img src=p8.png alt=light></picture>"
        b"<picture><source media='not all and (min-width: 5em)' srcset=q1.png><source srcset=''>"
        b"<source media='(400px <= width <= 1200px)' srcset=q2.png><img src=q3.png alt=range></picture>"
    ),
    "broken": (
        b"<div><table><img src=t1.png alt=foster><tr><td><a href=/x><img src=t2.png alt='no end></a>\n'><p><b>"
        b"<img src=t3.png alt=x alt=y></p></div></b></i><img src=t4.png/ alt=slash><image src=t5.png alt=image>"
        b'<svg><desc><img src=t6.png alt=inside></desc></svg><img src="t7.png"alt="tight">'
        b"<img\nsrc=t8.png\talt=tab><select><img src=t9.png alt=select></select><frameset>"
        b"<img src=t10.png alt=frames></frameset>"
    ),
    "latin": b"<meta charset=iso-8859-1><img src='\xfc.png?q=\xfc' alt='\xfcber \x93quoted\x94'>",
    "figure": (
        b"<figure><img src=f.png alt=f><figcaption>c</figcaption></figure><a href=big.png><img src=g.png alt=g></a>"
    ),
    "twice": b"<img src=h.png alt=same><img src=h.png alt=same><img src='h.png#2' alt=same>",
    "hidden": (
        b"<img src=i.png alt=seen><img src=j.png alt=no hidden><template><img src=k.png alt=no></template><div>"
        b"<template shadowrootmode=open><slot></slot></template><img src=l.png alt=slotted></div><details open>"
        b"<img src=m.png alt=open></details><noscript><img src=n.png alt=no></noscript>"
    ),
    "lazy": b"<img loading=lazy src=o.png alt=o style='margin-top: 3000px; display: block'>",
    "header": "<img src='фото.png?q=ё' alt='ёлка'>".encode("koi8-r"),
    "bom": "<img src='ü.png' alt='ü 写真'>".encode("utf-16"),
}
CHARSETS = {"header": "; charset=koi8-r", "bom": "; charset=utf-8"}


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    """Serve the pages; any other address is a picture."""
    drawn = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 40, 40)).save(drawn, "PNG")

    class Site(Server):
        def answer(self, seen):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - as the base class
            reply = super().answer(seen)
            return reply if reply.status == 200 else self.picture

    with Site() as server:
        server.add("/picture", drawn.getvalue(), type="image/png")
        server.picture = server._pages["/picture"]  # type: ignore[attr-defined]
        for name, body in PAGES.items():
            server.add(f"/pages/{name}", body, type=f"text/html{CHARSETS.get(name, '')}")
        yield server


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start a browser once for all pages."""
    with browser() as started:
        yield started


@pytest.mark.parametrize("name", PAGES)
def test_what_chromium_shows_is_found(name: str, site: Server, chromium: Browser) -> None:
    """Each visible img, with the source that it has chosen, and its alt."""
    url = site.url(f"/pages/{name}")
    shown = shown_images(chromium, url, width=SCREEN)
    kind = f"text/html{CHARSETS.get(name, '')}"
    found = extract_images(PAGES[name], url, content_type=kind, policy=BROWSER_LIKE)
    texts = {image.url: image.alt for image in found}
    assert shown
    for image in shown:
        expected = " ".join((image.alt or image.title).split())
        assert texts.get(image.url.partition("#")[0]) == expected, image


@pytest.mark.parametrize("name", THEMES)
def test_pages_of_common_themes_are_read_as_chromium_shows_them(name: str, site: Server, chromium: Browser) -> None:
    """The same sources among the copies, the same texts, and captions word for word."""
    for seed in range(3):
        host = site.url("/").removeprefix("http://").rstrip("/")
        body = theme_page(name, seed, host)
        site.add(f"/themes/{name}/{seed}", body, type="text/html")
        url = site.url(f"/themes/{name}/{seed}")
        shown = shown_images(chromium, url, width=SCREEN)
        found = extract_images(body, url, content_type="text/html", policy=BROWSER_LIKE)
        texts = {url: image.alt for image in found for url in image.candidates}
        assert {image.url for image in shown} <= set(texts)
        assert [texts[image.url] for image in shown if image.alt] == [image.alt for image in shown if image.alt]
        for caption in chromium.run(CAPTIONS_SCRIPT):
            assert caption["alt"] or texts[caption["url"]] == " ".join(caption["text"].split())
