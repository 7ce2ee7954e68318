"""JSON Lines, also compressed with gzip: kept lines stay as they are, byte for byte."""

from __future__ import annotations

import gzip
import json
import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ingest_guard.dataset.tables.fingerprints import QualityRule
from ingest_guard.dataset.tables.rows import RowsReader
from ingest_guard.dataset.tables.shard_files import Piece
from ingest_guard.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from ingest_guard.dataset.recheck.plan import Opened
    from ingest_guard.dataset.tables.columns import Columns

_BATCH = 1 << 13
_BUFFER = 1 << 20
_LEVEL = 6


class Lines:
    """One file of JSON Lines.

    Empty lines are no records, and stay; what is no JSON object is a record without values.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def columns(self) -> list[str]:
        """Return the names that records have: any of them, as a later one may have more than the first."""
        return list(dict.fromkeys(name for names in {tuple(row): None for row in self._rows()} for name in names))

    def pieces(self, columns: Columns, also: Sequence[str], opened: Opened) -> Iterator[Piece]:
        """Yield the records; all columns of a line are there."""
        del also
        reader = RowsReader(columns, opened.comparer.near, QualityRule.of(opened.plan.policy))
        rows, start = self._rows(), 0
        while batch := list(islice(rows, _BATCH)):
            yield Piece(start, reader.read(batch), batch)
            start += len(batch)

    def texts(self, source: Any, column: str, rows: npt.NDArray[np.int64] | None) -> list[str | None]:
        """Return a column of some rows."""
        found = [source[row].get(column) for row in (range(len(source)) if rows is None else rows.tolist())]
        return [each if isinstance(each, str) else None for each in found]

    def write_without(self, rows: npt.NDArray[np.int64], target: Path) -> None:
        """Write the lines that stay."""
        gone = set(rows.tolist())
        number = 0
        with target.open("wb") as raw, _compressed(raw, self._is_gzip) as out:
            for line in self._lines():
                if not line.strip():
                    out.write(line)
                    continue
                if number not in gone:
                    out.write(line)
                number += 1

    @property
    def _is_gzip(self) -> bool:
        return self._path.name.endswith(".gz")

    def _rows(self) -> Iterator[dict[str, Any]]:
        for line in self._lines():
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    row = None
                yield row if isinstance(row, dict) else {}

    def _lines(self) -> Iterator[bytes]:
        try:
            with gzip.open(self._path, "rb") if self._is_gzip else self._path.open("rb", _BUFFER) as file:
                yield from cast("BinaryIO", file)
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or "it is damaged or cut off"
            raise DatasetError(f"{self._path} cannot be read ({why}); nothing of it was changed") from None


def _compressed(raw: BinaryIO, wanted: bool) -> BinaryIO:  # noqa: FBT001 - one of two, named by the caller's property
    if not wanted:
        return raw
    # Without name and time: the same records make the same file.
    return cast("BinaryIO", gzip.GzipFile("", "wb", _LEVEL, raw, 0))
