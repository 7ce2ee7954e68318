"""Pages with one picture inline, in every way that a browser may show: carrier, escape, charset, coding, nesting.

Each page is made from a seed and a number, and says from which cells it was put together.
"""

# ruff: noqa: ARG005, E501 - the cells of a dimension have one signature; pages stand as they are sent

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import brotli

from support.pictures import encode, photographs

SIDE = 150
"""Width and height of the picture, in pixels."""


@cache
def picture() -> bytes:
    """Return the picture: a photograph as a JPEG of some 5 kB."""
    return encode(photographs()["astronaut"].resize((SIDE, SIDE)), "JPEG", quality=60)


@dataclass(frozen=True, slots=True)
class GeneratedPage:
    """A page as a server sends it.

    Attributes
    ----------
    body, sent
        Without and with its content coding.
    content_type, coding
        Headers; None where there is none.
    cells
        Dimension -> what was chosen in it.
    """

    body: bytes
    sent: bytes
    content_type: str | None
    coding: str | None
    cells: dict[str, str]


def make_page(seed: int, number: int) -> GeneratedPage:
    """Return page `number` of a series."""
    rng = random.Random(f"{seed}/{number}")
    spelling = rng.choice(list(SPELLINGS))
    carrier = rng.choice(list(CARRIERS))
    escape = rng.choice(list(ESCAPES[CARRIERS[carrier].language]))
    url = SPELLINGS[spelling](rng, picture())
    if CARRIERS[carrier].language != "attribute":
        url = url.translate({ord(each): None for each in "\t\n\r"})
    text = CARRIERS[carrier].write(ESCAPES[CARRIERS[carrier].language][escape](rng, url), rng)
    kind = CARRIERS[carrier].kind
    nesting = "none"
    if kind == "html":
        nesting = rng.choice(list(NESTINGS)) if rng.random() < 0.4 else "none"
        text = NESTINGS[nesting](text)
        text = rng.choice(_STARTS) + text + rng.choice(_ENDS)
    charset = rng.choice(list(CHARSETS))
    body, content_type = CHARSETS[charset](rng, text, TYPES[kind])
    coding = rng.choice(list(CODINGS))
    cells = {
        "carrier": carrier,
        "escape": f"{CARRIERS[carrier].language} {escape}",
        "spelling": spelling,
        "charset": charset,
        "coding": coding,
        "nesting": nesting,
    }
    named, pack = CODINGS[coding]
    return GeneratedPage(body, pack(body), content_type, named, cells)


TYPES = {"html": "text/html", "svg": "image/svg+xml", "xhtml": "application/xhtml+xml"}
_STARTS = (
    "<!doctype html><style>*{margin:0}</style>",
    "<!doctype html><html lang=en><head><title>A page</title><style>body{margin:0}</style></head><body>",
    "<style>*{margin:0}</style>",
    "<!-- a comment --><!doctype html><html><body style='margin:0'>",
    "<p style='display:none'>Words.</p><style>*{margin:0}</style>",
)
_ENDS = ("", "</body></html>", "<p hidden>more", "<!-- end", "<script>var a = '</' + 'b>';</script>")

# How the URL itself is spelled: the same in each carrier ------------------------------------------------------------


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _percent(data: bytes) -> str:
    return "".join(f"%{byte:02X}" for byte in data)


def _loose(data: bytes) -> str:
    """Return bytes as a lax encoder leaves them: what is printable stays, but for what ends a URL anywhere."""
    keep = set(range(0x21, 0x7F)) - set(b"%#\"'<>\\`(){}& ,;|^[]?")
    return "".join(chr(byte) if byte in keep else f"%{byte:02x}" for byte in data)


def _sprinkle(rng: random.Random, text: str, what: str, count: int) -> str:
    places = sorted(rng.randrange(len(text)) for _ in range(count))
    parts = [text[start:stop] for start, stop in zip([0, *places], [*places, len(text)], strict=True)]
    return what.join(parts)


SPELLINGS: dict[str, Callable[[random.Random, bytes], str]] = {
    "base64": lambda rng, data: f"data:image/jpeg;base64,{_b64(data)}",
    "percent": lambda rng, data: f"data:image/jpeg,{_percent(data)}",
    "loose": lambda rng, data: f"data:image/jpeg,{_loose(data)}",
    "base64 in percent": lambda rng, data: f"data:image/jpeg;base64,{_percent(_b64(data).encode())}",
    "base64 with blanks": lambda rng, data: f"data:image/jpeg;base64,{_sprinkle(rng, _b64(data), '%20', 9)}",
    "base64 with breaks": lambda rng, data: f"data:image/jpeg;base64,{_sprinkle(rng, _b64(data), '%0D%0A', 60)}",
    "breaks": lambda rng, data: _sprinkle(rng, f"data:image/jpeg;base64,{_b64(data)}", rng.choice("\t\n"), 40),
    "case": lambda rng, data: f"DaTa:IMAGE/jpeg;BASE64,{_b64(data)}",
    "no type": lambda rng, data: f"data:;base64,{_b64(data)}",
    "long type": lambda rng, data: f"data:image/jpeg;name={'x' * rng.choice([300, 5000])};base64,{_b64(data)}",
    "parameters": lambda rng, data: f"data:image/jpeg;charset=utf-8;a=b;base64,{_b64(data)}",
    "wrong type": lambda rng, data: f"data:image/png;base64,{_b64(data)}",
    "text type": lambda rng, data: f"data:text/plain;base64,{_b64(data)}",
    "fragment": lambda rng, data: f"data:image/jpeg;base64,{_b64(data)}#top",
    "unpadded": lambda rng, data: f"data:image/jpeg;base64,{_b64(data).rstrip('=')}",
    "blanks around": lambda rng, data: f"  data:image/jpeg;base64,{_b64(data)}  ",
    "blank before base64": lambda rng, data: f"data:image/jpeg; base64,{_b64(data)}",
}

# How the characters of a URL are escaped where it stands ------------------------------------------------------------


def _some(rng: random.Random, share: float, write: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(write(each) if rng.random() < share else each for each in text)


_NAMED = {
    ":": "&colon;",
    "/": "&sol;",
    ",": "&comma;",
    "=": "&equals;",
    "+": "&plus;",
    ";": "&semi;",
    "\n": "&NewLine;",
}
_ATTRIBUTE: dict[str, Callable[[random.Random, str], str]] = {
    "none": lambda rng, url: html.escape(url),
    "decimal": lambda rng, url: _some(rng, 0.05, lambda c: f"&#{ord(c)};")(html.escape(url).replace("&amp;", "&")),
    "hexadecimal": lambda rng, url: _some(rng, 0.05, lambda c: f"&#x{ord(c):X};")(url),
    "zeros": lambda rng, url: _some(rng, 0.02, lambda c: f"&#x{ord(c):014x};")(url),
    "many zeros": lambda rng, url: _some(rng, 0.01, lambda c: f"&#{ord(c):040d};")(url),
    "named": lambda rng, url: "".join(_NAMED.get(each, each) for each in url),
    "all": lambda rng, url: "".join(f"&#{ord(each)};" for each in url),
    "no semicolon": lambda rng, url: url[:5] + f"&#{ord(url[5])}" + (";" if url[6].isdigit() else "") + url[6:],
    "breaks by number": lambda rng, url: _sprinkle(rng, url, rng.choice(["&#10;", "&#9;", "&Tab;", "&#x0000d;"]), 20),
    "break in the scheme": lambda rng, url: f"{url[:1]}&#10;{url[1:]}",
}


def _css_escape(each: str) -> str:
    return f"\\{ord(each):x} "


_CSS: dict[str, Callable[[random.Random, str], str]] = {
    "none": lambda rng, url: url.strip(),
    "short": lambda rng, url: _some(rng, 0.03, _css_escape)(url.strip()),
    "long": lambda rng, url: _some(rng, 0.03, lambda c: f"\\{ord(c):06x}")(url.strip()),
    "backslash": lambda rng, url: _some(rng, 0.1, lambda c: c if c in "0123456789abcdefABCDEF" else f"\\{c}")(
        url.strip()
    ),
    "scheme": lambda rng, url: "".join(map(_css_escape, url.strip()[:5])) + url.strip()[5:],
    "line breaks": lambda rng, url: _sprinkle(rng, url.strip(), "\\a ", 9),
}
_SCRIPT: dict[str, Callable[[random.Random, str], str]] = {
    "none": lambda rng, url: url,
    "x": lambda rng, url: _some(rng, 0.05, lambda c: f"\\x{ord(c):02x}")(url),
    "u": lambda rng, url: _some(rng, 0.05, lambda c: f"\\u{ord(c):04X}")(url),
    "braces": lambda rng, url: _some(rng, 0.03, lambda c: f"\\u{{{ord(c):06x}}}")(url),
    "octal": lambda rng, url: _some(rng, 0.02, lambda c: f"\\{ord(c):03o}")(url),
    "slashes": lambda rng, url: url.replace("/", "\\/"),
    "continued": lambda rng, url: _sprinkle(rng, url, "\\\n", 9),
}
_XML: dict[str, Callable[[random.Random, str], str]] = {
    "none": lambda rng, url: html.escape(url),
    "decimal": lambda rng, url: _some(rng, 0.05, lambda c: f"&#{ord(c)};")(url),
    "hexadecimal": lambda rng, url: _some(rng, 0.05, lambda c: f"&#x{ord(c):x};")(url),
    "zeros": lambda rng, url: _some(rng, 0.02, lambda c: f"&#x{ord(c):020x};")(url),
}
ESCAPES = {"attribute": _ATTRIBUTE, "css": _CSS, "script": _SCRIPT, "xml": _XML}

# What shows it ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Carrier:
    """Writes an escaped URL into a document.

    Attributes
    ----------
    language
        How the URL is escaped.
    write
        The escaped URL -> the document, or the part of a page.
    kind
        Of the document.
    """

    language: str
    write: Callable[[str, random.Random], str]
    kind: str = "html"


_BOX = f"width:{SIDE}px;height:{SIDE}px"
_SVG = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{SIDE}" height="{SIDE}">'
_AREA = f'width="{SIDE}" height="{SIDE}"'


def _attribute(write: Callable[[str], str]) -> Carrier:
    return Carrier("attribute", lambda url, rng: write(f'"{url}"'))


def _css(write: Callable[[str], str], quotes: str = "\"'") -> Carrier:
    def chosen(url: str, rng: random.Random) -> str:
        quote = rng.choice(quotes) if quotes else ""
        return write(f"{quote}{url.replace(quote, _css_escape(quote)) if quote else url}{quote}")

    return Carrier("css", chosen)


def _script(write: Callable[[str], str]) -> Carrier:
    return Carrier("script", lambda url, rng: f"<script>{write(rng.choice(_QUOTES)(url))}</script>")


_QUOTES: tuple[Callable[[str], str], ...] = (lambda url: f'"{url}"', lambda url: f"'{url}'")


def _xml(write: Callable[[str], str], kind: str = "svg") -> Carrier:
    return Carrier("xml", lambda url, rng: write(url), kind)


def _entity(url: str) -> str:
    return f'<!DOCTYPE svg [<!ENTITY e "{url.replace("&", "&#38;").replace("%", "&#37;")}">]>{_SVG}<image {_AREA} href="&e;"/></svg>'


def _entities(url: str) -> str:
    pieces = [url[at : at + 900] for at in range(0, len(url), 900)]
    if "&" in url or "%" in url:
        return _entity(url)
    declared = "".join(f'<!ENTITY e{number} "{piece}">' for number, piece in enumerate(pieces))
    inside = "".join(f"&e{number};" for number in range(len(pieces)))
    return f'<!DOCTYPE svg [{declared}]>{_SVG}<image {_AREA} xlink:href="{inside}"/></svg>'


CARRIERS: dict[str, Carrier] = {
    "img": _attribute(lambda url: f"<img src={url}>"),
    "img, late": _attribute(lambda url: f"<p style='display:none'>{'word ' * 3000}</p><img alt='a>b' src={url}>"),
    "img in a table": _attribute(lambda url: f"<table><img src={url}><tr><td>x</table>"),
    "image": _attribute(lambda url: f"<image src={url}>"),
    "unquoted": Carrier("attribute", lambda url, rng: f"<img src={url.strip()}>"),
    "srcset": _attribute(lambda url: f"<img srcset={url[:-1].rstrip()} 1x{url[-1]}>"),
    "picture": _attribute(lambda url: f"<picture><source srcset={url}><img src=none></picture>"),
    "input": _attribute(lambda url: f"<input type=image src={url}>"),
    "poster": _attribute(lambda url: f"<video poster={url} {_AREA}></video>"),
    "object": _attribute(lambda url: f"<object data={url} {_AREA}></object>"),
    "embed": _attribute(lambda url: f"<embed src={url} {_AREA}>"),
    "iframe": _attribute(lambda url: f"<iframe src={url} {_AREA} style=border:0></iframe>"),
    "body": _attribute(lambda url: f"<body background={url}><p style='{_BOX}'>"),
    "table": _attribute(lambda url: f"<table background={url} {_AREA}><tr><td></table>"),
    "svg image": _attribute(lambda url: f"<svg {_AREA}><image {_AREA} href={url} /></svg>"),
    "svg xlink": _attribute(lambda url: f"<svg {_AREA}><image {_AREA} xlink:href={url}></image></svg>"),
    "svg feImage": _attribute(
        lambda url: (
            f"<svg {_AREA}><filter id=f x=0 y=0 width=1 height=1><feImage {_AREA} href={url} /></filter>"
            f"<rect {_AREA} filter='url(#f)'/></svg>"
        )
    ),
    "svg pattern": _attribute(
        lambda url: (
            f"<svg {_AREA}><pattern id=p {_AREA} patternUnits=userSpaceOnUse><image {_AREA} href={url} />"
            f"</pattern><rect {_AREA} fill='url(#p)'/></svg>"
        )
    ),
    "favicon (not shown)": _attribute(lambda url: f"<link rel=icon href={url}>"),
    "data attribute (not shown)": _attribute(lambda url: f"<p data-src={url}>"),
    "css background": _css(lambda url: f"<style>p{{{_BOX};background:url({url})}}</style><p>"),
    "css unquoted": _css(lambda url: f"<style>p{{{_BOX};background:url({url})}}</style><p>", ""),
    "css image-set": _css(lambda url: f"<style>p{{{_BOX};background:image-set({url} 1x)}}</style><p>"),
    "css escaped url": _css(lambda url: f"<style>p{{{_BOX};background:u\\72l({url})}}</style><p>", ""),
    "css variable": _css(lambda url: f"<style>p{{--a:url({url});{_BOX};background:var(--a)}}</style><p>"),
    "css content": _css(lambda url: f"<style>p::before{{content:url({url})}}</style><p>"),
    "css list": _css(lambda url: f"<style>li{{list-style:inside url({url})}}</style><ul><li></ul>"),
    "css border": _css(
        lambda url: (
            f"<style>p{{{_BOX};box-sizing:border-box;border:{SIDE // 2}px solid;"
            f"border-image:url({url}) 50% stretch}}</style><p>"
        )
    ),
    "css mask (a shape)": _css(lambda url: f"<style>p{{{_BOX};background:red;mask:url({url})}}</style><p>"),
    "css media": _css(lambda url: f"<style>@media all{{p{{{_BOX};background:url({url})}}}}</style><p>"),
    "css nested": _css(lambda url: f"<style>div{{& p{{{_BOX};background:url({url})}}}}</style><div><p></div>"),
    "css unclosed": _css(lambda url: f"<p></p><style>p{{{_BOX};background:url({url})"),
    "css comment": _css(lambda url: f"<style>/* }} */p{{{_BOX};background:/*(*/url({url})/*)*/}}</style><p>"),
    "css layer": _css(lambda url: f"<style>@layer a{{p{{{_BOX};background:url({url})}}}}</style><p>"),
    "css in an attribute": _css(lambda url: f"<p style='{html.escape(f'{_BOX};background:url({url})')}'>"),
    "css in an import": _css(
        lambda url: (
            "<style>@import 'data:text/css;base64,"
            + _b64(f"p{{{_BOX};background:url({url})}}".encode())
            + "';</style><p>"
        )
    ),
    "css in a link": _css(
        lambda url: (
            f'<link rel=stylesheet href="data:text/css;base64,{_b64(f"p{{{_BOX};background:url({url})}}".encode())}"><p>'
        )
    ),
    "script src": _script(lambda url: f"var i = new Image(); i.src = {url}; document.body.append(i)"),
    "script attribute": _script(
        lambda url: f"var i = document.createElement('img'); i.setAttribute('src', {url}); document.body.append(i)"
    ),
    "script write": _script(lambda url: f"document.write('<img src=' + JSON.stringify({url}) + '>')"),
    "script template": Carrier(
        "script", lambda url, rng: f"<script>var i = new Image(); i.src = `{url}`; document.body.append(i)</script>"
    ),
    "script style": _script(
        lambda url: f"document.body.style.cssText = '{_BOX};background:url(' + JSON.stringify({url}) + ')'"
    ),
    "json in a script": Carrier(
        "attribute",
        lambda url, rng: (
            f"<script type=application/json id=d>{json.dumps({'a': [html.unescape(url)]}).replace('/', chr(92) + '/')}"
            "</script><script>var i = new Image(); i.src = JSON.parse(d.textContent).a[0]; document.body.append(i)</script>"
        ),
    ),
    "json in json in a script": Carrier(
        "attribute",
        lambda url, rng: (
            "<script type=application/json id=d>"
            + json.dumps({"s": json.dumps({"a": html.unescape(url)})}).replace("/", "\\/")
            + "</script><script>var i = new Image(); i.src = JSON.parse(JSON.parse(d.textContent).s).a;"
            "document.body.append(i)</script>"
        ),
    ),
    "svg document": _xml(lambda url: f'{_SVG}<image {_AREA} href="{url}"/></svg>'),
    "svg document, xlink": _xml(lambda url: f'<?xml version="1.0"?>{_SVG}<image {_AREA} xlink:href="{url}"/></svg>'),
    "svg entity": _xml(_entity),
    "svg entities": _xml(_entities),
    "svg default attribute": _xml(
        lambda url: (
            f'<!DOCTYPE svg [<!ATTLIST image href CDATA "{url.replace("%", "&#37;")}">]>{_SVG}<image {_AREA}/></svg>'
        )
    ),
    "svg style": _xml(
        lambda url: (
            f'{_SVG}<foreignObject {_AREA}><p xmlns="http://www.w3.org/1999/xhtml" '
            f"style=\"margin:0;{_BOX};background:url('{url.replace(chr(39), '')}')\"/></foreignObject></svg>"
        )
    ),
    "svg, then an error": _xml(lambda url: f'{_SVG}<image {_AREA} href="{url}"/><g></svg>'),
    "xhtml": _xml(
        lambda url: (
            '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x"/></head>'
            f'<body style="margin:0"><img alt="" src="{url}"/></body></html>'
        ),
        "xhtml",
    ),
    "xhtml, prefixed": _xml(
        lambda url: (
            '<h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:body style="margin:0">'
            f'<h:img alt="" src="{url}"/></h:body></h:html>'
        ),
        "xhtml",
    ),
}

# Where the part stands in the page ----------------------------------------------------------------------------------


def _in_frame(text: str) -> str:
    frame = f"<!doctype html><style>*{{margin:0}}</style>{text}"
    return f'<iframe srcdoc="{html.escape(frame)}" {_AREA} style=border:0></iframe>'


NESTINGS: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "srcdoc": _in_frame,
    "srcdoc twice": lambda text: _in_frame(_in_frame(text)),
    "data page": lambda text: (
        f'<iframe src="data:text/html;base64,{_b64(f"<style>*{{margin:0}}</style>{text}".encode())}" {_AREA} '
        "style=border:0></iframe>"
    ),
    "data page, percent": lambda text: (
        f'<iframe src="data:text/html;charset=utf-8,{_loose(f"<style>*{{margin:0}}</style>{text}".encode())}" {_AREA} '
        "style=border:0></iframe>"
    ),
    "shadow root": lambda text: f"<div><template shadowrootmode=open>{text}</template></div>",
    "noscript (not shown)": lambda text: f"<noscript>{text}</noscript>",
    "template (not shown)": lambda text: f"<template>{text}</template>",
    "a comment that ends early": lambda text: f"<!-->{text}-->",
    "deep": lambda text: f"{'<div>' * 400}{text}",
    "details": lambda text: f"<details open><summary style=display:none></summary>{text}</details>",
    "svg in an img": lambda text: (
        '<img src="data:image/svg+xml;base64,'
        + _b64(
            f'{_SVG}<foreignObject {_AREA}><div xmlns="http://www.w3.org/1999/xhtml"><img alt="" '
            f'src="data:image/jpeg;base64,{_b64(picture())}"/></div></foreignObject></svg>'.encode()
        )
        + '">'
    ),
    "script that writes": lambda text: (
        f"<script>document.write({json.dumps(text).replace('</', '<' + chr(92) + '/')})</script>"
    ),
    "unclosed before": lambda text: f"<b><i><table><tr><td><p>{text}",
}

# How the text becomes bytes -----------------------------------------------------------------------------------------

_Encoded = tuple[bytes, str | None]


def _declared(name: str, codec: str, extra: str = "") -> Callable[[random.Random, str, str], _Encoded]:
    return lambda rng, text, kind: ((text + extra).encode(codec, "replace"), f"{kind}; charset={name}")


def _in_meta(name: str, codec: str, extra: str) -> Callable[[random.Random, str, str], _Encoded]:
    def write(rng: random.Random, text: str, kind: str) -> _Encoded:
        if kind != "text/html":
            return text.encode(), kind
        return f"<meta charset={name}><p hidden>{extra}</p>{text}".encode(codec, "replace"), kind

    return write


def _late_meta(rng: random.Random, text: str, kind: str) -> _Encoded:
    if kind != "text/html":
        return text.encode(), kind
    return f"<head><!-- {'x' * 1500} --><meta charset=windows-1251></head>{text}".encode(), kind


def _escaped_japanese(rng: random.Random, text: str, kind: str) -> _Encoded:
    """Write ISO-2022-JP with escape sequences in between that change nothing."""
    at = text.find(";base64,") + 8
    if at < 8:
        return text.encode("ascii", "replace"), f"{kind}; charset=iso-2022-jp"
    mixed = text[:at] + _sprinkle(rng, text[at : at + 500], "\x1b(B", 6) + text[at + 500 :]
    return mixed.encode("ascii", "replace"), f"{kind}; charset=iso-2022-jp"


CHARSETS: dict[str, Callable[[random.Random, str, str], _Encoded]] = {
    "utf-8": _declared("utf-8", "utf-8"),
    "none": lambda rng, text, kind: (text.encode(), kind),
    "no type": lambda rng, text, kind: (text.encode(), None if kind == "text/html" else kind),
    "utf-8 with a mark": lambda rng, text, kind: (b"\xef\xbb\xbf" + text.encode(), f"{kind}; charset=shift_jis"),
    "utf-16 with a mark": lambda rng, text, kind: (text.encode("utf-16"), kind),
    "utf-16be with a mark": lambda rng, text, kind: (b"\xfe\xff" + text.encode("utf-16-be"), kind),
    "utf-16le by header": _declared("utf-16le", "utf-16-le"),
    "utf-16be by header": _declared("utf-16be", "utf-16-be"),
    "windows-1252": _declared("iso-8859-1", "cp1252"),
    "x-user-defined": _declared("x-user-defined", "latin-1"),
    "gbk": _in_meta("gbk", "gbk", "中文"),
    "shift_jis": _in_meta("x-sjis", "shift_jis", "日本語"),
    "late": _late_meta,
    "iso-2022-jp": _escaped_japanese,
    "unknown label": _declared("nonsense", "utf-8"),
    "utf-7": _declared("utf-7", "utf-8"),
}


def _deflate_raw(body: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def _members(body: bytes) -> bytes:
    out = io.BytesIO()
    for piece in (body[: len(body) // 2], body[len(body) // 2 :]):
        out.write(gzip.compress(piece, 1, mtime=0))
    return out.getvalue()


CODINGS: dict[str, tuple[str | None, Callable[[bytes], bytes]]] = {
    "none": (None, lambda body: body),
    "identity": ("identity", lambda body: body),
    "gzip": ("gzip", lambda body: gzip.compress(body, 1, mtime=0)),
    "gzip twice": ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body, 1, mtime=0), 1, mtime=0)),
    "gzip in members": ("gzip", _members),
    "deflate": ("deflate", zlib.compress),
    "deflate, raw": ("deflate", _deflate_raw),
    "brotli": ("br", lambda body: brotli.compress(body, quality=1)),
    "x-gzip": ("x-gzip", lambda body: gzip.compress(body, 1, mtime=0)),
}
