"""Where the embeddings of a data set are: one row for each record, beside its table or inside it.

Layouts: clip-retrieval's and LAION's (``metadata_N.parquet`` and ``img_emb_N.npy``, in one folder or in folders
``metadata`` and ``img_emb`` side by side), DataComp's (``UUID.parquet`` and ``UUID.npz``), a file of the same name as
the table, or a column of lists in a Parquet table. Each is opened without pickle, and refused by name where it does not
fit its table.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.shards.read import is_parquet, load_arrow, open_lines
from ingest_guard.dataset.tables.shard_files import find_shards
from ingest_guard.errors import DatasetError, PolicyError

_TABLE = re.compile(r"(?:metadata[_-]?)?(?P<key>.+)")
_STREAMED = 1 << 15
"""Rows of an array in a zip file, or of a column, that are read at a time."""
_MOST_DIMENSIONS = 1 << 14
_IMAGE_ARRAYS = ("l14_img", "b32_img", "img", "img_emb")
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class EmbeddingFile:
    """The embeddings of one table.

    Attributes
    ----------
    name, table
        Path of the table in the data set, and the file.
    path
        The file with the embeddings: the table itself where they are a column.
    member
        Name of the array in an ``npz`` file, or of the column; empty for ``npy``.
    rows, width
        Its shape.
    """

    name: str
    table: Path
    path: Path
    member: str
    rows: int
    width: int

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Yield (index of the first row, rows) from front to back; an ``npy`` file as one memory map.

        Raises
        ------
        DatasetError
            The file cannot be read, or is not what it was when it was found.
        """
        with _reading(self.path):
            if self.path == self.table:
                yield from _column_blocks(self)
            elif self.member:
                yield from _member_blocks(self)
            else:
                dtype, offset = _npy_header(self.path, self)
                yield 0, np.memmap(self.path, dtype, "r", offset, (self.rows, self.width))


def find_embeddings(source: Path, embeddings: Path | None = None, column: str | None = None) -> list[EmbeddingFile]:
    """Return the embeddings of all tables of a data set, in the order of the tables.

    Parameters
    ----------
    source
        The folder of tables, or one table.
    embeddings
        Where the files with embeddings are; by default beside the tables.
    column
        The column with the embeddings, or the array in ``npz`` files, where there are several.

    Raises
    ------
    PolicyError
        There is no table, or a table has no embeddings.
    DatasetError
        A file cannot be read or does not fit its table, or their widths differ.
    """
    _, tables = find_shards(source)
    found = [_of_table(name, path, embeddings, column) for name, path in tables.items()]
    for each in found:
        if each.width != found[0].width:
            raise DatasetError(
                f"{each.path} has {each.width} dimensions, and {found[0].path} has {found[0].width}: they are not of "
                "one model"
            )
    return found


def _of_table(name: str, table: Path, embeddings: Path | None, column: str | None) -> EmbeddingFile:
    rows = _count_rows(table)
    for path in _places(table, embeddings):
        if path.is_file():
            with _reading(path):
                return _checked(_of_file(name, table, path, column), rows)
    if is_parquet(table):
        with _reading(table):
            inside = _of_column(name, table, column)
        if inside is not None:
            return _checked(inside, rows)
    raise PolicyError(
        f"{table} has no embeddings: expected {table.stem}.npy or .npz, img_emb_N.npy for metadata_N, or a column of "
        "lists of numbers; name their folder with --embeddings, or the column with --embedding-column"
    )


def _places(table: Path, embeddings: Path | None) -> Iterator[Path]:
    found = _TABLE.fullmatch(table.stem)
    key = found["key"] if found else table.stem
    folders = [embeddings] if embeddings is not None else [table.parent, table.parent.parent / "img_emb"]
    for folder in folders:
        for stem in dict.fromkeys((table.stem, f"img_emb_{key}", key)):
            yield folder / f"{stem}.npy"
            yield folder / f"{stem}.npz"


def _checked(file: EmbeddingFile, rows: int) -> EmbeddingFile:
    if file.rows != rows:
        raise DatasetError(
            f"{file.path} has {file.rows:,} rows, and {file.table} has {rows:,}: they do not belong together"
        )
    return file


def _count_rows(table: Path) -> int:
    if is_parquet(table):
        return int(_arrow().count_rows(table))
    with open_lines(table) as file:
        return sum(1 for line in file if line.strip())


def _arrow() -> ModuleType:
    load_arrow()  # says what to install
    from ingest_guard.dataset.neighbours import vector_columns  # noqa: PLC0415 - pyarrow is an extra

    return vector_columns


def _of_file(name: str, table: Path, path: Path, column: str | None) -> EmbeddingFile:
    if path.suffix == ".npy":
        with path.open("rb") as file:
            shape, dtype = _read_header(file, path)
            size = file.tell() + shape[0] * shape[1] * dtype.itemsize
        if path.stat().st_size != size:
            raise DatasetError(f"{path} is not as long as its header says: it was cut off, or is still being written")
        return EmbeddingFile(name, table, path, "", *shape)
    with zipfile.ZipFile(path) as archive:
        members = [each.removesuffix(".npy") for each in archive.namelist() if each.endswith(".npy")]
        member = _choose(members, column, path)
        with archive.open(f"{member}.npy") as file:
            shape, _ = _read_header(file, path)
    return EmbeddingFile(name, table, path, member, *shape)


def _choose(members: list[str], wanted: str | None, path: Path) -> str:
    if wanted is not None:
        if wanted not in members:
            raise PolicyError(f"{path} has no array {wanted}; it has {', '.join(sorted(members)) or 'none'}")
        return wanted
    usual = [each for each in _IMAGE_ARRAYS if each in members]
    if not usual and len(members) != 1:
        raise PolicyError(
            f"{path} has several arrays ({', '.join(sorted(members)) or 'none'}); name the images' one with "
            "--embedding-column"
        )
    return usual[0] if usual else members[0]


def _read_header(file: IO[bytes], path: Path) -> tuple[tuple[int, int], np.dtype[Any]]:
    """Return shape and type that the header of an ``npy`` file names; nothing of it is evaluated but literals."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject or dtype.kind != "f" or dtype.itemsize not in {2, 4, 8}:
        raise DatasetError(f"{path} holds {dtype}, and embeddings are float16, float32 or float64")
    if len(shape) != 2 or not 0 < shape[1] <= _MOST_DIMENSIONS:  # noqa: PLR2004 - rows and dimensions
        raise DatasetError(f"{path} has the shape {shape}, and embeddings are rows of up to {_MOST_DIMENSIONS} numbers")
    if is_fortran and min(shape) > 1:
        raise DatasetError(
            f"{path} is in Fortran order: its rows lie scattered over the file; write it again in C order"
        )
    return (int(shape[0]), int(shape[1])), dtype


def _npy_header(path: Path, expected: EmbeddingFile) -> tuple[np.dtype[Any], int]:
    with path.open("rb") as file:
        shape, dtype = _read_header(file, path)
        if shape != (expected.rows, expected.width):
            raise DatasetError(f"{path} was changed meanwhile; let nothing write there, and start again")
        return dtype, file.tell()


def _member_blocks(of: EmbeddingFile) -> Iterator[tuple[int, Floats]]:
    with zipfile.ZipFile(of.path) as archive, archive.open(f"{of.member}.npy") as file:
        shape, dtype = _read_header(file, of.path)
        if shape != (of.rows, of.width):
            raise DatasetError(f"{of.path} was changed meanwhile; let nothing write there, and start again")
        for start in range(0, of.rows, _STREAMED):
            count = min(_STREAMED, of.rows - start)
            data = file.read(count * of.width * dtype.itemsize)
            if len(data) != count * of.width * dtype.itemsize:
                raise DatasetError(f"{of.path} ends before its last row")
            yield start, np.frombuffer(data, dtype).reshape(count, of.width)


def _of_column(name: str, table: Path, column: str | None) -> EmbeddingFile | None:
    found = _arrow().find_vectors(table, column)
    return None if found is None else EmbeddingFile(name, table, table, *found)


def _column_blocks(of: EmbeddingFile) -> Iterator[tuple[int, Floats]]:
    start = 0
    for block in _arrow().vector_blocks(of.path, of.member, of.width, _STREAMED):
        yield start, block
        start += len(block)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except (ValueError, EOFError, zipfile.BadZipFile, NotImplementedError, MemoryError) as error:
        raise DatasetError(f"{path} is no file of embeddings, or is damaged ({type(error).__name__})") from None
