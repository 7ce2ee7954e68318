"""Write shards without some rows: in place, where each shard is replaced atomically, or as a whole new folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.dataset.recheck.search import stamp
from ingest_guard.dataset.tables.shard_files import open_table
from ingest_guard.errors import DatasetError, PolicyError
from ingest_guard.files.atomic import flush, flush_closed, flush_folder, hidden_name, remove_hidden

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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


def remove_leftovers(shards: Iterable[Path]) -> int:
    """Remove what an earlier run left half written beside some shards; return how many files that was."""
    return sum(remove_hidden(folder) for folder in {path.parent for path in shards})


def replace_shard(folder: Path, path: Path, rows: npt.NDArray[np.int64], seen: tuple[int, int, int]) -> None:
    """Replace a shard by itself without some rows. At any moment its name stands for the old or the new one.

    Parameters
    ----------
    folder
        Where it was noted that shards are about to be replaced; what replaces this one is noted, too.
    path
        The shard.
    rows
        Sorted.
    seen
        Its :func:`~ingest_guard.dataset.recheck.search.stamp` when it was searched.

    Raises
    ------
    DatasetError
        It was changed since, or cannot be written; the old one is then still there.
    """
    hidden = hidden_name(path)
    try:
        with _writing(path):
            _write_without(path, rows, seen, hidden)
            _note(folder, hidden)
            hidden.replace(path)
            flush_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)


def copy_shard(path: Path, rows: npt.NDArray[np.int64], seen: tuple[int, int, int], target: Path) -> None:
    """Write a shard without some rows, or as it is where there are none, to a new place.

    Raises
    ------
    DatasetError
        It was changed since it was searched, or cannot be written.
    """
    with _writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if len(rows):
            _write_without(path, rows, seen, target)
        else:
            _require_unchanged(path, seen)
            shutil.copyfile(path, target)
            flush_closed(target, stat.S_IMODE(path.stat().st_mode))
            _require_unchanged(path, seen)


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


def _write_without(path: Path, rows: npt.NDArray[np.int64], seen: tuple[int, int, int], target: Path) -> None:
    _require_unchanged(path, seen)
    open_table(path).write_without(rows, target)
    flush_closed(target, stat.S_IMODE(path.stat().st_mode))
    _require_unchanged(path, seen)


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
