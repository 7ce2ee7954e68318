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
    ("thing", "found"),
    [
        ({"name": "T", "image": {"@list": ["a.jpg"]}}, [("a.jpg", "T")]),
        ({"name": "T", "image": {"@set": [{"url": "a.jpg"}]}}, [("a.jpg", "T")]),
        ({"schema:name": "T", "schema:image": "a.jpg"}, [("a.jpg", "T")]),
        ({"@type": "schema:ImageObject", "schema:contentUrl": "a.jpg", "schema:caption": "C"}, [("a.jpg", "C")]),
        ({"https://schema.org/name": "T", "http://schema.org/image": {"@list": ["a.jpg"]}}, [("a.jpg", "T")]),
        ([{"name": "T", "image": {"@id": "http://h/#i"}}, {"@id": "#i", "url": "a.jpg"}], [("a.jpg", "T")]),
        ([{"name": "T", "image": {"@id": "#i"}}, {"@id": "http://h/#i", "url": "a.jpg"}], [("a.jpg", "T")]),
        ([{"name": "T", "image": {"@id": "http://h/#i"}}, {"@id": "http://o/#i", "url": "a.jpg"}], []),
    ],
)
def test_spellings_of_one_graph(thing: object, found: list[tuple[str, str]]) -> None:
    """Names with a prefix, sets and lists with names, and references of which one is relative to the page."""
    page = f'<script type="application/ld+json">{json.dumps(thing)}</script>'.encode()
    seen = extract_images(page, "http://h/")
    assert [(image.url.removeprefix("http://h/"), image.alt) for image in seen] == found


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


THING = '{"@type": "Product", "name": "Thing", "image": "a.jpg"}'
BROKEN = {
    "comma before a brace": THING[:-1] + ",}",
    "commas in a row": THING.replace(", ", ",, "),
    "comma at the end of a list": THING.replace('"a.jpg"', '["a.jpg",]'),
    "comma at the start of a list": THING.replace('"a.jpg"', '[, "a.jpg"]'),
    "line break in a text": THING.replace("Thing", "\nThing\r\n"),
    "tab in a text": THING.replace("Thing", "\tThing"),
    "entities instead of quotes": THING.replace('"', "&quot;"),
    "numbers of entities": THING.replace('"', "&#34;"),
    "entities in a text": THING.replace("Thing", "&#84;hing"),
    "escape that JSON lacks": THING.replace("Thing", "\\Thing").replace("a.jpg", "a\\.jpg"),
    "comments": "/* x */ " + THING.replace(", ", ", // y, \n"),
    "mark of XML": "<!--//--><![CDATA[//><!--\n" + THING + "\n//--><!]]>",
    "CDATA": "<![CDATA[" + THING + "]]>",
    "mark of an encoding": "\ufeff" + THING,
    "script around": "<script type='application/ld+json'>" + THING + "</script>",
    "two objects": '{"a": 1}' + THING,
    "two objects and a comma": '{"a": 1},' + THING + ",",
    "two broken objects": '{"a": 1,}' + THING[:-1] + ",}",
    "rubbish behind": THING + " rubbish {",
    "a brace too many": THING + "}",
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_what_sites_publish_is_read(source: str) -> None:
    """As far as it can be."""
    assert [(each.url, each.text) for each in read_json_ld(source)] == [("a.jpg", "Thing")]


def test_marks_inside_a_text_belong_to_it() -> None:
    """Mending touches nothing between quotes."""
    source = '{"name": "a,] // b /* c */ ,} \\" &amp; d", "image": "http://h//a.jpg",}'
    assert [(each.url, each.text) for each in read_json_ld(source)] == [
        ("http://h//a.jpg", 'a,] // b /* c */ ,} " & d')
    ]


ARTICLE = {"@type": "Article", "headline": "Ten ways", "image": {"@id": "#i"}}


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ({"@type": "ImageObject", "@id": "#i", "url": "a.jpg"}, ["a.jpg"]),
        ({"@id": "#i", "contentUrl": "a.jpg"}, ["a.jpg"]),
        ({"@type": "ImageObject", "@id": "#i", "url": ["a.jpg", "b.jpg"]}, ["a.jpg", "b.jpg"]),
        ({"@type": "ImageObject", "@id": "#i", "contentUrl": {"@id": "a.jpg"}}, ["a.jpg"]),
        ({"@type": "ImageObject", "@id": "#i", "contentUrl": [{"@id": "#file"}]}, ["a.jpg"]),
        ({"@type": "ImageObject", "@id": "#i", "url": {"@value": "a.jpg"}}, ["a.jpg"]),
        ({"@type": "ImageObject", "@id": "#i", "url": {"@id": "#i"}}, []),
        ({"@type": "ImageObject", "@id": "#i", "url": [{"url": {"url": {"url": {"url": {"url": "a.jpg"}}}}}]}, []),
    ],
)
@pytest.mark.parametrize("article", [ARTICLE, {**ARTICLE, "image": ["#i"]}, {**ARTICLE, "image": [{"@id": "#i"}]}])
def test_references_are_followed(article: dict[str, Any], image: dict[str, Any], found: list[str]) -> None:
    """In a graph, and from one block to another, whichever comes first; the image has the name of its subject."""
    file = {"@id": "#file", "@type": "DigitalDocument", "url": "a.jpg"}
    wanted = [(url, "Ten ways") for url in found]
    for things in ([article, image, file], [file, image, article]):
        named = [each for each in read({"@graph": things}) if each[1]]
        assert [each for each in named if each[0] != "#i"] == wanted
        blocks = [(each.url, each.text) for each in read_json_ld(*map(json.dumps, things)) if each.text]
        assert blocks == named


def test_an_image_keeps_its_own_caption() -> None:
    """The name of what it is an image of is the last resort."""
    image = {"@type": "ImageObject", "@id": "#i", "url": "a.jpg", "caption": "Own"}
    assert {each[1] for each in read([ARTICLE, image])} == {"Own"}
