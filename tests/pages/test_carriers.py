from __future__ import annotations

import json
from urllib.parse import quote, quote_from_bytes

import pytest
from pages.support import HTML, b64, found, jpeg, percent, png, read, url

from ingest_guard.pages.findings import InlineBody

J, B, P = jpeg(), b64(jpeg()), png()
U = url()
ZEROS = "&#x00000000000a;"
PIECES = [B[at : at + 100] for at in range(0, len(B), 100)]
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image width="9" height="9" href="{U}"/></svg>'


def _page(inner: str, head: str = "") -> str:
    return f"<!doctype html><html><head><title>x</title>{head}</head><body>{inner}</body></html>"


def _entities(text: str) -> str:
    parts = [text[at : at + 450] for at in range(0, len(text), 450)]
    declared = "".join(f'<!ENTITY e{n} "{part}">' for n, part in enumerate(parts))
    used = "".join(f"&e{n};" for n in range(len(parts)))
    return (
        f'<?xml version="1.0"?><!DOCTYPE svg [{declared}]><svg xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="data:image/jpeg;base64,{used}"/></svg>'
    )


def _srcdoc(inner: str, depth: int) -> str:
    for _ in range(depth):
        inner = '<iframe srcdoc="' + inner.replace("&", "&amp;").replace('"', "&quot;") + '"></iframe>'
    return inner


def _spelt(text: str) -> str:
    return "".join(sign if sign.isalnum() else f"&#{ord(sign)};" for sign in text)


SPELT = f"data&amp;colon;image/jpeg&amp;comma;{percent(J)}"
JOINED = ("'da", "ta:image/jp", f"eg,{percent(J)}'")

SHOWN = {
    "plain": (_page(f'<img src="{U}">'), HTML),
    "unquoted": (_page(f"<img src={U.rstrip('=')} width=9>"), HTML),
    "zeros in a reference": (_page(f'<img src="data:image/jpeg;base64,{B[:60]}{ZEROS}{B[60:]}">'), HTML),
    "letter by reference with zeros": (_page(f'<img src="data:image/jpeg;base64,&#x{ord(B[0]):012x};{B[1:]}">'), HTML),
    "line break in the scheme": (_page(f'<img src="d&#10;ata:image/jpeg,{percent(J)}">'), HTML),
    "a long type": (_page(f'<img src="data:image/jpeg;a={"b" * 500},{percent(J)}">'), HTML),
    "a quoted parameter": (_page(f"<img src='data:image/jpeg;a=\"b\",{percent(J)}'>"), HTML),
    "style, escaped line break": (
        _page(f'<p style="background:url(data:image/jpeg;base64,{B[:60]}\\a {B[60:]})">'),
        HTML,
    ),
    "the flag before another parameter": (_page(f'<img src="data:image/jpeg;base64;a=b,{B}">'), HTML),
    "percent signs": (_page(f'<img src="data:image/jpeg;base64,{percent(B.encode())}">'), HTML),
    "encoded line breaks": (_page(f'<img src="data:image/jpeg;base64,{"%0A".join(PIECES)}">'), HTML),
    "fragment": (_page(f'<img src="{U}#x">'), HTML),
    "upper case": (_page(f'<img src="DATA:IMAGE/JPEG;BASE64,{B}">'), HTML),
    "srcset": (_page(f'<img srcset="{U} 1x, {url(b"x")} 2x">'), HTML),
    "srcset, second": (_page(f'<img srcset="a.jpg 1x,{U} 2x">'), HTML),
    "srcset, brackets": (_page(f'<img srcset="a.jpg a(b,c) 1x, {U} 2x">'), HTML),
    "imagesrcset": (_page("", f'<link rel=preload as=image imagesrcset="{U} 1x">'), HTML),
    "srcdoc in srcdoc": (_page(_srcdoc(f'<img src="{U}">', 2)), HTML),
    "noscript": (_page(f'<noscript><img src="{U}"></noscript>'), HTML),
    "a comment that is none": (_page(f'<noscript><!--</noscript><img src="{U}">-->'), HTML),
    "template": (_page(f'<div><template shadowrootmode=open><img src="{U}"></template></div>'), HTML),
    "template, plain": (_page(f'<template><img src="{U}"></template>'), HTML),
    "deep": ("<b>" * 5000 + f'<img src="{U}">', HTML),
    "poster": (_page(f'<video poster="{U}">'), HTML),
    "object": (_page(f'<object data="{U}">'), HTML),
    "body": (f'<body background="{U}">', HTML),
    "SVG in HTML": (_page(f'<svg><image xlink:href="{U}" /></svg>'), HTML),
    "fill": (_page(f'<svg><rect filter="url({U})" /></svg>'), HTML),
    "animation": (_page(f'<svg><image><set attributeName=href to="{U}"></image></svg>'), HTML),
    "values": (_page(f'<svg><image><animate values="a;data:image/jpeg,{percent(J)};b"></image></svg>'), HTML),
    "handler": (_page(f"<p onclick=\"this.src='{U}'\">"), HTML),
    "script URL": (_page(f"<a href=\"javascript:f('%64ata:image/jpeg;base64,{B}')\">"), HTML),
    "style element": (_page("", f"<style>p{{background:url({U})}}</style>"), HTML),
    "style, string": (_page("", f"<style>p{{background:image-set('{U}' 1x)}}</style>"), HTML),
    "style, import": (_page("", f'<style>@import "data:text/css,p{{background:url({U})}}"</style>'), HTML),
    "style, name by number": (_page("", f"<style>p{{background:u\\72l({U})}}</style>"), HTML),
    "style, unclosed": (f"<style>p{{background:url({U}", HTML),
    "style sheet by URL": (_page("", f'<link rel=stylesheet href="data:text/css,p%7Bbackground:url({U})%7D">'), HTML),
    "SVG by URL": (_page(f'<img src="data:image/svg+xml;base64,{b64(SVG.encode())}">'), HTML),
    "SVG by URL, as it is": (_page(f"<img src='data:image/svg+xml,{SVG}'>"), HTML),
    "page by URL": (_page(f"<iframe src='data:text/html,<img src=\"{U}\">'>"), HTML),
    "refresh": (_page("", f'<meta http-equiv=refresh content="0; url={U}">'), HTML),
    "lazy loading": (_page(f'<img data-src="{U}">'), HTML),
    "JSON in an attribute": (_page(f"<p data-x='{json.dumps({'a': U})}'>"), HTML),
    "script": (_page(f"<script>x.src = '{U}'</script>"), HTML),
    "script, template literal": (_page(f"<script>x = `<b>${{a ? `<img src='{U}'>` : ''}}</b>`</script>"), HTML),
    "script, HTML": (_page(f"<script>x = '<img src=\"{U}\">'</script>"), HTML),
    "script, joined": (
        _page("<script>x = 'data:image/jpeg;base64,' + " + " +\n".join(f"'{p}'" for p in PIECES) + "</script>"),
        HTML,
    ),
    **{
        f"{where}, joined in the scheme with {join!r}": (_page(page.format(spell(join.join(JOINED)))), HTML)
        for where, page, spell in (
            ("script", "<script>x={}</script>", str),
            ("script behind a division", "<script>b=(c)/2;d='/';x={}</script>", str),
            ("handler", '<img onerror="this.src={}">', str),
            ("handler, spelt", "<img onerror=this.src={}>", _spelt),
            ("script URL", '<iframe src="javascript:{}">', quote),
        )
        for join in ("'+'", "'  +\n'", "'/* */ + /* x */'", "'+//x\n'")
    },
    "script, after a regular expression": (_page(f"<script>a = /[\"/]'/; x = '{U}'</script>"), HTML),
    "JSON in a script": (_page('<script type="application/ld+json">' + json.dumps({"image": U}) + "</script>"), HTML),
    "template of a library": (_page(f'<script type="text/x-template"><img src="{U}"></script>'), HTML),
    "ISO-2022-JP": (
        _page(f'<img src="data:image/jpeg;base64,{B[:40]}\x1b(B{B[40:]}">'),
        "text/html; charset=iso-2022-jp",
    ),
    "ISO-2022-JP, by meta": (
        _page(f'<img src="da\x1b(Bta:image/jpeg;base64,{B}">', "<meta charset=iso-2022-jp>"),
        None,
    ),
    "UTF-16 with a mark": (_page(f'<img src="{U}">').encode("utf-16"), "text/html"),
    "UTF-16 by header": (_page(f'<img src="{U}">').encode("utf-16-le"), "text/html; charset=utf-16le"),
    "UTF-16 by its declaration": (('<?xml version="1.0"?>' + SVG).encode("utf-16-be"), "image/svg+xml"),
    "SVG": (SVG, "image/svg+xml"),
    "SVG without a type": (SVG, None),
    "SVG, entities": (_entities(B), "image/svg+xml"),
    "SVG, default of an attribute": (
        f'<!DOCTYPE svg [<!ATTLIST image href CDATA "{U}">]><svg xmlns="http://www.w3.org/2000/svg"><image/></svg>',
        "image/svg+xml",
    ),
    "SVG, style": (SVG.replace("<image", f"<style>p{{background:url({url(jpeg(3))})}}</style><image"), "image/svg+xml"),
    "style sheet of XML": (f'<?xml-stylesheet href="data:text/css,p{{background:url({U})}}"?><a/>', "text/xml"),
    "XHTML": (
        f'<html xmlns="http://www.w3.org/1999/xhtml"><body><img src="{U}"/></body></html>',
        "application/xhtml+xml",
    ),
    "XHTML, entities": (
        (
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">'
            '<html xmlns="http://www.w3.org/1999/xhtml"><body>&nbsp;'
            f'<img src="{U.replace("/", "&sol;")}"/></body></html>'
        ),
        "application/xhtml+xml",
    ),
    "feed, escaped twice": (f"<rss><d>&lt;img src=&quot;{U}&quot;&gt;</d></rss>", "application/rss+xml"),
    "feed, CDATA": (f"<rss><d><![CDATA[<img src='{U[:9]}]]><![CDATA[{U[9:]}'>]]></d></rss>", None),
    "JSON": (json.dumps({"a": [{"b": U}]}), "application/json"),
    "JSON, key": (json.dumps({U: 1}), "application/json"),
    "JSON, equal names": ('{"a": "' + U + '", "a": 1}', "application/json"),
    "JSON, HTML": (json.dumps({"html": f'<p><img src="{U}"></p>'}), "application/json"),
    "JSON in JSON": (
        json.dumps({"a": json.dumps({"b": U}).replace("/", "\\/")}).replace("/", "\\/"),
        "application/json",
    ),
    "JSON with NaN": ('{"a": NaN, "b": "' + U + '"}', "application/json"),
    "JSON of some lines": ('{"a": 1}\n{"b": "' + U + '"}\n', "application/json"),
    "JSON with a head": (")]}'\n" + json.dumps({"b": U}), "application/json"),
    "JSONP": (f"f({json.dumps({'b': U})})", "text/javascript"),
    "JSON, deep": ('["' + U + '",' + "[" * 100_000, "application/json"),
    "style sheet": (f"p{{background:url({U})}}", "text/css"),
    "style sheet without a type": (f"@import 'x'; p{{background:url({U})}}", None),
}
ALSO_FOUND = {
    "JSON, lines of a notebook": (
        json.dumps({"image/jpeg": [f"{B[at : at + 76]}\n" for at in range(0, len(B), 76)]}),
        None,
    ),
    "JSON, markup in lines": (json.dumps({"text/html": ["<p>", f'<img src="{U[:99]}', f'{U[99:]}">']}), None),
    "a comment": (_page(f'<!--[if IE]><img src="{U}"><![endif]-->'), HTML),
    "running text": (_page(f"<pre>{U}</pre>"), HTML),
    "UTF-16 without a mark": (("x" * 99 + _page(f'<img src="{U}">')).encode("utf-16-le"), "text/html; charset=utf-8"),
    "bare base64": (json.dumps({"thumb": B}), "application/json"),
    "bare base64, as PHP writes it": (json.dumps({"thumb": B}).replace("/", "\\/"), "application/json"),
    "bytes as numbers": (json.dumps({"type": "Buffer", "data": list(J)}), "application/json"),
    "a link to a URL": (_page(f'<a href="/show?d={quote_from_bytes(U.encode(), safe="")}">'), HTML),
    "a mail's part": (
        "Content-Type: image/jpeg\r\n\r\n" + "\r\n".join(B[at : at + 76] for at in range(0, len(B), 76)),
        "text/plain",
    ),
    "alternative text": (_page(f'<img alt="{U}">'), HTML),
    "a plain text": (f"see {U} there", "text/plain"),
    **{
        f"markup in the text of {tag}": (_page(f"<{tag}>&lt;img src='{SPELT}'&gt;</{tag}>"), HTML)
        for tag in ("textarea", "title", "pre", "option", "p")
    },
    **{
        f"markup in the raw text of {tag}": (_page(f"<{tag}><img src='{SPELT.replace('&amp;', '&')}'></{tag}>"), HTML)
        for tag in ("xmp", "noembed", "noframes", "iframe")
    },
    **{
        f"literals joined with {join!r} behind {before!r}": (
            _page(f"<script>{before}x={join.join(JOINED)};</script>"),
            HTML,
        )
        for before in ("a++/2;'/';", 'if(a)/"/.test(b);')
        for join in ("'+'", "'+\n'", "'/* */ + /* x */'", "'+//x\n'")
    },
}


@pytest.mark.parametrize("name", SHOWN)
def test_picture_is_found_wherever_a_browser_shows_it(name: str) -> None:
    """In every carrier, whole, and without a doubt about the page."""
    text, declared = SHOWN[name]
    reading = read(text, declared)
    picture = found(reading)
    assert picture is not None
    assert picture.is_whole
    assert picture.is_shown
    assert reading.doubt is None


@pytest.mark.parametrize("name", ALSO_FOUND)
def test_picture_is_found_where_no_browser_shows_it(name: str) -> None:
    """It can match, and raises no doubt."""
    text, declared = ALSO_FOUND[name]
    reading = read(text, declared)
    picture = found(reading)
    assert picture is not None
    assert not picture.is_shown
    assert reading.doubt is None


def test_a_lax_encoders_picture_is_found() -> None:
    """Apostrophes and blanks in a percent-encoded body, a blank before the scheme."""
    loose = quote_from_bytes(P, safe="' ")
    reading = read(f'<img src=" data:image/png,{loose}">')
    assert found(reading, P) is not None
    assert reading.doubt is None


@pytest.mark.parametrize("kind", ["video/webm", "application/pdf", "font/woff2", "application/zip", "x"])
def test_bodies_of_every_type_are_returned(kind: str) -> None:
    """What it is, others decide."""
    body = b"\x1a\x45\xdf\xa3" + bytes(range(256))
    assert found(read(f'<embed src="{url(body, kind)}">'), body) is not None


def test_a_body_is_returned_once() -> None:
    """However often a page has it; the whole and shown one counts."""
    reading = read(f'<!-- {U} --><img src="{U}"><img src="{U}" srcset="{U} 2x"><style>a{{b:url({U})}}</style>')
    assert reading.bodies == [InlineBody(J, "image/jpeg")]


@pytest.mark.parametrize(
    "text",
    [
        "<p>A URL such as data:image/png;base64,iVBOR... holds its body.</p>",
        '<pre>&lt;img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA"&gt;</pre>',
        "<code>data:[&lt;mediatype&gt;][;base64],&lt;data&gt;</code><textarea>data:image/png;base64,x!</textarea>",
        "<script>var s = 'data:image/png;base64,' + btoa(x); if (/^data:image\\/(png|gif);base64,/.test(u)) f</script>",
        "<script>// data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA!\n</script>",
        '<img alt="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAF!">',
        '<!-- <img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAF!"> -->',
        '<img src="data:image/png;base64,{{ product.image }}">',
        '<a href="data:">x</a><a href="data:image/png">x</a>',
        '<p title="Big data: the next step">',
    ],
)
def test_a_page_that_talks_about_data_urls_is_just_a_page(text: str) -> None:
    """Text, code and comments announce nothing."""
    reading = read(text)
    assert reading.doubt is None
    assert not any(body.is_shown and len(body.data) >= 24 for body in reading.bodies)


@pytest.mark.parametrize(
    ("text", "declared"),
    [
        (f'<img src="{U[:-10]}!{U[-10:]}">', HTML),
        (f'<p>x<img src="{U[:400]}', HTML),
        (f"<p>x<img src='{U[:400]}", HTML),
        (f"<p>x<img src={U[:400]}", HTML),
        (f'<p><iframe srcdoc="<img src={U[:400]}', HTML),
        (f'{{"a": "{U[:400]}', "application/json"),
        (f"<rss><a>&lt;img src='{U}'></rss>", "application/rss+xml"),
        (f"<svg><image href='{U[:400]}", "image/svg+xml"),
        ('<!DOCTYPE a [<!ENTITY % p "<!ENTITY q \'data:,x\'>"> %p;]><a x="&q;"/>', "text/xml"),
        ("<rss>" + "<a>" * 300 + f"<b u='{U}'/>" + "</a>" * 300 + "</rss>", "text/xml"),
        (f'<!DOCTYPE a><a b="{U}">&nbsp;</a>', "text/xml"),
    ],
)
def test_what_is_cut_broken_or_unread_is_a_doubt(text: str, declared: str) -> None:
    """Something was announced, and not looked at in full."""
    assert read(text, declared).doubt == "embedded"


@pytest.mark.parametrize(
    "text",
    ["<rss><a>&nbsp;</a></rss>", "<rss><a></rss>", "<svg>&#0;", "<a>" * 5000, '{"a": ', "[" * 100_000, "<p class="],
)
@pytest.mark.parametrize("declared", [HTML, "application/rss+xml", "application/json", "text/css", None])
def test_what_is_broken_and_can_hold_nothing_is_no_doubt(text: str, declared: str | None) -> None:
    """Half of all feeds have an error."""
    reading = read(text, declared)
    assert reading.doubt is None
    assert reading.bodies == []


@pytest.mark.parametrize(
    "fault", ["&nbsp;", " a & b ", "&eacute&", "&#0;", "&#xD800;", "\x0b", "]]>", "<i:x/>", "&x;", "é"]
)
@pytest.mark.parametrize("end", ["", "\n<!-- 0.3 s -->", "<script src='/x.js'></script>", "\0", "junk"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n ", '\n<?xml version="1.0" encoding="ascii"?>'])
def test_the_common_errors_of_feeds_are_no_doubt(fault: str, end: str, start: str) -> None:
    """What stands before and behind them is read, in sections and attributes, and as HTML in texts."""
    address = f"d&#0000000000097;ta:image/jpeg,{percent(J)}"
    inner = f"d<![CDATA[&colon;<img src='data&colon;image/jpeg,{percent(P)}'>]]>"
    text = f"{start}<rss><a>{fault}</a><b c='{address}'/><e>{inner}</e><a>{fault}</a></rss>{end}"
    reading = read(text, "application/rss+xml")
    assert reading.doubt is None
    assert found(reading) is not None
    assert found(reading, P) is not None


def test_text_and_encoding_are_returned() -> None:
    """For those who read something else in the page."""
    reading = read("<meta charset=koi8-r>привет".encode("koi8-r"), None)
    assert (reading.text, reading.encoding) == ("<meta charset=koi8-r>привет", "koi8-r")
    assert read(b"\xff\xfe\x00", None).text is not None
