"""JSON Lines, also compressed with gzip: kept lines stay as they are, byte for byte. Needs no pyarrow."""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.tables.fingerprints import (
    FingerprintReader,
    HashEntries,
    HexColumn,
    Ints,
    Labels,
    Piece,
    decode_hex,
)
from ingest_guard.errors import DatasetError

_BATCH = 1 << 13
_BUFFER = 1 << 20
_LEVEL = 6


class RowBatch:
    """Rows of JSON; a line that was no object is an empty row."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def read_values(self, column: str, size: int) -> HexColumn:
        """Return the fingerprints in a column."""
        return read_texts([row.get(column) for row in self._rows], size)

    def read_numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return a number for each record, NaN where there is none."""
        return _numbers(row.get(column) for row in self._rows)

    def read_texts(self, column: str, rows: Ints | None = None) -> list[str | None]:
        """Return the texts of some rows, or of all."""
        chosen = self._rows if rows is None else [self._rows[row] for row in rows.tolist()]
        return [value if isinstance(value := row.get(column), str) else None for row in chosen]

    def read_entries(self, column: str) -> HashEntries:
        """Return the values of all frames and views; what is no object in a list is no entry."""
        found = [
            (number, entry)
            for number, row in enumerate(self._rows)
            if isinstance(several := row.get(column), list)
            for entry in several
            if isinstance(entry, dict)
        ]
        values = [entry.get("value") for _, entry in found]
        return HashEntries(
            np.array([number for number, _ in found], np.int64),
            _labels(entry.get("algorithm") for _, entry in found),
            _labels(entry.get("view") for _, entry in found),
            _numbers(entry.get("quality") for _, entry in found),
            lambda chosen, size: read_texts([values[each] for each in chosen.tolist()], size),
        )


class Lines:
    """A file of JSON Lines.

    Empty lines are no records, and stay; what is no JSON object is a record without values. What is nested too deeply
    to be read is an error.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def columns(self) -> list[str]:
        """Return the names that records have: any of them, as a later one may have more than the first."""
        return list(dict.fromkeys(name for names in {tuple(row): None for row in self._rows()} for name in names))

    def pieces(self, reader: FingerprintReader, also: Sequence[str]) -> Iterator[Piece]:
        """Yield the records in batches; all columns of a line are there."""
        del also
        rows, start = self._rows(), 0
        while batch := RowBatch(list(islice(rows, _BATCH))):
            yield Piece(start, reader.read(batch), batch)
            start += len(batch)

    def write_without(self, rows: Ints, target: Path) -> None:
        """Write the lines that stay."""
        deleted = set(rows.tolist())
        number = 0
        with target.open("wb") as raw, _compressed(raw, self._is_gzip) as out:
            for line in self._lines():
                if not line.strip():
                    out.write(line)
                    continue
                if number not in deleted:
                    out.write(line)
                number += 1

    @property
    def _is_gzip(self) -> bool:
        return self._path.name.endswith(".gz")

    def _rows(self) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(self._lines(), 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError:
                    row = None
                except RecursionError:
                    # Other readers may get further, and find a record in it.
                    raise DatasetError(
                        f"{self._path}, line {number}: nested too deeply to be compared; cut the line off, or restore"
                        " the file"
                    ) from None
                yield row if isinstance(row, dict) else {}

    def _lines(self) -> Iterator[bytes]:
        try:
            with gzip.open(self._path, "rb") if self._is_gzip else self._path.open("rb", _BUFFER) as file:
                yield from cast("BinaryIO", file)
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or "it is damaged or cut off"
            raise DatasetError(f"{self._path} cannot be read ({why}); nothing of it was changed") from None


def read_texts(texts: Sequence[object], size: int) -> HexColumn:
    """Return the values that Python's own strings stand for; anything else holds no value."""
    known = [each if isinstance(each, str) else "" for each in texts]
    lengths = np.fromiter(map(len, known), np.int64, len(known))
    # One byte for each character: what is no ASCII is no digit either.
    text = np.frombuffer("".join(known).encode("ascii", "replace"), np.uint8)
    rows, values = decode_hex(text, np.cumsum(lengths) - lengths, lengths, size)
    return HexColumn(rows, values, sum(map(bool, texts)) - len(np.unique(rows)))


def _labels(values: Iterable[object]) -> Labels:
    names: dict[str, int] = {}
    numbers = [names.setdefault(each, len(names)) if isinstance(each, str) else -1 for each in values]
    return Labels(list(names), np.array(numbers, np.int64))


def _numbers(values: Iterable[object]) -> npt.NDArray[np.float64]:
    is_number = (each if isinstance(each, int | float) and not isinstance(each, bool) else np.nan for each in values)
    return np.fromiter(is_number, np.float64)


def _compressed(raw: BinaryIO, wanted: bool) -> BinaryIO:  # noqa: FBT001 - one of two, named by the caller's property
    if not wanted:
        return raw
    # Without name and time: the same records make the same file.
    return cast("BinaryIO", gzip.GzipFile("", "wb", _LEVEL, raw, 0))
