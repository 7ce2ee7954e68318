"""StopNCII: the JSON pages of its FetchHashes, as one document, an array, or JSON Lines; or their records alone.

::

    {"count": 1, "nextPageToken": "...", "hasMoreRecords": false, "hashRecords": [
      {"signalType": "ImagePDQ", "hashValue": "...", "hashStatus": "Active", "lastModtimestamp": 1, ...}]}

A record is known by its signal type and value. ``Withdrawn`` and ``Deleted`` take it back; any other status leaves it
listed. What people hand in is not verified by anybody: give such a list a threshold and an action of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.lists import json_pages as pages
from ingest_guard.lists.entries import Rejected, Removed, Row, Unsupported
from ingest_guard.lists.signal_types import rows_of
from ingest_guard.lists.values import key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

_SHAPE = pages.Shape("hashRecords", "hasMoreRecords", frozenset({"signalType", "hashValue", "hashStatus"}))
_GONE = frozenset({"withdrawn", "deleted"})


def read(path: Path) -> Iterator[Row]:
    """Yield what a file of StopNCII's answers holds.

    Raises
    ------
    ListFormatError
        See :func:`ingest_guard.lists.json_pages.read`; or a hasher plug-in for PhotoDNA is broken.
    """
    return pages.read(path, _SHAPE, record_rows)


def record_rows(record: dict[str, Any], row: int) -> list[Row]:
    """Return the rows of one of ``hashRecords``, the `row`-th."""
    signal = pages.text_of(record, "signalType").lower()
    text = pages.text_of(record, "hashValue")
    if not signal or not text:
        return [Rejected(row, "no_value")]
    key = key_of(signal, text.lower())
    if pages.text_of(record, "hashStatus").lower() in _GONE:
        return [Rejected(row, "no_id") if key is None else Removed(row, key)]
    if not signal.startswith("image") and signal != "url":
        kind = "video" if signal.startswith("video") else signal
        return [Unsupported(row, kind if kind in {"video", "text"} else "other")]
    return rows_of(signal.removeprefix("image"), text, row, key)
