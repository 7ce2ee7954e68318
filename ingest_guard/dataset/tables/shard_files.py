"""Shards: files of records, which are searched in batches and written again without some rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ingest_guard.dataset.shards.names import SUFFIXES, is_shard, shard_names
from ingest_guard.dataset.shards.read import is_parquet
from ingest_guard.errors import DatasetError, PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from ingest_guard.dataset.recheck.plan import Opened
    from ingest_guard.dataset.tables.columns import Columns
    from ingest_guard.dataset.tables.fingerprints import Fingerprints


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch of records.

    Attributes
    ----------
    start
        Number of its first record in the shard.
    prints
        What is compared.
    source
        The batch itself, in the shard's own terms: for :meth:`Table.texts`.
    """

    start: int
    prints: Fingerprints
    source: Any = field(repr=False)


class Table(Protocol):
    """One shard."""

    def columns(self) -> list[str]:
        """Return the names of its columns."""

    def pieces(self, columns: Columns, also: Sequence[str], opened: Opened) -> Iterator[Piece]:
        """Yield its records in batches, with the columns that are compared and some others."""

    def texts(self, source: Any, column: str, rows: npt.NDArray[np.int64] | None) -> list[str | None]:
        """Return the texts of a column in a batch, of some rows or of all."""

    def write_without(self, rows: npt.NDArray[np.int64], target: Path) -> None:
        """Write it again without some rows (sorted); columns, metadata, row groups and compression stay."""


def open_table(path: Path) -> Table:
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
    from ingest_guard.dataset.tables.lines import Lines  # noqa: PLC0415 - only where there are any

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
