"""Reading back which records a feed or a shard holds, after cutting off what a killed crawl did not finish."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from ingest_guard.dataset.shards.shards import iter_batches, parquet_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_UID = re.compile(r"[0-9a-f]{32}")
_BLOCK = 1 << 16


def uids(file: Path) -> Iterator[str]:
    """Yield the uids in a file of JSON Lines or Parquet; what has none is passed over.

    Raises
    ------
    DatasetError
        It is a Parquet file that cannot be read.
    """
    if file.suffix == ".parquet":
        yield from _uids_of_parquet(file)
        return
    cut_torn_line(file)
    with file.open("rb") as lines:
        for line in lines:
            try:
                uid = json.loads(line)["uid"]
            except (ValueError, KeyError, TypeError):
                continue
            if _is_uid(uid):
                yield uid


def _uids_of_parquet(file: Path) -> Iterator[str]:
    if "uid" in parquet_schema(file).names:
        for batch in iter_batches(file, ["uid"]):
            yield from filter(_is_uid, batch.column(0).to_pylist())


def _is_uid(value: object) -> bool:
    return isinstance(value, str) and _UID.fullmatch(value) is not None


def cut_torn_line(file: Path) -> None:
    """Cut off a last line without an end: the crawl died while it wrote it."""
    with file.open("rb+") as feed:
        end = feed.seek(0, os.SEEK_END)
        at = end
        while at:
            start = max(0, at - _BLOCK)
            feed.seek(start)
            newline = feed.read(at - start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        if at < end:
            feed.truncate(at)
