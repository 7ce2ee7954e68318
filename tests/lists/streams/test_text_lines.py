from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from ingest_guard.lists.streams.text_lines import lines, opened, readable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("length", [1, 9, 10, 11, 12, 13, 25, 40])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""])
def test_long_lines_are_one_line(length: int, end: str) -> None:
    """A line of any length is one line, too long ones are cut, and the next keeps its number."""
    file = io.TextIOWrapper(io.BytesIO(("x" * length + end + "next").encode()), newline="")
    found = list(lines(file, longest=10))
    if not end:
        assert found == [(1, "x" * length + "next" if length + 4 <= 10 else None)]
        return
    assert found == [(1, "x" * length + end if length <= 10 else None), (2, "next")]


def test_a_byte_order_mark_is_left_out_at_the_start() -> None:
    """One or two, as files that were glued together have, but not further down."""
    assert list(lines(io.StringIO("\ufeff\ufeffa\n\ufeffb"))) == [(1, "a\n"), (2, "\ufeffb")]


def test_memory_is_that_of_a_line(tmp_path: Path) -> None:
    """The first line is there before the file has an end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)
    try:
        os.write(descriptor, b"line\n" * 4000)
        with opened(pipe) as file:
            assert next(lines(file)) == (1, "line\n")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("text", [chr(0), chr(0xFFFD), chr(0xD800)])
def test_text_that_is_not_as_it_was(text: str) -> None:
    """NUL, replaced bytes and halves of pairs are no text."""
    assert not readable(f"a{text}")
    assert readable("aü\U0001f600")
