"""Write shards without some rows: in place, where each shard is replaced atomically, or as a whole new folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.cutting import renames
from ingest_guard.dataset.tables.shard_files import open_table
from ingest_guard.errors import DatasetError, PolicyError
from ingest_guard.files.atomic import flush, flush_closed, flush_folder, hidden_name, remove_hidden

Ints = npt.NDArray[np.int64]
_PARTIAL = ".recheck-partial"
_RUNNING = ".recheck-running"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep other rechecks away from a folder meanwhile; the lock ends with the process, however that ends.

    Raises
    ------
    DatasetError
        Another is at work there, or the folder cannot be opened.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise DatasetError(f"another recheck is at work in {folder}; let it end first") from None
    finally:
        os.close(descriptor)


def was_interrupted(folder: Path) -> bool:
    """Return whether a run in place was ended early: some shards are cleaned, and the manifest is still the old."""
    return (folder / _RUNNING).is_file()


def replaced_so_far(folder: Path) -> frozenset[str]:
    """Return the SHA-256 of every shard that runs which were interrupted have put in place of another."""
    try:
        return frozenset((folder / _RUNNING).read_text().split())
    except (OSError, UnicodeDecodeError):
        return frozenset()


def begin(folder: Path) -> None:
    """Note that shards are about to be replaced."""
    with _writing(folder):
        (folder / _RUNNING).touch()
        flush_folder(folder)


def end(folder: Path) -> None:
    """Note that shards and manifest fit each other again."""
    with _writing(folder):
        (folder / _RUNNING).unlink(missing_ok=True)
        flush_folder(folder)


def remove_leftovers(files: Iterable[Path]) -> int:
    """Remove what an earlier run left half written beside some files; return how many files that was."""
    return sum(remove_hidden(folder) for folder in {path.parent for path in files})


def stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file does."""
    status = os.stat(path)  # noqa: PTH116 - one call for three numbers
    return status.st_size, status.st_mtime_ns, status.st_ino


@dataclass(frozen=True, slots=True)
class Cut:
    """A file that loses rows.

    Attributes
    ----------
    path
        The file.
    rows
        Which rows, sorted.
    seen
        Its :func:`stamp` when it was searched.
    write_without
        Writes it without some rows to another place.
    """

    path: Path
    rows: Ints
    seen: tuple[int, int, int]
    write_without: Callable[[Ints, Path], None]


def cut_shard(path: Path, rows: Ints, seen: tuple[int, int, int]) -> Cut:
    """Return how a shard loses some rows."""
    return Cut(path, rows, seen, lambda rows, target: open_table(path).write_without(rows, target))


def replace_cut(folder: Path, shard: Cut, others: Sequence[Cut] = (), removed: Sequence[Path] = ()) -> None:
    """Replace a shard, and what goes along with it, without some rows.

    At any moment each name stands for the old or the new file. Should the process be killed between two renames, the
    next run does the rest (:func:`~ingest_guard.dataset.cutting.renames.finish`).

    Parameters
    ----------
    folder
        Where it was noted that shards are about to be replaced; what replaces this one is noted, too.
    shard
        The shard.
    others
        Files that lose the same rows.
    removed
        Files that go.

    Raises
    ------
    DatasetError
        One was changed since it was searched, or cannot be written; the old ones are then still there.
    """
    hidden = {cut.path: hidden_name(cut.path) for cut in (shard, *others)}
    try:
        with _writing(shard.path):
            for cut in (shard, *others):
                _write_cut(cut, hidden[cut.path])
            _note(folder, hidden[shard.path])
            renames.rename_together(folder, hidden, removed)
    finally:
        if not renames.is_pending(folder):
            for each in hidden.values():
                with contextlib.suppress(OSError):
                    each.unlink(missing_ok=True)


def copy_cut(cut: Cut, target: Path) -> None:
    """Write a file without some rows, or as it is where there are none, to a new place.

    Raises
    ------
    DatasetError
        It was changed since it was searched, or cannot be written.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if len(cut.rows):
            _write_cut(cut, target)
        else:
            _require_unchanged(cut.path, cut.seen)
            shutil.copyfile(cut.path, target)
            flush_closed(target, stat.S_IMODE(cut.path.stat().st_mode))
            _require_unchanged(cut.path, cut.seen)


def partial_folder(clean: Path) -> Path:
    """Return an empty hidden folder beside the one that is to appear; what an earlier run left of it goes.

    Raises
    ------
    PolicyError
        Something is there already that would be written over.
    DatasetError
        It cannot be made.
    """
    if os.path.lexists(clean) and not (clean.is_dir() and not clean.is_symlink() and not any(clean.iterdir())):
        raise PolicyError(f"{clean} exists and is no empty folder; choose a new name for -o")
    partial = clean.with_name(f".{clean.name}{_PARTIAL}")
    with _writing(clean):
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
    return partial


def appear(partial: Path, clean: Path) -> None:
    """Give a whole folder its name."""
    with _writing(clean):
        for folder, _, _ in os.walk(partial):
            flush_folder(Path(folder))
        partial.rename(clean)
        flush_folder(clean.parent)


def _note(folder: Path, hidden: Path) -> None:
    """Note, on disk, what is about to take a shard's place: should this run be killed, the next one knows it again."""
    with hidden.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    with (folder / _RUNNING).open("a") as file:
        file.write(f"{digest.hexdigest()}\n")
        flush(file)


def _write_cut(cut: Cut, target: Path) -> None:
    _require_unchanged(cut.path, cut.seen)
    cut.write_without(cut.rows, target)
    flush_closed(target, stat.S_IMODE(cut.path.stat().st_mode))
    _require_unchanged(cut.path, cut.seen)


def _require_unchanged(path: Path, seen: tuple[int, int, int]) -> None:
    if stamp(path) != seen:
        raise DatasetError(f"{path} was changed while it was compared; let nothing write there, and start again")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise DatasetError where the system refuses a write."""
    try:
        yield
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DatasetError(f"{path} cannot be written ({why}); what was there stays") from None
