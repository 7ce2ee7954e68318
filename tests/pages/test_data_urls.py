from __future__ import annotations

import base64
import binascii
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.pages.data_urls import forgiving_base64, is_data_url, lenient_base64, read_data_url

READ = {
    "nothing but the comma": ("data:,", b"", "text/plain"),
    "no type": ("data:,a b", b"a b", "text/plain"),
    "a type": ("data:text/html,<p>", b"<p>", "text/html"),
    "upper case": ("DATA:Image/PNG;BASE64,YQ", b"a", "image/png"),
    "blanks around": (" \t\ndata:;base64,YQ== \x1f", b"a", "text/plain"),
    "line breaks in the scheme": ("d\na\tt\ra:;base64,YQ==", b"a", "text/plain"),
    "fragment": ("data:;base64,YQ==#x", b"a", "text/plain"),
    "an encoded sign is no fragment": ("data:,a%23b", b"a#b", "text/plain"),
    "question mark": ("data:,a?b", b"a?b", "text/plain"),
    "percent signs": ("data:,%61%zz%4", b"a%zz%4", "text/plain"),
    "percent signs in base64": ("data:;base64,Y%51%3D%3D", b"a", "text/plain"),
    "blanks in base64": ("data:;base64,Y Q %0A= =", b"a", "text/plain"),
    "flag with blanks": ("data:image/png;  base64  ,YQ", b"a", "image/png"),
    "flag alone": ("data:;base64,YQ", b"a", "text/plain"),
    "a type that is none": ("data:image,a", b"a", "text/plain"),
    "parameters": ("data:image/gif;name=x.gif;base64,YQ", b"a", "image/gif"),
    "a quoted parameter": ('data:image/gif;a="b",%FF', b"\xff", "image/gif"),
    "letters beyond ASCII": ("data:,é", "é".encode(), "text/plain"),
    "a lone surrogate": ("data:,\ud800", b"\xef\xbf\xbd", "text/plain"),
    "bits that are left over": ("data:;base64,YR", b"a", "text/plain"),
}


@pytest.mark.parametrize("name", READ)
def test_url_is_read_as_the_standard_says(name: str) -> None:
    """Type and body, after the URL parser's own stripping."""
    url, body, media_type = READ[name]
    assert is_data_url(url)
    read = read_data_url(url)
    assert read is not None
    first = read.bodies[0]
    assert (first.data, first.media_type, first.is_whole) == (body, media_type, True)


@pytest.mark.parametrize(
    "value", ["", "data", "data:", "data:image/png", "datas:,a", "x data:,a", "http://data:,", "\u00a0data:,"]
)
def test_what_is_no_data_url(value: str) -> None:
    """Another scheme, or no comma."""
    assert read_data_url(value) is None


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("data:;base64,aGVsb", b"hel"),
        ("data:;base64,aGVs!bG8=", b"hello"),
        ("data:;base64,_-_-", b"\xff\xef\xfe"),
        ("data:;base64,YQ=", b"a"),
        ("data:;base64,aGVsbG8==", b"hello"),
        ("data:;base64,é", b""),
    ],
)
def test_broken_base64_is_not_whole(url: str, left: bytes) -> None:
    """A browser shows a broken picture; what a lax reader makes of it is there all the same."""
    read = read_data_url(url)
    assert read is not None
    assert [(body.data, body.is_whole, body.is_shown) for body in read.bodies] == [(left, False, True)]


@pytest.mark.parametrize(
    ("url", "bodies"),
    [
        ("data:image/png;base64;a=b,YQ==", {b"a", b"YQ=="}),
        ("data:image/png,a b", {b"a b", b"ab"}),
        ("data:text/plain,a\nb", {b"a\nb", b"ab"}),
        ("data:;base64\n,YQ==", {b"a", b"YQ=="}),
        ("data:no type;base64,YQ==", {b"a", b"YQ=="}),
    ],
)
def test_where_browsers_differ_every_reading_is_returned(url: str, bodies: set[bytes]) -> None:
    """Chromium's, found by trying it, and the standard's."""
    read = read_data_url(url)
    assert read is not None
    assert {body.data for body in read.bodies} == bodies
    assert all(body.is_whole or not body.is_shown for body in read.bodies)


def test_charset_is_a_parameter() -> None:
    """For the text that the body may be."""
    assert read_data_url('data:text/html;x=y; charset="koi8-r",a').charset == "koi8-r"
    assert read_data_url("data:text/html,a").charset is None


@given(st.binary())
def test_whole_base64_is_decoded_exactly(data: bytes) -> None:
    """With padding and without, by each of the two decoders."""
    text = base64.b64encode(data)
    assert forgiving_base64(text) == forgiving_base64(text.rstrip(b"=")) == lenient_base64(text) == data


@given(st.binary())
def test_forgiving_base64_takes_nothing_else(data: bytes) -> None:
    """Whatever it returns is what a strict decoder makes of the same letters."""
    decoded = forgiving_base64(data)
    if decoded is not None:
        letters = data.translate(None, b"\t\n\f\r ").rstrip(b"=")
        assert decoded == binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


@given(st.binary(max_size=64), st.integers(0, 200))
def test_percent_signs_are_decoded_alike_at_any_size(data: bytes, times: int) -> None:
    """The way for long texts does what the standard library does for short ones."""
    from urllib.parse import unquote_to_bytes  # noqa: PLC0415 - the oracle of this test

    text = data.join([b"%41%4", b"%zz", b"%"] * times)
    assert percent_decode(text) == unquote_to_bytes(text)
    assert percent_decode(text + b"x" * 5000) == unquote_to_bytes(text + b"x" * 5000)


@pytest.mark.parametrize("piece", ["%41", "%", "\n", " ", ";base64", "=", "é", ";charset=", "A"])
def test_a_long_url_takes_linear_time(piece: str) -> None:
    """Two megabytes, in every part of the URL."""
    for head in ("data:", "data:image/png;base64,", "data:,"):
        start = time.process_time()
        read_data_url(head + piece * (2_000_000 // len(piece)) + ",")
        assert time.process_time() - start < 10
