"""Tech Against Terrorism: the JSON pages of its hash list, as one document, an array, or JSON Lines; or records alone.

::

    {"count": 1, "next": null, "previous": null, "checkpoint": "...", "results": [
      {"id": 1, "hash_digest": "...", "algorithm": "PDQ", "deleted": false, "file_type": "jpg", ...}]}

Further fields do not matter. MD5 and SHA digests are used whatever the type of the file: they are compared with the
bytes of everything that comes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.lists import json_pages as pages
from ingest_guard.lists.entries import Rejected, Removed, Row
from ingest_guard.lists.signal_types import rows_of
from ingest_guard.lists.values import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

_SHAPE = pages.Shape("results", "next", frozenset({"id", "hash_digest", "algorithm", "deleted"}))


def read(path: Path) -> Iterator[Row]:
    """Yield what a file of Tech Against Terrorism's answers holds.

    Raises
    ------
    ListFormatError
        See :func:`ingest_guard.lists.json_pages.read`; or a hasher plug-in for PhotoDNA is broken.
    """
    return pages.read(path, _SHAPE, record_rows)


def record_rows(record: dict[str, Any], row: int) -> list[Row]:
    """Return the rows of one of ``results``, the `row`-th."""
    key = key_of(record.get("id"))
    missing: list[Row] = [] if key is not None else [Rejected(row, "no_id")]
    if pages.is_true(record.get("deleted")):
        return missing if key is None else [Removed(row, key)]
    algorithm, text = pages.text_of(record, "algorithm"), pages.text_of(record, "hash_digest")
    if not algorithm or not text:
        return [*missing, Rejected(row, "no_value")]
    # Without an id the value is used all the same: a withdrawal could not find it, and the report says so.
    return missing + rows_of(algorithm, text, row, key)
