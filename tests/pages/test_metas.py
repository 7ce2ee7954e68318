from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.findings import PageLimits
from ingest_guard.pages.metas import may_have_metas, read_metas
from ingest_guard.pages.reader import read_page
from ingest_guard.pages.reading import MOST_METAS, PageDocument, PageQuestion

HTML, XHTML = "text/html", "application/xhtml+xml"
NOAI = ("robots", "noai")
META = "<meta name=robots content=noai>"
XML_META = '<meta name="robots" content="noai"/>'
ROOT = '<html xmlns="http://www.w3.org/1999/xhtml">'


def document(body: bytes | str, declared: str | None = HTML) -> PageDocument:
    """Return what a page says beside its images and links."""
    data = body if isinstance(body, bytes) else body.encode()
    question = PageQuestion("https://site.example/", wants_images=False)
    reading = read_page(data, declared=declared, limits=PageLimits(), question=question)
    assert reading.document is not None
    assert not reading.document.has_images
    return reading.document


def metas(body: bytes | str, declared: str | None = HTML) -> list[tuple[str, str]]:
    """Return the ``meta`` elements of a page."""
    return list(document(body, declared).metas)


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        (b'<meta name="robots" content="noai">', [NOAI]),
        (b"<META CONTENT=noai NAME=Robots/>", [NOAI]),
        (b"<meta name=robots content=noai/>", [NOAI]),
        (b"<meta name=robots content=noai />", [NOAI]),
        (b"<meta\n\tname = 'robots'\r\n content\n=\n'noai,\nnoml'\n>", [("robots", "noai,\nnoml")]),
        (b'<meta name="robots" content="no&#97;i &amp; more">', [("robots", "noai & more")]),
        (b'<meta name="a>b" content="<c">', [("a>b", "<c")]),
        (b'<meta http-equiv="X-Robots-Tag" content="noai">', [("x-robots-tag", "noai")]),
        (b'<meta name=a http-equiv=robots content="noai">', [("a", "noai"), NOAI]),
        (b'<meta name=robots name=other content=noai content="">', [NOAI]),
        (b'<meta name="robots" content="noai"><meta name="robots" content="noai">', [NOAI]),
        (b'<noscript><meta name="robots" content="noai"></noscript>', [NOAI]),
        (b'<body><p><meta name="robots" content="noai">', [NOAI]),
        (b'<template><meta name="robots" content="noai"></template>', [NOAI]),
        (b'<div><template shadowrootmode=open><meta name="robots" content="noai"></template></div>', [NOAI]),
        (b'<svg><meta name="robots" content="noai">', [NOAI]),
        (b'<select><option><meta name="robots" content="noai">', [NOAI]),
        (b'<frameset><noframes><meta name="robots" content="noai"></noframes></frameset>', []),
        (b'<!-- <meta name="robots" content="noai"> -->', []),
        (b'<!--> <meta name="robots" content="noai"> -->', [NOAI]),
        (b'<!-- a --!> <meta name="robots" content="noai">', [NOAI]),
        (b'<!-- <meta name="robots" content="noai">', []),
        (b'<script>"<meta name=robots content=noai>"</script>', []),
        (b'<script>"<meta name=robots content=noai>"', []),
        (b"<style></style ><meta name=robots content=noai>", [NOAI]),
        (b"<title><meta name=robots content=noai></title>", []),
        (b"<textarea><meta name=robots content=noai></textarea>", []),
        (b"<metadata name=robots content=noai>", []),
        (b"<meta charset=utf-8><meta name=robots><meta content=noai>", []),
        (b'<meta name="robots" content="noai', []),
        (b"<meta name=robots content=noai", []),
        (b"<meta", []),
        (b"<meta =robots name=robots content=noai>", [NOAI]),
        (b'<meta name="' + b"x" * 200 + b'" content=noai>', []),
        ('\ufeff<meta name="robots" content="noai">'.encode("utf-16-le"), [NOAI]),
        ('<meta name="robots" content="noai">'.encode("utf-16-be"), [NOAI]),
        ('<p>\u00fc<meta name="robots" content="noai">'.encode(), [NOAI]),
        (b"<p>" + b"x" * (1 << 20) + b"<meta name=robots content=noai>", [NOAI]),
        (b"<b>" * 60_000 + b"<meta name=robots content=noai>", [NOAI]),
        (b"", []),
    ],
)
def test_the_elements_of_a_page(markup: bytes, found: list[tuple[str, str]]) -> None:
    """Name and content as a browser reads them, wherever they stand; what is commented out or in a script does not."""
    assert metas(markup) == found


@pytest.mark.parametrize("declared", [HTML, XHTML, "application/xml", "", None])
@pytest.mark.parametrize(
    "markup",
    [
        ROOT + "<head><title/>" + XML_META + "</head></html>",
        ROOT + "<head><script src=x/>" + XML_META + "</head></html>",
        ROOT + '<head><script src="x"/>' + XML_META + "</head></html>",
        ROOT + "<head><style/>" + XML_META + "</head></html>",
        ROOT + "<body><iframe/><textarea rows='2' />" + XML_META + "</body></html>",
        ROOT + "<head><script><![CDATA[ </script> ]]></script>" + XML_META + "</head></html>",
        '<h:html xmlns:h="http://www.w3.org/1999/xhtml"><h:head>'
        + XML_META.replace("meta", "h:meta")
        + "</h:head></h:html>",
        f'<!DOCTYPE html [<!ENTITY r "noai">]>{ROOT}<head>{XML_META.replace("noai", "&r;")}</head></html>',
        '<?xml version="1.0"?>' + ROOT + "<head><title/>" + XML_META + "<br></html>",
    ],
)
def test_xhtml_is_read_as_xml_and_as_html(markup: str, declared: str | None) -> None:
    """An element that closes itself in the one reading hides nothing by swallowing the page in the other."""
    assert NOAI in metas(markup, declared)


@pytest.mark.parametrize("name", ["title", "style", "script", "textarea", "iframe", "xmp", "noscript", "noembed"])
@pytest.mark.parametrize("form", ["<{}/>", "<{} />", '<{} a="/>" b/>', "<{} src=x/>", "<{}\n/>"])
def test_an_element_that_closes_itself_hides_nothing(name: str, form: str) -> None:
    """Not even in a page that is no XML at all."""
    assert NOAI in metas("<!doctype html><p>x<br>" + form.format(name) + META)


@pytest.mark.parametrize(
    "markup",
    [
        f"<noscript><!-- </noscript>{META} -->",
        f"<noscript>{META}</noscript>",
        f"<noscript><title></noscript>{META}</title>",
        f"<noscript><script></noscript>{META}</script>",
        f"<body><noscript><style></noscript>{META}</style>",
    ],
)
def test_pages_are_read_with_scripts_and_without(markup: str) -> None:
    """What one of the two readings says counts."""
    assert NOAI in metas(markup)


def test_pages_are_read_in_each_charset_that_they_may_be_in() -> None:
    """A page that hides an element in the one charset says it in the other."""
    # In ISO-2022-JP the escape begins letters of two bytes each; in any other charset it is nothing.
    body = b"<!doctype html><p>\x1b$B" + META.encode() + b"\x1b(B"
    assert NOAI in metas(body)
    assert metas(body, "text/html; charset=iso-2022-jp") == []


@pytest.mark.parametrize("declared", ["text/plain", "application/json", "image/svg+xml", "application/rss+xml", None])
def test_other_texts_have_elements_too(declared: str | None) -> None:
    """What a text is declared as does not matter to what it says."""
    assert NOAI in metas("<p>" + XML_META, declared)


def test_many_elements_are_cut_and_counted() -> None:
    """Beyond a number of different elements, or of letters, the page is known to say more."""
    few = document("".join(f"<meta name=a{n} content=b>" for n in range(MOST_METAS)))
    assert (len(few.metas), few.metas_cut) == (MOST_METAS, 0)
    many = document("".join(f"<meta name=a{n} content=b>" for n in range(MOST_METAS + 5)))
    assert (len(many.metas), many.metas_cut) == (MOST_METAS, 5)
    assert document("".join(f"<meta name=a{n} content={'b' * 20_000}>" for n in range(50))).metas_cut > 0
    assert document("<meta name=a content=b>" * 100_000 + META).metas == (("a", "b"), NOAI)


@given(st.binary() | st.text(alphabet="<!-meta name=robots content'\">/script").map(str.encode))
def test_no_body_is_an_error(body: bytes) -> None:
    """Whatever it is, it has a document, and its elements have names."""
    found = metas(body)
    assert all(name and content for name, content in found)
    assert may_have_metas(body) or not found


@pytest.mark.parametrize(
    "piece",
    [
        "<meta ",
        '<meta a="',
        "<meta a=b ",
        "<meta name=a content=b>",
        "<a:meta name=a content=b>",
        "<!---->",
        "<script></script>",
        "<script/>",
        "<script a='",
        "<script a=/",
        "<noscript><meta>",
        "<",
        "<meta name=robots content='",
        "<meta name=robots content='&#9999999'>",
        "<meta " + "/" * 1000,
        "<title></ti",
        "<title/>",
    ],
)
def test_elements_take_linear_time(piece: str) -> None:
    """A hostile page of a megabyte would be read in a second or two at most."""
    body = (piece * ((1 << 18) // len(piece)) + META).encode()
    began = time.process_time()
    metas(body)
    metas(ROOT.encode() + body, XHTML)
    assert time.process_time() - began < 4


_LICENCE = "<link rel=license type={} href=/l.xml>"


@pytest.mark.parametrize(
    "written",
    [
        "application/rsl+xml",
        "APPLICATION/RSL+XML",
        *[
            "application/rsl+xml".replace(letter, reference, 1)
            for letter in "rsl+xm"
            for reference in (f"&#{ord(letter)};", f"&#x{ord(letter):X};", f"&#0{ord(letter)}", f"&#X00{ord(letter):x}")
        ],
        "application/rsl&plus;xml",
        "&#97;pplication/&#114;&#115;&#108;&#43;&#120;&#109;&#108;",
    ],
)
def test_a_licence_in_every_spelling_of_its_type(written: str) -> None:
    """A look at the text never says no to a page that names a licence, however its type is written."""
    page = _LICENCE.format(f'"{written}"')
    assert may_have_metas(page.encode())
    assert read_metas([page], "text/html")[0] == (("rsl:license", "/l.xml"),)


@pytest.mark.parametrize("text", ["var usersList = '<script src=a>'", "<link rel=a type=image/svg+xml>", "a rsl+xml"])
def test_what_cannot_name_a_licence(text: str) -> None:
    """A text with some of its letters is not read for that."""
    assert not may_have_metas(text.encode())
