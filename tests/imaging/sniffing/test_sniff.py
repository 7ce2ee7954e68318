from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imaging.corpus import FORMATS, encode, good
from support.pictures import drawn

from ingest_guard.imaging.sniffing.sniff import Kind, Sniffed, sniff

PAGE = b"<!DOCTYPE html><html><head><title>A page</title></head><body>" + b"<p>Some text, and more of it.</p>\n" * 400


@pytest.mark.parametrize("name", FORMATS)
def test_image_formats_are_known_by_their_bytes(name: str) -> None:
    """Every format that is decoded has its name."""
    assert sniff(good(name)) == Sniffed(Kind.IMAGE, name)


def test_multi_picture_jpeg_is_a_jpeg() -> None:
    """MPO is JPEG with more behind it."""
    data = encode(drawn(1), "MPO", save_all=True, append_images=[drawn(2)])
    assert sniff(data) == Sniffed(Kind.IMAGE, "JPEG")


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (b"II+\0\x08\0\0\0", "TIFF"),
        (b"\xff\x4f\xff\x51\0", "JPEG2000"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF"),
        (b"BM\x01\x02\x03\x04\0\0\0\0\x36\0\0\0\x10\0\0\0", "BMP"),
        (b"BM\x01\x02\x03\x04\0\0\0\0\x36\0\0\0\x99\0\0\0", "BMP"),
    ],
)
def test_rarer_image_signatures(data: bytes, format: str) -> None:  # noqa: A002 - Pillow's word
    """BigTIFF, bare code streams, brands in the second place, old bitmap headers."""
    assert sniff(data) == Sniffed(Kind.IMAGE, format)


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"PK\3\4\x14\0", "ZIP"),
        (b"\x1f\x8b\x08\0", "GZIP"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "MP4"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0isom", "CR3"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "RIFF"),
        (b"\xff\x0a\xff\x07", "JPEGXL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEGXL"),
        (b"8BPS\0\1", "PSD"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
        (b"\xd7\xcd\xc6\x9a\0\0", "WMF"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"DDS |\0\0\0", "DDS"),
        (b"{\\rtf1\\ansi", "RTF"),
        (b"P6\n# made by hand\n4 4\n255\n", "PNM"),
        (b"P3 2 2 255 0 0 0", "PNM"),
        (
            b"From: <saved by a browser>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n\tboundary=x",
            "MHTML",
        ),
        (bytes(range(7, 256)) * 4, "UNKNOWN"),
        (b"RIFF", "TEXT"),
    ],
)
def test_anything_else_has_a_name_and_is_not_decoded(data: bytes, format: str) -> None:  # noqa: A002 - Pillow's word
    """Archives, documents, videos and images without a decoder are binary, whatever they were announced as."""
    assert sniff(data) == Sniffed(Kind.TEXT if format == "TEXT" else Kind.BINARY, format)


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (PAGE, "HTML"),
        (b"\xef\xbb\xbf" + PAGE, "HTML"),
        (b"  \n<P>old school", "HTML"),
        (b"words before <br> a tag", "HTML"),
        (b'<?xml version="1.0"?>\n<!-- x --><svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b"<svg:svg >", "SVG"),
        (b"<html><body><svg>", "HTML"),
        (b'<?xml version="1.0"?><feed>', "XML"),
        (b"<!DOCTYPE note SYSTEM 'x'>", "XML"),
        (b"<thing>", "HTML"),
        (b'{"a": 1}', "JSON"),
        (b"[1, 2]", "JSON"),
        (b"{oops", "TEXT"),
        (b"body > p.x { color: red }", "CSS"),
        (b"@import url(x);", "CSS"),
        (b"BMW is not a bitmap", "TEXT"),
        (b"GIF is pronounced", "TEXT"),
        (b"   ", "TEXT"),
        ("Umlaute äöü and 漢字".encode(), "TEXT"),
        ("日本語のページ".encode("shift_jis"), "TEXT"),
        ("日本語のページ".encode("iso2022_jp"), "TEXT"),
        (PAGE.decode().encode("utf-16"), "HTML"),
        (PAGE.decode().encode("utf-16-le"), "HTML"),
        (PAGE.decode().encode("utf-16-be"), "HTML"),
        ("\ufeffplain words".encode("utf-16-be"), "TEXT"),
    ],
)
def test_text_is_text_in_any_encoding(data: bytes, format: str) -> None:  # noqa: A002 - Pillow's word
    """Markup, scripts, style sheets and words, with and without a byte order mark."""
    assert sniff(data) == Sniffed(Kind.TEXT, format)


def test_no_bytes_are_empty_and_one_space_is_text() -> None:
    """Only nothing at all is empty."""
    assert sniff(b"") == Sniffed(Kind.EMPTY, "EMPTY")
    assert sniff(b" ").kind is Kind.TEXT
    assert str(Kind.EMPTY) == "empty"


@pytest.mark.parametrize("at", [10, 100, 5000])
@pytest.mark.parametrize("stray", [b"\0", b"\x01\x02", b"\x1a", b"\0" * 8])
def test_stray_control_bytes_do_not_make_a_page_binary(at: int, stray: bytes) -> None:
    """Real pages have a few, at their beginning as well as later."""
    assert sniff(PAGE[:at] + stray + PAGE[at:]).kind is Kind.TEXT


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000"])
@pytest.mark.parametrize("head", [b"<!-- x -->", PAGE, b"GIF you like\n" * 200, "<p>é".encode("utf-16-le") * 900])
def test_image_behind_text_is_no_text(name: str, head: bytes) -> None:
    """A polyglot is never let through as a page, however long its text is."""
    assert sniff(head + good(name)).kind is Kind.BINARY


def test_markup_with_an_image_behind_it_is_called_a_polyglot() -> None:
    """The name tells what it was."""
    assert sniff(PAGE + good("PNG")).format == "POLYGLOT"


def test_signature_in_a_text_without_binary_bytes_behind_it_is_text() -> None:
    """A page may write about GIF89a."""
    assert sniff(PAGE + b"GIF89a is a format; RIFF....WEBP is another" + b" word" * 20 + b"\1").kind is Kind.TEXT


def test_text_that_turns_binary_is_binary() -> None:
    """A text for the length that the standard looks at, and then something else."""
    assert sniff(b"words " * 300 + bytes(range(256)) * 20).kind is Kind.BINARY
    assert sniff(b"\xff\xfe" + bytes(4000)).kind is Kind.BINARY


@given(st.text(string.printable.replace("\x0b", "").replace("\x0c", ""), min_size=1))
def test_printable_text_is_never_an_image(words: str) -> None:
    """No text without binary bytes is called an image."""
    assert sniff(words.encode()).kind is not Kind.IMAGE


@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"<html>", b"\xff\xfe", b"GIF89a", b"\0\0\0\x20ftyp", b"RIFF", b"BM", b"P6 "]),
)
def test_any_bytes_are_something(data: bytes, head: bytes) -> None:
    """Sniffing never fails, and only nothing is empty."""
    assert (sniff(head + data).kind is Kind.EMPTY) == (not head + data)


def test_a_page_is_sniffed_in_a_fraction_of_a_millisecond() -> None:
    """100 kB of markup, the best of several tries on a busy machine."""
    page, best = (PAGE * 9)[:100_000], 1.0
    for _ in range(20):
        start = time.perf_counter()
        sniff(page)
        best = min(best, time.perf_counter() - start)
    assert best < 0.002
