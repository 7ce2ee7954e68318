"""Which embeddings a data set has: one vector for each record, beside its table or inside it.

They lie in files of arrays (:mod:`~ingest_guard.dataset.embeddings.places` says where), in a column of lists in a
Parquet table, or in a file for each record that is named by the hash of its image. Each is opened without pickle, and
refused by name where it does not fit its table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from ingest_guard.dataset.embeddings import arrays, vector_files
from ingest_guard.dataset.embeddings.arrays import Floats
from ingest_guard.dataset.embeddings.places import image_files, stem_of, vector_folders
from ingest_guard.dataset.shards.read import is_parquet, load_arrow, open_lines
from ingest_guard.dataset.tables.shard_files import find_shards
from ingest_guard.errors import DatasetError, PolicyError

_STREAMED = 1 << 15
"""Rows of an array in a zip file, or of a column, that are read at a time."""
_IMAGE_ARRAYS = ("l14_img", "b32_img", "img", "img_emb")


@dataclass(frozen=True, slots=True)
class EmbeddingFile:
    """The embeddings of one table.

    Attributes
    ----------
    name, table
        Path of the table in the data set, and the file.
    path
        The file with the embeddings: the table itself where they are a column, a folder where each record has a file.
    member
        Name of the array in an ``npz`` file, of the column, or of the column with the hashes that name the files; empty
        for ``npy``.
    rows, width
        Its shape.
    columns
        Role -> column of the table, where its own names do not say it.
    """

    name: str
    table: Path
    path: Path
    member: str
    rows: int
    width: int
    columns: Mapping[str, str] = field(default_factory=dict)

    def blocks(self) -> Iterator[tuple[int, Floats]]:
        """Yield (index of the first row, rows) from front to back; an ``npy`` file as one memory map.

        Raises
        ------
        DatasetError
            The file cannot be read, or is not what it was when it was found.
        """
        with arrays.reading(self.path):
            if self.path == self.table:
                start = 0
                for block in _arrow().vector_blocks(self.path, self.member, self.width, _STREAMED):
                    yield start, block
                    start += len(block)
            elif self.path.is_dir():
                yield from vector_files.blocks(self.table, self.path, self.member, self.width)
            elif self.member:
                yield from arrays.member_blocks(self.path, self.member, (self.rows, self.width), _STREAMED)
            else:
                yield 0, arrays.memory_map(self.path, (self.rows, self.width))


def find_embeddings(
    source: Path,
    embeddings: Path | None = None,
    column: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> list[EmbeddingFile]:
    """Return the embeddings of all tables of a data set, in the order of the tables.

    Parameters
    ----------
    source
        The folder of tables, or one table.
    embeddings
        Where the files with embeddings are; by default beside the tables.
    column
        The column with the embeddings, or the array in ``npz`` files, where there are several.

    columns
        Role -> column of the tables, where their own names do not say it.

    Raises
    ------
    PolicyError
        There is no table, or a table has no embeddings.
    DatasetError
        A file cannot be read or does not fit its table, or their widths differ.
    """
    _, tables = find_shards(source)
    found = [replace(_of_table(name, path, embeddings, column), columns=columns or {}) for name, path in tables.items()]
    for each in found:
        if each.width != found[0].width:
            raise DatasetError(
                f"{each.path} has {each.width} dimensions, and {found[0].path} has {found[0].width}: they are not of "
                "one model"
            )
    return found


def _of_table(name: str, table: Path, embeddings: Path | None, column: str | None) -> EmbeddingFile:
    rows = count_rows(table)
    for path in image_files(table, embeddings):
        if path.is_file():
            with arrays.reading(path):
                return _checked(_of_file(name, table, path, column), rows)
    if is_parquet(table):
        with arrays.reading(table):
            found = _arrow().find_vectors(table, column)
        if found is not None:
            return _checked(EmbeddingFile(name, table, table, *found), rows)
    for folder in vector_folders(table, embeddings):
        if folder.is_dir() and (by_hash := vector_files.find(table, folder)) is not None:
            return EmbeddingFile(name, table, folder, by_hash[0], rows, by_hash[1])
    stem = stem_of(table)
    raise PolicyError(
        f"{table} has no embeddings: expected {stem}.npy or .npz, img_emb_N.npy for metadata_N, a column of lists of "
        "numbers, or embeddings/HASH.npy; name their folder with --embeddings, or the column with --embedding-column"
    )


def _checked(file: EmbeddingFile, rows: int) -> EmbeddingFile:
    require_rows(file.path, file.rows, file.table, rows)
    return file


def require_rows(path: Path, found: int, table: Path, rows: int) -> None:
    """Raise DatasetError where a file of embeddings has not a row for each record of its table."""
    if found != rows:
        raise DatasetError(f"{path} has {found:,} rows, and {table} has {rows:,}: they do not belong together")


def count_rows(table: Path) -> int:
    """Return the number of records in a table."""
    if is_parquet(table):
        return int(_arrow().count_rows(table))
    with open_lines(table) as file:
        return sum(1 for line in file if line.strip())


def _arrow() -> ModuleType:
    load_arrow()  # says what to install
    from ingest_guard.dataset.embeddings import vector_columns  # noqa: PLC0415 - pyarrow is an extra

    return vector_columns


def _of_file(name: str, table: Path, path: Path, column: str | None) -> EmbeddingFile:
    if path.suffix == ".npy":
        return EmbeddingFile(name, table, path, "", *arrays.require_vectors(arrays.header_of(path), path))
    member = _choose(arrays.member_names(path), column, path)
    return EmbeddingFile(
        name, table, path, member, *arrays.require_vectors(arrays.header_of_member(path, member), path)
    )


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
