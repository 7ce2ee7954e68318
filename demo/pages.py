"""The site's HTML: gallery pages in three dialects of ``<img>``, and the pages that must be dropped themselves."""

from __future__ import annotations

import base64
import json
from html import escape
from typing import TYPE_CHECKING

from demo.known import data_url
from demo.listed import originals
from demo.model import Expectation, Fate, Placed, Resource
from demo.pictures import PHOTOGRAPHS, encode, poster

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE_SIZE = 5
BACKGROUND = "background"
"""The alt text that the sample spider gives to a style sheet's images."""
# What lazy-loading galleries put where the picture will be.
_PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_DROPPED = ("/inline/page.html", "/inline/lazy.html", "/inline/style.css", "/inline/export.json")


def _page(path: str, title: str, *parts: str) -> Resource:
    text = "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<title>{escape(title)}</title><link rel="stylesheet" href="/style/site.css"></head><body>',
            f'<h1>{escape(title)}</h1><nav><a href="/">Home</a></nav>',
            *parts,
            "</body></html>",
        )
    )
    return Resource(path, text.encode(), "text/html; charset=utf-8")


def _image(number: int, url: str, alt: str) -> str:
    url, alt = escape(url), escape(alt)
    if number % 3 == 1:
        return f'<img class="lazy" src="{_PLACEHOLDER}" data-src="{url}" alt="{alt}">'
    if number % 3 == 2:  # noqa: PLR2004 - the third dialect of three
        return f'<picture><img srcset="{url} 1x" alt="{alt}"></picture>'
    return f'<img src="{url}" alt="{alt}">'


def gallery(shown: Sequence[tuple[str, str]]) -> list[Resource]:
    """Return the home page, the gallery's pages with all images in ``shown`` (path, alt), and the page of credits."""
    pages = []
    count = -(-len(shown) // PAGE_SIZE)
    for number in range(count):
        part = shown[number * PAGE_SIZE : (number + 1) * PAGE_SIZE]
        figures = [
            f"<figure>{_image(place, url, alt)}<figcaption>No. {number * PAGE_SIZE + place + 1}</figcaption></figure>"
            for place, (url, alt) in enumerate(part)
        ]
        after = f'<a href="/gallery/{number + 2:02}.html">Next</a>' if number + 1 < count else "<p>The end.</p>"
        pages.append(_page(f"/gallery/{number + 1:02}.html", f"Gallery, page {number + 1}", *figures, after))
    links = [f'<li><a href="/gallery/{number + 1:02}.html">Page {number + 1}</a></li>' for number in range(0, count, 6)]
    more = '<p><a href="/credits.html">Credits</a> <a href="/inline/">Inline</a></p>'
    home = _page("/", "A gallery of free pictures", "<ul>", *links, "</ul>", more)
    rows = [f"<li>{escape(entry.shows)}: {escape(entry.licence)}</li>" for entry in PHOTOGRAPHS.values()]
    return [home, *pages, _page("/credits.html", "Credits", "<ul>", *rows, "</ul>")]


def inline() -> tuple[list[Resource], dict[str, Expectation], list[Placed]]:
    """Return the part of the site with pictures inside of text.

    Returns
    -------
    pages : list[Resource]
        HTML, CSS and JSON.
    dropped : dict[str, Expectation]
        Path -> the right answer, of those that carry a listed picture.
    placed : list[Placed]
        The images that only these pages show.
    """
    pictures = originals()
    page_path, lazy_path, style_path, json_path = _DROPPED
    behind = [_hidden(number) for number in range(2)]
    small = "data:image/png;base64," + base64.b64encode(encode(poster(402, (120, 80)), "PNG")).decode()
    beside = _shown("/images/beside-inline.jpg", 403, "A poster beside an inline one")
    backdrop = _shown("/images/backdrop.jpg", 404, BACKGROUND)
    tabby, hoard, poster_blue = pictures["tabby"], pictures["hoard"], pictures["poster-blue"]
    links = "".join(f'<li><a href="{path}">{path}</a></li>' for path in (page_path, lazy_path, json_path))
    pages = [
        _page(
            "/inline/",
            "Inline pictures",
            f'<link rel="stylesheet" href="{style_path}">',
            f'<ul>{links}<li><a href="/inline/harmless.html">harmless</a></li></ul>',
        ),
        _page(
            "/inline/harmless.html",
            "A harmless inline picture",
            f'<img src="{small}" alt="A small inline poster">',
            _image(0, beside.resource.path, beside.alt),
        ),
        _page(
            page_path,
            "A listed inline picture",
            f'<img src="{data_url(tabby)}" alt="{tabby.alt}">',
            _image(0, behind[0].resource.path, behind[0].alt),
        ),
        _page(
            lazy_path,
            "A listed inline picture, lazy",
            f'<img src="/images/dot.gif" data-src="{data_url(poster_blue)}" alt="{poster_blue.alt}">',
            _image(0, behind[1].resource.path, behind[1].alt),
        ),
        Resource("/style/site.css", b"body { background: #fff url(/images/backdrop.jpg) }\n", "text/css"),
        Resource(style_path, f"h1 {{ background: url({data_url(hoard)}) }}\n".encode(), "text/css"),
        Resource(json_path, json.dumps({"pictures": [data_url(pictures["cup"])]}).encode(), "application/json"),
    ]
    dropped = {
        page_path: Expectation(Fate.MATCH, "a page with an exact copy inside", tabby.lists),
        lazy_path: Expectation(Fate.MATCH, "a page with an exact copy inside, for later", poster_blue.lists),
        style_path: Expectation(Fate.MATCH, "a style sheet with an exact copy inside", hoard.lists),
        json_path: Expectation(Fate.MATCH, "JSON with an exact copy inside", pictures["cup"].lists),
    }
    return pages, dropped, [beside, backdrop, *behind]


def _shown(path: str, seed: int, alt: str) -> Placed:
    resource = Resource(path, encode(poster(seed), "JPEG"), "image/jpeg")
    return Placed(resource, Expectation(Fate.RECORD, "an unlisted JPEG"), alt)


def _hidden(number: int) -> Placed:
    resource = Resource(f"/images/behind-{number}.jpg", encode(poster(400 + number), "JPEG"), "image/jpeg")
    expectation = Expectation(Fate.UNREACHED, "shown only by a page that is dropped")
    return Placed(resource, expectation, "A poster that nobody reaches")
