from __future__ import annotations

import gzip
import struct
import time
import zlib

import pytest
from support.pictures import drawn, encode

from ingest_guard.encodings.sitemaps import is_gzip, unpack_sitemap

_LIMIT = 1 << 20
_URLSET = "<urlset><url><loc>https://site.example/a?x=1&amp;y=2</loc></url></urlset>"
_MAPS = {
    "urlset": _URLSET.encode(),
    "declared": f"<?xml version='1.0' encoding='UTF-8'?>\n{_URLSET}".encode(),
    "mark": b"\xef\xbb\xbf" + _URLSET.encode(),
    "UTF-16": f"<?xml version='1.0' encoding='UTF-16'?>{_URLSET}".encode("utf-16"),
    "latin": f"<?xml version='1.0' encoding='iso-8859-1'?><!-- \u00e9 -->{_URLSET}".encode("latin-1"),
    "comment": f"<!-- made by hand -->{_URLSET}".encode(),
    "blanks": f"\r\n\t {_URLSET}".encode(),
    "style": f"<?xml version='1.0'?>\n<?xml-stylesheet href='//site.example/map.xsl'?>\n{_URLSET}".encode(),
    "document type": b"<!DOCTYPE urlset>" + _URLSET.encode(),
    "index": b"<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'></sitemapindex>",
    "prefix": b"<sm:urlset xmlns:sm='http://www.sitemaps.org/schemas/sitemap/0.9'/>",
    "text": b"https://site.example/a\nhttps://site.example/b\n",
}
_OTHERS = {
    "page": b"<!doctype html><p>A page",
    "XHTML": b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><body/></html>",
    "SVG": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
    "feed": b"<?xml version='1.0'?><rss version='2.0'/>",
    "sitemap in a page": b"<!doctype html><body>" + _MAPS["urlset"],
    "script": b"let a = 1",
    "table": b"a,b,c\n1,2,3\n",
    "JPEG": encode(drawn(5), "JPEG"),
    "PNG": encode(drawn(5), "PNG"),
    "picture behind an address": b"https://site.example/\n" + encode(drawn(5), "JPEG"),
    "picture behind XML": _MAPS["urlset"] + encode(drawn(5), "PNG"),
    "gzip": gzip.compress(_MAPS["urlset"]),
    "ZIP": b"PK\x03\x04" + bytes(60),
    "nothing": b"",
}


@pytest.mark.parametrize("name", _MAPS)
def test_a_sitemap_is_unpacked(name: str) -> None:
    """In XML or in text, in any encoding, in one stream or in several, with padding behind."""
    content = _MAPS[name]
    for packed in (
        gzip.compress(content),
        gzip.compress(content[:9]) + gzip.compress(content[9:]),
        gzip.compress(content) + bytes(512),
    ):
        stages = unpack_sitemap(packed, _LIMIT)
        assert stages is not None
        assert stages.bodies == (packed, content)
        assert is_gzip(packed)


@pytest.mark.parametrize("name", _OTHERS)
def test_any_other_archive_stays_one(name: str) -> None:
    """Only what is a sitemap wholly, by its content, is looked into."""
    assert unpack_sitemap(gzip.compress(_OTHERS[name]), _LIMIT) is None
    assert unpack_sitemap(_MAPS["urlset"], _LIMIT) is None


def _with_field(content: bytes, field: bytes) -> bytes:
    deflated = zlib.compressobj(wbits=-15)
    stream = deflated.compress(content) + deflated.flush()
    head = b"\x1f\x8b\x08\x04" + bytes(6) + struct.pack("<H", len(field)) + field
    return head + stream + struct.pack("<II", zlib.crc32(content), len(content))


@pytest.mark.parametrize("name", ["cut", "checksum", "behind", "beside", "too large", "too many"])
def test_what_is_not_whole_stays_an_archive(name: str) -> None:
    """Cut off, damaged, with something beside or behind the stream, or over the limit: nothing was read."""
    content = _MAPS["declared"]
    packed = gzip.compress(content)
    picture = encode(drawn(5), "JPEG")
    body = {
        "cut": packed[:-12],
        "checksum": packed[:-8] + bytes(8),
        "behind": packed + picture,
        "beside": _with_field(content, picture[:60_000]),
        "too large": gzip.compress(content + b" " * _LIMIT),
        "too many": packed + gzip.compress(b"") * 300,
    }[name]
    assert unpack_sitemap(body, _LIMIT) is None


def test_small_fields_do_no_harm() -> None:
    """A file name in the header is usual; what is there is given for its digest to be taken."""
    stages = unpack_sitemap(_with_field(_MAPS["urlset"], b"sitemap.xml"), _LIMIT)
    assert stages is not None
    assert b"sitemap.xml" in b"".join(stages.beside)


def test_a_bomb_takes_no_time() -> None:
    """Unpacking stops at the limit."""
    bomb = gzip.compress(b"<urlset>" + bytes(64 << 20), 9)
    started = time.process_time()
    assert unpack_sitemap(bomb, _LIMIT) is None
    assert time.process_time() - started < 2
