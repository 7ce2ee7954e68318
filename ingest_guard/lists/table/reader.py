"""Tables of hashes that everybody lays out in another way: CSV, TSV and JSON Lines, described in YAML.

::

    format: csv
    values:
      - {column: MD5, algorithm: md5}
      - {column: PDQ, algorithm: pdq, encoding: [hex, base64]}
    id: Image ID
    severity: {column: Category}
    removed: {column: Status, values: [deleted]}
    skip:
      - {column: Type, values: [video], as: video}

A row whose classification or id cannot be read keeps its hashes, and is counted as rejected besides: leaving them out
would be the greater harm.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ingest_guard._yaml import Location
from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing.algorithms import Algorithm, Kind
from ingest_guard.lists.address_lists import NotCompared, Unusable, address_rows, addresses, domains
from ingest_guard.lists.entries import Entry, Rejected, Removed, Row, Unsupported, severity_of
from ingest_guard.lists.streams.text_lines import opened, readable
from ingest_guard.lists.table.columns import JsonTable, Table
from ingest_guard.lists.table.config import Layout, Value, load
from ingest_guard.lists.table.fields import Column, find_target, folded, parse_name
from ingest_guard.lists.table.rows import csv_rows, json_rows
from ingest_guard.lists.values import decoded

MAX_KEY = 256
"""Longest id in characters."""


def reader(config: Path) -> Callable[[Path], Iterator[Row]]:
    """Return the reader of tables that are laid out as a YAML file says.

    Parameters
    ----------
    config
        The description; see ``docs/lists.md``.

    Raises
    ------
    ListFormatError
        It is missing or wrong. The text names file, line and key. The reader itself raises it where a table cannot be
        read, or lacks a column that the description names.
    """
    try:
        layout, lines = load(config)
    except ListFormatError:
        raise
    except BlocklistError as error:
        raise ListFormatError(f"list map {config}: {error}") from error

    def read(path: Path) -> Iterator[Row]:
        try:
            yield from _read(path, layout, lines, config)
        except ListFormatError:
            raise
        except BlocklistError as error:
            raise ListFormatError(f"list file {path}: {error}") from error

    return read


def _read(path: Path, layout: Layout, lines: Mapping[Location, int], config: Path) -> Iterator[Row]:
    mapped = _Mapped(layout)
    # A byte-order mark is no part of the first column's name.
    encoding = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
    if layout.format == "jsonl":
        objects = JsonTable(layout, lines, path, config)
        with opened(path, encoding, newline="\n") as file:
            for row, found in json_rows(file):
                if isinstance(found, str):
                    yield Rejected(row, found)
                else:
                    yield from mapped.rows(row, objects.cells(found))
        objects.finish()
        return
    table = Table(layout, lines, path, config)
    with opened(path, encoding) as file:
        rows = csv_rows(
            file,
            delimiter=layout.separator,
            quoted=layout.quote == "double",
            skip=layout.skip_lines,
            comment=layout.comment,
        )
        if layout.header:
            table.read_header(next(rows, None))
        for row, cells in rows:
            if isinstance(cells, str):
                yield Rejected(row, cells)
            elif (reason := table.fault(cells)) is not None:
                yield Rejected(row, reason)
            else:
                yield from mapped.rows(row, table.cells(cells))


class _Mapped:
    """What the columns of a row mean."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._removed = layout.removed.words if layout.removed else frozenset()
        self._skipped = [(rule, rule.words) for rule in layout.skip]
        self._blank = frozenset(map(folded, layout.blank))
        self._targets: dict[str, Algorithm | None] = {}

    def rows(self, row: int, cells: Any) -> list[Row]:
        """Return what a row gives; never nothing."""
        faults: dict[str, None] = {}

        def one(column: Column) -> str:
            """Return the only cell; what is not one text is blank, and a fault."""
            try:
                found = [text.strip() for text in cells(column)]
            except Unusable as reason:
                faults[str(reason)] = None
                return ""
            text = found[0] if len(found) == 1 else ""
            if len(found) > 1 or not readable(text):
                faults["unreadable_text"] = None
                return ""
            return "" if self._is_blank(text) else text

        layout = self._layout
        for rule, words in self._skipped:
            # A row with nothing in this column may be about pictures.
            word = folded(one(rule.column))
            if (word or rule.unless is None) and (word in words) == (rule.unless is None):
                return [Unsupported(row, rule.kind)]
        key = self._key(one, faults)
        if layout.removed and folded(one(layout.removed.column)) in self._removed:
            return [Removed(row, key) if key is not None else Rejected(row, "removed_without_id")]
        severity = self._severity(one, faults)
        found = [each for value in layout.values for each in self._values(row, value, cells, one, (key, severity))]
        reasons = {each.reason for each in found if isinstance(each, Rejected)}
        found += [Rejected(row, fault) for fault in faults if fault not in reasons]
        return found or [Rejected(row, "no_value")]

    def _is_blank(self, text: str) -> bool:
        return not text or (bool(self._blank) and folded(text) in self._blank)

    def _key(self, one: Callable[[Column], str], faults: dict[str, None]) -> str | None:
        parts = [one(column) for column in self._layout.id]
        if not parts or not all(parts):
            return None
        if len(parts) > 1:
            parts = [part.replace("%", "%25").replace("/", "%2F") for part in parts]
        key = "/".join(parts)
        if len(key) > MAX_KEY:
            faults["bad_id"] = None
            return None
        return key

    def _severity(self, one: Callable[[Column], str], faults: dict[str, None]) -> str | None:
        wanted = self._layout.severity
        if wanted is None:
            return None
        if wanted.column is None:
            return wanted.constant
        text = one(wanted.column)
        if not text or (wanted.names and folded(text) in wanted.names):
            return wanted.names.get(folded(text))
        severity = None if wanted.names else severity_of(text)
        if severity is None:
            faults["bad_severity"] = None
        return severity

    def _values(
        self, row: int, value: Value, cells: Any, one: Callable[[Column], str], source: tuple[str | None, str | None]
    ) -> list[Row]:
        try:
            texts = [text for each in cells(value.column) if not self._is_blank(text := each.strip())]
            if not texts:
                return []
            algorithm = self._algorithm(value, one)
        except NotCompared as kind:
            return [Unsupported(row, str(kind))]
        except Unusable as reason:
            return [Rejected(row, str(reason))]
        return [found for text in texts for found in _entries(text, row, value, algorithm, source)]

    def _algorithm(self, value: Value, one: Callable[[Column], str]) -> Algorithm:
        """Return the algorithm of a value."""
        wanted = value.algorithm
        name = wanted.constant
        if wanted.column is not None:
            cell = folded(one(wanted.column))
            if (kind := wanted.unsupported.get(cell)) is not None:
                raise NotCompared(kind)
            name = wanted.names.get(cell) or parse_name(cell)
        if name is None:
            raise Unusable("unknown_algorithm")
        if name not in self._targets:
            self._targets[name] = find_target(name)
        found = self._targets[name]
        if found is None:
            raise NotCompared("pdna")
        return found


def _entries(
    text: str, row: int, value: Value, algorithm: Algorithm, source: tuple[str | None, str | None]
) -> list[Row]:
    """Return what one value gives (an address may be more than one), with the key and severity of its record."""
    if not readable(text):
        return [Rejected(row, "unreadable_text")]
    if algorithm.kind is not Kind.URL:
        found = decoded(text, algorithm.length, value.encoding)
        return [Rejected(row, found) if isinstance(found, str) else Entry(algorithm.name, found, row, *source)]
    return address_rows(domains if algorithm.name == "domain" else addresses, text, row, *source)
