from __future__ import annotations

import contextlib
import dbm
import dbm.dumb
import importlib
import pickle
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings

from ingest_guard.scrapy_plugin.stores import cachedatabases
from ingest_guard.scrapy_plugin.stores.stores import CACHE, Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ingest_guard.scrapy_plugin.stores.cachefiles import Entry

_ON = {"HTTPCACHE_ENABLED": True, "HTTPCACHE_STORAGE": "scrapy.extensions.httpcache.DbmCacheStorage"}
BODIES = {"aa": b"first body", "bb": b"second body"}


def stored() -> dict[str, bytes]:
    """Return what ``DbmCacheStorage`` keeps of two responses."""
    found = {}
    for number, (name, body) in enumerate(BODIES.items()):
        data = {"status": 200, "url": f"http://host.example/{name}", "headers": {}, "body": body}
        found[f"{name}_data"] = pickle.dumps(data, protocol=4)
        found[f"{name}_time"] = str(1000.5 + number).encode()
    return found


def sqlite(path: Path) -> None:
    """Write a database as Python 3.13's ``dbm.sqlite3`` lays it out, in the same mode."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")
        rows = [(key.encode(), value) for key, value in stored().items()]
        connection.executemany("REPLACE INTO Dict VALUES (CAST(? AS BLOB), CAST(? AS BLOB))", rows)
        connection.commit()


def plain(path: Path) -> None:
    """Write one of ``dbm.dumb``: three files."""
    with contextlib.closing(dbm.dumb.open(str(path), "n")) as database:
        database.update(stored())


def others() -> dict[str, Callable[[Path], None]]:
    """Return writers for the kinds that not every Python has, as far as this one has them."""
    found = {}
    for name in ("dbm.gnu", "dbm.ndbm", "dbm.sqlite3"):
        with contextlib.suppress(ImportError):
            found[name] = writer(importlib.import_module(name))
    return found


def writer(module: Any) -> Callable[[Path], None]:
    """Return a writer for databases of a module."""

    def write(path: Path) -> None:
        with contextlib.closing(module.open(str(path), "n")) as database:
            for key, value in stored().items():
                database[key.encode()] = value

    return write


KINDS = {"sqlite": sqlite, "dumb": plain, "default": writer(dbm), **others()}


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write a database; return the name that it is opened by."""
    path = tmp_path / "spider.db"
    KINDS[request.param](path)
    return path


def read(path: Path) -> dict[str, Entry]:
    """Return the entries of a database."""
    return {entry.key: entry for entry in cachedatabases.database_entries(path, "dbm")}


def on_disk(folder: Path) -> bytes:
    """Return all that stands in the files of a folder."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


def test_every_kind_is_seen_at_the_start(database: Path) -> None:
    """Whatever its files are called, they make the folder one that holds something from before the guard."""
    assert Store(CACHE, "HTTPCACHE_DIR", database.parent).is_old
    assert cachedatabases.databases(database.parent) == [database]
    assert cachedatabases.unknown_files(database.parent) == 0


def test_every_kind_is_read(database: Path) -> None:
    """Bodies, addresses and times come out, and nothing is left beside the database."""
    entries = read(database)
    assert {name: entry.responses[0].body for name, entry in entries.items()} == BODIES
    assert [entries[name].urls for name in BODIES] == [[f"http://host.example/{name}"] for name in BODIES]
    assert [entries[name].written for name in BODIES] == [1000.5, 1001.5]
    assert cachedatabases.unknown_files(database.parent) == 0


def test_what_is_removed_is_gone_from_the_files(database: Path) -> None:
    """Also from pages that a database would only mark as free; the rest stays, for ``dbm`` as well."""
    assert BODIES["aa"] in on_disk(database.parent)
    cachedatabases.remove_from_database(database, "dbm", {"aa"})
    assert BODIES["aa"] not in on_disk(database.parent)
    assert list(read(database)) == ["bb"]
    assert cachedatabases.databases(database.parent) == [database]
    if dbm.whichdb(str(database)):
        with contextlib.closing(dbm.open(str(database), "r")) as found:
            assert found[b"bb_time"] == b"1001.5"


@pytest.mark.parametrize("name", ["spider.db.db", "spider.db.pag"])
def test_two_databases_of_one_name_are_an_error(tmp_path: Path, name: str) -> None:
    """An ndbm database beside a plain one, as after a change of the setting, is not passed over."""
    path = tmp_path / "spider.db"
    plain(path)
    (tmp_path / name).write_bytes(b"other")
    assert cachedatabases.databases(tmp_path) == [path]
    with pytest.raises(ValueError, match="two databases"):
        read(path)


def test_a_purge_writes_no_ndbm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would write what was just read, in the unused parts of its pages."""
    monkeypatch.setattr(cachedatabases, "default_module", lambda: "dbm.ndbm")
    path = tmp_path / "spider.db"
    plain(path)
    cachedatabases.remove_from_database(path, "dbm", {"aa"})
    assert dbm.whichdb(str(path)) == "dbm.dumb"
    assert set(read(path)) == {"bb"}


@pytest.mark.parametrize(
    ("changed", "default", "refused"),
    [
        ({}, "dbm.ndbm", True),
        ({}, "dbm.gnu", False),
        ({"HTTPCACHE_DBM_MODULE": "dbm.ndbm"}, "dbm.gnu", True),
        ({"HTTPCACHE_DBM_MODULE": "dbm.dumb"}, "dbm.ndbm", False),
        ({"HTTPCACHE_ENABLED": False}, "dbm.ndbm", False),
        ({"HTTPCACHE_STORAGE": "scrapy.extensions.httpcache.FilesystemCacheStorage"}, "dbm.ndbm", False),
        ({"HTTPCACHE_STORAGE": "no.such.storage"}, "dbm.ndbm", False),
    ],
)
def test_ndbm_is_refused(
    changed: dict[str, Any], default: str, *, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes remains of the process's memory into its file: a crawl with such a cache does not start."""
    monkeypatch.setattr(cachedatabases, "default_module", lambda: default)
    problem = cachedatabases.unclean(Settings({**_ON, **changed}), [tmp_path / "none"])
    assert (problem is not None and "dbm.dumb" in problem) is refused


@pytest.mark.parametrize("name", ["spider.db.db", "spider.db.pag"])
def test_ndbm_that_is_there_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``dbm`` goes on with the kind of database that it finds, whatever it would take for a new one."""
    monkeypatch.setattr(cachedatabases, "default_module", lambda: "dbm.gnu")
    assert cachedatabases.unclean(Settings(_ON), [tmp_path]) is None
    (tmp_path / name).write_bytes(b"")
    assert cachedatabases.unclean(Settings(_ON), [tmp_path])


def test_the_default_module_is_what_dbm_takes(tmp_path: Path) -> None:
    """As seen from a database that ``dbm`` has just made."""
    with contextlib.closing(dbm.open(str(tmp_path / "new.db"), "n")) as database:
        database[b"a"] = b"b"
    assert dbm.whichdb(str(tmp_path / "new.db")) == cachedatabases.default_module()


def test_a_journal_that_a_kill_has_left_counts(tmp_path: Path) -> None:
    """Entries that only stand in SQLite's journal are read, and go when they are removed."""
    path, copy = tmp_path / "spider.db", tmp_path / "killed"
    copy.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")
        connection.executemany("INSERT INTO Dict VALUES (?, ?)", [(k.encode(), v) for k, v in stored().items()])
        connection.commit()
        for file in tmp_path.glob("spider.db*"):
            (copy / file.name).write_bytes(file.read_bytes())
    assert BODIES["bb"] not in (copy / "spider.db").read_bytes()
    assert cachedatabases.unknown_files(copy) == 0
    assert set(read(copy / "spider.db")) == set(BODIES)
    cachedatabases.remove_from_database(copy / "spider.db", "dbm", {"bb"})
    assert BODIES["bb"] not in on_disk(copy)
    assert [file.name for file in copy.iterdir()] == ["spider.db"]


def test_another_database_is_an_error(tmp_path: Path) -> None:
    """A file of SQLite that no cache has written is not taken for an empty one."""
    path = tmp_path / "spider.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE other (x)")
    with pytest.raises(sqlite3.Error):
        read(path)


def test_a_value_that_is_missing_or_no_pickle(tmp_path: Path) -> None:
    """An entry that cannot be read says so, by itself."""
    path = tmp_path / "spider.db"
    sqlite(path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM Dict WHERE key = CAST('aa_time' AS BLOB)")
        connection.execute("UPDATE Dict SET value = 'text' WHERE key = CAST('bb_data' AS BLOB)")
    entries = read(path)
    assert (entries["aa"].written, entries["aa"].is_readable) == (0.0, True)
    assert not entries["bb"].is_readable
