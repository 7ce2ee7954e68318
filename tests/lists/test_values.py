from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms
from ingest_guard.lists import Entry, Rejected, Unsupported, values
from ingest_guard.lists.entries import MAX_TEXT
from ingest_guard.lists.values import ANY, decoded, key_of, photodna_row, value_row

PDQ = bytes(range(32))


def written(value: bytes, encoding: str) -> str:
    """Write bytes in an encoding."""
    return {
        "hex": value.hex,
        "base64": lambda: base64.b64encode(value).decode(),
        "base32": lambda: base64.b32encode(value).decode(),
        "bytes": lambda: ",".join(map(str, value)),
    }[encoding]()


@given(value=st.sampled_from([8, 16, 20, 32, 144]).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_each_encoding_gives_the_bytes_back(value: bytes) -> None:
    """A value written in any encoding is read back, alone or where the others are allowed, too."""
    for encoding in ANY:
        assert decoded(written(value, encoding), len(value), (encoding,)) == value
        assert decoded(written(value, encoding), len(value), ANY) == value


@pytest.mark.parametrize("size", [8, 16, 20, 32, 144])
def test_padding_and_case_do_not_matter(size: int) -> None:
    """Base64 and base32 may lack their padding, hex and base32 be in either case, base64 in its form for URLs."""
    value = bytes(range(256 - size, 256))
    assert decoded(written(value, "base64").rstrip("="), size, ("base64",)) == value
    assert decoded(base64.urlsafe_b64encode(value).decode(), size, ("base64",)) == value
    assert decoded(written(value, "base32").rstrip("=").lower(), size, ("base32",)) == value
    assert decoded(written(value, "hex").upper(), size) == value


@pytest.mark.parametrize("text", ["[1, 2,3,4,5,6,7,8]", "1,2,3,4,5,6,7,8", "1, 2, 3, 4, 5, 6, 7, 8"])
def test_numbers_may_have_spaces_and_brackets(text: str) -> None:
    """Numbers between commas may be written as a list of JSON is."""
    assert decoded(text, 8, ANY) == bytes(range(1, 9))


@pytest.mark.parametrize(
    ("text", "encodings", "reason"),
    [
        ("00" * 7, ("hex",), "bad_length"),
        ("", ANY, "bad_length"),
        ("0g" * 8, ("hex",), "not_hex"),
        ("\u0660" * 16, ("hex",), "not_hex"),
        ("*" * 12, ("base64",), "not_base64"),
        ("\u0660" * 12, ("base64",), "not_base64"),
        ("1" * 13, ("base32",), "not_base32"),
        ("!" * 16, ANY, "bad_value"),
        ("1,2,3", ("bytes",), "not_bytes"),
        ("1,2,3,4,5,6,7,256", ANY, "not_bytes"),
        ("1,2,3,4,5,6,7,-1", ("bytes",), "not_bytes"),
        ("1,2,3,4,5,6,7,\u0668", ("bytes",), "not_bytes"),
        ("1,2,3,4,5,6,7,0008", ("bytes",), "not_bytes"),
        ("12345", ("bytes",), "bad_length"),
        ("0" * (MAX_TEXT + 1), ANY, "too_long"),
    ],
)
def test_what_is_no_value_gets_a_reason(text: str, encodings: tuple[str, ...], reason: str) -> None:
    """A text that stands for no value of 8 bytes becomes one of a few words."""
    assert decoded(text, 8, encodings) == reason


@given(text=st.text(max_size=40), size=st.sampled_from([8, 16]))
def test_no_text_is_an_error(text: str, size: int) -> None:
    """Whatever a text is, it is a value of the right length or a reason."""
    found = decoded(text, size, ANY)
    assert isinstance(found, str) or len(found) == size


def test_an_unknown_encoding_is_a_mistake_of_the_caller() -> None:
    """An encoding that there is not is an error that names those there are."""
    with pytest.raises(ValueError, match="'rot13'; there are hex, base64, base32, bytes"):
        decoded("aa", 1, ("rot13",))


def test_entries_carry_all_that_is_known() -> None:
    """A row has the algorithm, the bytes, and what the caller says of it; white space does not matter."""
    for text in (PDQ.hex(), f" {PDQ.hex()}\n"):
        assert value_row("pdq", text, 7, key="1/2", severity="A1") == Entry("pdq", PDQ, 7, "1/2", "A1")
    assert value_row("pdq", "z" * 64, 7) == Rejected(7, "not_hex")
    assert value_row("pdq", "00", 7) == Rejected(7, "bad_length")
    assert value_row("pdq", written(PDQ, "base64"), 7) == Rejected(7, "bad_length")
    assert value_row("pdq", written(PDQ, "base64"), 7, encodings=ANY) == Entry("pdq", PDQ, 7)
    with pytest.raises(BlocklistError, match="unknown algorithm"):
        value_row("nonsense", "00", 7)


def test_photodna_needs_a_plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """PhotoDNA is unsupported until a hasher claims it, under either name; then in three encodings."""
    value = bytes(range(100, 244))
    assert photodna_row(value.hex(), 1) == Unsupported(1, "pdna")
    for name in ("pdna", "photodna"):
        known = algorithms.Algorithm(name, 144, "bytes", "l1", 100.0)
        monkeypatch.setattr(values, "find", {name: known}.get)
        monkeypatch.setattr(values, "get", {name: known}.get)
        for encoding in ("hex", "base64", "bytes"):
            text = written(value, encoding)
            assert photodna_row(text, 1, key="k", severity="2") == Entry(name, value, 1, "k", "2")
        assert photodna_row("A" * 191, 1) == Rejected(1, "bad_length")
        assert photodna_row(written(value, "base32"), 1) == Rejected(1, "bad_length")


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        ((1, " x "), "1/x"),
        (("", "x"), None),
        ((None, "x"), None),
        ((True,), None),
        ((1.5,), None),
        ((0,), "0"),
        (("x" * 513,), None),
    ],
)
def test_keys_have_all_their_parts(parts: tuple[object, ...], key: str | None) -> None:
    """A key is made of texts and whole numbers, all of them there, and not too long."""
    assert key_of(*parts) == key
