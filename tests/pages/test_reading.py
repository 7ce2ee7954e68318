from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
import turbohtml
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages import reader
from ingest_guard.pages.extract import PageImage
from ingest_guard.pages.findings import PageLimits
from ingest_guard.pages.reader import read_page
from ingest_guard.pages.reading import (
    MOST_IMAGES,
    MOST_ROWS,
    PageDocument,
    PageLink,
    PageQuestion,
    PageReading,
    pack_images,
    pack_links,
)

URL = "https://site.example/p/"
IMAGE = PageImage(
    "https://a.example/b.jpg", "a \U0001f600\nb", "alt", "en-GB", 3, None, "img", ("https://a.example/c",)
)
LINK = PageLink("https://a.example/d", nofollow=True)


def read(body: bytes | str, declared: str = "text/html", **options: Any) -> PageReading:
    """Read a page with its images and links."""
    data = body if isinstance(body, bytes) else body.encode()
    return read_page(data, declared=declared, limits=PageLimits(), question=PageQuestion(URL), **options)


def document(body: bytes | str, declared: str = "text/html") -> PageDocument:
    """Return what a page says."""
    found = read(body, declared).document
    assert found is not None
    return found


def test_one_reading_gives_everything() -> None:
    """Bodies, elements, images with their texts, and links; the body inside is no image of the page."""
    page = (
        '<!doctype html><meta charset=utf-8><meta name=robots content=noindex><img src="a.jpg" alt="A caf\u00e9">'
        '<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"><a href="/b">c</a>'
    )
    reading = read(page)
    found = reading.document
    assert found is not None
    assert len(reading.bodies) == 1
    assert found.metas == (("robots", "noindex"),)
    assert [(image.url, image.alt) for image in found.images()] == [(URL + "a.jpg", "A caf\u00e9")]
    assert list(found.links()) == [PageLink("https://site.example/b")]
    assert (reading.encoding, found.is_guess, found.size > 1000) == ("utf-8", False, True)


def test_nothing_is_read_that_was_not_asked_for() -> None:
    """Without a question there is no document; one about the elements has no images."""
    body = b"<meta name=a content=b><img src=x alt=y><a href=z>"
    assert read_page(body, declared=None, limits=PageLimits()).document is None
    question = PageQuestion(URL, wants_images=False)
    found = read_page(body, declared=None, limits=PageLimits(), question=question).document
    assert found == PageDocument((("a", "b"),))
    assert list(found.images()) == list(found.links()) == []


def test_a_page_over_the_limit_has_no_document() -> None:
    """What was not read says nothing: neither that it has opted out nor that it has not."""
    reading = read_page(b"<p>" * 100, declared="text/html", limits=PageLimits(text=99), question=PageQuestion(URL))
    assert (reading.document, reading.doubt) == (None, None)


def test_a_fault_of_ours_leaves_the_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose images cannot be read has no document; want of memory is one for the whole reading."""
    body = b'<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">'

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(reader, "extract_from", fail)
    error: Exception = RecursionError()
    reading = read(body)
    assert (len(reading.bodies), reading.doubt, reading.document) == (1, None, None)
    error = MemoryError()
    with pytest.raises(MemoryError):
        read(body)


GUESSED = "<p>\u043f\u0440\u0438\u0432\u0435\u0442<img src=a.jpg alt='\u043f'><a href=/b>".encode("koi8-r")


@pytest.mark.parametrize(
    ("body", "declared", "is_guess"),
    [
        (b"<p>\xe9<img src=a.jpg alt=b><a href=/b>", "text/html", None),
        (b"<p>\xe9<img src=a.jpg alt=b><a href=/b>", "text/html; charset=windows-1252", False),
        (b"<meta charset=windows-1252><p>\xe9<img src=a.jpg alt=b><a href=/b>", "text/html", False),
        (b"<p>e<img src=a.jpg alt=b><a href=/b>", "text/html", False),
        ("<p>\u00e9<img src=a.jpg alt=b><a href=/b>".encode(), "text/html", False),
        (GUESSED, "text/html; charset=koi8-r", False),
    ],
)
def test_a_page_in_an_unknown_charset_has_no_images(body: bytes, declared: str, *, is_guess: bool | None) -> None:
    """Where the charset is a guess without evidence, texts would come out wrong; links are followed all the same."""
    reading = read(body, declared)
    found = reading.document
    assert found is not None
    assert found.is_guess is ((reading.encoding is None) if is_guess is None else is_guess)
    assert (next(found.images(), None) is None) is found.is_guess
    assert [link.url for link in found.links()] == ["https://site.example/b"]


def test_rows_survive() -> None:
    """What was packed comes out as it was, surrogates and line ends included."""
    odd = PageImage(**{**{name: getattr(IMAGE, name) for name in IMAGE.__slots__}, "alt": "\ud800"})
    images, links = pack_images([IMAGE, odd]), pack_links([LINK])
    assert (images[1], links[1]) == (0, 0)
    found = PageDocument((), 0, images[0], 0, links[0])
    assert list(found.images()) == [IMAGE, odd]
    assert list(found.links()) == [LINK]


@pytest.mark.parametrize(
    "change",
    [
        {"url": "ftp://a.example/"},
        {"url": "https://a.example/" + "x" * 9000},
        {"url": "https://a.example/ b"},
        {"alt": "x" * 70_000},
        {"candidates": tuple(f"https://a.example/{'x' * 1000}{n}" for n in range(199))},
        {"candidates": ("data:,x",)},
        {"language": "x" * 200},
    ],
)
def test_images_beyond_measure_are_left_out_and_counted(change: dict[str, Any]) -> None:
    """The others stay."""
    odd = PageImage(**{**{name: getattr(IMAGE, name) for name in IMAGE.__slots__}, **change})
    rows, cut = pack_images([IMAGE, odd, IMAGE])
    assert (list(PageDocument(image_rows=rows).images()), cut) == ([IMAGE, IMAGE], 1)


def test_rows_have_bounds() -> None:
    """In number and in bytes."""
    assert pack_images([IMAGE] * (MOST_IMAGES + 7))[1] == 7
    rows, cut = pack_links([PageLink("https://a.example/" + "x" * 8000)] * 1000)
    assert len(rows) <= MOST_ROWS
    assert cut == 1000 - rows.count(b"\n") > 0


GOOD_IMAGE = ["https://a.example/", "x", None, None, None, None, "img", []]


@pytest.mark.parametrize(
    "row",
    [
        {},
        [],
        GOOD_IMAGE[:-1],
        [*GOOD_IMAGE, 1],
        [None, *GOOD_IMAGE[1:]],
        ["file:///etc/passwd", *GOOD_IMAGE[1:]],
        ["https://a.example/\u00e9", *GOOD_IMAGE[1:]],
        [*GOOD_IMAGE[:1], 3, *GOOD_IMAGE[2:]],
        [*GOOD_IMAGE[:1], "x" * 70_000, *GOOD_IMAGE[2:]],
        [*GOOD_IMAGE[:2], "<b>", *GOOD_IMAGE[3:]],
        [*GOOD_IMAGE[:3], "e n", *GOOD_IMAGE[4:]],
        [*GOOD_IMAGE[:4], True, *GOOD_IMAGE[5:]],
        [*GOOD_IMAGE[:5], -1, *GOOD_IMAGE[6:]],
        [*GOOD_IMAGE[:5], 1.5, *GOOD_IMAGE[6:]],
        [*GOOD_IMAGE[:6], None, []],
        [*GOOD_IMAGE[:7], None],
        [*GOOD_IMAGE[:7], [1]],
        [*GOOD_IMAGE[:7], ["https://a.example/"] * 201],
    ],
)
def test_a_row_that_is_no_image_is_refused(row: Any) -> None:
    """Whoever wrote it may have been taken over."""
    assert next(PageDocument(image_rows=json.dumps(GOOD_IMAGE).encode()).images()).url == "https://a.example/"
    with pytest.raises((ValueError, TypeError)):
        list(PageDocument(image_rows=json.dumps(row).encode()).images())


@pytest.mark.parametrize("row", [None, [], ["https://a.example/"], ["data:,x", True], ["https://a.example/", 1]])
def test_a_row_that_is_no_link_is_refused(row: Any) -> None:
    """Nor has a link any other form."""
    with pytest.raises((ValueError, TypeError)):
        list(PageDocument(link_rows=json.dumps(row).encode()).links())


def test_more_rows_than_a_page_may_have_are_refused() -> None:
    """In number, and in the length of one."""
    line = json.dumps(GOOD_IMAGE).encode() + b"\n"
    with pytest.raises(ValueError, match="measure"):
        list(PageDocument(image_rows=line * (MOST_IMAGES + 1)).images())
    with pytest.raises(ValueError, match="measure"):
        list(PageDocument(link_rows=b" " * 200_000 + b'["https://a.example/", true]').links())


@given(st.binary(max_size=60))
def test_no_rows_are_read_by_accident(rows: bytes) -> None:
    """Whatever they are, they are images and links or an error that readers expect."""
    with suppress(ValueError, TypeError, RecursionError):
        list(PageDocument(image_rows=rows).images())
    with suppress(ValueError, TypeError, RecursionError):
        list(PageDocument(link_rows=rows).links())


@pytest.mark.parametrize("extra", ["", "<noscript><img src=/n.jpg></noscript>"])
def test_a_page_is_parsed_once_a_mode_and_not_kept(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    """Inline bodies, meta elements, links and images come from the same trees, which are let go with the page."""
    modes: list[bool] = []
    parse = turbohtml.parse

    def counted(text: str, **options: Any) -> Any:
        modes.extend([options["scripting"]] if text == page.decode() else [])
        return parse(text, **options)

    monkeypatch.setattr(turbohtml, "parse", counted)
    page = f'<meta name=robots content=noai><img src="data:image/gif;base64,R0lGOD"><a href=/b>c</a>{extra}'.encode()
    for _ in range(2):
        modes.clear()
        read_page(page, declared="text/html", limits=PageLimits(), question=PageQuestion("https://a.example/"))
        assert sorted(modes) == ([False, True] if extra else [False])


def test_a_long_page_is_read_as_a_short_one() -> None:
    """Its trees are not remembered, since they are large."""
    page = b"<noscript><img src='data:,x'></noscript><a href=/b>c</a>" + b"<p>words and words</p>" * 30_000
    reading = read_page(page, declared="text/html", limits=PageLimits(), question=PageQuestion("https://a.example/"))
    assert [body.data for body in reading.bodies] == [b"x"]
    assert reading.document is not None
    assert [link.url for link in reading.document.links()] == ["https://a.example/b"]
