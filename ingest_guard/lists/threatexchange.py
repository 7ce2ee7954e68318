"""ThreatExchange: python-threatexchange's files of signals, and the JSON of Meta's ``threat_updates``.

Files of signals have ``signal_type value`` in each line, or values alone where the type is known; that is what
``reader("pdq")`` is for (``--list ID:threatexchange=pdq:FILE``). A file that begins with a bracket is JSON::

    {"data": [{"id": "1", "type": "HASH_PDQ", "indicator": "...", "should_delete": false, "last_updated": 1,
               "descriptors": {"data": [{...}]}}], "paging": {...}}

as pages, an array of records, or JSON Lines. A record that should be deleted, or that nobody describes any more, is
taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists import json_pages as pages
from ingest_guard.lists.entries import Rejected, Removed, Row
from ingest_guard.lists.signal_types import is_known, rows_of
from ingest_guard.lists.text_lines import lines, opened, readable
from ingest_guard.lists.values import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

_FIELDS = frozenset({"id", "type", "indicator", "should_delete", "descriptors"})
_SHAPE = pages.Shape("data", "next", _FIELDS)
_HEAD = 1024


def read(path: Path) -> Iterator[Row]:
    """Yield what a file of signals, or of ``threat_updates``, holds.

    Raises
    ------
    ListFormatError
        The file cannot be read; or it is JSON, and see :func:`ingest_guard.lists.json_pages.read`; or a hasher plug-in
        for PhotoDNA is broken.
    """
    return _read(path, None)


def reader(signal_type: str) -> Callable[[Path], Iterator[Row]]:
    """Return a reader of files whose lines are values of one type and nothing else.

    Raises
    ------
    ListFormatError
        The type is none that exchanges have.
    """
    if not is_known(signal_type):
        raise ListFormatError("threatexchange=TYPE: that type is unknown; use pdq, md5, sha1, sha256, pdna or url")
    return lambda path: _read(path, signal_type)


def _read(path: Path, signal_type: str | None) -> Iterator[Row]:
    if signal_type is None and _is_json(path):
        yield from pages.read(path, _SHAPE, update_rows)
    else:
        yield from _signals(path, signal_type)


def _is_json(path: Path) -> bool:
    with opened(path) as file:
        return file.read(_HEAD).lstrip("\ufeff \t\r\n").startswith(("{", "["))


def _signals(path: Path, signal_type: str | None) -> Iterator[Row]:
    with opened(path, newline="\n") as file:
        for row, line in lines(file):
            if line is None:
                yield Rejected(row, "line_too_long")
            elif text := line.strip():
                try:
                    found = _signal(text, signal_type, row)
                except BlocklistError as error:
                    raise ListFormatError(f"list file {path}, row {row}: {error}") from error
                yield from found


def _signal(text: str, signal_type: str | None, row: int) -> list[Row]:
    if not readable(text):
        return [Rejected(row, "unreadable_text")]
    if signal_type is not None:
        return rows_of(signal_type, text, row)
    name, _, value = text.partition(" ")
    if is_known(name):
        return rows_of(name, value.strip(), row) if value else [Rejected(row, "no_value")]
    # A bare value, most likely: of 64 hex digits nobody can tell whether they are PDQ or SHA-256.
    return [Rejected(row, "unknown_type" if value else "no_type")]


def update_rows(record: dict[str, Any], row: int) -> list[Row]:
    """Return the rows of one of ``data``, the `row`-th; all that counts of its descriptors is that there are some."""
    key = key_of(record.get("id"))
    missing: list[Row] = [] if key is not None else [Rejected(row, "no_id")]
    if pages.is_true(record.get("should_delete")) or not record.get("descriptors"):
        return missing if key is None else [Removed(row, key)]
    kind, text = pages.text_of(record, "type"), pages.text_of(record, "indicator")
    if not kind or not text:
        return [*missing, Rejected(row, "no_value")]
    return missing + rows_of(kind, text, row, key)
