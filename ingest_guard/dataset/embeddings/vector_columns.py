"""Embeddings in a column of a Parquet table: lists of numbers. Needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest_guard.errors import DatasetError, PolicyError

_FLOATS = (pa.types.is_float16, pa.types.is_float32, pa.types.is_float64)


def count_rows(table: Path) -> int:
    """Return the number of rows that a table's footer names; DatasetError where it cannot be read."""
    try:
        return int(pq.read_metadata(table).num_rows)
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"{table} cannot be read as Parquet ({type(error).__name__})") from None


def find_vectors(table: Path, wanted: str | None) -> tuple[str, int, int] | None:
    """Return (column, rows, dimensions) of the embeddings in a table; None where it has none.

    Raises
    ------
    PolicyError
        There are several columns of lists of numbers, or the one that was named is none.
    """
    try:
        with pq.ParquetFile(table) as file:
            names = [field.name for field in file.schema_arrow if _holds_vectors(field.type)]
            if wanted is not None and wanted not in names:
                raise PolicyError(f"{table} has no column {wanted} of lists of numbers; it has {_listed(names)}")
            if len(names) > 1 and wanted is None:
                raise PolicyError(f"{table} has several columns of lists of numbers ({_listed(names)}); name one")
            if not names:
                return None
            column = wanted or names[0]
            kind = file.schema_arrow.field(column).type
            width = kind.list_size if pa.types.is_fixed_size_list(kind) else _first_width(file, column)
            return column, int(file.metadata.num_rows), width
    except pa.ArrowException as error:
        raise DatasetError(f"{table} cannot be read as Parquet ({type(error).__name__})") from None


def vector_blocks(table: Path, column: str, width: int, rows: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the embeddings of a column, so many rows at a time; a row without one is NaN.

    Raises
    ------
    DatasetError
        A row has another number of dimensions, or the file cannot be read.
    """
    try:
        with pq.ParquetFile(table) as file:
            for batch in file.iter_batches(rows, columns=[column], use_threads=False):
                yield _block(batch.column(0), width, table)
    except pa.ArrowException as error:
        raise DatasetError(f"{table} cannot be read as Parquet ({type(error).__name__})") from None


def _block(lists: Any, width: int, table: Path) -> npt.NDArray[np.float32]:
    if pa.types.is_fixed_size_list(lists.type):
        lists = lists.cast(pa.list_(lists.type.value_type))
    lengths = np.asarray(pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False), np.int64)
    present = lengths > 0
    if not np.isin(lengths[present], [width]).all():
        raise DatasetError(f"{table}: a row has another number of dimensions than the first one ({width})")
    values = pc.list_flatten(lists).cast(pa.float32())
    numbers = np.asarray(values.fill_null(np.nan).to_numpy(zero_copy_only=False), np.float32)
    block = np.full((len(lengths), width), np.nan, np.float32)
    block[present] = numbers.reshape(-1, width)
    return block


def _holds_vectors(kind: Any) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and any(is_kind(kind.value_type) for is_kind in _FLOATS)


def _first_width(file: pq.ParquetFile, column: str) -> int:
    for batch in file.iter_batches(1 << 12, columns=[column], use_threads=False):
        lengths = pc.list_value_length(batch.column(0)).drop_null()
        for length in lengths.to_pylist():
            if length:
                return int(length)
    return 1


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "none"
