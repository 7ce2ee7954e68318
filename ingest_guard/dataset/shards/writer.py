"""Parquet shards, written a row group at a time, so that memory does not grow with a shard.

They have zstd compression, row groups of bounded size, and types and documentation from the schema.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Self

from ingest_guard.dataset.records.layouts import Outfit
from ingest_guard.dataset.shards.read import load_arrow
from ingest_guard.files.atomic import hidden_name, publish

ROW_GROUP = 10_000
"""Rows that are held in memory until they are written."""
_ZSTD_LEVEL = 3


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
        self._arrow = load_arrow()
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
