from __future__ import annotations

import base64
import time
from collections.abc import Callable
from urllib.parse import quote, quote_from_bytes

import pytest
from support.pictures import drawn, encode

from ingest_guard.scrapy_plugin.check.header_bodies import (
    LONGEST_VALUE,
    MOST_BODIES,
    MOST_BYTES,
    MOST_STARTS,
    header_bodies,
)

PICTURES = {kind: encode(drawn(6, (48, 44)), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")}


def b64(data: bytes) -> bytes:
    """Encode as base64."""
    return base64.b64encode(data)


def pieces(data: bytes, size: int, by: bytes) -> bytes:
    """Encode as base64 with something between the pieces."""
    text = b64(data)
    return by.join(text[at : at + size] for at in range(0, len(text), size))


def quoted(text: bytes) -> bytes:
    """Percent-encode a value."""
    return quote_from_bytes(text, safe="").encode()


URLS: dict[str, Callable[[bytes], bytes]] = {
    "typed": lambda data: b"data:image/jpeg;base64," + b64(data),
    "without a type": lambda data: b"data:;base64," + b64(data),
    "another type": lambda data: b"data:application/octet-stream;base64," + b64(data),
    "parameters": lambda data: b'data:image/png;charset=x;name="a b.png" ; base64 , ' + b64(data),
    "capitals": lambda data: b"DATA:IMAGE/PNG;BASE64," + b64(data),
    "tabs": lambda data: b"da\tta:image/png;base64," + pieces(data, 60, b"\t"),
    "folded": lambda data: b"data:image/png;base64," + pieces(data, 60, b"\r\n "),
    "for addresses": lambda data: b"data:image/png;base64," + base64.urlsafe_b64encode(data),
    "percent signs in base64": lambda data: b"data:image/png;base64," + quoted(b64(data)),
    "percent signs": lambda data: b"data:image/png," + quoted(data),
    "percent signs without a type": lambda data: b"data:," + quoted(data),
    "percent signs over all": lambda data: b"https://x.example/?u=" + quoted(b"data:image/png;base64," + b64(data)),
    "twice": lambda data: b"https://x.example/?u=" + quoted(quoted(b"data:image/png," + quoted(data))),
    "the flag encoded": lambda data: b"data:image/png%3Bbase64," + b64(data),
    "link": lambda data: b"<data:image/png;base64," + b64(data) + b">; rel=icon, </b.css>; rel=preload",
    "quotes": lambda data: b'x="data:image/png;base64,' + b64(data) + b'"',
    "cookie": lambda data: b"p=data:image/png;base64," + b64(data) + b"; Path=/; HttpOnly",
    "refresh": lambda data: b"0; url=data:image/png;base64," + b64(data),
    "JSON": lambda data: b'{"a": "data:image\\/png;base64,' + b64(data).replace(b"/", b"\\/") + b'"}',
}
BARE: dict[str, Callable[[bytes], bytes]] = {
    "whole": b64,
    "for addresses": base64.urlsafe_b64encode,
    "without padding": lambda data: b64(data).rstrip(b"="),
    "quotes": lambda data: b'"' + b64(data) + b'"',
    "cookie": lambda data: b"p=" + b64(data) + b"; Path=/",
    "parameter": lambda data: b"a=1; thumb=" + b64(data) + b", b",
    "percent signs": lambda data: quoted(b64(data)),
    "split by blanks": lambda data: pieces(data, 64, b" "),
    "folded": lambda data: pieces(data, 76, b"\r\n\t"),
    "JSON": lambda data: b'{"a":"' + b64(data).replace(b"/", b"\\/") + b'"}',
}
PIECES: dict[str, Callable[[bytes], list[bytes]]] = {
    "dots": lambda data: [pieces(data, 100, b".")],
    "blanks": lambda data: [pieces(data, 5, b" ")],
    "bars": lambda data: [pieces(data, 33, b"|")],
    "two headers": lambda data: [b64(data)[:400], b64(data)[400:]],
    "hex": lambda data: [data.hex().encode()],
}
each_format = pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)


@each_format
@pytest.mark.parametrize("spell", URLS.values(), ids=URLS)
def test_data_urls(data: bytes, spell: Callable[[bytes], bytes]) -> None:
    """However it is spelt and whatever stands around it, the body is there as it was, and nothing else is."""
    found = header_bodies([[b"text/html"], [spell(data)]])
    assert list(found.bodies) == [data]
    assert not found.is_too_much


@each_format
@pytest.mark.parametrize("spell", BARE.values(), ids=BARE)
def test_base64_without_a_url(data: bytes, spell: Callable[[bytes], bytes]) -> None:
    """A value that begins as a picture in base64 is one."""
    assert list(header_bodies([[spell(data)]]).bodies) == [data]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
@pytest.mark.parametrize("spell", PIECES.values(), ids=PIECES)
def test_pictures_in_pieces(kind: str, spell: Callable[[bytes], list[bytes]]) -> None:
    """What is put together from pieces can match."""
    found = header_bodies([spell(PICTURES[kind])])
    assert PICTURES[kind] in {*found.guesses, *found.bodies}


ORDINARY = [
    b'"33a64df551425fcc55e4d42a148795d9f25f89d4"',
    b'W/"' + b64(bytes(range(100, 180))) + b'"',
    b"default-src 'self' data:; img-src data: blob: https:; script-src 'nonce-" + b64(bytes(16)) + b"', font-src data:",
    b"img-src * data:; upgrade-insecure-requests, default-src 'self'; report-uri /csp",
    b"s=eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + base64.urlsafe_b64encode(bytes(range(256)) * 3) + b".abc; Path=/",
    b"id=" + quote("AAAA/" * 60).encode() + b"; Max-Age=3600",
    b'{"report_to":"cf-nel","max_age":604800,"success_fraction":0,"failure_fraction":1.0}',
    b'{"endpoints":[{"url":"https:\\/\\/a.nel.example\\/report\\/v4?s=' + quoted(b64(bytes(range(150)))) + b'"}]}',
    b"</style.css>; rel=preload; as=style, <https://x.example/>; rel=dns-prefetch",
    b"text/html; charset=utf-8",
    b"metadata: one, two, three and some more words of a text",
    b"Tue, 01 Dec 2026 00:00:00 GMT",
    b"sha-256=:" + b64(bytes(32)) + b":",
    b'pin-sha256="' + b64(bytes(range(32))) + b'"; max-age=5184000',
    b"https://shards.example/9j/4A/9j/2f8c1d9e0b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f/photo.jpg?a=" + b"x" * 300,
]


@pytest.mark.parametrize("value", ORDINARY)
def test_ordinary_headers_hold_nothing(value: bytes) -> None:
    """Tags, policies, tokens, cookies and reports are no pictures."""
    found = header_bodies([[value], [value, value]])
    assert not [body for body in found.bodies if not body.isascii()]
    assert not found.is_too_much
    assert not found.guesses or b"/9j/" in value


HOSTILE = [
    b"data:",
    b"data:,",
    b'data:x,a"',
    b"data:;base64,A ",
    b"%25",
    b"/9j/",
    b"%2F9j%2F4AAQ ",
    b'data:x;a="',
    b"ffd8ff",
]


@pytest.mark.parametrize("size", [LONGEST_VALUE, 8000])
@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_headers_take_no_time(unit: bytes, size: int) -> None:
    """As many bytes of anything as are looked at take a moment of the event loop's time, and give some bodies."""
    value = unit * (size // len(unit))
    values = [value] * (MOST_BYTES // len(value))
    started = time.process_time()
    found = header_bodies([values])
    assert time.process_time() - started < 0.5
    assert len(found.bodies) + len(found.guesses) <= MOST_BODIES + 1
    assert found.starts <= MOST_STARTS + 1


@pytest.mark.parametrize("unit", [b"data:;base64,A ", b"/9j/ ", b'data:a,"', b"iVBORw0KGgo "])
def test_more_beginnings_than_are_looked_at(unit: bytes) -> None:
    """Beginnings of bodies cost time even where there is none behind them: many are a doubt, some are not."""
    assert header_bodies([[unit * (MOST_STARTS + 1)]]).is_too_much
    assert not header_bodies([[unit * 20]]).is_too_much


def test_more_than_can_be_looked_at() -> None:
    """Too many bytes in all or in one value, or too many bodies, are said."""
    assert header_bodies([[b"x" * LONGEST_VALUE] for _ in range(5)]).is_too_much
    assert not header_bodies([[b"x" * LONGEST_VALUE] for _ in range(4)]).is_too_much
    assert header_bodies([[b"x" * (LONGEST_VALUE + 1)]]).is_too_much
    many = b", ".join(b"<data:image/png;base64," + b64(b"picture number %d of many" % n) + b">" for n in range(99))
    assert header_bodies([[many]]).is_too_much
    assert header_bodies([[b'data:x,number-%d-of-many"' % n + b" " * 40] for n in range(99)]).is_too_much
