"""Ordinary pages, after the shapes of themes in wide use: what a guard must not stumble over."""

from __future__ import annotations

import base64
import io
import json
import random
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS: Final = (
    "harbour",
    "café",
    "Straße",
    "weather",
    "données",
    "market",
    "naïve",
    "garden",
    "report",
    "price",
    "d'or",
)
_SPACER: Final = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def _text(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(_WORDS, k=count))


@cache
def _blurred(seed: int, kind: str) -> str:
    """Return a blurred placeholder of some twenty pixels, as themes inline it."""
    rng = random.Random(seed)
    image = Image.new("RGB", (4, 3))
    image.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(12)])
    buffer = io.BytesIO()
    image.resize((20, 15)).save(buffer, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _icon(rng: random.Random) -> str:
    path = "".join(f"{rng.choice('MLHVCZ')}{rng.randrange(24)} {rng.randrange(24)}" for _ in range(8))
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="currentColor" d="{path}"/></svg>'


def _icon_url(rng: random.Random) -> str:
    icon = _icon(rng)
    return rng.choice(
        (
            "data:image/svg+xml,"
            + quote(icon, safe=" ='/:<>\"").replace('"', "'").replace("<", "%3C").replace(">", "%3E"),
            "data:image/svg+xml;utf8," + icon.replace('"', "'").replace("#", "%23"),
            "data:image/svg+xml;charset=utf8," + quote(icon),
            "data:image/svg+xml;base64," + base64.b64encode(icon.encode()).decode(),
        )
    )


@cache
def _font() -> str:
    """Return a web font without tables that hold pictures, made from its directory alone."""
    names = (b"cmap", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp", b"name", b"post")
    head = b"\0\1\0\0" + len(names).to_bytes(2, "big") + b"\0\x80\0\3\0\x10"
    rows, data, at = b"", b"", 12 + 16 * len(names)
    for name in names:
        rows += name + b"\0\0\0\0" + at.to_bytes(4, "big") + (64).to_bytes(4, "big")
        data, at = data + bytes(range(64)), at + 64
    return base64.b64encode(head + rows + data).decode()


def _article(rng: random.Random, image: Callable[[], str]) -> str:
    return "".join(
        f"<article><h2>{_text(rng, 6)}</h2>{image()}<p>{_text(rng, 60)} &amp; {_text(rng, 40)}</p></article>"
        for _ in range(rng.randrange(6, 20))
    )


def _page(head: str, body: str) -> str:
    return f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>{head}</head><body>{body}</body></html>'


def _linked_data(rng: random.Random, **more: object) -> str:
    data = {"@context": "https://schema.org", "@graph": [{"@type": "WebPage", "name": _text(rng, 4), **more}]}
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


def _shop(rng: random.Random) -> str:
    def image() -> str:
        source = f"//cdn.shop.example/s/{rng.randrange(10**6)}_{{width}}x.jpg?v={rng.randrange(10**9)}"
        return f'<img class="lazyload" src="{_SPACER}" data-src="{source}" data-widths="[180, 360, 540]" alt="{_text(rng, 3)}">'

    state = json.dumps({"money_format": "${{amount}}", "icons": {"cart": _icon(rng)}, "placeholder": _SPACER})
    styles = f'.icon{{background-image:url("{_icon_url(rng)}")}}.select{{background:url({_blurred(1, "PNG")})}}'
    return _page(f"<style>{styles}</style><script>window.theme={state};</script>", _article(rng, image))


def _wordpress(rng: random.Random) -> str:
    emoji = (
        '<script>window._wpemojiSettings={"baseUrl":"https:\\/\\/s.w.org\\/images\\/core\\/emoji\\/15\\/72x72\\/"};'
        "!function(s,n){var o,i,e;function c(e){try{sessionStorage.setItem(o,JSON.stringify({t:+new Date}))}catch(e){}}"
        'new Worker(URL.createObjectURL(new Blob([e],{type:"text/javascript"})))}((window,document));</script>'
    )

    def image() -> str:
        lazy = "<img decoding=async src=\"data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%20640%20480'%3E%3C/svg%3E\" data-lazy-src=/a.jpg alt=''>"
        return lazy + "<noscript><img src=/a.jpg alt='caf&eacute;'></noscript>"

    yoast = _linked_data(rng, image={"@id": "https://site.example/#primaryimage"}, breadcrumb=[_text(rng, 2)] * 4)
    styles = f"<style>@font-face{{font-family:star;src:url(data:font/ttf;base64,{_font()}) format('truetype')}}</style>"
    return _page(yoast + emoji + styles, _article(rng, image))


def _wiki(rng: random.Random) -> str:
    loader = '<script>(RLQ=window.RLQ||[]).push(function(){mw.loader.impl(function(){return["user.options@12s5i",function($,jQuery,require,module){mw.user.tokens.set({"patrolToken":"+\\\\","watchToken":"+\\\\"});}];});});</script>'
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML" alttext="{\\displaystyle x^{2}}"><mi>x</mi></math>'
    styles = f".mw-ui{{background-image:linear-gradient(transparent,transparent),url({_icon_url(rng).replace(' ', '%20').replace(chr(39), '%27').replace('(', '%28').replace(')', '%29')})}}"
    code = f'<pre>&lt;img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA"&gt; {_text(rng, 5)}</pre>'
    return _page(f"<style>{styles}</style>{loader}", math + code + _article(rng, lambda: "<img src=/thumb.png>"))


def _forum(rng: random.Random) -> str:
    preloaded = json.dumps(
        {"topic": json.dumps({"posts": [{"cooked": f"<p>{_text(rng, 9)} <img src='/x.png'></p>"}] * 9})}
    )
    attribute = preloaded.replace("&", "&amp;").replace('"', "&quot;")
    sprite = f"<div id=svg-sprites style='display:none'>{_icon(rng) * 20}</div>"
    blur = f"<img src=/big.jpg style=\"background-image:url('{_blurred(2, 'PNG')}')\">"
    return _page(
        "", f'<div id="data-preloaded" data-preloaded="{attribute}"></div>{sprite}{_article(rng, lambda: blur)}'
    )


def _drupal(rng: random.Random) -> str:
    settings = json.dumps({"path": {"baseUrl": "/"}, "ajaxTrustedUrl": {"/search": True}, "user": {"uid": 0}})
    script = f'<script type="application/json" data-drupal-selector="drupal-settings-json">{settings}</script>'
    return _page(
        "", _article(rng, lambda: f'<img loading=lazy src="{_icon_url(rng).replace(chr(34), "&quot;")}">') + script
    )


def _news(rng: random.Random) -> str:
    def image() -> str:
        blur = _blurred(rng.randrange(8), rng.choice(("JPEG", "WEBP", "GIF")))
        noscript = '<noscript><img srcset="/n?w=640 1x, /n?w=1080 2x"></noscript>'
        return f'<figure style="filter:blur(20px);background-image:url(&quot;{blur}&quot;)"><img src="{_SPACER}">{noscript}</figure>'

    state = json.dumps(
        {"props": {"pageProps": {"lead": {"blurDataURL": _blurred(3, "JPEG"), "html": f"<b>{_text(rng, 3)}</b>"}}}}
    )
    next_data = f'<script id="__NEXT_DATA__" type="application/json">{state}</script>'
    ad = "<script>var u='data:text/html;charset=utf-8,'+encodeURIComponent(h);w.src='data:image/png;base64,'+b64;</script>"
    return _page(_linked_data(rng, headline=_text(rng, 8)), _article(rng, image) + next_data + ad)


def _app(rng: random.Random) -> str:
    """Return a page with a bundle in it: template literals, regular expressions, a table of icons."""
    icons = ",".join(f'"{n}":"{_icon_url(rng).replace(chr(34), chr(92) + chr(34))}"' for n in range(12))
    bundle = (
        f"const i={{{icons}}};const e=/^data:([a-z]+\\/[a-z0-9-+.]+)?(;[a-z-]+=[a-z0-9-]+)?(;base64)?,/i;"
        "function t(e,t){return`<img src=\"data:${e};base64,${t}\">`}const n=a=>a.replace(/[\"'`]/g,'');"
        'var o="data:application/json;base64,"+btoa(unescape(encodeURIComponent(JSON.stringify(x))));'
        "//# sourceMappingURL=data:application/json;charset=utf-8;base64,eyJ2ZXJzaW9uIjozLCJzb3VyY2VzIjpbXX0=\n"
    )
    return _page(f"<style>/*! x */{'.a{color:red}' * 300}</style>", f"<div id=root></div><script>{bundle}</script>")


def _feed(rng: random.Random) -> str:
    """Return a feed with one of the errors that feeds have."""
    fault = rng.choice(("", "&nbsp;", " a & b ", "&copy;", "\x0b", "&#0;", "<![CDATA[ x ]]>", "]]>", "é"))
    items = "".join(
        f'<item><title>{_text(rng, 4)} {fault}</title><description>&lt;p&gt;{_text(rng, 20)} &lt;img src="/a.jpg"&gt;'
        f"</description><content:encoded><![CDATA[<p>{_text(rng, 30)}&nbsp;</p><img src='{rng.choice(('/b.png', _SPACER))}'>]]>"
        "</content:encoded></item>"
        for _ in range(12)
    )
    junk = rng.choice(("", "\n\n", "<!-- 0.3 s -->", "<script src=/x.js></script>", "\0"))
    start = rng.choice(("", "\ufeff", "\n", " "))
    charset = rng.choice(("utf-8", "iso-8859-1", "windows-1252", "ascii"))
    names = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    return f'{start}<?xml version="1.0" encoding="{charset}"?><rss version="2.0" {names}><channel>{items}</channel></rss>{junk}'


def _sitemap(rng: random.Random) -> str:
    rows = "".join(
        f"<url><loc>https://site.example/?p={n}{rng.choice(('&amp;', '&'))}q={n}</loc><image:image><image:loc>/a.jpg"
        "</image:loc></image:image></url>"
        for n in range(80)
    )
    names = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    more = rng.choice(('xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"', ""))
    return f'<?xml version="1.0" encoding="UTF-8"?><urlset {names} {more}>{rows}</urlset>'


def _json(rng: random.Random) -> str:
    posts = [
        {"id": n, "html": f"<p>{_text(rng, 20)}</p>", "blur": _blurred(n, "PNG"), "thumb": "/t.jpg"} for n in range(20)
    ]
    return json.dumps({"posts": posts})


def _styles(rng: random.Random) -> str:
    icons = "".join(
        f'.i{n}{{background:url("{_icon_url(rng).replace(chr(34), chr(39))}") no-repeat}}' for n in range(30)
    )
    return f'@charset "utf-8";@font-face{{font-family:i;src:url(data:application/font-sfnt;base64,{_font()})}}{icons}'


def _with_video(rng: random.Random) -> str:
    video = base64.b64encode(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + rng.randbytes(300)).decode()
    return _page("", f'<video src="data:video/mp4;base64,{video}" muted></video>{_text(rng, 200)}')


THEMES: Final[dict[str, tuple[str, Callable[[random.Random], str]]]] = {
    "shop": ("text/html; charset=utf-8", _shop),
    "wordpress": ("text/html; charset=UTF-8", _wordpress),
    "wiki": ("text/html; charset=UTF-8", _wiki),
    "forum": ("text/html; charset=utf-8", _forum),
    "drupal": ("text/html; charset=UTF-8", _drupal),
    "news": ("text/html", _news),
    "app": ("text/html", _app),
    "feed": ("application/rss+xml", _feed),
    "sitemap": ("text/xml", _sitemap),
    "json": ("application/json", _json),
    "style sheet": ("text/css", _styles),
}
"""Name -> Content-Type, and a function from a random generator to a page."""
WITH_VIDEO: Final = ("text/html; charset=utf-8", _with_video)
"""Pages with a video inside, which the guard does not scan: they are counted apart."""


def theme_page(name: str, seed: int) -> tuple[str, bytes]:
    """Return the Content-Type and the bytes of one page."""
    kind, write = WITH_VIDEO if name == "video" else THEMES[name]
    rng = random.Random(f"{name} {seed}")
    charset = rng.choice(("utf-8", "cp1252")) if name == "feed" else "utf-8"
    text = write(rng)
    return kind, text.encode("utf-8" if text.startswith("\ufeff") else charset, "replace")
