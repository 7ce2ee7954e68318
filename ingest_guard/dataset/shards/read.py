"""Read shards: their rows, their outfit, their uids; Parquet, and JSON Lines that are plain or packed with gzip."""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from types import ModuleType
from typing import IO, TYPE_CHECKING, Any, cast

from ingest_guard.dataset.records.layouts import Outfit
from ingest_guard.dataset.records.layouts import outfit as outfit_named
from ingest_guard.dataset.shards.names import PACKED_LINES, PARQUET
from ingest_guard.errors import DatasetError, SetupError

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 10_000
_UID = re.compile(r"[0-9a-f]{32}")
_BLOCK = 1 << 16
# Each of these fields is in one outfit alone.
_MARKS = {"TEXT": "laion", "caption": "img2dataset"}


def load_arrow() -> ModuleType:
    """Return the module that needs pyarrow; SetupError where pyarrow is missing."""
    try:
        from ingest_guard.dataset.shards import arrow  # noqa: PLC0415 - heavy, and not everyone has it
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise SetupError('Parquet needs pyarrow; type: pip install "ingest-guard[parquet]"') from None
    return arrow


def is_parquet(path: str | Path) -> bool:
    """Say by its name whether a shard is a Parquet file; the others are JSON Lines."""
    return str(path).endswith(PARQUET)


def open_lines(file: Path) -> IO[bytes]:
    """Open a file of JSON Lines, plain or packed."""
    return cast("IO[bytes]", gzip.open(file, "rb")) if file.name.endswith(PACKED_LINES) else file.open("rb")


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a shard, of either format, as they are in JSON Lines.

    Raises
    ------
    DatasetError
        The file is no shard, or is damaged.
    """
    file = Path(path)
    if is_parquet(file):
        for batch in iter_batches(file):
            yield from load_arrow().to_rows(batch)
    else:
        yield from _read_lines(file)


def iter_batches(
    path: str | Path, columns: Sequence[str] | None = None, *, rows: int = _BATCH
) -> Iterator[pa.RecordBatch]:
    """Yield a shard as batches of at most so many rows, of some columns or of all.

    Raises
    ------
    DatasetError
        The file is no shard, is damaged, or lacks a column.
    """
    arrow, file = load_arrow(), Path(path)
    if is_parquet(file):
        yield from _parquet_batches(file, columns, rows)
        return
    lines = _read_lines(file)
    schema: pa.Schema | None = None
    while chunk := list(islice(lines, rows)):
        schema = schema or arrow.arrow_schema(_outfit_of_row(chunk[0]))
        batch = arrow.to_batch(chunk, schema)
        yield batch if columns is None else batch.select(list(columns))


def outfit_of(path: str | Path) -> Outfit | None:
    """Return the outfit of a shard; None for an empty one, and for a file that was not written here.

    Raises
    ------
    DatasetError
        The file cannot be read.
    """
    file = Path(path)
    if not is_parquet(file):
        first = next(_read_lines(file), None)
        return _outfit_of_row(first) if first else None
    schema = parquet_schema(file)
    name = load_arrow().read_note(schema).get("outfit")
    return _outfit_with(name, schema.names) if isinstance(name, str) else None


def note_of(path: str | Path) -> dict[str, Any]:
    """Return what a Parquet file says of itself: ``format``, ``outfit``, ``check_set``, ``guard``; empty for others."""
    return load_arrow().read_note(parquet_schema(Path(path))) if is_parquet(path) else {}


def count_rows(path: str | Path) -> int:
    """Return how many rows a shard has, by the end of a Parquet file or by the lines of the others.

    Raises
    ------
    DatasetError
        The file cannot be read.
    SetupError
        It is a Parquet file, and pyarrow is missing.
    """
    file = Path(path)
    return int(_open(file).metadata.num_rows) if is_parquet(file) else sum(1 for _ in _lines(file))


def read_uids(file: Path) -> Iterator[str]:
    """Yield the uids in a shard or a feed; pass over rows without one.

    Raises
    ------
    DatasetError
        The file cannot be read.
    """
    found: Iterable[Any]
    if not is_parquet(file):
        found = ((_parse(line) or {}).get("uid") for line in _lines(file))
    elif "uid" in parquet_schema(file).names:
        found = chain.from_iterable(batch.column(0).to_pylist() for batch in iter_batches(file, ["uid"]))
    else:
        found = ()
    yield from (value for value in found if isinstance(value, str) and _UID.fullmatch(value))


def cut_torn_line(file: Path) -> None:
    """Cut off a last line that has no end: the crawl was killed while it wrote it."""
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


def parquet_schema(path: Path) -> pa.Schema:
    """Return the types of a Parquet file; DatasetError where it cannot be read."""
    return _open(path).schema_arrow


def _outfit_of_row(row: Mapping[str, Any]) -> Outfit:
    return _outfit_with(next((name for mark, name in _MARKS.items() if mark in row), "native"), row)


def _outfit_with(name: str, present: Iterable[str]) -> Outfit:
    """Return an outfit with the further fingerprints that a shard has."""
    known = {column.name for column in outfit_named(name, all_hashes=True).columns}
    names = list(present)
    return outfit_named(name, hashes=tuple(each for each in names if each not in known), all_hashes="hashes" in names)


def _parquet_batches(file: Path, columns: Sequence[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
    opened = _open(file)
    missing = sorted(set(columns or ()) - set(opened.schema_arrow.names))
    if missing:
        raise DatasetError(f"{file} has no column {missing[0]!r}; its columns: {', '.join(opened.schema_arrow.names)}")
    try:
        yield from opened.iter_batches(batch_size=rows, columns=None if columns is None else list(columns))
    except (OSError, ValueError):
        raise _damaged(file) from None


def _open(file: Path) -> Any:
    load_arrow()
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and not everyone has it

    try:
        return pq.ParquetFile(file, memory_map=True)
    except (OSError, ValueError):
        raise _damaged(file) from None


def _damaged(file: Path) -> DatasetError:
    return DatasetError(f"{file} cannot be read as Parquet: it is missing, cut off or damaged; restore or remove it")


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_lines(file), 1):
        row = _parse(line)
        if row is None:
            raise DatasetError(f"{file}, line {number}: not a JSON object; cut the line off, or restore the file")
        yield row


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with open_lines(file) as lines:
            yield from lines
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or "it is damaged or cut off"
        raise DatasetError(f"{file} cannot be read: {why}") from None


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
