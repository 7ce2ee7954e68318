from __future__ import annotations

import base64
import copy
import io
import time
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import attrs
import pydantic
import pytest
import scrapy
from PIL import Image
from support.pictures import drawn, encode

from ingest_guard.dataset.records.items import (
    Target,
    carries_picture,
    clear,
    is_small,
    keep_only,
    names_data_url,
    read_item,
    read_targets,
)
from ingest_guard.policy.records import Records

PAGE = "https://site.example/a/page.html"
FIELDS = Records()


@dataclass
class Plain:
    """A dataclass."""

    image_url: str | None = None
    alt: Any = ""
    image_urls: Any = None


@dataclass(frozen=True)
class Frozen:
    """A dataclass that allows no change."""

    image_url: str
    alt: str = ""


@dataclass(slots=True)
class Slotted:
    """A dataclass without a dictionary."""

    image_url: str
    alt: str = ""


@attrs.define
class Attrs:
    """An attrs class."""

    image_url: str
    alt: str = ""


@attrs.frozen
class FrozenAttrs:
    """An attrs class that allows no change."""

    image_url: str
    alt: str = ""


class Model(pydantic.BaseModel):
    """A pydantic model."""

    image_url: str
    alt: str = ""


class FrozenModel(pydantic.BaseModel):
    """A pydantic model that allows no change, but fields that it did not declare."""

    model_config = pydantic.ConfigDict(frozen=True, validate_assignment=True, extra="allow")
    image_url: str
    alt: str = ""


class Item(scrapy.Item):
    """Scrapy's own kind."""

    image_url = scrapy.Field()
    alt = scrapy.Field()
    image_urls = scrapy.Field()


CLASSES = [dict, Plain, Frozen, Slotted, Attrs, FrozenAttrs, Model, FrozenModel, Item]
every = pytest.mark.parametrize("make", CLASSES, ids=lambda cls: cls.__name__)


@every
def test_every_kind_of_item(make: Any) -> None:
    """The same fields are read from whatever kind of item a project uses."""
    item = make(image_url="pic.jpg", alt="A cat")
    assert read_targets(item, FIELDS, PAGE) == [
        Target("pic.jpg", "https://site.example/a/pic.jpg", "A cat", PAGE),
    ]


def test_what_is_said_of_a_text_comes_along() -> None:
    """Where it came from, and its language: short words, and nothing else that an item may have there."""
    item = {"image_urls": ["a.jpg", "b.jpg"], "alt_source": "json-ld", "language": "pt-BR"}
    assert [(target.alt_source, target.language) for target in read_targets(item, FIELDS, PAGE)] == [
        ("json-ld", "pt-BR"),
        ("json-ld", "pt-BR"),
    ]
    for wrong in ("data:image/png;base64,R0lGOD", "x" * 80, "", 3, ["en"], None):
        (target,) = read_targets({"image_url": "a.jpg", "alt_source": wrong, "language": wrong}, FIELDS, PAGE)
        assert (target.alt_source, target.language) == (None, None)


@pytest.mark.parametrize("item", [None, "https://x.example/a.jpg", 3, ["a"], SimpleNamespace(image_url="a")])
def test_what_is_no_item_has_no_image(item: object) -> None:
    """Only what Scrapy itself calls an item is read."""
    assert read_targets(item, FIELDS, PAGE) == []


def urls(item: dict[str, Any], fields: Records = FIELDS) -> list[str]:
    """Return the URLs of an item's images."""
    return [target.url for target in read_targets(item, fields, PAGE)]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"url": "u"}, ["u"]),
        ({"image_url": "i", "url": "u"}, ["i"]),
        ({"image_url": "i", "url": "u", "image_urls": ["1", "2"]}, ["i"]),
        ({"url": "u", "image_urls": ["1", "2"]}, ["1", "2"]),
        ({"url": "u", "image_urls": []}, ["u"]),
        ({"image_urls": ("1", "2")}, ["1", "2"]),
        ({"image_urls": "1"}, ["1"]),
        ({"image_urls": ["1", None, 3, " ", "2"]}, ["1", "2"]),
        ({"image_urls": {"1"}}, ["1"]),
        ({"image_urls": frozenset({"1"})}, ["1"]),
        ({"image_urls": {"1": None}.keys()}, ["1"]),
        ({"image_urls": deque(["1", "2"])}, ["1", "2"]),
        ({"image_urls": {"1": "a"}}, []),
        ({"image_urls": iter(["1"]), "url": "u"}, ["u"]),
        ({"image_url": ["i"]}, ["i"]),
        ({"image_url": ("i", "j"), "url": "u"}, ["i", "j"]),
        ({"image_url": [], "url": ["u"]}, ["u"]),
        ({"image_url": [None, " "], "image_urls": ["1"], "url": "u"}, ["1"]),
        ({"image_url": "  ", "url": " u\n"}, ["u"]),
        ({"image_url": b"i"}, []),
        ({"image_url": None}, []),
        ({}, []),
    ],
)
def test_which_field_counts(item: dict[str, Any], expected: list[str]) -> None:
    """image_url before the list of image_urls, the list before url, and each of the list by itself."""
    assert urls(item) == expected


def alts(item: dict[str, Any]) -> list[str]:
    """Return the texts of an item with two images."""
    return [target.alt for target in read_targets({"image_urls": ["1", "2"], **item}, FIELDS, PAGE)]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"alt": "a", "text": "t", "caption": "c"}, ["a", "a"]),
        ({"text": "t", "caption": "c"}, ["t", "t"]),
        ({"caption": "c"}, ["c", "c"]),
        ({"alt": None, "caption": "c"}, ["c", "c"]),
        ({"alt": ""}, ["", ""]),
        ({}, ["", ""]),
        ({"alt": ["x", "y"]}, ["x", "y"]),
        ({"alt": ("x", None)}, ["x", ""]),
        ({"alt": ["x", "y", "z"]}, ["", ""]),
        ({"alt": ["x"]}, ["", ""]),
        ({"alt": []}, ["", ""]),
        ({"alt": {"x", "y"}}, ["", ""]),
        ({"alt": {"x": "y"}}, ["", ""]),
        ({"alt": 7}, ["7", "7"]),
        ({"alt": [7, b"c\xc3\xa4t"]}, ["7", "cät"]),
        ({"alt": "cät".encode()}, ["cät", "cät"]),
        ({"alt": b"c\xe4t"}, ["", ""]),
        ({"alt": 2.5}, ["2.5", "2.5"]),
        ({"alt": True}, ["", ""]),
        ({"alt": ["x", "y"], "image_urls": {"1", "2"}}, ["", ""]),
        ({"alt": ["x", "y", "z"], "image_urls": ["1", None, "2"]}, ["x", "z"]),
        ({"alt": ["x", "y"], "image_urls": ["1", None, "2"]}, ["", ""]),
        ({"alt": ["x", "y", 3], "image_urls": "1"}, ["x y 3"]),
        ({"alt": ["x", "y"], "image_url": "1"}, [""]),
        ({"alt": ["x", "y"], "image_url": ["3", "4"]}, ["x", "y"]),
        ({"alt": " kept as it is "}, [" kept as it is "] * 2),
    ],
)
def test_text_of_each_image(item: dict[str, Any], expected: list[str]) -> None:
    """Alt before text before caption; a list of as many texts is one each, and no image has the text of another."""
    assert alts(item) == expected


def test_page() -> None:
    """The item's own page counts, else the response's; without either the URL must be whole by itself."""
    (target,) = read_targets({"url": "p.jpg", "page_url": "https://o.example/x/"}, FIELDS, PAGE)
    assert (target.absolute_url, target.page_url) == ("https://o.example/x/p.jpg", "https://o.example/x/")
    (target,) = read_targets({"url": "https://o.example/p.jpg"}, FIELDS, None)
    assert (target.absolute_url, target.page_url) == ("https://o.example/p.jpg", None)
    (target,) = read_targets({"url": "p.jpg"}, FIELDS, None)
    assert target.absolute_url == "p.jpg"


def test_url_that_is_none_does_not_cost_the_others() -> None:
    """A broken address is handed on as it is, for the fetch to say so."""
    found = read_targets({"image_urls": ["http://[broken", "ok.jpg"]}, FIELDS, PAGE)
    assert [target.absolute_url for target in found] == ["http://[broken", "https://site.example/a/ok.jpg"]


def test_renamed_fields() -> None:
    """The policy may name other fields; then the usual ones mean nothing."""
    fields = Records(image_url_fields=("src",), image_urls_field="all", alt_fields=("words",), page_url_field="where")
    item = {"src": "s.jpg", "words": "w", "where": "https://w.example/", "url": "u", "alt": "a", "page_url": "p"}
    assert read_targets(item, fields, PAGE) == [Target("s.jpg", "https://w.example/s.jpg", "w", "https://w.example/")]
    assert urls({"all": ["1"], "image_url": "i"}, fields) == ["1"]
    assert urls({"url": "u"}, Records(image_url_fields=())) == []
    assert urls({"url": "u", "image_urls": ["1"]}, Records(image_url_fields=())) == ["1"]


@pytest.mark.parametrize("kind", [list, tuple])
def test_keep_only_takes_images_and_their_texts_out(kind: Any) -> None:
    """What did not pass leaves the item, with the text beside it; the item stays of its kinds."""
    item = {"image_urls": kind(["1", "2", "3"]), "alt": kind(["a", "b", "c"]), "caption": "one for all"}
    keep_only(item, FIELDS, {"1", "3"})
    assert item == {"image_urls": kind(["1", "3"]), "alt": kind(["a", "c"]), "caption": "one for all"}


@pytest.mark.parametrize("texts", [["a"], ["a", "b"], ["a", "b", "c", "d"]])
@pytest.mark.parametrize("kept", [{"1"}, {"1", "3"}])
def test_keep_only_makes_no_pairs(texts: list[str], kept: set[str]) -> None:
    """Texts that belonged to no image by their number belong to none of those that are left."""
    item = {"image_urls": ["1", "2", "3"], "alt": texts}
    keep_only(item, FIELDS, kept)
    assert [target.url for target in read_targets(item, FIELDS, PAGE)] == sorted(kept)
    assert {target.alt for target in read_targets(item, FIELDS, PAGE)} == {""}


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, deque])
@pytest.mark.parametrize("name", ["image_url", "image_urls", "url"])
def test_keep_only_in_every_field(name: str, kind: Any) -> None:
    """Whichever field and whatever collection has the addresses, only those that passed are left."""
    item = {name: kind(["1", "2", " 3 "])}
    keep_only(item, FIELDS, {"1", "3"})
    assert sorted(urls(item)) == ["1", "3"]
    assert type(item[name]) is (list if kind is deque else kind)


@pytest.mark.parametrize(
    ("item", "unread", "unmatched"),
    [
        ({"image_url": b"i", "url": "u"}, ("image_url",), 0),
        ({"image_url": 3, "image_urls": iter(["1"])}, ("image_url", "image_urls"), 0),
        ({"image_url": {"src": "i"}}, ("image_url",), 0),
        ({"image_urls": [3]}, ("image_urls",), 0),
        ({"image_urls": [None], "image_url": " ", "url": None}, (), 0),
        ({"image_url": "i", "url": 3}, (), 0),
        ({"image_urls": ["1", "2", "3"], "alt": ["a", "b"]}, (), 3),
        ({"image_urls": ["1", "2"], "alt": ["a", "b"]}, (), 0),
        ({"image_urls": ["1", "2"], "alt": []}, (), 0),
    ],
)
def test_what_cannot_be_used_of_an_item(item: dict[str, Any], unread: tuple[str, ...], unmatched: int) -> None:
    """It is named, so that it can be counted and said: a field without an address, texts of another number."""
    reading = read_item(item, FIELDS, PAGE)
    assert (reading.unread, reading.unmatched) == (unread, unmatched)


def test_keep_only_leaves_the_rest_alone() -> None:
    """An item whose images all passed, or that has no list, stays as it is: the very same lists."""
    item = {"image_urls": ["1"], "alt": "x"}
    before = item["image_urls"]
    keep_only(item, FIELDS, {"1"})
    assert item["image_urls"] is before
    single = {"image_url": "1", "image_urls": None}
    keep_only(single, FIELDS, set())
    assert single == {"image_url": "1", "image_urls": None}


def test_keep_only_with_an_image_url_beside_the_list() -> None:
    """Where image_url was what was checked, an unchecked list beside it goes."""
    item = Plain(image_url="i", image_urls=["1", "i"])
    keep_only(item, FIELDS, {"i"})
    assert item.image_urls == ["i"]


@every
def test_clear_leaves_nothing(make: Any) -> None:
    """A dropped item is written to the log: nothing that it held may still be in it, frozen or not."""
    item = make(image_url="https://secret.example/flagged.jpg", alt="flagged words")
    clear(item)
    assert "flagged" not in repr(item)
    assert "flagged" not in str(item)


def test_clear_reaches_what_a_model_was_given_besides() -> None:
    """Fields that a pydantic model did not declare are printed, too."""
    item = FrozenModel(image_url="flagged", other="flagged")
    assert "flagged" in repr(item)
    clear(item)
    assert "flagged" not in repr(item)


def test_clear_is_in_place() -> None:
    """Whoever else holds the item holds an empty one."""
    item = {"image_url": "flagged", "more": ["flagged"]}
    held = item
    clear(item)
    assert held == {}


@dataclass
class HasFields:
    """A class with an attribute that Scrapy's items have."""

    image_url: str = ""
    fields: list[str] = field(default_factory=list)


HasFields.fields = ["x"]  # type: ignore[assignment]


class Unclearable(dict):  # type: ignore[type-arg]
    """A dictionary that will not be emptied."""

    def clear(self) -> None:
        """Refuse."""
        raise RuntimeError

    def __repr__(self) -> str:
        return "closed"


@pytest.mark.parametrize("item", [HasFields("flagged", ["flagged"]), SimpleNamespace(image_url="flagged")], ids=repr)
def test_clear_of_odd_classes(item: Any) -> None:
    """What is no usual item is emptied as far as it goes."""
    item = copy.copy(item)
    clear(item)
    assert "flagged" not in repr(item)


@pytest.mark.parametrize(
    "item", [None, 3, "text", object(), Unclearable(a=1)], ids=["none", "number", "text", "object", "closed"]
)
def test_clear_never_raises(item: object) -> None:
    """Clearing is done while an error is on its way: it adds none."""
    clear(item)


@pytest.mark.parametrize(
    "item",
    [
        {"file_urls": ["https://example.org/a.jpg", "data:image/png;base64,AA"]},
        {"anything": " DATA:,x"},
        {"deep": {"in": [("\n da\tta:image/gif;base64,AA",)]}},
    ],
)
def test_a_data_url_is_seen_in_any_field(item: dict[str, Any]) -> None:
    """Lists, tuples and dictionaries are looked through, and what browsers pass over in a URL is passed over."""
    assert names_data_url(item)


@pytest.mark.parametrize(
    "item", [{"alt": "data: of 2020"}, {"alt": "the data:x"}, {"n": 3, "none": None}, {}, "data:image/png;base64,AA", 7]
)
def test_texts_that_speak_of_data_are_none(item: Any) -> None:
    """A text in which the word stands is no URL; nor is what is no item."""
    assert not names_data_url(item)


PICTURES = {kind: encode(drawn(5, (64, 48)), kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")}
BASE64 = {kind: base64.b64encode(data).decode() for kind, data in PICTURES.items()}

AS_VALUES: dict[str, Any] = {
    "bytes": lambda kind: PICTURES[kind],
    "bytearray": lambda kind: bytearray(PICTURES[kind]),
    "memoryview": lambda kind: memoryview(PICTURES[kind]),
    "numbers": lambda kind: list(PICTURES[kind]),
    "file in memory": lambda kind: io.BytesIO(PICTURES[kind]),
    "decoded": lambda kind: Image.open(io.BytesIO(PICTURES[kind])),
    "base64": lambda kind: BASE64[kind],
    "base64 as bytes": lambda kind: BASE64[kind].encode(),
    "base64 in lines": lambda kind: base64.encodebytes(PICTURES[kind]).decode(),
    "base64 for addresses": lambda kind: base64.urlsafe_b64encode(PICTURES[kind]).decode(),
    "data URL": lambda kind: f"data:;base64,{BASE64[kind]}",
    "data URL as bytes": lambda kind: f"data:image/x;base64,{BASE64[kind]}".encode(),
}
IN_TEXTS: dict[str, Any] = {
    "a page": lambda kind: f'<p>text<img src="data:image/x;base64,{BASE64[kind]}">',
    "a page as bytes": lambda kind: f'<p>text<img src="data:image/x;base64,{BASE64[kind]}">'.encode(),
    "JSON": lambda kind: f'{{"a": "{BASE64[kind]}"}}',
    "prose": lambda kind: f"look at this: {BASE64[kind]} nice",
    "dots": lambda kind: ".".join(BASE64[kind][at : at + 100] for at in range(0, len(BASE64[kind]), 100)),
    "blanks": lambda kind: " ".join(BASE64[kind][at : at + 7] for at in range(0, len(BASE64[kind]), 7)),
    "bars": lambda kind: "|".join(base64.urlsafe_b64encode(PICTURES[kind]).decode()),
    "an address": lambda kind: f"https://x.example/?p={BASE64[kind]}",
}
WRAPPED: dict[str, Any] = {
    "field": lambda value: {"x": value},
    "list": lambda value: {"x": ["a", [value]]},
    "tuple of mappings": lambda value: {"x": ({"a": {"b": value}},)},
    "key": lambda value: {"x": {value: 1} if isinstance(value, str | bytes) else [value]},
    "dataclass": lambda value: {"x": Plain(alt=value)},
    "attrs": lambda value: {"x": Attrs("u", value)},
    "model": lambda value: {"x": FrozenModel.model_construct(image_url="u", alt="", more=value)},
    "Scrapy item": lambda value: Item(alt=[Item(alt=value)]),
    "object": lambda value: {"x": SimpleNamespace(a=value)},
    "deep": lambda value: {"x": [[[[[[[[[[value]]]]]]]]]]},
}


each_format = pytest.mark.parametrize(
    ("kind", "where"), [*((kind, "field") for kind in PICTURES), *(("JPEG", where) for where in WRAPPED)]
)


@each_format
@pytest.mark.parametrize("how", AS_VALUES)
def test_pictures_as_values_of_any_field(kind: str, how: str, where: str) -> None:
    """A picture is found in whatever field, collection and object, as bytes and in base64."""
    item = WRAPPED[where](AS_VALUES[how](kind))
    assert names_data_url(item)
    assert carries_picture(item)


@each_format
@pytest.mark.parametrize("how", IN_TEXTS)
def test_pictures_in_texts_of_any_field(kind: str, how: str, where: str) -> None:
    """An item that passes without an image has none in its texts either, in a light disguise or without."""
    assert carries_picture(WRAPPED[where](IN_TEXTS[how](kind)))


ORDINARY: dict[str, Any] = {
    "page": "<!doctype html><p>data: and images</p>" + "<p>words and words</p>" * 2000,
    "page as bytes": b"<!doctype html><p>words and words</p>" * 2000,
    "numbers": list(range(2000)),
    "embedding": [0.25] * 768,
    "prices": {"EUR": 12.5, "USD": None},
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n9I3PlFUP0THsR8U",
    "digest": "3f786850e387550fdab836ed7e6dc881de23001b" * 4,
    "digest as bytes": bytes(range(100, 132)),
    "address": "https://shards.example/9j/4A/9j/2f8c1d9e0b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f/photo.jpg?a=" + "x" * 300,
    "type": Plain,
    "function": len,
    "Japanese": "\u732b\u306e\u5199\u771f" * 500,
}


@pytest.mark.parametrize("value", ORDINARY.values(), ids=ORDINARY)
@pytest.mark.parametrize("where", ["field", "list", "object", "dataclass"])
def test_ordinary_values_pass(value: Any, where: str) -> None:
    """What projects have in their items is no picture."""
    item = WRAPPED[where](value)
    assert not names_data_url(item)
    assert not carries_picture(item)


def test_items_are_looked_through_within_bounds() -> None:
    """What goes round in circles ends; what is deeper, longer or larger than any item counts as a picture."""
    circle: dict[str, Any] = {"a": "x"}
    circle["me"] = [circle]
    assert not carries_picture(circle)
    deep: list[Any] = []
    for _ in range(100):
        deep = [deep]
    for item in ({"x": deep}, {"x": [[]] * 10 + [str(n) for n in range(200_000)]}, {"x": ["y" * (9 << 20)] * 2}):
        started = time.process_time()
        assert carries_picture(item)
        assert names_data_url(item)
        assert time.process_time() - started < 30.0


def test_bytes_of_an_unknown_kind_do_not_pass() -> None:
    """An item without an image has no room for an archive; one with an image leaves as a record alone."""
    assert carries_picture({"x": b"\x1f\x8b" + bytes(range(256))})
    assert not names_data_url({"x": b"\x1f\x8b" + bytes(range(256))})


@pytest.mark.parametrize(
    ("item", "small"),
    [
        ({}, True),
        ({"a": 1, "b": None, "c": 0.5, "d": True, "e": "text", "f": b"bytes"}, True),
        ({"a": ["b", ("c", {"d": "e"})]}, True),
        ({"a": "x" * 9000}, False),
        ({"a": ["x" * 100] * 90}, False),
        ({"a": list(range(2000))}, False),
        ({"x" * 9000: 1}, False),
        ({"a": {"x" * 9000: 1}}, False),
        (Attrs("text"), True),
        ({"a": object()}, False),
        ({"a": {1, 2}}, False),
        (object(), False),
    ],
)
def test_small_items_are_known(item: object, small: bool) -> None:  # noqa: FBT001 - a parameter
    """Plain values of a few kilobytes; whatever else may be in an item takes time."""
    assert is_small(item) is small


def test_an_item_in_itself_is_not_small() -> None:
    """Looking ends, also where the item does not."""
    item: dict[str, object] = {}
    item["self"] = [item] * 3
    assert not is_small(item)
