"""Read the entries of Scrapy's HTTP caches in databases (``DbmCacheStorage``), and remove some; nothing is unpickled.

``dbm`` is whatever a Python has: GNU dbm, ndbm, since 3.13 SQLite, and one in plain Python. The first two can be read
where the Python has them; SQLite is read here without ``dbm``, so that the Python need not be the one that wrote it.

ndbm (on Debian: Berkeley DB) is read, and neither written nor let into a crawl: it writes the unused parts of its pages
as its memory was, and that may have been another response's body.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.extensions.httpcache import DbmCacheStorage
from scrapy.http import Headers
from scrapy.utils.misc import load_object

from ingest_guard.scrapy_plugin.stores.cachefiles import ENTRY_FILES, Entry, as_response
from ingest_guard.scrapy_plugin.stores.leaves import StandIn, decoded, plain
from ingest_guard.scrapy_plugin.stores.stores import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.settings import BaseSettings

# What stands behind the name: the parts of dbm.dumb and dbm.ndbm, and SQLite's journals.
_DBM_FILE = re.compile(r"(.+?\.db)(?:\.(?:dat|dir|bak|db|pag)|-(?:wal|shm|journal))?")
_SQLITE = b"SQLite format 3\0"
# Those that ``dbm`` takes for a new database, the first that is there.
_FIRST = ("dbm.sqlite3", "dbm.gnu", "dbm.ndbm", "dbm.dumb")
_NDBM, _PLAIN = "dbm.ndbm", "dbm.dumb"


class _Sqlite:
    """What ``dbm.sqlite3`` keeps: one table of keys and values."""

    def __init__(self, path: Path, *, is_new: bool = False) -> None:
        # Not read-only: whoever was killed while writing has left a journal, and that must be worked in.
        self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={'rwc' if is_new else 'rw'}", uri=True)
        if is_new:
            self._connection.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")

    def keys(self) -> list[bytes]:
        """Return all keys."""
        return [key for (key,) in self._connection.execute("SELECT CAST(key AS BLOB) FROM Dict")]

    def __getitem__(self, key: str | bytes) -> bytes:
        name = key.encode("latin-1") if isinstance(key, str) else key
        found = self._connection.execute(
            "SELECT CAST(value AS BLOB) FROM Dict WHERE key = CAST(? AS BLOB)", (name,)
        ).fetchone()
        if found is None:
            raise KeyError("no such entry")
        return bytes(found[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._connection.execute("INSERT INTO Dict VALUES (CAST(? AS BLOB), CAST(? AS BLOB))", (key, value))

    def close(self) -> None:
        """Write what was put in, and close the file."""
        with contextlib.closing(self._connection) as connection:
            connection.commit()


def unclean(settings: BaseSettings, folders: list[Path]) -> str | None:
    """Return what is wrong where the HTTP cache would be an ndbm database, which writes what was in memory before.

    ``folders`` are those of the cache. With ``dbm``, a database that is there decides, and for others what Python has.
    """
    if not settings.getbool("HTTPCACHE_ENABLED") or not _is_database(settings.get("HTTPCACHE_STORAGE")):
        return None
    module = settings.get("HTTPCACHE_DBM_MODULE") or "dbm"
    there = [path for folder in folders for path in databases(folder)]
    if module != _NDBM and (module != "dbm" or (default_module() != _NDBM and not any(map(_ndbm_files, there)))):
        return None
    return (
        "the HTTP cache is an ndbm database (DbmCacheStorage), which writes remains of the crawl's memory to the disk, "
        "bodies of other responses among them; set HTTPCACHE_DBM_MODULE = 'dbm.dumb', or "
        "HTTPCACHE_STORAGE = 'scrapy.extensions.httpcache.FilesystemCacheStorage'"
    )


def default_module() -> str:
    """Return the module that ``dbm`` takes for new databases in this Python."""
    for name in _FIRST:
        with contextlib.suppress(ImportError):
            return import_module(name).__name__
    raise AssertionError("dbm.dumb is in every Python")


def _is_database(storage: Any) -> bool:
    try:
        loaded = load_object(storage)
    except Exception:  # noqa: BLE001 - somebody else's module may raise anything; Scrapy will tell
        return False
    return isinstance(loaded, type) and issubclass(loaded, DbmCacheStorage)


def unknown_files(folder: Path) -> int:
    """Return how many files of a cache's folder belong to no entry of any storage of Scrapy's."""
    count = 0
    for where, _, names in os.walk(folder):
        if ENTRY_FILES.isdisjoint(names):
            known = Path(where) == folder
            count += sum(name != MARKER and not (known and _DBM_FILE.fullmatch(name)) for name in names)
    return count


def databases(folder: Path) -> list[Path]:
    """Return the databases of ``DbmCacheStorage`` in a cache's folder, by the names that they are opened by."""
    if not folder.is_dir():
        return []
    names = {found[1] for file in folder.iterdir() if file.is_file() and (found := _DBM_FILE.fullmatch(file.name))}
    return [folder / name for name in sorted(names)]


def database_entries(path: Path, module: str) -> Iterator[Entry]:
    """Yield the entries of a database, whose module is that of HTTPCACHE_DBM_MODULE."""
    with contextlib.closing(_open(path, module)) as database:
        for key in list(database.keys()):
            name = _name(key)
            if name.endswith("_data"):
                yield _database_entry(name[: -len("_data")], database)


def _database_entry(name: str, database: Any) -> Entry:
    entry = Entry(name)
    try:
        with contextlib.suppress(KeyError, ValueError):
            entry.written = float(database[f"{name}_time"])
        data = plain(database[f"{name}_data"])
        entry.urls = [str(data["url"])]
        entry.responses = [as_response(data["body"], int(data["status"]), Headers(data["headers"]))]
        extras = (leaf for leaf in _byte_strings(data) if leaf is not data["body"])
        entry.responses += [as_response(each) for leaf in extras for each in decoded(leaf)]
    except (KeyError, ValueError, TypeError):
        entry.is_readable = False
    return entry


def _byte_strings(value: Any) -> Iterator[bytes]:
    """Yield what else of a stored response may hold a picture: texts and byte strings, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "headers":
                yield from _byte_strings(inner)
    elif isinstance(value, list | tuple | StandIn):
        for inner in value.given if isinstance(value, StandIn) else value:
            yield from _byte_strings(inner)
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")


def remove_from_database(path: Path, module: str, names: set[str]) -> None:
    """Remove entries by writing the database anew: one that only forgets a key leaves its value in the file."""
    fresh = path.with_name(f"{path.stem}.purged.db")
    _unlink_database(fresh)
    with (
        contextlib.closing(_open(path, module)) as old,
        contextlib.closing(_new_like(path, fresh, module)) as new,
    ):
        for key in list(old.keys()):
            if _name(key).rpartition("_")[0] not in names:
                new[key] = old[key]
    _unlink_database(path)
    for file in _files_of(fresh):
        file.rename(path.with_name(path.name + file.name[len(fresh.name) :]))


def _name(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)


def _open(path: Path, module: str) -> Any:
    if _is_sqlite(path):
        return _Sqlite(path)
    if found := _ndbm_files(path):
        if set(_files_of(path)) != set(found):
            raise ValueError("two databases have one name, and only one of them would be read")
        module = _NDBM
    return import_module(module).open(str(path), "r")


def _new_like(path: Path, fresh: Path, module: str) -> Any:
    """Make a database of the same kind as that at ``path``; a plain one for ndbm, which would write what was read."""
    if _is_sqlite(path):
        return _Sqlite(fresh, is_new=True)
    if _ndbm_files(path) or (module == "dbm" and default_module() == _NDBM):
        module = _PLAIN
    return import_module(module).open(str(fresh), "n")


def _ndbm_files(path: Path) -> list[Path]:
    """Return the files of an ndbm database: Berkeley DB's one, or the pair of others (``.dir`` is dbm.dumb's, too)."""
    one, pair = path.with_name(f"{path.name}.db"), path.with_name(f"{path.name}.pag")
    if one.exists():
        return [one]
    return [pair, path.with_name(f"{path.name}.dir")] if pair.exists() else []


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _files_of(path: Path) -> list[Path]:
    return [
        file
        for file in path.parent.iterdir()
        if file.name == path.name or ((found := _DBM_FILE.fullmatch(file.name)) and found[1] == path.name)
    ]


def _unlink_database(path: Path) -> None:
    for file in _files_of(path):
        file.unlink()
