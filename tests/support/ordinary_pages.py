"""Pages, feeds and sitemaps as ordinary sites have them, with what a reader of inline bodies meets there.

Themes come from :mod:`support.themes`; around them stand inline fonts, icons, blurred stand-ins, spacers, structured
data, the state of applications as JSON, minified programs, source maps, and texts that talk about ``data:`` URLs. Feeds
and sitemaps have the errors that are common in them.
"""

# ruff: noqa: E501 - elements as sites write them, on one line

from __future__ import annotations

import base64
import json
import random
import struct
from collections.abc import Callable

from support.pictures import drawn, encode
from support.themes import THEMES, theme_page

_HOST = "site.example"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _font(dice: random.Random) -> str:
    """Return an inline font: a directory of the usual tables, and bytes."""
    tags = (b"OS/2", b"cmap", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp", b"name", b"post")
    start = 44 + 20 * len(tags)
    records = b"".join(tag + struct.pack(">IIII", start, 64, 64, 0) for tag in tags)
    body = dice.randbytes(4000)
    head = b"wOFF\0\1\0\0" + struct.pack(">IHH", start + len(body), len(tags), 0) + bytes(28)
    return f"<style>@font-face{{font-family:a;src:url(data:font/woff;charset=utf-8;base64,{_b64(head + records + body)}) format('woff')}}</style>"


def _icons(dice: random.Random) -> str:
    """Return icons in style sheets: escaped in the ways that build tools escape them, and in base64."""
    shape = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='#{dice.randrange(4096):03x}' d='M2 5l6 6 6-6'/></svg>"
    lax = shape.replace("<", "%3c").replace(">", "%3e").replace("#", "%23")
    return (
        f'<style>.a{{background:url("data:image/svg+xml,{lax}")}}.b{{background:url("data:image/svg+xml;charset=utf8,{lax}")}}'
        f".c{{background-image:url(data:image/svg+xml;base64,{_b64(shape.encode())})}}</style>"
        "<svg class=sprite hidden><symbol id=x viewBox='0 0 9 9'><path d='M0 0h9'/></symbol></svg><svg><use href='#x'/></svg>"
    )


def _stand_ins(dice: random.Random) -> str:
    """Return blurred stand-ins, spacers and a favicon."""
    tiny = encode(drawn(dice.randrange(1000), (64, 48)).resize((16, 10)), "JPEG", quality=30)
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    empty = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%20800%20600'%3E%3C/svg%3E"
    return (
        f'<img src="data:image/jpeg;base64,{_b64(tiny)}" data-src=/a.jpg alt=a><img src="{pixel}" data-src=/b.jpg alt=b>'
        f'<img src="{empty}" data-src=/c.jpg alt=c><link rel=icon href="data:,"><link rel=icon href="data:;base64,iVBORw0KGgo=">'
    )


def _state(dice: random.Random) -> str:
    """Return the state of an application, and structured data."""
    state = {
        "props": {
            "html": '<p class="a">it\'s</p>',
            "token": _b64(dice.randbytes(48)),
            "hash": f"sha512-{_b64(dice.randbytes(64))}",
        },
        "jwt": f"{_b64(b'{}')}.{_b64(dice.randbytes(90)).rstrip('=')}.{_b64(dice.randbytes(32)).rstrip('=')}",
        "icon": "data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    thing = {"@context": "https://schema.org", "@type": "Product", "name": "Lamp", "image": ["/a.jpg", "/b.jpg"]}
    return (
        f'<script id="__NEXT_DATA__" type="application/json">{json.dumps(state)}</script>'
        f"<script>window.__STATE__=JSON.parse({json.dumps(json.dumps(state)).replace('<', chr(92) + 'u003c')})</script>"
        f'<script type="application/ld+json">{json.dumps(thing)}</script>'
    )


def _programs(dice: random.Random) -> str:
    """Return minified programs with escapes, patterns and a source map."""
    mapped = _b64(json.dumps({"version": 3, "sources": ["a.js"], "mappings": "AAAA;" * 40}).encode())
    return (
        r"<script>!function(e){var t=/data:(image\/\w+);base64,/i,n='\x3cimg src=\x22'+e+'\x22\x3e',r=`data:${e};base64,`;"
        r"if(/^data:/.test(e)||e.indexOf('data:')===0){var o='\u003cp\u003e\n';return t.exec(e)}"
        f"window.q=['{_b64(dice.randbytes(30))}','data:','data:text/plain']}}('x')\n//# sourceMappingURL=data:application/json;base64,{mapped}\n</script>"
        f'<script src=/a.js integrity="sha384-{_b64(dice.randbytes(48))}"></script>'
    )


def _talk(dice: random.Random) -> str:
    """Return a text about such URLs."""
    return (
        '<p>Write <code>&lt;img src="data:image/png;base64,iVBORw0KGgo..."&gt;</code>, as in data: 2024, or <pre>url(data:image/gif;base64,R0lGOD…)</pre>'
        f"<meta http-equiv=Content-Security-Policy content=\"img-src 'self' data: blob:\"><p>data:,{dice.randrange(99)} items"
    )


def _video(dice: random.Random) -> str:
    """Return an inline video, which no page is passed with."""
    return f'<video src="data:video/mp4;base64,{_b64(b"....ftypisom" + dice.randbytes(900))}"></video>'


_PARTS: tuple[Callable[[random.Random], str], ...] = (_font, _icons, _stand_ins, _state, _programs, _talk)


def ordinary_page(seed: int) -> tuple[str, bytes, str]:
    """Return (kind, body, Content-Type) of a page; the same for the same seed."""
    dice = random.Random(f"ordinary {seed}")
    name = dice.choice(list(THEMES))
    parts = dice.sample(_PARTS, dice.randrange(len(_PARTS) + 1))
    page = theme_page(name, seed, _HOST) + "".join(part(dice) for part in parts).encode()
    return name, page, dice.choice(("text/html; charset=utf-8", "text/html", "text/html;charset=UTF-8"))


def page_with_video(seed: int) -> tuple[str, bytes, str]:
    """Return a page with an inline video in it."""
    dice = random.Random(f"video {seed}")
    kind, body, content_type = ordinary_page(seed)
    return f"{kind} with a video", body + _video(dice).encode(), content_type


def ordinary_feed(seed: int) -> tuple[str, bytes, str]:
    """Return (kind, body, Content-Type) of a feed or sitemap, as often as not with an error."""
    dice = random.Random(f"feed {seed}")
    text = "A &lt;b&gt;fox&lt;/b&gt; &amp; a lamp"
    error = dice.choice(("", "", "", "&nbsp;", "&hellip; ", " & ", "<br>", "\x0b", "&copy;", "<p>x"))
    item = f"<item><title>{text}{error}</title><link>https://site.example/?a=1&amp;b={seed}</link><description><![CDATA[<p><img src='/a.jpg'> it's</p>]]></description><enclosure url='https://site.example/a.jpg' type='image/jpeg' length='9'/></item>"
    rss = f'<?xml version="1.0" encoding="{dice.choice(("UTF-8", "utf-8", "ISO-8859-1"))}"?><rss version="2.0"><channel><title>Ünïcode</title>{item * 12}</channel></rss>'
    atom = f'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><entry><content type="html">{text}{error}&lt;img src="/a.jpg"&gt;</content></entry></feed>'
    url = f"<url><loc>https://site.example/?a=1{dice.choice(('&amp;', '&amp;', '&'))}b=2</loc><lastmod>2026-01-01</lastmod></url>"
    sitemap = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{url * 30}</urlset>'
    kind, body, content_type = dice.choice(
        (
            ("RSS", rss, "application/rss+xml"),
            ("RSS", rss, "text/xml; charset=utf-8"),
            ("Atom", atom, "application/atom+xml"),
            ("sitemap", sitemap, "application/xml"),
            (
                "JSON feed",
                json.dumps({"items": [{"content_html": "<img src='/a.jpg'>" * 5, "id": seed}]}),
                "application/feed+json",
            ),
        )
    )
    data = dice.choice((b"", b"", b"\xef\xbb\xbf", b"\n")) + body.encode(
        dice.choice(("utf-8", "utf-8", "utf-8", "latin-1")), "replace"
    )
    return kind, data + dice.choice((b"", b"", b"\n<!-- cached -->", b"\n\n")), content_type
