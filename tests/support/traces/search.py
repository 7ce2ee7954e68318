"""Search files and folders for what flagged bodies left in them."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.traces.undo import layers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.traces.needles import Needles

_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, order=True)
class Trace:
    """Something that a flagged body left in a file.

    Attributes
    ----------
    file
        The file.
    name
        The name of the flagged body.
    what
        ``bytes`` (the body or a part of it), or the algorithm of a digest.
    how
        The encodings that were undone to see it, outermost first; empty if it lay there as it is.
    """

    file: Path
    name: str
    what: str
    how: str


def find_traces(folders: Iterable[Path], needles: Needles) -> list[Trace]:
    """Search files, and all files in folders, for flagged bodies, their parts and their digests.

    Parameters
    ----------
    folders
        Files and folders, which must exist. The names of files are searched too.
    needles
        What to look for.

    Returns
    -------
    list of Trace
        Sorted; one for each file, flagged body and kind of trace.

    Raises
    ------
    OSError
        A file cannot be read: what was not searched is not clean.
    """
    traces: dict[tuple[Path, str, str], Trace] = {}
    for file in _files(folders):
        for trace in _in_file(file, needles):
            key = (trace.file, trace.name, trace.what)
            # Several ways lead to some traces; the shortest tells most.
            traces[key] = min(traces.get(key, trace), trace, key=lambda one: (len(one.how), one.how))
    return sorted(traces.values())


def traces_in(data: bytes, needles: Needles, file: Path) -> Iterator[Trace]:
    """Yield the traces in some bytes; ``file`` is what they are called."""
    for how, layer in layers(data):
        for found in needles.find(layer):
            yield Trace(file, found.name, found.what, how)


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            yield folder
            continue
        for path, _folders, names in os.walk(folder, onerror=_refuse):
            yield from (Path(path, name) for name in sorted(names))


def _refuse(error: OSError) -> None:
    raise error


def _in_file(file: Path, needles: Needles) -> Iterator[Trace]:
    yield from traces_in(os.fsencode(file.name), needles, file)
    if not stat.S_ISREG(file.lstat().st_mode):  # a socket, a pipe, a link: its name is all that it holds
        return
    data = file.read_bytes()
    yield from traces_in(data, needles, file)
    if data.startswith(_SQLITE):
        for value in _sqlite_values(file):
            yield from traces_in(value, needles, file)


def _sqlite_values(file: Path) -> Iterator[bytes]:
    """Yield the values in a database: SQLite cuts long ones into pages, and a cut stream cannot be unpacked."""
    with contextlib.closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            quoted = name.replace('"', '""')
            for row in database.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608 - the database names its own tables
                for value in row:
                    if isinstance(value, bytes):
                        yield value
                    elif isinstance(value, str):
                        yield value.encode("utf-8", "surrogatepass")
