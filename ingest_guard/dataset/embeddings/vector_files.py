"""Embeddings in a file for each record, named by the hash of its image: ``embeddings/HASH.npy``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.embeddings import arrays
from ingest_guard.dataset.tables.columns import Columns
from ingest_guard.dataset.tables.fingerprints import FingerprintReader
from ingest_guard.dataset.tables.shard_files import open_table
from ingest_guard.errors import DatasetError

_HASHES = ("hash", "md5", "sha256")
"""Columns whose values may name files, the likeliest first."""
_HASH = re.compile(r"[0-9A-Fa-f]{16,128}")
_LOOKED_AT = 1 << 17
"""Records that are looked at before a folder counts as one without their files."""
_STREAMED = 1 << 12


def find(table: Path, folder: Path) -> tuple[str, int] | None:
    """Return (column with the hashes, dimensions) of a table whose records have files in a folder; None without.

    Raises
    ------
    DatasetError
        The first file that a record has is no vector.
    """
    present = open_table(table).columns()
    for column in [each for each in _HASHES if each in present]:
        seen = 0
        for _, names in file_names(table, column):
            for name in filter(None, names):
                if (path := folder / name).is_file():
                    return column, len(_read(path))
            seen += len(names)
            if seen >= _LOOKED_AT:
                break
    return None


def blocks(table: Path, folder: Path, column: str, width: int) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Yield (index of the first row, vectors) of a table's records; a record without a file is no number.

    Raises
    ------
    DatasetError
        A file is no vector, or has another width.
    """
    for start, names in file_names(table, column):
        for first in range(0, len(names), _STREAMED):
            some = names[first : first + _STREAMED]
            block = np.full((len(some), width), np.nan, np.float32)
            for row, name in enumerate(some):
                if name is not None and (path := folder / name).is_file():
                    vector = _read(path)
                    if len(vector) != width:
                        raise DatasetError(f"{path} has {len(vector)} dimensions, and others have {width}")
                    block[row] = vector
            yield start + first, block


def file_names(table: Path, column: str) -> Iterator[tuple[int, list[str | None]]]:
    """Yield (index of the first row, names of the records' files); None for a record whose column holds no hash."""
    nothing = FingerprintReader(Columns({}, {}), {}, 0, 0)
    for start, _, batch in open_table(table).pieces(nothing, [column]):
        texts = batch.read_texts(column)
        yield start, [f"{text}.npy" if text and _HASH.fullmatch(text) else None for text in texts]


def _read(path: Path) -> npt.NDArray[np.floating]:
    with arrays.reading(path):
        header = arrays.header_of(path)
        flat = header.shape if len(header.shape) == 1 else header.shape[1:]
        if len(flat) != 1 or header.shape[:-1] not in {(), (1,)}:
            raise DatasetError(f"{path} has the shape {header.shape}, and is no vector")
        shape = arrays.require_vectors(arrays.Header((1, *flat), header.dtype, header.version), path)
        with path.open("rb") as file:
            arrays.read_header(file, path)
            return np.frombuffer(file.read(), header.dtype, shape[1])
