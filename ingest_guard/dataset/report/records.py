"""How many records a folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_guard.dataset.shards.names import shard_files
from ingest_guard.dataset.shards.read import count_rows
from ingest_guard.errors import DatasetError, SetupError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Records:
    """Records on disk.

    Attributes
    ----------
    rows
        None where there is no file, or where one cannot be counted.
    files
        Number of shards.
    told
        Where they are, in words.
    """

    rows: int | None
    files: int
    told: str


def records(folder: Path) -> Records:
    """Count the records in a folder's shards; a damaged shard is a matter for ``attest verify``."""
    shards = shard_files(folder)
    if not shards:
        return Records(None, 0, "")
    told = "in 1 file" if len(shards) == 1 else f"in {len(shards):,} files"
    try:
        return Records(sum(map(count_rows, shards)), len(shards), told)
    except (DatasetError, SetupError):
        return Records(None, len(shards), told)
