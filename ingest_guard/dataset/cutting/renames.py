"""Several files that take their places together: written down before the first rename, finished by the next run.

A table and its embeddings lose the same rows, and no file system renames two files at once. So what is about to be
renamed is noted on disk first; should the process be killed in between, the next run does the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingest_guard.errors import DatasetError
from ingest_guard.files.atomic import flush_folder, is_hidden_name, whole_file

_NOTE = ".recheck-renames"


def rename_together(folder: Path, hidden: Mapping[Path, Path], removed: Sequence[Path] = ()) -> None:
    """Give whole files their names, and remove some others; OSError where the system refuses.

    Parameters
    ----------
    folder
        Where the note is kept meanwhile.
    hidden
        Name -> the hidden file in the same folder that is to have it.
    removed
        Files that go.
    """
    is_noted = len(hidden) + len(removed) > 1
    if is_noted:
        entries = [{"name": _relative(path, folder), "from": each.name} for path, each in hidden.items()]
        entries += [{"name": _relative(path, folder)} for path in removed]
        with whole_file(folder / _NOTE) as file:
            file.write(json.dumps(entries).encode())
    for path, each in hidden.items():
        each.replace(path)
    for path in removed:
        path.unlink(missing_ok=True)
    for parent in {path.parent for path in (*hidden, *removed)}:
        flush_folder(parent)
    if is_noted:
        _forget(folder)


def finish(folder: Path) -> None:
    """Do what a run that was killed had noted.

    Raises
    ------
    DatasetError
        The note cannot be read, or names something else than such a run notes.
    """
    note = folder / _NOTE
    try:
        if not note.is_file():
            return
        entries = [(folder / entry["name"], entry.get("from")) for entry in json.loads(note.read_bytes())]
        for path, each in entries:
            if each is not None and not is_hidden_name(each, path.name):
                raise DatasetError(f"{note} is not what a recheck notes; see what is in it, and remove it")
        for path, each in entries:
            if each is None:
                path.unlink(missing_ok=True)
            elif (hidden := path.with_name(each)).is_file():
                hidden.replace(path)
        for parent in {path.parent for path, _ in entries}:
            flush_folder(parent)
        _forget(folder)
    except OSError as error:
        raise DatasetError(f"{note}: what it notes cannot be finished ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise DatasetError(f"{note} is not what a recheck notes; see what is in it, and remove it") from None


def is_pending(folder: Path) -> bool:
    """Return whether a run was killed between two renames: some files do not fit each other."""
    return (folder / _NOTE).is_file()


def _forget(folder: Path) -> None:
    (folder / _NOTE).unlink(missing_ok=True)
    flush_folder(folder)


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.absolute(), folder.absolute())
