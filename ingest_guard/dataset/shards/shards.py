"""Shards: the files that a data set's records are in; their names, and what they hold. JSON Lines are plain.

Parquet is written by :mod:`ingest_guard.dataset.shards.writer`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest_guard.dataset.records.layouts import outfit as outfit_named
from ingest_guard.errors import DatasetError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    import pyarrow as pa

    from ingest_guard.dataset.records.layouts import Outfit

SHARD_ROWS = 100_000
"""Rows of a shard, where nobody says otherwise."""
SHARD = re.compile(r"records-(?P<number>\d+)\.(?P<format>parquet|jsonl)")
"""Names of the shards that a crawl writes."""
_BATCH = 10_000
# What tells the outfits of JSON Lines apart: a field that no other has.
_MARKS = {"TEXT": "laion", "caption": "img2dataset"}


def parquet_ready() -> None:
    """Raise SetupError where Parquet cannot be written for want of pyarrow."""
    arrow_module()


def shard_files(folder: str | Path) -> list[Path]:
    """Return the shards in a folder, sorted by name.

    Each visible Parquet file counts; of JSON Lines, those that are named as a crawl names them: other files in the
    folder of a data set are JSON Lines, too.
    """
    files = [entry for entry in Path(folder).iterdir() if entry.is_file() and not entry.name.startswith(".")]
    return sorted(file for file in files if file.suffix == ".parquet" or SHARD.fullmatch(file.name))


def read_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a shard, of either format, as they are in JSON Lines.

    Raises
    ------
    DatasetError
        The file is no shard, or is damaged.
    """
    file = Path(path)
    if file.suffix == ".parquet":
        for batch in iter_batches(file):
            yield from arrow_module().to_rows(batch)
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
    arrow, file = arrow_module(), Path(path)
    if file.suffix == ".parquet":
        yield from _parquet_batches(file, columns, rows)
        return
    schema: pa.Schema | None = None
    for chunk in _chunks(_read_lines(file), rows):
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
    if file.suffix != ".parquet":
        first = next(_read_lines(file), None)
        return _outfit_of_row(first) if first else None
    schema = parquet_schema(file)
    name = arrow_module().read_note(schema).get("outfit")
    return _outfit_with(name, schema.names) if isinstance(name, str) else None


def note_of(path: str | Path) -> dict[str, Any]:
    """Return what a Parquet file says of itself: ``format``, ``outfit``, ``check_set``, ``guard``; empty for others."""
    return arrow_module().read_note(parquet_schema(Path(path))) if Path(path).suffix == ".parquet" else {}


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
    arrow_module()
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and not everyone has it

    try:
        return pq.ParquetFile(file, memory_map=True)
    except (OSError, ValueError):
        raise _damaged(file) from None


def _damaged(file: Path) -> DatasetError:
    return DatasetError(f"{file} cannot be read as Parquet: it is missing, cut off or damaged; restore or remove it")


def _read_lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                row = _parsed(line)
                if row is None:
                    raise DatasetError(
                        f"{file}, line {number}: not a JSON object; cut the line off, or restore the file"
                    )
                yield row
    except OSError as error:
        raise DatasetError(f"{file} cannot be read: {error.strerror}") from None


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _chunks(rows: Iterator[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def arrow_module() -> ModuleType:
    """Return the module that needs pyarrow."""
    try:
        from ingest_guard.dataset.shards import arrow  # noqa: PLC0415 - heavy, and not everyone has it
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise SetupError('Parquet needs pyarrow; type: pip install "ingest-guard[parquet]"') from None
    return arrow
