from __future__ import annotations

import codecs

import pytest
import webencodings
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.charsets import decode, find_encoding, header_encoding, looks_like_utf16, prescan

FACTS = {
    "C1 of windows-1252": ("windows-1252", b"\x81\x8d", "\x81\x8d"),
    "latin1 is windows-1252": ("iso-8859-1", b"\x80", "\u20ac"),
    "ascii is windows-1252": ("us-ascii", b"\x93", "\u201c"),
    "C1 of windows-1251": ("windows-1251", b"\x98", "\x98"),
    "C1 of windows-874": ("windows-874", b"\x81", "\x81"),
    "windows-1255": ("windows-1255", b"\xca", "\u05ba"),
    "koi8-u is koi8-ru": ("koi8-u", b"\xae\xbe", "\u045e\u040e"),
    "gbk has four bytes": ("gbk", b"\x81\x30\x81\x30", "\x80"),
    "gbk, one byte": ("gbk", b"\x80", "\u20ac"),
    "gb2312 is gbk": ("gb2312", b"\x81\x41", "\u4e04"),
    "gb18030, private use": ("gb18030", b"\xa8\xbc", "\u1e3f"),
    "Shift_JIS, end user's area": ("shift_jis", b"\xf0\x40", "\ue000"),
    "Shift_JIS, 0x80": ("shift_jis", b"\x80", "\x80"),
    "Shift_JIS, a backslash stays one": ("shift_jis", b"\\~", "\\~"),
    "EUC-KR with UHC": ("euc-kr", b"\x81\x41", "\uac02"),
    "EUC-KR, a bad pair keeps its letter": ("euc-kr", b"\x81<", "\ufffd<"),
    "EUC-JP, NEC": ("euc-jp", b"\xad\xa1", "\u2460"),
    "EUC-JP, half width": ("euc-jp", b"\x8e\xb1", "\uff71"),
    "ISO-2022-JP": ("iso-2022-jp", b'\x1b$B$"\x1b(B', "\u3042"),
    "ISO-2022-JP, a bad escape": ("iso-2022-jp", b"\x1bxa", "\ufffdxa"),
    "Big5 with HKSCS": ("big5", b"\x87\x40", "\u43f0"),
    "replacement": ("iso-2022-kr", b"abc", "\ufffd"),
    "hz": ("hz-gb-2312", b"abc", "\ufffd"),
    "x-user-defined": ("x-user-defined", b"\x80\xff", "\uf780\uf7ff"),
    "ISO-8859-8-I": ("iso-8859-8-i", b"\xe0", "\u05d0"),
    "UTF-8, an overlong form": ("utf-8", b"\xc0\xbc", "\ufffd\ufffd"),
    "UTF-8, cut": ("utf-8", b"\xe2\x82", "\ufffd"),
    "UTF-16": ("utf-16", b"a\0", "a"),
    "macintosh": ("macintosh", b"\xdb", "\u20ac"),
}
TAIL = "данные для проверки "


@pytest.mark.parametrize("name", FACTS)
def test_decoders_are_the_standards(name: str) -> None:
    """Where Python's differ, and where they do not."""
    label, data, text = FACTS[name]
    (read,) = decode(data, f"text/html; charset={label}")
    assert read.text == text
    assert read.encoding == find_encoding(label)


def test_every_label_of_the_standard_has_a_decoder() -> None:
    """228 labels, 40 encodings."""
    assert len(webencodings.LABELS) == 228
    for label in webencodings.LABELS:
        encoding = find_encoding(label)
        assert encoding is not None
        codecs.lookup("whatwg-" + encoding)
        assert decode(b"", f"text/html;charset={label}")[0].encoding == encoding


@pytest.mark.parametrize("label", ["utf-7", "cp037", "utf-32", "rot13", "cesu-8", "idna", "base64", "x" * 5000])
def test_what_no_browser_decodes_is_not_decoded(label: str) -> None:
    """Python would."""
    body = b"+ADw-img+AD4-"
    assert decode(body, f"text/html; charset={label}")[0].text == body.decode()
    assert prescan(b"<meta charset=" + label.encode() + b">") is None


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        (None, None),
        ("text/html", None),
        ("text/html; charset=KOI8-R", "koi8-r"),
        ('text/html;charset="koi8-r"', "koi8-r"),
        ("text/html; charset = koi8-r ; x=y", "koi8-r"),
        ("text/html; charset=", None),
        ("text/html; charset=unknown", None),
    ],
)
def test_label_of_the_header(declared: str | None, encoding: str | None) -> None:
    """A parameter, quoted or not."""
    assert header_encoding(declared) == encoding


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"<meta charset=koi8-r>", "koi8-r"),
        (b"<META/CHARSET='koi8-r'>", "koi8-r"),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        (b'<meta content="text/html; charset=koi8-r" http-equiv=content-type>', "koi8-r"),
        (b'<meta content="text/html; charset=koi8-r">', None),
        (b"<!-- <meta charset=koi8-r> -->", None),
        (b"<!--><meta charset=koi8-r>", "koi8-r"),
        (b"<p title='<meta charset=koi8-r>'>", None),
        (b"</p ><meta charset=koi8-r>", "koi8-r"),
        (b"<?x <meta charset=koi8-r>", None),
        (b"<meta charset=utf-16le>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<meta charset=koi8-r", None),
        (b"<metacharset=koi8-r>", None),
        (b"<meta charset=nonsense><meta charset=koi8-r>", "koi8-r"),
        (b"<", None),
        (b"<meta =charset charset", None),
    ],
)
def test_prescan(head: bytes, encoding: str | None) -> None:
    """The standard's algorithm."""
    assert prescan(head) == encoding


def test_order_of_what_is_believed() -> None:
    """The mark, the header, the document, the guess."""
    meta = b"<meta charset=koi8-r>"
    assert decode(b"\xef\xbb\xbf" + meta, "text/html; charset=gbk")[0].encoding == "utf-8"
    assert decode(b"\xff\xfea\0", "text/html; charset=gbk")[0] == ("a", "utf-16le")
    assert decode(b"\xfe\xff\0a", None)[0] == ("a", "utf-16be")
    assert decode(meta, "text/html; charset=gbk")[0].encoding == "gbk"
    assert decode(meta, "text/html")[0].encoding == "koi8-r"
    assert decode(b'<?xml version="1.0" encoding="koi8-r"?>')[0].encoding == "koi8-r"
    assert decode(b'@charset "koi8-r";')[0].encoding == "koi8-r"
    assert decode(TAIL.encode())[0].encoding == "utf-8"
    assert decode((TAIL * 9).encode("windows-1251"))[0] == (TAIL * 9, "windows-1251")


def test_a_late_declaration_counts_in_the_head() -> None:
    """Chromium looks on until the head ends; what stands in the body is only another reading."""
    late = b"<title>" + b"x" * 3000 + b"</title><meta charset=koi8-r>"
    assert decode(late + b"<body>\xc1")[0].encoding == "koi8-r"
    readings = decode(b"<body>" + late + b"\xc1")
    assert readings[0].encoding != "koi8-r"
    assert "koi8-r" in {reading.encoding for reading in readings}


def test_a_declaration_in_a_script_is_one_of_two_readings() -> None:
    """The standard's prescan finds it, Chromium's tokenizer does not."""
    readings = decode(b"<script>'<meta charset=iso-2022-jp>'</script>\x1b(B\xe4")
    assert len(readings) > 1
    assert readings[0].encoding == "iso-2022-jp"


def test_escapes_without_a_declaration_are_read_both_ways() -> None:
    """ISO-2022-JP is ASCII to the eye."""
    assert {reading.text for reading in decode(b"da\x1b(Bta:")} == {"da\x1b(Bta:", "data:"}


def test_wide_characters_without_a_mark_are_recognised() -> None:
    """No browser decodes them; other readers do."""
    assert looks_like_utf16("text".encode("utf-16-le")) == "utf-16le"
    assert looks_like_utf16("text".encode("utf-16-be")) == "utf-16be"
    assert looks_like_utf16(b"text") is None
    assert looks_like_utf16(b"\0" * 99) is None


@given(st.binary(), st.sampled_from([None, "text/html", "text/css", "text/html; charset=gb18030"]))
def test_any_bytes_are_decoded(body: bytes, declared: str | None) -> None:
    """No error, and at least one reading."""
    assert decode(body, declared)
    assert decode(b"<meta " + body, declared)
