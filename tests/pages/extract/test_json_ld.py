from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.extract import extract_images
from ingest_guard.pages.extract.json_ld import read_json_ld


def read(document: Any) -> list[tuple[str, str]]:
    """Return addresses and texts that a document names."""
    return [(each.url, each.text) for each in read_json_ld(json.dumps(document))]


def test_an_image_object() -> None:
    """Its address and caption, and its size however that is written."""
    document = {
        "@type": "ImageObject",
        "contentUrl": "a.jpg",
        "caption": "A &amp; B",
        "name": "no",
        "width": {"value": "640 px"},
        "height": 480,
        "inLanguage": "de",
    }
    (image,) = read_json_ld(json.dumps(document))
    assert (image.url, image.text, image.width, image.height, image.language) == ("a.jpg", "A & B", 640, 480, "de")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a.jpg", [("a.jpg", "Thing")]),
        (["a.jpg", "b.jpg"], [("a.jpg", "Thing"), ("b.jpg", "Thing")]),
        ({"@type": "ImageObject", "url": "a.jpg"}, [("a.jpg", "Thing"), ("a.jpg", "")]),
        ({"url": "a.jpg", "caption": "own"}, [("a.jpg", "own")]),
        ([{"@id": "http://h/a.jpg"}, {"@id": "#b"}, {"@id": "_:c"}, 5, None], [("http://h/a.jpg", "Thing")]),
        ({}, []),
    ],
)
def test_image_properties(value: object, found: list[tuple[str, str]]) -> None:
    """Text, object or list; without a text of its own an image has the name of its subject."""
    assert read({"@type": "Product", "name": "Thing", "image": value}) == found


def test_images_anywhere() -> None:
    """In a graph, in lists, nested; types in any spelling; each object once, in order."""
    document = {
        "@graph": [
            {"@type": ["Thing", "http://schema.org/ImageObject"], "url": "a.jpg", "name": {"@value": "A"}},
            {"x": [[{"@type": "schema:ImageObject", "url": "b.jpg", "caption": ["B", "C"]}]]},
            {"@type": "WebPage", "headline": "H", "primaryImageOfPage": {"@type": "ImageObject", "url": "c.jpg"}},
            {"@type": "Person", "name": "P", "photo": "d.jpg", "associatedMedia": {"@type": "VideoObject", "url": "v"}},
        ]
    }
    assert read(document) == [("a.jpg", "A"), ("b.jpg", "B"), ("c.jpg", "H"), ("c.jpg", ""), ("d.jpg", "P")]


@pytest.mark.parametrize(
    "wrapped",
    [
        "<!-- {} -->",
        "//<![CDATA[\n{}\n//]]>",
        "/* <![CDATA[ */ {} /* ]]> */",
        "{};",
        " \ufeff {} ".replace("\ufeff", ""),
    ],
)
def test_what_templates_put_around_it(wrapped: str) -> None:
    """Comments and CDATA marks are taken off, and line ends in texts are no error."""
    source = wrapped.replace("{}", '{"image": "a.jpg", "name": "two\nlines"}')
    assert [(each.url, each.text) for each in read_json_ld(source)] == [("a.jpg", "two lines")]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "{",
        "[" * 200_000,
        '{"a":' * 100_000,
        '{"image": "a.jpg", "x": ' + "9" * 100_000,
        "nonsense",
        "'single'",
        "5",
        '"a.jpg"',
        " " * (5 << 20),
    ],
)
def test_what_cannot_be_read_names_nothing(source: str) -> None:
    """Broken, nested beyond measure, or too long."""
    assert read_json_ld(source) == []


def test_numbers_without_end_cost_nothing() -> None:
    """A width of a hundred thousand digits is none."""
    source = '{"@type": "ImageObject", "url": "a.jpg", "width": ' + "9" * 100_000 + ', "height": 1.5e9}'
    (image,) = read_json_ld(source)
    assert (image.width, image.height) == (None, None)


def test_only_so_many_objects_are_looked_at() -> None:
    """A block can be long."""
    assert len(read([{"image": f"{number}.jpg"} for number in range(60_000)])) < 60_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["@type", "@graph", "image", "url", "@id", "name", "width", "caption"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_document_is_an_error(document: object) -> None:
    """Whatever stands where, images have texts, and sizes that are sizes."""
    for image in read_json_ld(json.dumps(document)):
        assert isinstance(image.url, str)
        assert isinstance(image.text, str)
        assert image.width is None or image.width > 0


def test_blocks_on_a_page() -> None:
    """Each block counts by itself; the page's language holds unless the block names one."""
    page = """<html lang=en><script type="application/ld+json; charset=utf-8">{"image": "a.jpg", "name": "A"}</script>
    <script type=application/ld+json>{broken</script><script type=application/ld+json></script>
    <script type=application/ld+json>{"image": "b.jpg", "name": "B", "inLanguage": "nl"}</script>
    <script>{"image": "c.jpg"}</script><script type=application/ld+json>{"image": "data:,"}</script>"""
    found = [(each.url, each.alt, each.alt_source, each.language) for each in extract_images(page, "http://h/")]
    assert found == [("http://h/a.jpg", "A", "json-ld", "en"), ("http://h/b.jpg", "B", "json-ld", "nl")]
