from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_guard.errors import ListFormatError
from ingest_guard.lists.streams import json_stream as jsonstream
from ingest_guard.lists.streams.json_stream import events

if TYPE_CHECKING:
    from pathlib import Path


def seen(tmp_path: Path, data: bytes, *, several: bool = False) -> list[tuple[str, Any]]:
    """Read the events of a file of this content."""
    path = tmp_path / "list.json"
    path.write_bytes(data)
    # A copy of each batch: the next one takes its place.
    return [event for batch in events(path, several=several) for event in list(batch)]


def texts(tmp_path: Path, data: bytes) -> list[Any]:
    """Read the texts and numbers of a file of this content."""
    return [value for kind, value in seen(tmp_path, data) if kind in {"string", "number"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 1 << 16])
def test_encodings_and_byte_order_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, chunk: int
) -> None:
    """UTF-8 with or without a byte-order mark, and UTF-16 with one, are the same to a reader."""
    monkeypatch.setattr(jsonstream, "CHUNK", max(chunk, 3))
    assert texts(tmp_path, '["a", "\u00e9\U0001f600", 7]'.encode(encoding)) == ["a", "\u00e9\U0001f600", 7]


def test_bytes_that_are_no_text_stop_nothing(tmp_path: Path) -> None:
    """A name in another encoding becomes a replacement, and what stands around it is read."""
    assert texts(tmp_path, b'["a\xe9\xff", "b"]') == ["a\ufffd\ufffd", "b"]
    assert texts(tmp_path, b'["a"]\n\xe9'[:-1]) == ["a"]
    assert texts(tmp_path, '\ufeff["\ud800"]'.encode("utf-16-le", "surrogatepass")) == ["\ufffd"]


def test_json_lines(tmp_path: Path) -> None:
    """Several values one after another are read where the caller expects them, and are a fault elsewhere."""
    data = b'{"a": 1}\n{"a": 2}\n'
    assert [value for kind, value in seen(tmp_path, data, several=True) if kind == "number"] == [1, 2]
    with pytest.raises(ListFormatError, match="no sound JSON"):
        seen(tmp_path, data)


SECRET = "5ec3e7"  # noqa: S105 - what must not show, no password


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut off: it ends after 0 bytes"),
        (f'["{SECRET}"'.encode(), r"cut off: it ends after 9 bytes, inside its JSON"),
        (f'["{SECRET}'.encode(), "cut off"),
        (f'["{SECRET}" {SECRET}]'.encode(), "no sound JSON: the fault is between byte 0 and"),
        (f'["a", {"1" * 5000}]'.encode(), "no sound JSON"),
        (b"\xff\xfe", "cut off"),
        (b'["a"]\xe9', "no sound JSON"),
    ],
)
def test_faults_name_the_place_and_quote_nothing(tmp_path: Path, data: bytes, message: str) -> None:
    """A fault says between which bytes it is; what ijson said of it, with a piece of the file, is gone."""
    with pytest.raises(ListFormatError, match=message) as caught:
        seen(tmp_path, data)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("filling", [b"x", b"0", b" ", b"\\\\", b'\\"'])
def test_a_text_that_is_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filling: bytes) -> None:
    """A text longer than memory should take is an error that says where it is; a shorter one is read."""
    monkeypatch.setattr(jsonstream, "MAX_TOKEN", 1 << 20)
    half = filling * ((1 << 19) // len(filling))
    data = b'["' + half + b'", "b"]'
    assert texts(tmp_path, data) == [json.loads(b'"' + half + b'"'), "b"]
    with pytest.raises(ListFormatError, match=r"before byte 1,\d{3},\d{3} hold one text or blank") as caught:
        texts(tmp_path, b'["' + half * 4 + b'", "b"]')
    assert "x" * 100 not in str(caught.value)


@pytest.mark.parametrize("data", [b"[1" + b"0" * 500 + b"]", b"[" + b" " * 500 + b"]"])
def test_long_numbers_and_blanks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Megabytes of digits or blanks are refused as a text of that length is."""
    monkeypatch.setattr(jsonstream, "MAX_TOKEN", 300)
    monkeypatch.setattr(jsonstream, "CHUNK", 16)
    with pytest.raises(ListFormatError, match="hold one text or blank"):
        texts(tmp_path, data)


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing file is an error that names the path."""
    with pytest.raises(ListFormatError, match="gone cannot be read: No such file"):
        list(events(tmp_path / "gone"))


def test_without_ijson_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ijson is missing, the error says how to get it."""
    monkeypatch.setitem(sys.modules, "ijson", None)
    with pytest.raises(ListFormatError, match=r"pip install ingest-guard\[lists\]"):
        seen(tmp_path, b"{}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=40), several=st.booleans())
def test_no_bytes_raise_anything_else(tmp_path: Path, data: bytes, several: bool) -> None:  # noqa: FBT001 - drawn
    """Whatever a file holds, events come of it or a list error."""
    try:
        seen(tmp_path, data, several=several)
    except ListFormatError as error:
        assert error.__context__ is None  # noqa: PT017 - only where there is an error


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values)
def test_sound_json_is_read_whole(tmp_path: Path, value: Any) -> None:
    """Every JSON document gives its texts and numbers in their order."""

    def leaves(part: Any) -> list[Any]:
        if isinstance(part, dict):
            return [leaf for inner in part.values() for leaf in leaves(inner)]
        if isinstance(part, list):
            return [leaf for inner in part for leaf in leaves(inner)]
        return [part] if isinstance(part, (str, int)) and not isinstance(part, bool) else []

    assert texts(tmp_path, json.dumps(value).encode()) == leaves(value)
