"""How many records a folder holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_guard.dataset.shards.shards import shard_files
from ingest_guard.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = 1 << 20


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
    """Count the records in a folder's shards, by the Parquet files' footers and the lines of the others."""
    shards = shard_files(folder)
    if not shards:
        return Records(None, 0, "")
    told = "in 1 file" if len(shards) == 1 else f"in {len(shards):,} files"
    rows = [_rows(shard) for shard in shards]
    if any(number is None for number in rows):
        return Records(None, len(shards), told)
    return Records(sum(filter(None, rows)), len(shards), told)


def _rows(shard: Path) -> int | None:
    if shard.suffix != ".parquet":
        return _count_lines(shard)
    try:
        from pyarrow import parquet  # noqa: PLC0415 - an extra

        with parquet.ParquetFile(shard) as file:
            return int(file.metadata.num_rows)
    except (ModuleNotFoundError, OSError, ValueError, DatasetError):
        # A damaged shard is a matter for 'attest verify'.
        return None


def _count_lines(shard: Path) -> int:
    with shard.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
