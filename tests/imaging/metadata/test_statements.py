"""What image files say of their own use: each carrier, each form, and what cannot be read."""

from __future__ import annotations

import random
import struct
import time
import zlib
from contextlib import suppress
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pictures import drawn, encode
from support.statements import (
    C2PA_CARRIERS,
    PLUS,
    RDF,
    VOCABULARY,
    XAP,
    XMP_CARRIERS,
    assertion,
    box,
    chunk,
    data_mining,
    extended_xmp,
    jpeg,
    jumbf_segments,
    packet,
    png,
    segment,
    store,
    superbox,
    to_cbor,
    uses,
)

from ingest_guard.imaging.decode import Limits, NotScannable, open_picture
from ingest_guard.imaging.formats.jpeg import JpegReader
from ingest_guard.imaging.metadata.assertions import ENTRIES, USES, AssertionReader
from ingest_guard.imaging.metadata.cbor import CborError, decode
from ingest_guard.imaging.metadata.statements import MOST_STATEMENTS, Statements
from ingest_guard.imaging.metadata.xmp import VALUES, XmpReader
from ingest_guard.imaging.pixels.model import Budget
from ingest_guard.verdict import Reason

NO = ["DMI-PROHIBITED"]
AIML = "DMI-PROHIBITED-AIMLTRAINING"


def said_by(data: bytes) -> list[tuple[str, str]]:
    """Return the statements of a file, which must be sound."""
    picture = open_picture(data, Limits())
    for _ in picture.frames():
        pass
    return [tuple(each) for each in picture.statements]


def words(text: bytes) -> list[str]:
    """Return what one packet says."""
    return list(XmpReader().read(text))


def asserted(data: bytes) -> list[str]:
    """Return what one part of a file asserts."""
    return list(AssertionReader().read(data))


@pytest.mark.parametrize("carrier", XMP_CARRIERS)
@pytest.mark.parametrize("word", ["DMI-PROHIBITED-AIMLTRAINING", "DMI-ALLOWED"])
def test_xmp_is_read_in_each_format(carrier: str, word: str) -> None:
    """What it says comes once, and says the same wherever it lies."""
    assert said_by(XMP_CARRIERS[carrier](data_mining(word))) == [("iptc", word)]


@pytest.mark.parametrize("carrier", C2PA_CARRIERS)
@pytest.mark.parametrize("use", ["notAllowed", "allowed"])
@pytest.mark.parametrize("is_json", [False, True])
def test_assertions_are_read_in_each_format(carrier: str, use: str, *, is_json: bool) -> None:
    """Also where a box is cut into segments, which say nothing by themselves."""
    data = store(assertion(uses(ai_training=use), is_json=is_json))
    assert said_by(C2PA_CARRIERS[carrier](data)) == [("c2pa", f"cawg.ai_training: {use}")]


def test_files_without_statements_say_nothing() -> None:
    """Neither does an XMP packet with other properties, nor a store with other assertions."""
    assert said_by(jpeg()) == []
    assert said_by(jpeg(segment(0xE1, XAP + packet("<dc:title xmlns:dc='a'>DMI-PROHIBITED</dc:title>")))) == []
    assert said_by(png(chunk(b"caBX", store(superbox("c2pa.actions", box(b"cbor", to_cbor({}))))))) == []


def test_a_picture_inside_the_file_counts() -> None:
    """A thumbnail, or a picture behind the end, that has opted out is a reason to leave the file out."""
    inner = jpeg(segment(0xE1, XAP + data_mining("DMI-PROHIBITED")), seed=9)
    assert said_by(jpeg(segment(0xE5, inner))) == [("iptc", "DMI-PROHIBITED")]
    assert said_by(jpeg() + inner) == [("iptc", "DMI-PROHIBITED")]


FORMS = {
    "element": packet(f"<plus:DataMining>{VOCABULARY}DMI-PROHIBITED</plus:DataMining>"),
    "attribute": packet("", f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED"'),
    "single quotes": packet("", f"plus:DataMining='{VOCABULARY}DMI-PROHIBITED'"),
    "resource": packet(f'<plus:DataMining rdf:resource="{VOCABULARY}DMI-PROHIBITED"/>'),
    "another prefix": packet(f"<p:DataMining>{VOCABULARY}DMI-PROHIBITED</p:DataMining>", plus="p"),
    "default namespace": packet(f'<DataMining xmlns="{PLUS}">{VOCABULARY}DMI-PROHIBITED</DataMining>'),
    "nearly the namespace": packet(f"<p:DataMining xmlns:p='{PLUS[:-1]}'>DMI-PROHIBITED</p:DataMining>"),
    "bound on the element": packet(f"<p:DataMining xmlns:p='{PLUS}'>DMI-PROHIBITED</p:DataMining>", plus="other"),
    "blanks": packet(f"<plus:DataMining >\n {VOCABULARY}DMI-PROHIBITED \n</plus:DataMining >"),
    "short": packet("<plus:DataMining>DMI-PROHIBITED</plus:DataMining>"),
    "lower case": packet(f"<plus:DataMining>{VOCABULARY}dmi-prohibited</plus:DataMining>"),
    "CDATA": packet(f"<plus:DataMining><![CDATA[{VOCABULARY}DMI-PROHIBITED]]></plus:DataMining>"),
    "a reference": packet(f"<plus:DataMining>{VOCABULARY}DMI-PROHI&#x42;ITED</plus:DataMining>"),
    "a comment in between": packet(f"<plus:DataMining>{VOCABULARY}DMI-PROH<!-- -->IBITED</plus:DataMining>"),
    "a qualified value": packet(
        f'<plus:DataMining rdf:parseType="Resource"><rdf:value>{VOCABULARY}DMI-PROHIBITED</rdf:value>'
        "<x:y>more</x:y></plus:DataMining>"
    ),
    "a bag": packet("<plus:DataMining><rdf:Bag><rdf:li>DMI-PROHIBITED</rdf:li></rdf:Bag></plus:DataMining>"),
    "only rdf": f'<r:RDF xmlns:r="{RDF}" xmlns:u="{PLUS}"><r:li u:DataMining="DMI-PROHIBITED"/></r:RDF>'.encode(),
    "UTF-16": data_mining("DMI-PROHIBITED").decode().encode("utf-16"),
    "UTF-16, other order": ("\ufeff" + data_mining("DMI-PROHIBITED").decode()).encode("utf-16-be"),
    "UTF-32": data_mining("DMI-PROHIBITED").decode().encode("utf-32-be"),
    "Latin-1": packet("<plus:DataMining>DMI-PROHIBITED</plus:DataMining><a>e</a>").replace(b"<a>e", b"<a>\xe9"),
    "behind another packet": packet("") + data_mining("DMI-PROHIBITED"),
    "cut off": data_mining("DMI-PROHIBITED")[:-60],
    "an entity": b"<!DOCTYPE a [<!ENTITY v 'DMI-PROHIBITED'>]>" + packet("<plus:DataMining>&v;</plus:DataMining>"),
    "a document type inside": b"<x:xmpmeta ><!DOCTYPE a><plus:DataMining>DMI-PROHIBITED</plus:DataMining></x:xmpmeta>",
    "an unbound prefix": b"<x:xmpmeta ><plus:DataMining>DMI-PROHIBITED</plus:DataMining></x:xmpmeta>",
    "too deep": packet("<a>" * 70 + "<plus:DataMining>DMI-PROHIBITED</plus:DataMining>" + "</a>" * 70),
    "no packet around it": b"plus:DataMining=DMI-PROHIBITED",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_xmp_is_read(form: str) -> None:
    """In any form of RDF, under any prefix, in any encoding; and by its words where it cannot be parsed."""
    assert words(FORMS[form]) == NO


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (data_mining("DMI-UNSPECIFIED"), ["DMI-UNSPECIFIED"]),
        (data_mining("whatever"), ["other"]),
        (data_mining("DMI-ALLOWED-NOT"), ["other"]),
        (data_mining("DMI-ALLOWED_NOT"), ["other"]),
        (data_mining("DMI-ALLOWED") + data_mining("DMI-PROHIBITED-AIMLTRAINING"), ["DMI-ALLOWED", AIML]),
        (packet(f"<plus:DataMining>{' ' * 9000}DMI-PROHIBITED</plus:DataMining>"), NO),
        (packet(f"<plus:DataMining>{'<a>DMI-ALLOWED</a>' * 99}DMI-PROHIBITED</plus:DataMining>"), ["DMI-ALLOWED", *NO]),
        (packet("<DataMining>DMI-PROHIBITED</DataMining>"), []),
        (packet("<plus:DataMining/>"), []),
        (packet("<plus:DataMining> </plus:DataMining>"), []),
        (packet("<!-- <plus:DataMining>DMI-PROHIBITED</plus:DataMining> -->"), []),
        (packet("<o:DataMining xmlns:o='urn:other'>DMI-PROHIBITED</o:DataMining>"), []),
        (packet("<dc:title xmlns:dc='a'>DataMining DMI-PROHIBITED</dc:title>"), []),
        (packet("<plus:DataMining>DMI-ALLOWED</plus:DataMining>", "plus:DataMining='DMI-X'"), ["DMI-ALLOWED", "other"]),
        (b"a text about DataMining", []),
    ],
)  # fmt: skip
def test_values_of_other_words_and_places(text: bytes, expected: list[str]) -> None:
    """What is not in the vocabulary is named as such; nothing is read out of other namespaces, comments and texts."""
    assert words(text) == expected


BOMBS = {
    "elements": packet("<a/>" * 1_300_000 + "<plus:DataMining>DMI-PROHIBITED</plus:DataMining>"),
    "roots": b"<rdf:RDF >" * 1_000_000 + b"DataMining DMI-PROHIBITED",
    "packets": packet("") * 20_000 + data_mining("DMI-PROHIBITED"),
    "depth": b"<rdf:RDF >" + b"<a>" * 3_000_000 + b"DataMining DMI-PROHIBITED",
    "attributes": packet("<a " + " ".join(f'a{n}=""' for n in range(300_000)) + ">DMI-PROHIBITED") + b"DataMining",
    "words": b"DataMining DMI-PROHIBITED " + b"DMI-" * 1_000_000,
    "addresses": b"<rdf:RDF ><a xmlns:n='"
    + b"u" * 100_000
    + b"'>"
    + b"<n:b n:c=''/>" * 250_000
    + b"DataMining DMI-PROHIBITED",
    "prefixes": packet("<a " + " ".join(f"xmlns:n{n}='u' n{n}:b=''" for n in range(90_000)) + ">DMI-PROHIBITED")
    + b"DataMining",
    "laughs": b"<rdf:RDF ><!DOCTYPE r [<!ENTITY a 'a'><!ENTITY b '&a;&a;'>]>DataMining DMI-PROHIBITED",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_xmp_takes_linear_time(bomb: str) -> None:
    """A packet that is made to cost time costs some seconds at most, and what it says is not lost."""
    started = time.process_time()
    assert words(BOMBS[bomb])[0] == "DMI-PROHIBITED"
    assert time.process_time() - started < 10


def test_all_packets_of_a_file_share_one_bound() -> None:
    """A file of many large packets has no more of them parsed than one has; the others are read by their words."""
    reader, large = XmpReader(), packet("<a/>" * 300_000 + "<plus:DataMining>DMI-PROHIBITED</plus:DataMining>")
    started = time.process_time()
    for _ in range(15):
        assert list(reader.read(large)) == NO
    assert time.process_time() - started < 20


@pytest.mark.parametrize("maker", ["cawg", "c2pa"])
@pytest.mark.parametrize("more", ["", "__1", ".v2"])
def test_each_label_is_read(maker: str, more: str) -> None:
    """Both makers' labels, with numbers and versions, and entries of both."""
    entries = {"c2pa.data_mining": {"use": "constrained", "constraint_info": "ask"}, **uses(ai_inference="allowed")}
    data = store(assertion(entries, f"{maker}.training-mining{more}"))
    assert asserted(data) == ["c2pa.data_mining: constrained", "cawg.ai_inference: allowed"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"use": "notallowed"}, "notAllowed"),
        ({"use": "forbidden"}, "other"),
        ({"use": 5}, "other"),
        ({}, "other"),
        ("notAllowed", "other"),
    ],
)
def test_other_words_of_use_are_named_as_such(entry: object, expected: str) -> None:
    """Nothing of the file's own words leaves the worker."""
    assert asserted(assertion({"cawg.ai_training": entry})) == [f"cawg.ai_training: {expected}"]


def test_entries_of_others_say_nothing() -> None:
    """Only the four uses that the specification names, by the makers that it names."""
    entries = {name: {"use": "notAllowed"} for name in ("org.example", "x.ai_training", "cawg.fun", "ai_training")}
    assert asserted(assertion(entries)) == []


_SOUND = assertion(uses(ai_training="allowed"))
UNREADABLE = {
    "cut off": _SOUND[:-4],
    "no content": superbox("cawg.training-mining"),
    "other content": superbox("cawg.training-mining", box(b"bidb", b"1234")),
    "broken CBOR": superbox("cawg.training-mining", box(b"cbor", b"\xff\xff")),
    "broken JSON": superbox("cawg.training-mining", box(b"json", b"{")),
    "nested JSON": superbox("cawg.training-mining", box(b"json", b"[" * 100_000)),
    "a use twice": superbox(
        "cawg.training-mining",
        box(b"cbor", b"\xa1\x67entries\xa2" + (to_cbor("cawg.ai_training") + to_cbor({"use": "allowed"})) * 2),
    ),
    "entries twice": superbox("cawg.training-mining", box(b"json", b'{"entries": {"a": 1}, "entries": {}}')),
    "no entries": superbox("cawg.training-mining", box(b"cbor", to_cbor({"entries": 5}))),
    "no mapping": superbox("cawg.training-mining", box(b"cbor", to_cbor([1]))),
    "no box of boxes": _SOUND[8:],
    "a length that leads out": _SOUND.replace(b"jumd", b"jumd", 1)[:8] + b"\xff\xff\xff\xff" + _SOUND[12:],
    "a length of nothing": _SOUND[:8] + bytes(3) + b"\1" + _SOUND[12:],
    "many boxes before it": superbox("cawg.training-mining", *[box(b"free", b"")] * 9, _SOUND),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_assertion_that_cannot_be_read_is_said_to_be_there(kind: str) -> None:
    """It may say anything, so it must not pass for one that says nothing."""
    assert asserted(UNREADABLE[kind])[0] == "unreadable"


def test_a_missing_segment_makes_an_assertion_unreadable() -> None:
    """What the other segments say is no whole box."""
    segments = jumbf_segments(store(_SOUND), 30)
    seen = [said_by(jpeg(*segments[:count])) for count in range(1, len(segments) + 1)]
    assert seen[-1] == [("c2pa", "cawg.ai_training: allowed")]
    assert [each for number, each in enumerate(seen) if each not in seen[:number]] == [
        [],
        [("c2pa", "unreadable")],
        [("c2pa", "cawg.ai_training: allowed")],
    ]


def test_a_picture_behind_the_end_is_read_as_a_picture() -> None:
    """What is cut into its segments is put together, and what stands between such pictures is read as it is."""
    inner = C2PA_CARRIERS["JPEG, several APP11"](store(_SOUND))
    assert said_by(jpeg(seed=9) + inner) == [("c2pa", "cawg.ai_training: allowed")]
    between = b" " + data_mining("DMI-PROHIBITED") + b" "
    assert sorted(said_by(jpeg(seed=9) + between + inner)) == [("c2pa", "cawg.ai_training: allowed"), ("iptc", *NO)]


def test_thousands_of_segments_take_linear_time() -> None:
    """Of XMP and of boxes, each of a few bytes, whether they belong together or not."""
    said = data_mining("DMI-PROHIBITED") + b" " * 12_000
    for segments in (
        extended_xmp(said, 1),
        list(reversed(extended_xmp(said, 1))),
        [segment(0xE1, XAP + data_mining("DMI-PROHIBITED"))] * 2000,
        [each for number in range(20_000) for each in jumbf_segments(box(b"jumb", b"a"), instance=number)],
    ):
        data = jpeg(*segments)
        reader = JpegReader(data, Budget(Limits()))
        found, started = Statements(), time.process_time()
        for piece in reader.metadata():
            found.read(piece)
        assert time.process_time() - started < 5
        assert [each.said for each in found.found] == (NO if b"\xff\xe1" in data else [])


def test_assertions_take_linear_time() -> None:
    """Thousands of labels, each with a description as long as the file, cost no more than a few."""
    many = (b"jumd" + bytes(17) + b"cawg.training-mining\0") * 80_000
    large = superbox("cawg.training-mining", box(b"json", b"[" + b"1," * 400_000 + b"1]")) * 10
    started = time.process_time()
    assert asserted(many)[-1] == asserted(large)[-1] == "unreadable"
    assert time.process_time() - started < 15


CUT_OFF = data_mining("DMI-PROHIBITED-AIMLTRAINING")


@pytest.mark.parametrize("stop", range(CUT_OFF.index(b"plus:DataMining") + 16, len(CUT_OFF), 7))
def test_a_packet_that_is_cut_off_is_not_silent(stop: int) -> None:
    """Wherever it ends behind the name of the property: half a word may be any word."""
    assert set(words(CUT_OFF[:stop])) <= {AIML, "DMI-PROHIBITED", "other", "unreadable"} != set()
    assert words(CUT_OFF[:stop])


@pytest.mark.parametrize(
    "text",
    [
        packet("<plus:DataMining>&#68;MI-PROHIBITED</plus:DataMining><a>"),
        packet("<plus:DataMining>DMI-</plus:DataMining><a>"),
        packet("", "plus:DataMining='&unknown;'"),
        b"<x:xmpmeta ><plus:DataMining>",
        b"<x:xmpmeta >" + bytes(5 << 20),
    ],
)
def test_a_packet_that_cannot_be_parsed_is_unreadable(text: bytes) -> None:
    """It names the property and no word of the vocabulary, or is not unpacked to its end."""
    assert words(text) == ["unreadable"]


@pytest.mark.parametrize("text", [packet("<dc:subject>DataMining</dc:subject>"), b"<rdf:RDF>" + bytes(4000)])
def test_a_broken_packet_without_the_property_says_nothing(text: bytes) -> None:
    """A keyword is no property."""
    assert words(text) == []


def test_a_file_says_a_bounded_number_of_things() -> None:
    """What a worker sends back has a limit, and all values of the vocabulary fit in."""
    found = Statements()
    for value in VALUES:
        found.read(data_mining(value))
    for maker, use in product(("cawg", "c2pa"), USES):
        found.read(assertion({f"{maker}.{name}": {"use": use} for name in ENTRIES}))
    assert len(found.found) == MOST_STATEMENTS


def test_packed_text_is_read_within_bounds() -> None:
    """A PNG whose text unpacks to gigabytes is looked at for some megabytes."""
    bomb = zlib.compress(data_mining("DMI-PROHIBITED") + bytes(200 << 20))
    started = time.process_time()
    assert said_by(png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb))) == [("iptc", "DMI-PROHIBITED")]
    assert time.process_time() - started < 10


def test_tags_that_share_a_value_cost_one() -> None:
    """A TIFF with thousands of tags that lie on each other is searched once."""
    said = data_mining("DMI-PROHIBITED") + bytes(4 << 20)
    entries = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 4, 1, 8), (259, 4, 1, 1), (262, 4, 1, 1), (273, 4, 1, 8)]
    entries += [(277, 4, 1, 1), (278, 4, 1, 8), (279, 4, 1, 64), *[(60_000, 7, len(said), 72)] * 3000]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    data = b"II*\0" + struct.pack("<I", 72 + len(said)) + bytes(64) + said
    started = time.process_time()
    assert said_by(data + struct.pack("<H", len(entries)) + directory + bytes(4)) == [("iptc", *NO)]
    assert time.process_time() - started < 3


def test_many_bombs_in_one_file_are_refused() -> None:
    """The same one over and over costs no more than a few, and what it says is known by then."""
    bomb = zlib.compress(data_mining("DMI-PROHIBITED") + bytes(1 << 20))
    data = png(*[chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb)] * 20)
    picture = open_picture(data, Limits(bytes=1 << 20))
    with pytest.raises(NotScannable) as caught:
        list(picture.frames())
    assert caught.value.reason is Reason.NESTING
    assert [each.said for each in picture.statements] == NO


@pytest.mark.parametrize("damage", ["checksum", "middle", "cut"])
def test_packed_text_that_is_broken_says_what_it_says(damage: str) -> None:
    """A wrong checksum loses nothing, and damage in the middle what comes after it."""
    packed = zlib.compress(data_mining("DMI-PROHIBITED") + random.Random(3).randbytes(2000) + b"</x>")
    if damage == "checksum":
        packed = packed[:-4] + bytes(4)
    elif damage == "middle":
        packed = packed[:-1500] + b"\xff" * 200 + packed[-1300:]
    else:
        packed = packed[:-1500]
    assert said_by(png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed))) == [("iptc", "DMI-PROHIBITED")]


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_the_readers_raise(data: bytes) -> None:
    """Whatever stands behind a label or a name; CBOR has one error of its own."""
    list(AssertionReader().read(superbox("cawg.training-mining", box(b"cbor", data))))
    list(AssertionReader().read(_SOUND[:40] + data))
    list(XmpReader().read(b"<rdf:RDF DataMining " + data))
    list(XmpReader().read(packet("<plus:DataMining>")[:-70] + data))
    with suppress(CborError):
        decode(data)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text(max_size=40) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@given(_VALUES)
@settings(max_examples=100, deadline=None)
def test_cbor_is_read_back(value: object) -> None:
    """Texts, bytes, numbers, lists and mappings come back as they were, and a cut in them is an error."""
    data = to_cbor(value)
    assert decode(data) == value
    for stop in {0, 1, len(data) // 2, len(data) - 1} - {len(data)}:
        with pytest.raises(CborError):
            decode(data[:stop])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xfb\x3f\xf8" + bytes(6), 1.5),
        (b"\xfa\x3f\xc0\0\0", 1.5),
        (b"\xf9\x3e\0", 1.5),
        (b"\xc0\x61a", "a"),
        (b"\xf7", None),
        (b"\xf8\xff", None),
        (b"\x7f\x61a\x61b\xff", "ab"),
        (b"\x5f\x41a\xff", b"a"),
        (b"\x9f\1\2\xff", [1, 2]),
        (b"\xbf\x61a\1\xff", {"a": 1}),
        (b"\xa2\1\1\x61a\2", {"a": 2}),
        (b"\x61\xff", "\ufffd"),
    ],
)
def test_cbor_in_its_other_forms(data: bytes, expected: object) -> None:
    """Floats, tags, simple values, open lengths, and keys that are no texts."""
    assert decode(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1c",
        b"\x1f",
        b"\xdf\1",
        b"\x7f\x41a\xff",
        b"\x7f\x7f\xff\xff",
        b"\xff",
        b"\x9f" * 20,
        b"\x81" * 30 + b"\1",
        b"\xc1" * 30 + b"\1",
        b"\x9b" + b"\xff" * 8,
        b"\x9a\0\1\0\0" + b"\1" * 65_536,
        b"\x7f" + b"\x60" * 20_000 + b"\xff",
        b"\xa2\x61a\1\x61a\2",
    ],
)
def test_cbor_that_is_none_is_an_error(data: bytes) -> None:
    """Unknown lengths, parts of other kinds, and more or deeper items than is read."""
    with pytest.raises(CborError):
        decode(data)


def test_a_broken_picture_still_says_what_it_says() -> None:
    """What is wrong with the samples is a doubt of its own."""
    data = XMP_CARRIERS["JPEG, APP1"](data_mining("DMI-PROHIBITED"))
    picture = open_picture(data[: len(data) * 2 // 3], Limits())
    with pytest.raises(NotScannable):
        list(picture.frames())
    assert [each.said for each in picture.statements] == NO


def test_other_formats_are_searched_as_well() -> None:
    """A BMP keeps no metadata; what lies in its gap counts all the same."""
    data = encode(drawn(7, (96, 64)), "BMP")
    assert said_by(data + data_mining("DMI-PROHIBITED")) == [("iptc", "DMI-PROHIBITED")]
