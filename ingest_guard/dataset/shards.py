"""Shards: the files that a data set's records are in, written whole and read back.

Parquet files have zstd compression, row groups of bounded size, and types and documentation from the schema; they are
written a row group at a time, so that memory does not grow with a shard. JSON Lines are plain.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingest_guard.dataset.outfits import outfit as outfit_named
from ingest_guard.dataset.publish import hidden_name, publish
from ingest_guard.errors import DatasetError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import ModuleType

    import pyarrow as pa
    from typing_extensions import Self

    from ingest_guard.dataset.outfits import Outfit

ROW_GROUP = 10_000
"""Rows that are held in memory until they are written."""
SHARD_ROWS = 100_000
"""Rows of a shard, where nobody says otherwise."""
SHARD = re.compile(r"records-(?P<number>\d+)\.(?P<format>parquet|jsonl)")
"""Names of the shards that a crawl writes."""
_ZSTD_LEVEL = 3
_BATCH = 10_000
# What tells the outfits of JSON Lines apart: a field that no other has.
_MARKS = {"TEXT": "laion", "caption": "img2dataset"}


class ShardWriter:
    """Writes rows to a Parquet file, a row group at a time.

    >>> with ShardWriter("out/records-00000.parquet", outfit("native")) as shard:
    ...     shard.add(row)

    Parameters
    ----------
    target
        A path, which appears when the file is whole, or an open binary file, which is left open.
    outfit
        Whose rows these are.
    note
        Added to what the file says of itself: ``check_set``, for one.
    row_group
        Rows that are held until they are written.
    replace
        Whether a file of that name is replaced; without it, the shard gets the next free name.

    Attributes
    ----------
    rows
        How many there are so far.
    refused
        Rows that do not fit into the columns, and were left out.
    path
        Where the shard is, once it was closed; None for an open file.
    """

    def __init__(
        self,
        target: str | Path | IO[bytes],
        outfit: Outfit,
        *,
        note: Mapping[str, Any] | None = None,
        row_group: int = ROW_GROUP,
        replace: bool = False,
    ) -> None:
        self._arrow = _arrow()
        import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and not everyone has it

        self.rows = self.refused = 0
        self.path = Path(target) if isinstance(target, str | Path) else None
        self._schema = self._arrow.arrow_schema(outfit, note)
        self._required = tuple(column.name for column in outfit.columns if not column.nullable)
        self._row_group, self._replace = row_group, replace
        self._waiting: list[Mapping[str, Any]] = []
        self._hidden = hidden_name(self.path) if self.path else None
        self._writer = pq.ParquetWriter(
            self._hidden or target, self._schema, compression="zstd", compression_level=_ZSTD_LEVEL
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exc_info: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; it is kept as it is until its row group is written, so it must not change."""
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) >= self._row_group:
            self._flush()

    def close(self) -> None:
        """Write what waits and the end of the file, and let it appear."""
        if self._waiting:
            self._flush()
        self._writer.close()
        if self._hidden and self.path:
            self.path = publish(self._hidden, self.path, replace=self._replace)
            self._hidden = None

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._waiting = []
        self._writer.close()
        if self._hidden:
            self._hidden.unlink(missing_ok=True)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        batch = self._arrow.fitting(waiting, self._schema, self._required)
        self.refused += len(waiting) - batch.num_rows
        self.rows -= len(waiting) - batch.num_rows
        self._writer.write_batch(batch, row_group_size=self._row_group)


def write_parquet(
    path: str | Path,
    rows: Iterable[Mapping[str, Any]],
    outfit: Outfit,
    *,
    note: Mapping[str, Any] | None = None,
    row_group: int = ROW_GROUP,
    replace: bool = False,
) -> int:
    """Write rows of an outfit to one Parquet file, which appears when it is whole; return how many they were.

    The parameters are those of :class:`ShardWriter`.
    """
    with ShardWriter(path, outfit, note=note, row_group=row_group, replace=replace) as shard:
        for row in rows:
            shard.add(row)
    return shard.rows


def parquet_ready() -> None:
    """Raise SetupError where Parquet cannot be written for want of pyarrow."""
    _arrow()


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
            yield from _arrow().to_rows(batch)
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
    arrow, file = _arrow(), Path(path)
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
    name = _arrow().read_note(schema).get("outfit")
    return _outfit_with(name, schema.names) if isinstance(name, str) else None


def note_of(path: str | Path) -> dict[str, Any]:
    """Return what a Parquet file says of itself: ``format``, ``outfit``, ``check_set``, ``guard``; empty for others."""
    return _arrow().read_note(parquet_schema(Path(path))) if Path(path).suffix == ".parquet" else {}


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
    _arrow()
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


def _arrow() -> ModuleType:
    """Return the module that needs pyarrow."""
    try:
        from ingest_guard.dataset import arrow  # noqa: PLC0415 - heavy, and not everyone has it
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise SetupError('Parquet needs pyarrow; type: pip install "ingest-guard[parquet]"') from None
    return arrow
