"""JSON answers of list interfaces -> their records: pages of records, or records, one after another or in an array.

Interfaces differ in what a page's array and a record's fields are called, and in nothing else: what a caller asks for
is kept, the rest is passed over, so that memory has a bound whatever a file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists.entries import MAX_TEXT, Rejected, Row
from ingest_guard.lists.streams.json_stream import Events, events

if TYPE_CHECKING:
    Record = dict[str, Any]

MAX_DEPTH = 64
"""Deepest nesting."""

_IS_PAGE = "\0page"
_ITEM, _ITEMS, _PAGING, _OTHER = "item", "items", "paging", "other"


@dataclass(frozen=True, slots=True)
class Shape:
    """What an interface calls things.

    Attributes
    ----------
    array
        A page's array of records.
    more
        A page's field that is true, or not empty, where another page follows; inside ``paging``, too.
    fields
        A record's fields of interest.
    """

    array: str
    more: str
    fields: frozenset[str]


def read(path: Path, shape: Shape, rows: Callable[[Record, int], Iterable[Row]]) -> Iterator[Row]:
    """Yield what `rows` makes of each record and its number from 1; and ``more_pages`` where the last page says so.

    A field that holds an object or array is True in the record where there is any value in it, else False. Texts are
    cut where they are too long for any value.

    Raises
    ------
    ListFormatError
        No ijson, or the file cannot be read, is no JSON, is cut off, or holds anything but objects; or a hasher plug-in
        that a record needs is broken.
    """
    reader = _Reader(path, shape)
    row = 0
    for batch in events(path, several=True):
        for record in reader.records(batch):
            row += 1
            try:
                made = rows(record, row)
            except BlocklistError as error:
                raise ListFormatError(f"list file {path}, record {row}: {error}") from error
            yield from made
    if reader.has_more:
        yield Rejected(row, "more_pages")


class _Reader:
    """Follows the events through the levels, and keeps the objects that are open: a page at most, and a record."""

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path = path
        self.shape = shape
        self.has_more = False
        self.stack: list[str] = []
        self.open: list[Record] = []
        self.key = ""
        self.inside = ""

    def records(self, batch: Events) -> list[Record]:
        """Return the records that end in a batch."""
        found: list[Record] = []
        for kind, value in batch:
            if kind == "map_key":
                self.key = value
            elif kind in ("start_map", "start_array"):
                self._opened(is_map=kind == "start_map")
            elif kind in ("end_map", "end_array"):
                self._closed(found)
            else:
                self._scalar(value)
        return found

    def _opened(self, *, is_map: bool) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise ListFormatError(f"list file {self.path} is nested more than {MAX_DEPTH} levels deep; check the file")
        above = self.stack[-1] if self.stack else None
        new = _OTHER
        if is_map and above in (None, _ITEMS):
            new = _ITEM
            self.open.append({})
        elif above is None:
            new = _ITEMS
        elif above == _ITEM:
            new = self._of_field(is_map=is_map)
        self.stack.append(new)

    def _of_field(self, *, is_map: bool) -> str:
        """Return the kind of an object or array that is a field of a page or record."""
        record = self.open[-1]
        if self.key == self.shape.array and not is_map and len(self.open) == 1:
            record[_IS_PAGE] = True
            return _ITEMS
        if self.key == "paging" and is_map:
            return _PAGING
        if self.key in self.shape.fields:
            record[self.key] = False
            self.inside = self.key
        return _OTHER

    def _closed(self, found: list[Record]) -> None:
        kind = self.stack.pop()
        if self.stack and self.stack[-1] == _ITEM:
            self.inside = ""
        if kind == _ITEM:
            record = self.open.pop()
            if record.pop(_IS_PAGE, False):
                self.has_more = bool(record.get(self.shape.more))
            else:
                found.append(record)

    def _scalar(self, value: Any) -> None:
        above = self.stack[-1] if self.stack else None
        if above is None:
            raise ListFormatError(f"list file {self.path} has something else than JSON objects in it; check the file")
        if self.inside:
            self.open[-1][self.inside] = True
        elif above == _ITEMS:
            raise ListFormatError(f"list file {self.path} has something else than records in a list; check the file")
        elif self.key == self.shape.more and above in (_ITEM, _PAGING):
            self.open[-1][self.key] = value
        elif self.key in self.shape.fields and above == _ITEM:
            self.open[-1][self.key] = value[: MAX_TEXT + 1] if isinstance(value, str) else value


def text_of(record: Record, field: str) -> str:
    """Return a field's text without white space around it; empty where it has none."""
    value = record.get(field)
    return value.strip() if isinstance(value, str) else ""


def is_true(value: Any) -> bool:
    """Return whether a mark is set: true, a number other than 0, or such words."""
    if isinstance(value, str):
        return value.strip().lower() not in {"", "0", "false", "no", "null", "none"}
    return bool(value)
