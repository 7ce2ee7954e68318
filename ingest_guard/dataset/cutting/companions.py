"""What goes along with tables and loses the same rows: row-aligned arrays of embeddings, and a file for each record."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from ingest_guard.dataset.cutting.writing import Cut, Ints, copy_cut, stamp
from ingest_guard.dataset.embeddings import arrays, vector_files
from ingest_guard.dataset.embeddings.embedding_files import require_rows
from ingest_guard.dataset.embeddings.places import aligned_files, vector_folders
from ingest_guard.errors import DatasetError
from ingest_guard.files.atomic import flush_closed

_NONE = np.empty(0, np.int64)


@dataclass(slots=True)
class Companions:
    """The files that go along with the tables of a data set.

    Attributes
    ----------
    tables
        Path of a table in the data set -> the file.
    files
        The same -> row-aligned files, each with its stamp from before the tables were searched.
    vectors
        The same -> folder with a file for each record, and the column with the hashes that name them.
    """

    tables: Mapping[str, Path]
    files: dict[str, list[tuple[Path, tuple[int, int, int]]]] = field(default_factory=dict)
    vectors: dict[str, tuple[Path, str]] = field(default_factory=dict)

    def require_fit(self, rows: Mapping[str, int]) -> None:
        """Raise DatasetError where a file has not a row for each record of its table.

        Parameters
        ----------
        rows
            Table -> its records.
        """
        for name, files in self.files.items():
            for path, _ in files:
                require_rows(path, arrays.count_rows(path), self.tables[name], rows[name])

    def cuts(self, name: str, rows: Ints) -> list[Cut]:
        """Return how the files of a table lose some rows."""
        return [Cut(path, rows, seen, partial(arrays.write_without, path)) for path, seen in self.files.get(name, ())]

    def copy(self, deleted: Mapping[str, Ints], folder: Path, target: Path) -> None:
        """Write all files into another folder, without some rows of each table.

        Parameters
        ----------
        deleted
            Table -> its rows that go, sorted.
        folder, target
            Of the tables, and the new one; what lies elsewhere gets its place by the name of its own folder.
        """
        for name in self.tables:
            for cut in self.cuts(name, deleted.get(name, _NONE)):
                copy_cut(cut, target / _place(cut.path, folder))
            if name in self.vectors:
                for path, stays in self._record_files(name, deleted.get(name, _NONE)):
                    copied = target / _place(path, folder)
                    if stays and not copied.exists():
                        copied.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(path, copied)
                        flush_closed(copied, stat.S_IMODE(path.stat().st_mode))

    def orphans(self, deleted: Mapping[str, Ints]) -> dict[str, list[Path]]:
        """Return, by table, the files of records that go, where no record that stays has the same image."""
        gone: dict[Path, str] = {}
        for name, rows in deleted.items():
            if name in self.vectors and len(rows):
                gone |= {path: name for path, stays in self._record_files(name, rows) if not stays}
        for name in self.vectors if gone else ():
            for path, stays in self._record_files(name, deleted.get(name, _NONE)):
                if stays:
                    gone.pop(path, None)
        found: dict[str, list[Path]] = {}
        for path, name in gone.items():
            found.setdefault(name, []).append(path)
        return found

    def _record_files(self, name: str, rows: Ints) -> Iterator[tuple[Path, bool]]:
        """Yield each record's file that is there, and whether the record stays."""
        folder, column = self.vectors[name]
        for start, names in vector_files.file_names(self.tables[name], column):
            low, high = np.searchsorted(rows, (start, start + len(names)))
            gone = set((rows[low:high] - start).tolist())
            for row, each in enumerate(names):
                if each is not None and (path := folder / each).is_file():
                    yield path, row not in gone


def find_companions(tables: Mapping[str, Path], embeddings: Path | None = None) -> Companions:
    """Return what goes along with some tables.

    Parameters
    ----------
    tables
        Path of a table in the data set -> the file.
    embeddings
        Where their embeddings are, if not beside them.

    Raises
    ------
    DatasetError
        A file has the name for two tables, or cannot be read.
    """
    found = Companions(tables)
    owners: dict[Path, str] = {}
    for name, table in tables.items():
        paths = aligned_files(table, embeddings)
        for path in paths:
            if path.is_symlink():
                raise DatasetError(f"{path} is no plain file; put the array itself there")
            if (other := owners.setdefault(path.resolve(), name)) != name:
                raise DatasetError(
                    f"{path} has the name for {other} and for {name}: which one it belongs to is not known"
                )
        if paths:
            found.files[name] = [(path, stamp(path)) for path in paths]
            continue
        for folder in vector_folders(table, embeddings):
            if folder.is_dir() and (by_hash := vector_files.find(table, folder)) is not None:
                found.vectors[name] = (folder, by_hash[0])
                break
    return found


def _place(path: Path, folder: Path) -> Path:
    whole, inside = path.resolve(), folder.resolve()
    return whole.relative_to(inside) if whole.is_relative_to(inside) else Path(path.parent.name, path.name)
