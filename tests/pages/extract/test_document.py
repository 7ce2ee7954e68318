from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.extract import extract_images
from ingest_guard.pages.extract.document import is_too_costly, parse, read_text

TEXT = "Grüße aus Köln"
META = '<meta charset="{}">'


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        (TEXT.encode(), None, "utf-8"),
        (TEXT.encode("cp1252"), None, "cp1252"),
        (TEXT.encode("cp1252"), "text/html; charset=iso-8859-1", "cp1252"),
        (TEXT.encode("utf-16"), None, "utf-16-le"),
        (TEXT.encode("utf-8-sig"), "text/html; charset=iso-8859-1", "utf-8"),
        (TEXT.encode("utf-16-be"), "text/html; charset=utf-16-be", "utf-16-be"),
        (META.format("koi8-r").encode() + "Привет".encode("koi8-r"), None, "koi8-r"),
        (META.format("shift_jis").encode() + "写真".encode("shift_jis"), None, "cp932"),
        # Wrong headers: bytes that are not what they are said to be.
        (TEXT.encode(), "text/html; charset=iso-8859-1", "utf-8"),
        (META.format("koi8-r").encode() + "Привет".encode("koi8-r"), "text/html; charset=utf-8", "koi8-r"),
        (META.format("utf-8").encode() + TEXT.encode(), "text/html; charset=us-ascii", "utf-8"),
        (META.format("utf-16").encode() + TEXT.encode(), None, "utf-8"),
        # Names of codecs that no page is written in.
        (TEXT.encode(), "text/html; charset=punycode", "utf-8"),
        (TEXT.encode(), "text/html; charset=rot13", "utf-8"),
        (TEXT.encode(), "text/html; charset=nonsense", "utf-8"),
        (b"", None, "utf-8"),
    ],
)
def test_encodings(body: bytes, content_type: str | None, encoding: str) -> None:
    """A mark wins, then the header, then the page; but not against the bytes."""
    text, found = read_text(body, content_type)
    assert found == encoding
    assert "\ufffd" not in text
    if body:
        assert text.endswith(("Köln", "Привет", "写真"))


def test_bytes_that_are_nothing_are_read_all_the_same() -> None:
    """What makes no sense becomes U+FFFD, in the declared encoding."""
    assert read_text(b"a\xff\xfe\xfdb", "text/html; charset=utf-8") == ("a\ufffd\ufffd\ufffdb", "utf-8")


def test_a_page_beyond_all_measure_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a letter, too."""
    monkeypatch.setattr("ingest_guard.pages.extract.document._MOST_BYTES", 4)
    assert read_text("aaaü".encode()) == ("aaa", "utf-8")
    assert read_text("\ufeffaaaü".encode())[0] == "aaa\ufffd"


@pytest.mark.parametrize("text", ["", "   ", "\x00", "<!-- -->"])
def test_a_page_without_an_element_has_no_tree(text: str) -> None:
    """And no images."""
    assert parse(text) is None
    assert extract_images(text, "http://h/") == []


def test_a_tag_with_too_many_attributes_is_not_parsed() -> None:
    """The parser's time grows with the square of their number; quotes with angle brackets in them hide nothing."""
    many = " ".join(f"a{number}='>'" for number in range(20_000))
    assert is_too_costly(f"<p>x<div {many}>")
    assert extract_images(f"<img src=a.jpg alt=x><div {many}>", "http://h/") == []
    assert not is_too_costly("<p class='x'>text</p>" * 10_000)
    assert not is_too_costly(f"<img src='data:image/gif;base64,{'A' * 1_000_000}' alt='{'word ' * 100_000}'>")


@pytest.mark.parametrize(
    "text", ["<a" * 150_000, "<a<" * 100_000 + " " * 100_000 + ">", f"""{"<a" * 100_000} x="{"y" * 200_000}"""]
)
def test_tags_that_do_not_end_are_not_looked_through_again_and_again(text: str) -> None:
    """A page of these is refused within seconds, where one look a tag takes minutes."""
    began = time.process_time()
    assert is_too_costly(text)
    assert extract_images(text, "http://h/") == []
    assert time.process_time() - began < 10


@given(
    st.binary(max_size=300), st.sampled_from([None, "text/html", "text/html; charset=utf-8", "text/html; charset=gbk"])
)
def test_no_page_is_an_error(body: bytes, content_type: str | None) -> None:
    """Any bytes can be read."""
    text, _ = read_text(body, content_type)
    assert isinstance(text, str)
    extract_images(body, "http://h/", content_type=content_type)
