"""A folder of records that is to lose some: locked, true to its manifest, and written without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest_guard.dataset.cutting import renames, writing
from ingest_guard.dataset.cutting.companions import Companions, find_companions
from ingest_guard.dataset.cutting.writing import Ints, stamp
from ingest_guard.dataset.recheck import provenance
from ingest_guard.dataset.tables.shard_files import find_shards
from ingest_guard.errors import DatasetError, PolicyError

Reissue = Callable[[Path, Path], bool]
"""Writes the manifest of cleaned shards: from the old folder, into the new one; says whether there is one now."""
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Target:
    """Where cleaned records go.

    Attributes
    ----------
    clean
        A new folder; None: none.
    in_place
        Replace the files themselves. Without this and `clean`, nothing is written: a rehearsal.
    embeddings
        Where the tables' embeddings are, if not beside them.
    """

    clean: Path | None = None
    in_place: bool = False
    embeddings: Path | None = None

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return self.in_place or self.clean is not None


class Cleaning:
    """Records that are about to lose some; made by :func:`cleaning`.

    Attributes
    ----------
    folder
        Of the tables.
    shards
        Path of a table in it -> the file.
    companions
        What goes along with them.
    """

    def __init__(
        self, folder: Path, shards: Mapping[str, Path], companions: Companions, target: Target, partial: Path | None
    ) -> None:
        self.folder = folder
        self.shards = shards
        self.companions = companions
        self._stamps = {name: stamp(path) for name, path in shards.items()}
        self._target = target
        self._partial = partial

    def require_fit(self, rows: Mapping[str, int]) -> None:
        """Raise DatasetError where embeddings have not a row for each record: before anything is written."""
        self.companions.require_fit(rows)

    def write(self, deleted: Mapping[str, Ints], reissue: Reissue) -> bool:
        """Write all tables, and what goes along with them, without some rows; return whether there is a manifest now.

        Parameters
        ----------
        deleted
            Table -> its rows that go, sorted.
        reissue
            Writes the manifest.

        Raises
        ------
        DatasetError, AttestationError
            A file was changed meanwhile, or something cannot be written; no file is half written then.
        """
        if self._partial is not None and self._target.clean is not None:
            for name, path in self.shards.items():
                cut = writing.cut_shard(path, deleted.get(name, _NONE), self._stamps[name])
                writing.copy_cut(cut, self._partial / name)
            self.companions.copy(deleted, self.folder, self._partial)
            attested = reissue(self.folder, self._partial)
            writing.appear(self._partial, self._target.clean)
            return attested
        if self._target.in_place:
            self._replace(deleted)
            attested = reissue(self.folder, self.folder)
            writing.end(self.folder)
            return attested
        return False

    def _replace(self, deleted: Mapping[str, Ints]) -> None:
        """Replace each table that loses records; note in the folder that tables and manifest do not fit meanwhile."""
        orphans = self.companions.orphans(deleted)
        writing.begin(self.folder)
        replaced = 0
        try:
            for name, path in self.shards.items():
                rows = deleted.get(name, _NONE)
                if len(rows):
                    shard = writing.cut_shard(path, rows, self._stamps[name])
                    writing.replace_cut(self.folder, shard, self.companions.cuts(name, rows), orphans.get(name, ()))
                    replaced += 1
        except DatasetError:
            if not replaced:
                writing.end(self.folder)
            raise


@contextmanager
def cleaning(source: Path, target: Target) -> Iterator[Cleaning]:
    """Hold a folder of records while some of them are found and left out.

    Parameters
    ----------
    source
        A folder of shards, or one shard.
    target
        Where the cleaned records go.

    Raises
    ------
    PolicyError
        There are no shards, or something is in the way of the output.
    DatasetError, AttestationError
        Another run is at work there, or the records are not what their manifest says.
    """
    folder, shards = find_shards(source)
    if target.clean is not None:
        inside = target.clean.absolute().parent.resolve()
        if source.is_dir() and source.resolve() in (inside, *inside.parents):
            raise PolicyError(f"-o {target.clean} lies in {source}; choose a place outside of the records")
    with ExitStack() as stack:
        if target.writes:
            stack.enter_context(writing.only_one(folder))
        if target.in_place:
            renames.finish(folder)
        elif renames.is_pending(folder):
            raise DatasetError(
                f"{folder}: a recheck in place was killed, and tables and embeddings do not fit each other; run it "
                "again, in place"
            )
        if target.writes:
            if writing.was_interrupted(folder):
                provenance.require_remains(folder, writing.replaced_so_far(folder))
            else:
                provenance.require_true(folder)
        companions = find_companions(shards, target.embeddings)
        if target.in_place:
            arrays = [path for files in companions.files.values() for path, _ in files]
            writing.remove_leftovers([*shards.values(), *arrays])
        partial = writing.partial_folder(target.clean) if target.clean is not None else None
        yield Cleaning(folder, shards, companions, target, partial)
