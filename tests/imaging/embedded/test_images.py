from __future__ import annotations

import base64
import contextlib
import html
import json
import time
import tracemalloc
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imaging.corpus import encode, good, nested_svg
from support.hostile_texts import KINDS
from support.pictures import drawn

from ingest_guard.imaging.decode import Limits, NotScannable
from ingest_guard.imaging.embedded.images import embedded_images, inline_bodies
from ingest_guard.imaging.embedded.signs import may_hold_images
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

JPEG = good("JPEG")
BASE64 = base64.b64encode(JPEG).decode()
URL = "data:image/jpeg;base64," + BASE64
SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><g transform="scale(2)"><image href="{URL}"/></g></svg>'


def _spelt(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(ord(character)) for character in text)


DISGUISES = {
    "plain": f'<img src="{URL}">',
    "single quotes": f"<img src='{URL}'>",
    "capitals": f'<img src="DaTa:IMAGE/JPEG;Base64,{BASE64}">',
    "unquoted": f"<img src={URL} width=100>",
    "unquoted, no padding": f"<img src={URL.rstrip('=')} width=100>",
    "parameters": f'<img src="data:image/jpeg;charset=utf-8;name=x.jpg;base64,{BASE64}">',
    "spaces in the type": f'<img src="data:image/jpeg; base64 ,{BASE64}">',
    "no type": f'<img src="data:;base64,{BASE64}">',
    "wrong type": f'<img src="data:text/plain;base64,{BASE64}">',
    "wrapped": '<img src="' + "\r\n ".join(URL[at : at + 76] for at in range(0, len(URL), 76)) + '">',
    "line break in the scheme": f'<img src="da\nt\ta:image/jpeg;base64,{BASE64}">',
    "decimal entities": f'<img src="{_spelt("&#{};")(URL)}">',
    "hexadecimal entities": f'<img src="{_spelt("&#x{:X};")(URL)}">',
    "one entity": f'<img src="{URL.replace("data", "&#100;ata", 1)}">',
    "entities without semicolons": f'<img src="{URL.replace("data:", "&#0100ata&#x3a;", 1)}">',
    "named entities": '<img src="' + URL.replace("/", "&sol;").replace("+", "&plus;").replace(":", "&colon;") + '">',
    "tab entity": f'<img src="{URL.replace("data", "da&Tab;ta", 1)}">',
    "style attribute": f'<p style="background:url(&quot;{URL}&quot;)">',
    "page in an attribute": '<iframe srcdoc="' + html.escape(f'<img src="{URL}">') + '">',
    "entities in an attribute": '<iframe srcdoc="' + html.escape(f'<img src="{_spelt("&#{};")(URL)}">') + '">',
    "json": json.dumps({"a": [URL]}),
    "json, escaped slashes": json.dumps({"a": URL}).replace("/", "\\/"),
    "json, escaped plus": json.dumps({"a": URL}).replace("+", "\\u002b").replace("/", "\\u002F"),
    "json in json": json.dumps({"a": json.dumps({"b": URL})}),
    "json, all escaped": '{"a": "' + _spelt("\\u{:04x}")(URL) + '"}',
    "script": 'x = "' + _spelt("\\x{:02x}")(URL) + '"',
    "script, new escapes": 'x = "' + _spelt("\\u{{{:x}}}")(URL) + '"',
    "style sheet": f"a {{ background: url({URL}) }}",
    "style sheet, escaped": 'a { background: url("' + _spelt("\\{:x} ")(URL) + '") }',
    "style sheet, one escape": "a { background: url(" + URL.replace("d", "\\64 ", 1) + ") }",
    "percent signs": f'<img src="data:image/jpeg;base64,{quote(BASE64, safe="")}">',
    "percent signs all over": '<img src="data:image/jpeg,' + "".join(f"%{byte:02X}" for byte in JPEG) + '">',
    "percent signs where needed": f'<img src="data:image/jpeg,{quote(JPEG)}">',
    "percent signs, no type": f'<img src="data:,{quote(JPEG, safe="")}">',
    "URL in a query": "https://example.com/?u=" + quote(URL, safe=""),
    "URL-safe alphabet": '{"a": "data:image/jpeg;base64,' + base64.urlsafe_b64encode(JPEG).decode() + '"}',
    "bare base64": json.dumps({"thumbnail": BASE64}),
    "bare base64, escaped slashes": json.dumps({"thumbnail": BASE64}).replace("/", "\\/"),
    "bare base64, URL-safe": json.dumps({"thumbnail": base64.urlsafe_b64encode(JPEG).decode()}),
    "mail": "Content-Type: image/jpeg\r\n\r\n" + base64.encodebytes(JPEG).decode(),
    "svg": SVG,
    "svg, base64": f"<img src='data:image/svg+xml;base64,{base64.b64encode(SVG.encode()).decode()}'>",
    "svg, percent signs": f"<img src='data:image/svg+xml,{quote(SVG)}'>",
    "svg as it is": f"<img src='data:image/svg+xml;utf8,{SVG}'>",
    "svg in a style sheet": f"a {{ background: url(data:image/svg+xml;charset=utf8,{quote(SVG, safe='')}) }}",
    "svg, unquoted": f"<img src=data:image/svg+xml,{quote(SVG, safe='')} alt=x>",
    "page in a URL": f'<iframe src="data:text/html,{quote(f"<img src={URL}>")}">',
    "page in a URL without type": f'<iframe src="data:,{quote(f"<img src={URL}>")}">',
}


@pytest.mark.parametrize("name", DISGUISES)
def test_image_is_found_in_every_disguise(name: str) -> None:
    """However a page spells a data: URL that a browser reads, the image in it is found, once."""
    assert embedded_images(DISGUISES[name].encode(), Limits()) == [JPEG]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "shift_jis"])
def test_image_is_found_in_every_encoding(encoding: str) -> None:
    """Wide characters hide nothing."""
    assert embedded_images(f'<html><img alt="日" src="{URL}"></html>'.encode(encoding), Limits()) == [JPEG]


@pytest.mark.parametrize("name", ["PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000"])
def test_bare_base64_of_every_format_is_found(name: str) -> None:
    """JSON with pictures in it, and no URL."""
    image = good(name)
    assert embedded_images(json.dumps({"x": base64.b64encode(image).decode()}).encode(), Limits()) == [image]


def test_several_images_are_found_in_their_order_and_once() -> None:
    """A source set, and the same picture again."""
    png = "data:image/png;base64," + base64.b64encode(good("PNG")).decode()
    page = f'<img srcset="{URL} 1x, {png} 2.5x" src="{URL}"><img src="{png}">'
    assert embedded_images(page.encode(), Limits()) == [JPEG, good("PNG")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no image here, just data: and words",
        "data:, nothing",
        "@font-face { src: url(data:font/woff2;base64,d09GMgABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA) }",
        '<link href="data:text/css;base64,YSB7IGNvbG9yOiByZWQgfQ==">',
        "x = {data:a, b:c}; y = 'data:'",
        '<a href="data:text/html,%3Cp%3Ehello%3C/p%3E">',
        "data:application/octet-stream;base64,AAECAwQFBgcICQ",
        "hash = '/9j/' and iVBORw0KGgo",
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==">',
        '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">',
        (
            '<img src="data:image/png;base64,iVBORw0KGgo'
            'AAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==">'
        ),
        "data:image/svg+xml,<svg/>",
        "data:image/png;base64",
        "&#100;ata: is not a URL &#58;",
    ],
)
def test_what_is_no_picture_is_not_returned(text: str) -> None:
    """Fonts, style sheets, words, and spacers of one pixel that half of all pages have."""
    assert embedded_images(text.encode(), Limits()) == []


def test_what_is_announced_as_an_image_and_is_neither_text_nor_known_is_returned() -> None:
    """An image of an unknown type is a doubt, not a pass."""
    blob = b"\xff\x0a" + bytes(range(200))
    page = f'<img src="data:image/jxl;base64,{base64.b64encode(blob).decode()}">'
    assert embedded_images(page.encode(), Limits()) == [blob]
    assert embedded_images(page.replace("image/jxl", "font/x").encode(), Limits()) == []


def test_spacer_with_something_behind_it_is_returned() -> None:
    """A pixel that carries a picture is no spacer."""
    pixel = encode(drawn(1).resize((1, 1)), "GIF")
    body = pixel + good("JPEG")
    page = f'<img src="data:image/gif;base64,{base64.b64encode(body).decode()}">'
    assert embedded_images(page.encode(), Limits()) == [body]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_nested_svg_is_opened_as_deep_as_the_policy_says(depth: int) -> None:
    """At the limit it is found; one deeper, the page is not scannable."""
    assert embedded_images(nested_svg(depth), Limits(nesting=depth)) == [JPEG]
    with pytest.raises(NotScannable) as caught:
        embedded_images(nested_svg(depth + 1), Limits(nesting=depth))
    assert caught.value.reason is Reason.NESTING


def test_nesting_of_texts_without_anything_in_them_is_no_doubt() -> None:
    """Only what may hold an image is opened."""
    page = nested_svg(5, b"just words").replace(b"image/jpeg", b"text/plain")
    assert embedded_images(page, Limits(nesting=6)) == []


def test_numbers_and_sizes_are_bounded() -> None:
    """More images, or more bytes of them, than the limits."""
    urls = [
        f"<img src='data:image/bmp;base64,{base64.b64encode(encode(drawn(n, (90, 90)), 'BMP')).decode()}'>"
        for n in range(3)
    ]
    page = "".join(urls).encode()
    assert len(embedded_images(page, Limits(embedded=3))) == 3
    with pytest.raises(NotScannable) as caught:
        embedded_images(page, Limits(embedded=2))
    assert caught.value.reason is Reason.NESTING
    with pytest.raises(NotScannable) as caught:
        embedded_images(page, Limits(bytes=50_000))
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    "text",
    [
        b"data:,%41" * 300_000,
        b"data:;base64," * 300_000,
        b"data:" * 500_000,
        b"data:image/svg+xml,<" * 100_000,
        b'"data:text/html,' * 200_000,
        b"/9j/" * 500_000,
        b"\\/9j\\/" * 200_000,
        b"&#100;" * 400_000,
        b"\\64 " * 500_000,
        b"&amp;" * 300_000 + b"&#100;",
        b"iVBORw0KGgo " * 100_000,
        b"Qk0AAAAAAAAAAAAA," * 100_000,
        b"<svg>data%3a" * 100_000,
        *(make(1 << 20) for make in KINDS.values()),
    ],
)
def test_hostile_texts_take_a_bounded_time(text: bytes) -> None:
    """Megabytes of half URLs: linear time, and either nothing or a reason."""
    start = time.process_time()
    with contextlib.suppress(NotScannable):
        embedded_images(text, Limits())
    assert time.process_time() - start < 8


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_take_a_bounded_memory(kind: str) -> None:
    """Half a megabyte costs twenty at the most, whatever it is made of."""
    text = KINDS[kind](1 << 19)
    tracemalloc.start()
    try:
        with contextlib.suppress(NotScannable):
            inline_bodies(text, Limits())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 << 20


@pytest.mark.parametrize(
    ("announced", "body"),
    [
        ("application/pdf", b"%PDF-1.7\n" + bytes(range(256))),
        ("video/mp4", b"\0\0\0\x18ftypmp42" + bytes(range(256))),
        ("font/woff2", b"wOF2" + bytes(range(256))),
        ("text/plain", b"a text that is on a list"),
        ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("application/octet-stream", bytes(range(256))),
        ("application/zip", b"PK\3\4"),
    ],
)
def test_bodies_of_any_type_are_found(announced: str, body: bytes) -> None:
    """What an inline body is does not matter to whoever takes its digests; only pictures are for scanning."""
    coded = base64.b64encode(body).decode()
    for text in (f'<a href="data:{announced};base64,{coded}">', f'<a href="data:{announced},{quote(body)}">'):
        assert [(found.data, found.is_picture) for found in inline_bodies(text.encode(), Limits())] == [(body, False)]


_PIECES = st.sampled_from(
    [
        b"data:",
        b"DATA:image/png;base64,",
        b"image/svg+xml,",
        b"%3Csvg",
        b"&#100;",
        b"\\64 ",
        b"\\u0064",
        b"/9j/",
        b"iVBORw0KGgo",
        b'"',
        b"'",
        b"(",
        b")",
        b"=",
        b",",
        b"<svg>",
        b"AAAA",
        b"\xff\xfe",
        b"\0",
        b"&quot;",
        BASE64[:200].encode(),
        b"%",
        b"\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(_PIECES, st.binary(max_size=12)), max_size=30))
def test_no_text_breaks_the_search(pieces: list[bytes]) -> None:
    """Whatever a text is made of: images, or a reason."""
    found: list[bytes] = []
    with contextlib.suppress(NotScannable):
        found = embedded_images(b"".join(pieces), Limits())
    assert len(found) == len(set(found))


def test_a_page_without_images_costs_next_to_nothing() -> None:
    """100 kB, the best of several tries on a busy machine."""
    page = (
        b'<div class="metadata item">Some &amp; text<a href="https://example.com/a?b=1&amp;c=2">x</a></div>\n' * 1100
    )[:100_000]
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        assert not may_hold_images(page)
        assert embedded_images(page, Limits()) == []
        best = min(best, time.perf_counter() - start)
    assert best < 0.005
