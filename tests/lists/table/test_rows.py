from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.lists.streams.text_lines import MAX_LINE
from ingest_guard.lists.table.rows import MAX_JSON_LINE, csv_rows, json_rows


def table(text: str, **options: Any) -> list[tuple[int, list[str] | str]]:
    """Return the rows of a table."""
    return list(csv_rows(io.StringIO(text, newline=""), **{"delimiter": ",", "quoted": True, **options}))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cells_may_hold_line_ends(end: str) -> None:
    """A quoted cell goes on over lines; rows are numbered by the line on which they begin."""
    text = end.join(["a,b", '"1', '""2"",3",x', "", " , ", "c,d"])
    assert table(text) == [(1, ["a", "b"]), (2, [f'1{end}"2",3', "x"]), (6, ["c", "d"])]


def test_an_open_quotation_mark_costs_its_own_line() -> None:
    """The rows below a quotation mark that is never closed, or closed in another cell, are read."""
    assert table('a,"b\nc,d\ne,f\n') == [(1, "bad_quoting"), (2, ["c", "d"]), (3, ["e", "f"])]
    assert table('a,"b\nc,"d\ne,f\n') == [(1, "bad_quoting"), (2, "bad_quoting"), (3, ["e", "f"])]
    assert table('a,"b"c\ne,f\n') == [(1, "bad_quoting"), (2, ["e", "f"])]


def test_an_open_quotation_mark_takes_bounded_memory() -> None:
    """It is given up long before the end of the file."""
    taken = 0

    class Counting(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:
            nonlocal taken
            taken += 1
            return super().readline(-1 if size is None else size)

    rows = csv_rows(Counting('"a\n' + "b,c\n" * MAX_LINE), delimiter=",", quoted=True)
    assert next(rows) == (1, "bad_quoting")
    assert taken < MAX_LINE / 2
    assert next(rows) == (2, ["b", "c"])


def test_a_line_that_is_too_long_costs_itself() -> None:
    """The rows around it are read, also where it stands inside of a quotation."""
    long = "x" * (MAX_LINE + 1)
    assert table(f"a\n{long}\nb\n") == [(1, ["a"]), (2, "line_too_long"), (3, ["b"])]
    assert table(f'"a\n{long}\nb\n') == [(1, "bad_quoting"), (2, "line_too_long"), (3, ["b"])]


def test_tables_without_quotation_marks() -> None:
    """Where the description says so they are letters like others."""
    assert table('"a;b\n', delimiter=";", quoted=False) == [(1, ['"a', "b"])]


def test_lines_that_are_no_rows() -> None:
    """Lines before the table and comments are left out, but not inside of a cell."""
    assert table('title\n\na,b\n#c\n"d\n#e",f\n', skip=2, comment="#") == [(3, ["a", "b"]), (5, ["d\n#e", "f"])]


def test_nul_is_no_end() -> None:
    """A cell with NUL is marked as unreadable; its neighbours are as they were."""
    assert table("a\0b,c\n") == [(1, ["a\ufffdb", "c"])]


def test_json_lines() -> None:
    """Each line is an object, or a reason."""
    lines = ['{"a": 1}', "", "[1]", "{", "[" * 100_000, '"' + "x" * MAX_JSON_LINE + '"', "1" * 5000, '{"b": 2}']
    assert list(json_rows(io.StringIO("\n".join(lines)))) == [
        (1, {"a": 1}),
        (3, "not_an_object"),
        (4, "not_json"),
        (5, "not_json"),
        (6, "line_too_long"),
        (7, "not_json" if hasattr(__import__("sys"), "set_int_max_str_digits") else "not_an_object"),
        (8, {"b": 2}),
    ]


@given(text=st.text(st.sampled_from('",\n\r\0#ab;\t'), max_size=60), quoted=st.booleans())
def test_no_table_is_an_error(text: str, quoted: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
    """Whatever a file holds, each row is cells or a reason, and rows have rising numbers."""
    found = table(text, quoted=quoted, comment="#")
    assert [row for row, _ in found] == sorted({row for row, _ in found})
    assert all(cells == "bad_quoting" or isinstance(cells, list) for _, cells in found)
