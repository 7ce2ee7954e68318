from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest_guard.files.text import HEAD, encoding_of, open_text

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = "https://site.example/\nhttps://bücher.example/\n"


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_texts_that_begin_with_ascii_are_read_in_any_unicode_encoding(codec: str, tmp_path: Path) -> None:
    """With a mark or without, what is read is what was written."""
    file = tmp_path / "seeds.txt"
    file.write_bytes(_TEXT.encode(codec))
    with open_text(file) as text:
        assert text.read() == _TEXT


@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("width", [16, 32])
def test_marks_of_both_orders(width: int, order: str) -> None:
    """A mark counts in either order of bytes, and is not part of the text."""
    data = ("\ufeff" + _TEXT).encode(f"utf-{width}-{order}")
    assert data.decode(encoding_of(data[:HEAD])) == _TEXT


@pytest.mark.parametrize("head", [b"", b"a", b"\x00", b"\x00\x00\x00\x00", b"ab\x00c", "ü".encode("latin-1")])
def test_what_tells_nothing_has_the_default(head: bytes) -> None:
    """A short, binary or foreign beginning leaves the encoding as it would be."""
    assert encoding_of(head, "latin-1") == "latin-1"


def test_what_cannot_be_opened_or_read(tmp_path: Path) -> None:
    """A missing file is an error; a broken byte, or an odd one at the end, is not."""
    with pytest.raises(FileNotFoundError):
        open_text(tmp_path / "missing")
    file = tmp_path / "file"
    for data, expected in ((b"ab\xffc", "ab\ufffdc"), ("ab".encode("utf-16") + b"c", "ab\ufffd")):
        file.write_bytes(data)
        with open_text(file) as text:
            assert text.read() == expected


def test_an_encoding_that_is_none_leaves_no_file_open(tmp_path: Path) -> None:
    """The error of the codec comes through, and the file is closed (an open one would be a warning)."""
    (tmp_path / "file").write_bytes(b"abcd")
    with pytest.raises(LookupError):
        open_text(tmp_path / "file", "no-such-encoding")
