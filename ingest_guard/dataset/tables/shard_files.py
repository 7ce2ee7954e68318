"""Shards: files of records, which are searched in batches and written again without some rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.dataset.tables.lines import Lines
from ingest_guard.errors import DatasetError, PolicyError

if TYPE_CHECKING:
    from ingest_guard.dataset.tables.parquet import Parquet

_PARQUET = (".parquet",)
_PLAIN_LINES = (".jsonl", ".jl", ".jsonlines", ".ndjson")
_LINES = (*_PLAIN_LINES, *(f"{suffix}.gz" for suffix in _PLAIN_LINES))
# What a crawl leaves beside its shards in the same form, and what a recheck took out.
_NO_SHARDS = frozenset({"telemetry.jsonl"})
_TOMBSTONES = "tombstones"


def open_table(path: Path) -> Lines | Parquet:
    """Return the shard in a file.

    Raises
    ------
    DatasetError
        It cannot be read, or the package that reads it is not installed.
    """
    if path.name.endswith(_PARQUET):
        try:
            from ingest_guard.dataset.tables.parquet import Parquet  # noqa: PLC0415 - pyarrow is an extra, and large
        except ImportError:
            raise DatasetError(
                f'{path.name} is a Parquet file, and reading it takes pyarrow: pip install "ingest-guard[parquet]"'
            ) from None
        return Parquet(path)
    return Lines(path)


def find_shards(source: Path) -> tuple[Path, dict[str, Path]]:
    """Return the folder of records, and its shards by their path in it, sorted.

    Parameters
    ----------
    source
        A folder (those inside it count, too), or a single shard.

    Raises
    ------
    PolicyError
        There is no shard, or one is a symbolic link.
    """
    if source.is_file() and is_shard(source.name):
        return source.parent, {source.name: source}
    found: dict[str, Path] = {}
    for folder, inner, names in os.walk(source):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in names:
            path = Path(folder, name)
            if not is_shard(name):
                continue
            if path.is_symlink() or not path.is_file():
                raise PolicyError(f"{path} is no plain file; put the shard itself there")
            found[str(path.relative_to(source))] = path
    if not found:
        raise PolicyError(f"{source} holds no shard: expected files {', '.join((*_PARQUET, *_LINES))}")
    return source, dict(sorted(found.items()))


def is_shard(name: str) -> bool:
    """Tell by its name whether a file holds records."""
    if name in _NO_SHARDS or name.startswith((".", _TOMBSTONES)) or f".{_TOMBSTONES}" in name:
        return False
    return name.endswith(_PARQUET + _LINES)
