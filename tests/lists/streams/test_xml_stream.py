from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_guard.errors import ListFormatError
from ingest_guard.lists.streams import xml_stream as xmlstream

if TYPE_CHECKING:
    from pathlib import Path


class Kept:
    """A handler that keeps what it is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Keep a start."""
        self.seen.append("<" + name + "".join(f" {key}={value}" for key, value in attributes.items()))

    def end(self) -> None:
        """Keep an end."""
        self.seen.append(">")

    def text(self, text: str) -> None:
        """Keep text that is more than white space."""
        if text.strip():
            self.seen.append(text.strip())


def parsed(path: Path, data: bytes, chunk: int | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    """Parse a file of this content; return what the handler was told."""
    if chunk and monkeypatch:
        monkeypatch.setattr(xmlstream, "CHUNK", chunk)
    file = path / "list.xml"
    file.write_bytes(data)
    kept = Kept()
    for _ in xmlstream.feed(file, kept):
        pass
    return " ".join(kept.seen)


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 16])
@pytest.mark.parametrize(
    "between",
    [
        b"",
        b"\n",
        b"  \r\n\r\n",
        b"\n<?xml version='1.0'?>\n",
        b"\xef\xbb\xbf",
        b"<!-- a -->\n<?b c?>",
        b"\n\xef\xbb\xbf<?xml version='1.0'?>",
    ],
)
def test_documents_follow_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, between: bytes
) -> None:
    """Several documents in a file are read one by one, whatever stands between them and however it is cut."""
    document = b"<a x='1'><b>t</b></a>"
    found = parsed(tmp_path, document + between + document + between + document + b"\n", chunk, monkeypatch)
    assert found == " ".join(["<a x=1 <b t > >"] * 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: there is nothing in it"),
        (b"  \n ", "line 2: it is cut off"),
        (b"<a>\n<b>", "line 2: it is cut off: it ends inside a document"),
        (b"<a/>\n<a>\n", "line 3: it is cut off"),
        (b"<a/>\n<a", "line 2: it is no sound XML|line 2: it is cut off"),
        (b"<a></b>", "line 1: it is no sound XML"),
        (b"<a/>\n\n</a>", "line 3: it is no sound XML"),
        (b"<a/>\n<!-- b", "line 2: it is no sound XML"),
        (b"<a/> text", "line 1: it is no sound XML"),
        (b"<a/>\n<a>\n&b;</a>", "line 3: it is no sound XML"),
        (b"{}", "line 1: it is no sound XML"),
        (b"<!DOCTYPE a><a/>", "line 1: it has a document type"),
        (b"<a/>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "line 2: it has a document type"),
        (b"<a>" * 70, "nested more than 64 levels"),
        (b"<a b='" + b"x" * (3 << 20) + b"'/>", "of more than 1 MiB"),
        (b"<a>" + b"<!--" + b"x" * (3 << 20) + b"--></a>", "of more than 1 MiB"),
        (b"<a/>" + b" " * (3 << 20), "of more than 1 MiB"),
        (b"<a>" + b"".join(b"<b%d/>" % number for number in range(30_000)) + b"</a>", "10,000 different names"),
    ],
)
def test_what_is_wrong_names_the_line(tmp_path: Path, data: bytes, message: str) -> None:
    """A fault, a document type or too much of anything is an error with the file's line, and nothing of the text."""
    with pytest.raises(ListFormatError, match=message) as caught:
        parsed(tmp_path, data)
    assert caught.value.__context__ is None


def test_a_long_text_is_no_fault(tmp_path: Path) -> None:
    """Text has no limit here: it comes in pieces."""
    found = parsed(tmp_path, b"<a>" + b"x" * (3 << 20) + b"</a>")
    assert found.count("x") == 3 << 20
    assert max(map(len, found.split())) <= 1 << 16


def test_utf16_is_read(tmp_path: Path) -> None:
    """A document in another encoding says so itself."""
    assert parsed(tmp_path, "<a>\u00e9</a>".encode("utf-16")) == "<a \u00e9 >"


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing file is an error that names the path."""
    with pytest.raises(ListFormatError, match="gone cannot be read: No such file"):
        list(xmlstream.feed(tmp_path / "gone", Kept()))


markup = st.sampled_from(
    [
        b"<a>",
        b"</a>",
        b"<a/>",
        b"<b x='y'>",
        b"</b>",
        b"t",
        b" ",
        b"\n",
        b"<!--",
        b"-->",
        b"<?",
        b"?>",
        b"&amp;",
        b"&",
        b"<![CDATA[",
        b"]]>",
        b"\xef\xbb\xbf",
        b"\xff",
        b"<!DOCTYPE a>",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(markup, max_size=12), chunk=st.integers(1, 9))
def test_no_bytes_raise_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: list[bytes], chunk: int
) -> None:
    """Whatever a file holds, it is read or refused, and how it is cut makes no difference."""
    outcomes = []
    for size in (chunk, 1 << 16):
        try:
            outcomes.append(parsed(tmp_path, b"".join(parts), size, monkeypatch).replace(" ", ""))
        except ListFormatError:
            outcomes.append("error")
    assert outcomes[0] == outcomes[1]
