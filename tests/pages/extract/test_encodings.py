"""Pages in any encoding: texts come out right, or not at all."""

from __future__ import annotations

import pytest
import webencodings
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.charsets import find_encoding
from ingest_guard.pages.extract import extract_images

RUSSIAN = "Большая собака бежит по улице домой. "
JAPANESE = "病気の分類と一覧を示します。写真もあります。"
TEXTS = {"cyrillic": "Привет мир", "hebrew": "שלום עולם", "latin": "Grüße aus Köln"}


def alts(body: bytes, content_type: str | None = "text/html") -> list[str]:
    """Return the texts of a page's images."""
    return [image.alt for image in extract_images(body, "https://s.example/p/", content_type=content_type)]


def page(text: str, head: str = "", rest: str = "") -> str:
    """Return a page with one image."""
    return f"<html>{head}<p>{rest or text}</p><img src=/a.jpg alt='{text}'>"


@pytest.mark.parametrize("label", sorted(webencodings.labels.LABELS))
@pytest.mark.parametrize("where", ["header", "meta"])
def test_every_label_that_browsers_know(label: str, where: str) -> None:
    """The page is read in the encoding that a label names, wherever the label stands."""
    codec = webencodings.lookup(label).codec_info
    name = webencodings.lookup(label).name
    if name == "replacement" or (name in {"utf-16be", "utf-16le", "x-user-defined"} and where == "meta"):
        assert find_encoding(label) == name  # browsers decode nothing of it, or read another encoding
        return
    text = next((each for each in TEXTS.values() if _fits(each, codec)), "plain")
    meta, header = (
        ("", f"text/html; charset={label}") if where == "header" else (f"<meta charset='{label}'>", "text/html")
    )
    assert alts(codec.encode(page(text, meta))[0], header) == [text]


def _fits(text: str, codec: object) -> bool:
    try:
        return codec.decode(codec.encode(text)[0])[0] == text  # type: ignore[attr-defined]
    except UnicodeError:
        return False


@pytest.mark.parametrize(
    ("codec", "text"), [("cp1251", RUSSIAN), ("koi8-r", RUSSIAN), ("cp932", JAPANESE), ("euc_jp", JAPANESE)]
)
def test_an_encoding_that_is_not_declared_is_seen_from_the_bytes(codec: str, text: str) -> None:
    """With some sentences of text to see it from."""
    assert alts(page(text.strip(), rest=text * 20).encode(codec)) == [text.strip()]


def test_a_broken_byte_breaks_one_letter() -> None:
    """UTF-8 stays UTF-8."""
    body = page("東京", rest="東京の写真 " * 50).encode()
    assert alts(body + b"\xff<p>") == ["東京"]
    assert alts(body.replace("写".encode(), b"\xff", 1)) == ["東京"]
    assert alts(body[: body.index("写".encode()) + 1] + body) == ["東京"]


def test_a_guess_without_evidence_gives_no_image() -> None:
    """Rather none than one with rubbish for a text; a page in ASCII needs no evidence."""
    assert alts(b"<img src=/a.jpg alt='\x81\xa3\xff\xb2'>", None) == []
    assert alts(b"<img src=/a.jpg alt=plain>", None) == ["plain"]


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (page("Köln").encode("cp1252"), "text/html; charset=iso-8859-1", "Köln"),
        (page("Köln").encode("utf-16"), None, "Köln"),
        (page("Köln").encode("utf-8-sig"), "text/html; charset=iso-8859-1", "Köln"),
        (page("Köln").encode(), "text/html; charset=iso-8859-1", "Köln"),
        (page("Köln", "<meta charset=utf-8>").encode(), "text/html; charset=us-ascii", "Köln"),
        (page("Köln", "<meta charset=utf-16>").encode(), None, "Köln"),
        (page("Köln").encode(), "text/html; charset=punycode", "Köln"),
        (page("Köln").encode(), "text/html; charset=nonsense", "Köln"),
        # Browsers obey the header, and so does extraction, where the bytes are not UTF-8 against all odds.
        (page("Köln", "<meta charset=koi8-r>").encode("cp1252"), "text/html; charset=windows-1252", "Köln"),
        (page("K\xf6ln", "<meta charset=windows-1252>").encode("cp1252"), "text/html; charset=utf-8", "K\ufffdln"),
        ("<!-- <meta charset=koi8-r> --><meta charset=windows-1251><img src=/a alt=Кот>".encode("cp1251"), None, "Кот"),
    ],
)
def test_which_declaration_counts(body: bytes, content_type: str | None, text: str) -> None:
    """A mark, then the header, then the page; bytes that are UTF-8 are not of one byte a letter, whatever is said."""
    assert alts(body, content_type) == [text]


def test_letters_of_a_query_are_sent_in_the_encoding_of_the_page() -> None:
    """In those that Python knows by no name, too."""
    for label, codec, sent in [("iso-8859-8-i", "iso8859_8", "%F9"), ("x-mac-cyrillic", "mac_cyrillic", "%D8")]:
        letter = bytes.fromhex(sent[1:]).decode(codec)
        body = f"<meta charset={label}><img src='/a?q={letter}' alt=x>".encode(codec)
        assert extract_images(body, "https://s.example/")[0].url == f"https://s.example/a?q={sent}"


@given(
    st.binary(max_size=300), st.sampled_from([None, "text/html", "text/html; charset=utf-8", "application/xhtml+xml"])
)
def test_no_page_is_an_error(body: bytes, content_type: str | None) -> None:
    """Any bytes can be read."""
    extract_images(body, "http://h/", content_type=content_type)


@given(st.text(max_size=200))
def test_no_text_is_an_error(text: str) -> None:
    """Halves of surrogate pairs included."""
    extract_images(f"<img src='{text}' alt='{text}'>\ud800", "http://h/", content_type="application/xhtml+xml")
