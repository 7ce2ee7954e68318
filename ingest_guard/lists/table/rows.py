"""CSV, TSV and JSON Lines -> their rows, one at a time: cells, or the reason why there are none."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterator
from typing import Any, TextIO

from ingest_guard.lists.streams.text_lines import MAX_LINE, lines

MAX_JSON_LINE = 1 << 20
"""Longest line of JSON Lines in characters: a record may hold far more than hashes."""


def csv_rows(
    file: TextIO, *, delimiter: str, quoted: bool, skip: int = 0, comment: str | None = None
) -> Iterator[tuple[int, list[str] | str]]:
    """Yield (line on which a row begins, cells or a reason) of an open table, without blank rows.

    A quotation mark that is never closed costs its own line and not the rows below it, which would look like the inside
    of a cell: reading goes on at the next line.

    Parameters
    ----------
    file
        As :func:`ingest_guard.lists.streams.text_lines.opened` gives it.
    delimiter
        What stands between cells.
    quoted
        Whether cells may stand in double quotes, and hold line ends and delimiters there.
    skip
        Lines to leave out at the start.
    comment
        What rows to leave out begin with.
    """
    source = _Lines(lines(file), skip, comment)
    # "none" is no way to write a table, but QUOTE_NONE refuses nothing.
    reader = (
        csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL, strict=True)
        if quoted
        else csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    )
    while (row := source.begin()) is not None:
        if source.is_too_long():
            yield row, "line_too_long"
            continue
        try:
            cells = next(reader)
        except csv.Error:
            source.back_to_second_line()
            yield row, "bad_quoting"
            continue
        if any(cell.strip() for cell in cells):
            yield row, cells


def json_rows(file: TextIO) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield (line, object or a reason) of an open JSON Lines file, without blank lines."""
    for row, line in lines(file, MAX_JSON_LINE):
        if line is None:
            yield row, "line_too_long"
        elif line.strip():
            yield row, _object(line)


def _object(line: str) -> dict[str, Any] | str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return "not_json"
    return found if isinstance(found, dict) else "not_an_object"


class _Lines:
    """Lines for the csv module, which asks for more while a quotation mark is open; they can be given back."""

    def __init__(self, source: Iterator[tuple[int, str | None]], skip: int, comment: str | None) -> None:
        self._source = source
        self._waiting: deque[tuple[int, str | None]] = deque()
        self._taken: list[tuple[int, str | None]] = []
        self._size = 0
        self._skip = skip
        self._comment = comment

    def begin(self) -> int | None:
        """Find the line on which the next row begins, and return its number; None at the end."""
        self._taken, self._size = [], 0
        while (found := self._next()) is not None:
            number, line = found
            if number > self._skip and not (self._comment and line and line.startswith(self._comment)):
                self._waiting.appendleft(found)
                return number
        return None

    def is_too_long(self) -> bool:
        """Return whether the row's first line is too long, and if so leave it out."""
        if self._waiting[0][1] is None:
            self._waiting.popleft()
            return True
        return False

    def back_to_second_line(self) -> None:
        """Give back all lines of the row but the first."""
        self._waiting.extendleft(reversed(self._taken[1:]))

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        found = self._next() if self._size <= MAX_LINE else None
        if found is None or found[1] is None:
            # The end of the file, as the csv module sees it: an open quotation mark is an error then.
            self._waiting.extendleft([found] if found else [])
            raise StopIteration
        self._taken.append(found)
        self._size += len(found[1])
        # NUL is no text: the row is rejected for it.
        return found[1].replace("\x00", "\ufffd")

    def _next(self) -> tuple[int, str | None] | None:
        return self._waiting.popleft() if self._waiting else next(self._source, None)
