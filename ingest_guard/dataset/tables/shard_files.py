"""Shards: files of records, which are searched in batches and written again without some rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.dataset.shards.names import SUFFIXES, is_shard, shard_names
from ingest_guard.dataset.shards.read import is_parquet
from ingest_guard.dataset.tables.lines import Lines
from ingest_guard.errors import DatasetError, PolicyError

if TYPE_CHECKING:
    from ingest_guard.dataset.tables.parquet import Parquet


def open_table(path: Path) -> Lines | Parquet:
    """Return the shard in a file.

    Raises
    ------
    DatasetError
        It cannot be read, or the package that reads it is not installed.
    """
    if is_parquet(path):
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
    found = {name: source / name for name in shard_names(source)} if source.is_dir() else {}
    if not found:
        raise PolicyError(f"{source} holds no shard: expected files {', '.join(SUFFIXES)}")
    for path in found.values():
        if path.is_symlink() or not path.is_file():
            raise PolicyError(f"{path} is no plain file; put the shard itself there")
    return source, found
