"""Read the queues of a job directory, and remove requests that are ``data:`` URLs or carry pictures in their meta.

Scrapy keeps requests in files of queuelib: first in, first out in folders of chunks; last in, first out in one file;
both in SQLite. A queue with something to remove is written anew: taking an entry out leaves its bytes in the file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from queuelib.queue import FifoDiskQueue, LifoDiskQueue

from ingest_guard.scrapy_plugin.stores.leaves import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal["fifo", "lifo", "sqlite", "state"]
_SIZE = struct.Struct(">L")
_SQLITE = b"SQLite format 3\0"
_FIFO_INFO = "info.json"


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue of a job directory, or the spider's state."""

    path: Path
    kind: Kind

    def entries(self) -> list[bytes]:
        """Return what is in it, in the order in which it was put there; UnreadableError where it is damaged."""
        try:
            return _READERS[self.kind](self.path)
        except (OSError, struct.error, sqlite3.Error, KeyError, TypeError, ValueError, AssertionError):
            raise UnreadableError("not a queue that can be read") from None

    def keep(self, wanted: list[bytes]) -> None:
        """Write it anew with these entries."""
        _WRITERS[self.kind](self.path, wanted)


def queues(folder: Path) -> Iterator[Queue]:
    """Yield the queues of a job directory, and ``spider.state``."""
    state = folder / "spider.state"
    if state.is_file():
        yield Queue(state, "state")
    for where, inner, names in os.walk(folder / "requests.queue"):
        if _FIFO_INFO in names:
            inner.clear()
            yield Queue(Path(where), "fifo")
            continue
        for name in sorted(names):
            if name != "active.json" and not name.endswith(("-wal", "-shm", "-journal")):
                file = Path(where, name)
                with file.open("rb") as opened:
                    yield Queue(file, "sqlite" if opened.read(len(_SQLITE)) == _SQLITE else "lifo")


def _read_fifo(path: Path) -> list[bytes]:
    info = json.loads((path / _FIFO_INFO).read_text(encoding="utf-8"))
    number, count, offset = info["tail"]
    found = []
    data = (path / f"q{number:05d}").read_bytes()
    while [number, count] < info["head"]:
        (size,) = _SIZE.unpack_from(data, offset)
        found.append(data[offset + _SIZE.size : offset + _SIZE.size + size])
        count, offset = count + 1, offset + _SIZE.size + size
        if count == info["chunksize"]:
            number, count, offset = number + 1, 0, 0
            data = (path / f"q{number:05d}").read_bytes()
    return found


def _read_lifo(path: Path) -> list[bytes]:
    data = path.read_bytes()
    (count,) = _SIZE.unpack_from(data)
    found, end = [], len(data)
    for _ in range(count):
        (size,) = _SIZE.unpack_from(data, end - _SIZE.size)
        start = end - _SIZE.size - size
        if start < _SIZE.size:
            raise UnreadableError("a size that is too large")
        found.append(data[start : start + size])
        end = start
    return found[::-1]


def _read_sqlite(path: Path) -> list[bytes]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return [bytes(item) for (item,) in database.execute("SELECT item FROM queue ORDER BY id")]


def _write_fifo(path: Path, wanted: list[bytes]) -> None:
    info = json.loads((path / _FIFO_INFO).read_text(encoding="utf-8"))
    fresh = path.with_name(f"{path.name}.purged")
    queue = FifoDiskQueue(fresh, info["chunksize"])
    for entry in wanted:
        queue.push(entry)
    queue.close()
    shutil.rmtree(path)
    if fresh.exists():
        fresh.rename(path)


def _write_lifo(path: Path, wanted: list[bytes]) -> None:
    fresh = path.with_name(f"{path.name}.purged")
    queue = LifoDiskQueue(fresh)
    for entry in wanted:
        queue.push(entry)
    queue.close()
    if fresh.exists():
        fresh.replace(path)
    else:
        path.unlink()


def _write_sqlite(path: Path, wanted: list[bytes]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA secure_delete = ON")
        with database:
            database.execute("DELETE FROM queue")
            database.executemany("INSERT INTO queue (item) VALUES (?)", [(entry,) for entry in wanted])
        database.execute("VACUUM")


def _write_state(path: Path, wanted: list[bytes]) -> None:
    if not wanted:
        path.unlink()


_READERS: dict[Kind, Callable[[Path], list[bytes]]] = {
    "fifo": _read_fifo,
    "lifo": _read_lifo,
    "sqlite": _read_sqlite,
    "state": lambda path: [path.read_bytes()],
}
_WRITERS: dict[Kind, Callable[[Path, list[bytes]], None]] = {
    "fifo": _write_fifo,
    "lifo": _write_lifo,
    "sqlite": _write_sqlite,
    "state": _write_state,
}
