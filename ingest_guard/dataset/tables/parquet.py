"""Parquet shards: read column by column, written again with the same schema, row groups and compression."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingest_guard.dataset.tables.arrow_reader import ArrowReader, texts
from ingest_guard.dataset.tables.fingerprints import QualityRule
from ingest_guard.dataset.tables.shard_files import Piece
from ingest_guard.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ingest_guard.dataset.recheck.plan import Opened
    from ingest_guard.dataset.tables.columns import Columns

_BATCH = 1 << 15


class Parquet:
    """One Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        with self._open() as file:
            return list(file.schema_arrow.names)

    def pieces(self, columns: Columns, also: Sequence[str], opened: Opened) -> Iterator[Piece]:
        """Yield the records, with the columns that are compared and some others."""
        reader = ArrowReader(columns, opened.comparer.near, QualityRule.of(opened.plan.policy))
        wanted = list(dict.fromkeys([*columns.names, *also]))
        start = 0
        with self._open() as file:
            for batch in file.iter_batches(_BATCH, columns=wanted, use_threads=False):
                yield Piece(start, reader.read(batch), batch)
                start += batch.num_rows

    def texts(self, source: Any, column: str, rows: npt.NDArray[np.int64] | None) -> list[str | None]:
        """Return a column of some rows."""
        whole = source.column(column)
        return texts(whole if rows is None else whole.take(pa.array(rows)))

    def write_without(self, rows: npt.NDArray[np.int64], target: Path) -> None:
        """Write the row groups again, each without its rows; one that has none left goes."""
        start = 0
        with self._open() as file, pq.ParquetWriter(target, file.schema_arrow, **_options(file)) as writer:
            for number in range(file.metadata.num_row_groups):
                group = file.read_row_group(number, use_threads=False)
                low, high = np.searchsorted(rows, (start, start + len(group)))
                if high > low:
                    keep = np.ones(len(group), bool)
                    keep[rows[low:high] - start] = False
                    start += len(group)
                    group = group.filter(pa.array(keep))
                else:
                    start += len(group)
                if len(group):
                    writer.write_table(group, row_group_size=len(group))

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(self._path) as file:
                yield file
        except (pa.ArrowException, OSError) as error:
            # Arrow's own text may quote what is in the file.
            raise DatasetError(
                f"{self._path} cannot be read as Parquet ({type(error).__name__}); nothing of it was changed"
            ) from None


def _options(file: pq.ParquetFile) -> dict[str, Any]:
    """Return what a writer needs to write files like this one."""
    options: dict[str, Any] = {"version": "2.6", "use_deprecated_int96_timestamps": False}
    if file.metadata.format_version == "1.0":
        options["version"] = "1.0"
    if not file.metadata.num_row_groups:
        return options
    first = file.metadata.row_group(0)
    chunks = [first.column(number) for number in range(first.num_columns)]
    options["compression"] = {chunk.path_in_schema: _codec(chunk.compression) for chunk in chunks}
    options["use_dictionary"] = [chunk.path_in_schema for chunk in chunks if _is_dictionary(chunk)]
    options["write_statistics"] = [chunk.path_in_schema for chunk in chunks if chunk.is_stats_set]
    options["use_deprecated_int96_timestamps"] = any(chunk.physical_type == "INT96" for chunk in chunks)
    return options


def _codec(name: str) -> str:
    return {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}.get(name, name.lower())


def _is_dictionary(chunk: Any) -> bool:
    return bool(chunk.has_dictionary_page) or any("DICTIONARY" in encoding for encoding in chunk.encodings)
