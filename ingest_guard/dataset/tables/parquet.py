"""Parquet shards: read column by column, written again with the same schema, row groups and compression.

:class:`ArrowBatch` reads the batches of Parquet files and of Spark without a Python object for each value.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest_guard.dataset.tables.fingerprints import (
    Bytes,
    FingerprintReader,
    HashEntries,
    HexColumn,
    Ints,
    Labels,
    Piece,
    decode_hex,
)
from ingest_guard.errors import DatasetError, PolicyError

_BATCH = 1 << 15


class ArrowBatch:
    """A record batch of Arrow."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def read_values(self, column: str, size: int) -> HexColumn:
        """Return the fingerprints in a column; PolicyError where its type can hold none."""
        return _read_values(self._batch.column(column), size, column)

    def read_numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return a number for each record, NaN where there is none."""
        return _numbers(self._batch.column(column))

    def read_texts(self, column: str, rows: Ints | None = None) -> list[str | None]:
        """Return the texts of some rows, or of all."""
        found = self._batch.column(column)
        if rows is not None:
            found = found.take(pa.array(rows))
        if pa.types.is_binary(found.type) or pa.types.is_large_binary(found.type):
            return [None if each is None else each.decode("utf-8", "surrogateescape") for each in found.to_pylist()]
        return [each if each is None else str(each) for each in found.to_pylist()]

    def read_entries(self, column: str) -> HashEntries | None:
        """Return the values of all frames and views; None where the column holds something else."""
        lists = self._batch.column(column)
        if not (pa.types.is_list(lists.type) or pa.types.is_large_list(lists.type)):
            return None
        entries = pc.list_flatten(lists)
        if not pa.types.is_struct(entries.type) or not len(entries):
            return None
        fields = {each.name: entries.field(each.name) for each in entries.type}
        if not {"algorithm", "view", "value"} <= set(fields):
            return None
        quality = fields.get("quality")
        return HashEntries(
            pc.list_parent_indices(lists).to_numpy().astype(np.int64),
            _labels(fields["algorithm"]),
            _labels(fields["view"]),
            np.full(len(entries), np.nan) if quality is None else _numbers(quality),
            lambda chosen, size: _read_values(fields["value"].take(pa.array(chosen)), size, f"{column}.value"),
        )


class Parquet:
    """One Parquet file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        with self._open() as file:
            return list(file.schema_arrow.names)

    def pieces(self, reader: FingerprintReader, also: Sequence[str]) -> Iterator[Piece]:
        """Yield the records in batches, with the columns that are compared and some others."""
        wanted = list(dict.fromkeys([*reader.columns.names, *also]))
        start = 0
        with self._open() as file:
            for each in file.iter_batches(_BATCH, columns=wanted, use_threads=False):
                batch = ArrowBatch(each)
                yield Piece(start, reader.read(batch), batch)
                start += len(batch)

    def write_without(self, rows: Ints, target: Path) -> None:
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


def _labels(column: pa.Array) -> Labels:
    encoded = pc.dictionary_encode(column)
    numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Labels(encoded.dictionary.to_pylist(), numbers.astype(np.int64))


def _numbers(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))


def _read_values(column: pa.Array, size: int, name: str) -> HexColumn:
    """Return the values of a column of hex texts or of bytes."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_null(kind):
        return HexColumn(np.empty(0, np.int64), np.empty((0, size), np.uint8), 0)
    if pa.types.is_string(kind) or pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.large_string())
    elif pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_large_binary(kind):
        column = column.cast(pa.large_binary())
    else:
        raise PolicyError(
            f"column {name} is of type {kind}; fingerprints are hex text or bytes. Name another: --columns"
        )
    starts, lengths, text = _buffers(column)
    raw = pa.types.is_large_binary(column.type)
    there = int((lengths > 0).sum())
    if raw and (lengths == size).any():
        rows = np.flatnonzero(lengths == size)
        return HexColumn(rows, text[starts[rows][:, np.newaxis] + np.arange(size)], there - len(rows))
    rows, values = decode_hex(text, starts, lengths, size)
    return HexColumn(rows, values, there - len(np.unique(rows)))


def _buffers(column: pa.Array) -> tuple[Ints, Ints, Bytes]:
    """Return where each text begins, how long it is (0 for a null), and the bytes of all."""
    _, offsets, data = column.buffers()
    if not len(column):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    lengths = np.diff(bounds)
    if column.null_count:
        lengths = np.where(column.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    return bounds[:-1], lengths, np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)


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
