"""Where the columns of a table are: by the header, by number, or by the names in JSON objects."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ingest_guard._yaml import Location
from ingest_guard.errors import ListFormatError
from ingest_guard.lists.address_lists import Unusable
from ingest_guard.lists.table.config import Layout, place
from ingest_guard.lists.table.fields import Column, folded

_ABSENT = object()


class Table:
    """The columns of a CSV or TSV file."""

    def __init__(self, layout: Layout, lines: Mapping[Location, int], path: Path, config: Path) -> None:
        self._layout = layout
        self._lines = lines
        self._path = path
        self._config = config
        self._width: int | None = None
        self._places: dict[Column, int] = {
            column: column - 1 for _, column in layout.columns() if isinstance(column, int)
        }
        self._optional = _optional(layout)
        self._least = max(self._places.values(), default=-1) + 1

    def read_header(self, found: tuple[int, list[str] | str] | None) -> None:
        """Find the columns that the description names.

        Raises
        ------
        ListFormatError
            There is no header, or a column stands in it not at all or twice. The text names what was looked for, and
            never what is there: a file without a header begins with a hash.
        """
        if found is None or isinstance(found[1], str):
            raise ListFormatError(
                f"list file {self._path}: no header can be read; check the file, and that {self._config} has its "
                "encoding, delimiter and skip_lines right, or header: false"
            )
        row, header = found
        names = [folded(name) for name in header]
        for where, column in self._layout.columns():
            if isinstance(column, int) or (column in self._optional and folded(column) not in names):
                continue
            if (times := names.count(folded(column))) != 1:
                raise ListFormatError(
                    f"list file {self._path}, line {row}: the header has {times or 'no'} column"
                    f"{'s' if times else ''} {column!r}, which {self._config} names ({place(self._lines, where)}); "
                    "check the name, the delimiter and the encoding"
                )
            self._places[column] = names.index(folded(column))
        self._width = len(header)
        self._least = max(self._places.values(), default=-1) + 1

    def fault(self, cells: list[str]) -> str | None:
        """Return why a row has not the cells that the table's rows have, or None."""
        if len(cells) < self._least:
            return "too_few_fields"
        if self._width is not None and any(cell.strip() for cell in cells[self._width :]):
            return "too_many_fields"
        return None

    def cells(self, cells: list[str]) -> Callable[[Column], list[str]]:
        """Return what gives a row's cell by its column: one text, or none for a column that this table lacks."""

        def get(column: Column) -> list[str]:
            place = self._places.get(column)
            return [] if place is None else [cells[place]]

        return get


class JsonTable:
    """The names in the objects of a JSON Lines file."""

    def __init__(self, layout: Layout, lines: Mapping[Location, int], path: Path, config: Path) -> None:
        self._lines = lines
        self._path = path
        self._config = config
        optional = _optional(layout)
        # A mark of deletion may well stand only where something was deleted.
        self._unseen: dict[Column, Location] = {
            column: where
            for where, column in layout.columns()
            if column not in optional and where[0] not in {"removed", "skip"}
        }
        self._any = False

    def cells(self, found: dict[str, Any]) -> Callable[[Column], list[str]]:
        """Return what gives an object's texts by their name, or by names with dots between for objects in objects."""
        self._any = True

        def get(column: Column) -> list[str]:
            name = str(column)
            value: Any = found.get(name, _ABSENT)
            if value is _ABSENT and "." in name:
                value = found
                for part in name.split("."):
                    value = value.get(part, _ABSENT) if isinstance(value, dict) else _ABSENT
            if value is _ABSENT:
                return []
            self._unseen.pop(column, None)
            return _texts(value)

        return get

    def finish(self) -> None:
        """Make sure that the columns exist.

        Raises
        ------
        ListFormatError
            No object had one of them.
        """
        if self._any and self._unseen:
            column, where = next(iter(self._unseen.items()))
            raise ListFormatError(
                f"list file {self._path}: no object has {column!r}, which {self._config} names "
                f"({place(self._lines, where)}); check the name, or call the column optional"
            )


def _texts(value: Any) -> list[str]:
    """Return the texts of a JSON value.

    Raises
    ------
    Unusable
        It is an object, or holds something else than texts and numbers.
    """
    if isinstance(value, list):
        if value and all(type(each) is int for each in value):
            return [",".join(map(str, value))]
        if not all(isinstance(each, str) for each in value):
            raise Unusable("not_text")
        return list(value)
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, (str, int, float)):
        return [str(value)]
    raise Unusable("not_text")


def _optional(layout: Layout) -> frozenset[Column]:
    return frozenset(value.column for value in layout.values if value.optional)
