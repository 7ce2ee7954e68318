"""Files that appear when they are whole: written to a hidden name in the same folder, flushed, renamed.

Whoever reads a data set's folder, while a crawl goes on or after it was killed, finds whole files. What a killed crawl
leaves behind has a hidden name, and is removed by the next that writes there.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HIDDEN = re.compile(r"\.(?P<name>.+)\.\d+\.part")
_MODE = 0o644


def hidden_name(path: Path) -> Path:
    """Return the name under which a file is written until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def publish(hidden: Path, path: Path, *, replace: bool = False) -> Path:
    """Give a whole file its name, and return that.

    Without ``replace`` a file that is there already stays: the new one gets the next free name, ``x-1.parquet`` and so
    on.

    Raises
    ------
    OSError
        The file cannot be flushed or renamed; it is then still there under its hidden name.
    """
    descriptor = os.open(hidden, os.O_RDONLY)
    try:
        # What mkstemp and the like make is for the owner alone; records are for whoever may read the folder.
        os.fchmod(descriptor, _MODE & ~_umask())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    chosen = path
    if replace:
        hidden.replace(path)
    else:
        number = 0
        while not _take(hidden, chosen):
            number += 1
            chosen = path.with_name(f"{path.stem}-{number}{path.suffix}")
    _flush_folder(path.parent)
    return chosen


def remove_hidden(folder: Path, pattern: re.Pattern[str] | None = None) -> int:
    """Remove what was never finished, and return how many files that were.

    Parameters
    ----------
    folder
        One that nobody else is writing to.
    pattern
        Of the names that the files were to get; all of them without it.
    """
    removed = 0
    for entry in folder.iterdir():
        found = _HIDDEN.fullmatch(entry.name)
        if found and (pattern is None or pattern.fullmatch(found["name"])):
            with contextlib.suppress(FileNotFoundError):
                entry.unlink()
                removed += 1
    return removed


def _take(hidden: Path, path: Path) -> bool:
    """Rename a file unless the name is taken; tell whether it was renamed."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links: not atomic there
        if path.exists():
            return False
        hidden.rename(path)
    else:
        hidden.unlink()
    return True


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot flush a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
