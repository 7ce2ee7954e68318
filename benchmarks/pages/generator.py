"""A page of a seed: carrier x URL form x spelling x nesting x charset x content coding."""

from __future__ import annotations

import gzip
import io
import random
import zlib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

import brotli
from PIL import Image
from skimage import data as skimage_data

from benchmarks.pages.addresses import FORMS, data_url
from benchmarks.pages.carriers import BOX, HTML, SIDE, XML
from benchmarks.pages.charsets_sent import CHARSETS, sent
from benchmarks.pages.spelling import STYLES, Speller

if TYPE_CHECKING:
    from collections.abc import Callable

_FIT: Final = f'style="{BOX}"'
_LONGEST: Final = 600_000
"""Characters of a page: deeper nesting of longer URLs is left out."""


@dataclass(frozen=True)
class Page:
    """A page as it is sent.

    Attributes
    ----------
    cells
        Dimension -> what this page has of it.
    """

    seed: int
    cells: dict[str, str]
    body: bytes = field(repr=False)
    content_type: str | None
    codings: str | None


@cache
def picture() -> Image.Image:
    """Return the listed photograph."""
    return Image.fromarray(skimage_data.coffee()).convert("RGB").crop((100, 0, 500, 400)).resize((SIDE, SIDE))


@cache
def files() -> tuple[tuple[str, bytes], ...]:
    """Return the photograph's files: media type and bytes."""
    made = []
    for format_, options in (("JPEG", {"quality": 50}), ("WEBP", {"quality": 40}), ("GIF", {}), ("PNG", {})):
        buffer = io.BytesIO()
        image = picture() if format_ != "PNG" else picture().quantize(32)
        image.save(buffer, format_, **options)
        made.append((f"image/{format_.lower()}", buffer.getvalue()))
    return tuple(made)


def make_page(seed: int) -> Page:
    """Return the page of a seed."""
    rng = random.Random(seed)
    media_type, data = files()[rng.choices(range(4), (6, 3, 1, 1))[0]]
    style = rng.choice(STYLES)
    form = rng.choice(FORMS) if rng.random() < 0.7 else "base64"
    spell = Speller(rng, style)
    url = data_url(rng, data, media_type, form)
    if rng.random() < 0.2:
        carrier = rng.choice(tuple(XML))
        kind, write = XML[carrier]
        text = write(spell, url)
    else:
        carrier = rng.choice(tuple(HTML))
        kind, text = "text/html", HTML[carrier](spell, url)
    nesting = rng.choice(tuple(NESTINGS)) if rng.random() < 0.5 else "none"
    if nesting == "img_data" and kind != "image/svg+xml":
        nesting = "none"
    if nesting != "none":
        nested = NESTINGS[nesting](spell, text, kind)
        if len(nested) > _LONGEST:
            nesting = "none"
        else:
            kind, text = "text/html", nested
    if kind == "text/html":
        text = rng.choice(_STARTS) + "@HEAD@" + rng.choice(_SOUP) + text + rng.choice(_ENDS)
    charset = rng.choice(tuple(CHARSETS)) if rng.random() < 0.7 else "utf-8 header"
    content_type, body = sent(rng, text, kind, charset)
    coding = rng.choice(tuple(_CODINGS))
    named, encode = _CODINGS[coding]
    cells = {
        "carrier": carrier,
        "spelling": style,
        "form": form,
        "nesting": nesting,
        "charset": charset,
        "coding": coding,
    }
    return Page(seed, cells, encode(body), content_type, named)


_STARTS: Final = (
    "<!doctype html><html><head>",
    "<!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'><head>",
    "<html><head><title>x</title>",
    "",
    "<!-- c --><!doctype html>",
    "\n\n<meta name=x content=y>",
)
_SOUP: Final = (
    "",
    "<p>text",
    "<!--><p>",
    "<!---><p>",
    "<!-- -- --!><p>",
    "<table><tr><td>",
    "<table>",
    "<div><b><i></b><p>",
    "<select><option>a</select>",
    "<script>/*<!--<script>*/</script></script>",
    "<script><!-- <script> --></script>",
    "<style>/* </style>",
    "<style>p{content:'</style>",
    "<title></title><textarea></textarea>",
    "<svg><desc></svg>",
    "<math><mi></math>",
    "<![CDATA[ x ]]>",
    "<? x ?>",
    "</ x><//>",
    "<a href='/x\"y'>",
    '<p title="<!--">',
    "<div title='a&quot;b'>don't",
    "<template></template><noscript></noscript>",
    "<button><p></button>",
    "<svg></p><math></p>",
    "\0<p\0>",
    "<em><a><a><em>",
    "<iframe></iframe><noframes></noframes>",
)
_ENDS: Final = ("", "</body></html>", "\n", "</p></div>", "<!-- end", "<p title='", "</html><p>x", "<", "&", "\x1a")


def _srcdoc(spell: Speller, text: str, kind: str) -> str:
    if kind not in {"", "text/html"}:
        return _framed("iframe", "src", coded=True)(spell, text, kind)
    return f'<iframe {_FIT} scrolling="no" srcdoc="{spell.attribute(text)}"></iframe>'


def _srcdoc_twice(spell: Speller, text: str, kind: str) -> str:
    return _srcdoc(spell, _srcdoc(spell, text, kind), "")


def _framed(tag: str, name: str, *, coded: bool) -> Callable[[Speller, str, str], str]:
    def nest(spell: Speller, text: str, kind: str) -> str:
        form = spell.rng.choice(FORMS) if coded else "percent"
        form = "base64" if form in {"wrong_type", "no_type"} else form
        charset = spell.rng.choice(("", ";charset=utf-8"))
        address = data_url(spell.rng, text.encode("utf-8", "replace"), kind + charset, form)
        closing = "" if tag in {"img", "embed"} else f"</{tag}>"
        return f'<{tag} {_FIT} scrolling="no" {name}="{spell.attribute(address)}">{closing}'

    return nest


def _in_json(spell: Speller, text: str, kind: str) -> str:
    data = f'{{"@graph":[{{"x":"{spell.json(_srcdoc(spell, text, kind))}"}}]}}'
    read = "JSON.parse(document.getElementById('n').textContent)['@graph'][0].x"
    return f'<div id="w"></div><script type="application/ld+json" id="n">{data}</script><script>w.innerHTML={read}</script>'


def _in_literal(spell: Speller, text: str, kind: str) -> str:
    return f'<div id="w"></div><script>w.innerHTML="{spell.script(_srcdoc(spell, text, kind))}"</script>'


def _refreshed(spell: Speller, text: str, kind: str) -> str:
    address = data_url(spell.rng, text.encode("utf-8", "replace"), kind, "base64")
    content = spell.rng.choice((f"0;url={address}", f"0; URL='{address}'", f"0,url = {address}"))
    return f'<meta http-equiv="refresh" content="{spell.attribute(content)}">'


NESTINGS: Final[dict[str, Callable[[Speller, str, str], str]]] = {
    "srcdoc": _srcdoc,
    "srcdoc_in_srcdoc": _srcdoc_twice,
    "iframe_data": _framed("iframe", "src", coded=True),
    "iframe_percent": _framed("iframe", "src", coded=False),
    "object_data": _framed("object", "data", coded=True),
    "embed_data": _framed("embed", "src", coded=True),
    "img_data": _framed("img", "src", coded=True),
    "json": _in_json,
    "literal": _in_literal,
    "refresh": _refreshed,
}


def _zstd(body: bytes) -> bytes:
    """Return a Zstandard frame of raw blocks (RFC 8878): no encoder is needed for that."""
    blocks = [body[at : at + 100_000] for at in range(0, len(body), 100_000)] or [b""]
    made = [b"\x28\xb5\x2f\xfd\xa0" + len(body).to_bytes(4, "little")]
    for at, block in enumerate(blocks):
        made += [(len(block) << 3 | (at == len(blocks) - 1)).to_bytes(3, "little"), block]
    return b"".join(made)


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 1, mtime=0)


_CODINGS: Final[dict[str, tuple[str | None, Callable[[bytes], bytes]]]] = {
    "none": (None, bytes),
    "none, again": (None, bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", _gzip),
    "x-gzip": ("X-GZip", _gzip),
    "gzip, junk behind": ("gzip", lambda body: _gzip(body) + b"\0junk"),
    "gzip, cut": ("gzip", lambda body: _gzip(body)[:-9]),
    "deflate": ("deflate", lambda body: zlib.compress(body, 1)),
    "raw deflate": ("deflate", _raw_deflate),
    "br": ("br", lambda body: brotli.compress(body, quality=1)),
    "br, cut": ("br", lambda body: brotli.compress(body, quality=1)[:-1]),
    "zstd": ("zstd", _zstd),
    "gzip, br": ("gzip, br", lambda body: brotli.compress(_gzip(body), quality=1)),
    "gzip, gzip": ("gzip, gzip", lambda body: _gzip(_gzip(body))),
    "unknown": ("utf-8", bytes),
}
