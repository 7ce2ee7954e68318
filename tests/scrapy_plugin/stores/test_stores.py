from __future__ import annotations

import contextlib
import dbm
import dbm.dumb
import importlib
import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings

from ingest_guard import Policy, SetupError
from ingest_guard.scrapy_plugin.stores import stores

if TYPE_CHECKING:
    from collections.abc import Callable

_ON = {"HTTPCACHE_ENABLED": True, "HTTPCACHE_STORAGE": "scrapy.extensions.httpcache.DbmCacheStorage"}


def test_stores_of_a_project(tmp_path: Path) -> None:
    """Local folders, by whatever setting names them; others are told apart."""
    settings = Settings(
        {
            "HTTPCACHE_DIR": str(tmp_path / "cache"),
            "FILES_STORE": f"file://{tmp_path}/files",
            "IMAGES_STORE": "s3://bucket/images",
            "MY_IMAGES_STORE": tmp_path / "mine",
            "JOBDIR": str(tmp_path / "job"),
        }
    )
    assert [store.folder.name for store in stores.all_stores(settings)] == ["cache", "files", "mine", "job"]
    assert [store.folder.name for store in stores.stores_in_use(settings)] == ["files", "mine"]
    assert stores.remote_stores(settings) == ["IMAGES_STORE"]
    settings.set("HTTPCACHE_ENABLED", True)  # noqa: FBT003 - Scrapy's signature
    assert len(stores.stores_in_use(settings)) == 3
    assert stores.all_stores(Settings({"HTTPCACHE_DIR": None})) == []


def test_markers(tmp_path: Path) -> None:
    """A folder without files is no old store; a marker keeps its date; one that cannot be read is none."""
    store = stores.Store(stores.MEDIA, "FILES_STORE", tmp_path / "files")
    (store.folder / "inner").mkdir(parents=True)
    policy = Policy(blocklist=tmp_path)
    assert not store.is_old
    (store.folder / "inner" / "x").touch()
    assert store.is_old
    with pytest.raises(SetupError, match=r"the media store .*files \(FILES_STORE\) holds files from before"):
        stores.require_known([store], policy)
    stores.require_known([store], policy.model_copy(update={"old_stores": "accept"}))
    store.mark("one")
    assert not store.is_old
    since = (store.marker or {})["since"]
    store.mark("two")
    assert (store.marker or {})["list_version"] == "one"
    store.mark("two", purged=True)
    assert (store.marker or {})["list_version"] == "two"
    assert (store.marker or {})["since"] == since
    (store.folder / stores.MARKER).write_text("[]")
    assert store.marker is None


def test_links_and_what_cannot_be_listed_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that only holds a link, or a folder that nobody may list, is not empty; no link is followed."""
    outside, linked, closed = tmp_path / "outside", tmp_path / "linked", tmp_path / "closed"
    for folder in (outside, linked, closed / "inner"):
        folder.mkdir(parents=True)
    (outside / "x").touch()
    (linked / "full").symlink_to(outside)
    assert [path for path, _ in stores.contents(linked)] == [linked / "full"]
    assert stores.Store(stores.MEDIA, "FILES_STORE", linked).is_old
    assert not stores.Store(stores.MEDIA, "FILES_STORE", closed).is_old
    assert not stores.Store(stores.MEDIA, "FILES_STORE", tmp_path / "absent").is_old
    really = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == "inner":
            raise PermissionError(13, "closed", path)
        return really(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert list(stores.contents(closed)) == [(closed / "inner", -1)]
    assert stores.Store(stores.MEDIA, "FILES_STORE", closed).is_old


# Databases.


def _sqlite(path: Path) -> None:
    """Write a database as Python 3.13's ``dbm.sqlite3`` lays it out, in the same mode."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)")


def _writers() -> dict[str, Callable[[Path], None]]:
    """Return writers for the kinds of databases that this Python has."""

    def writer(module: Any) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            with contextlib.closing(module.open(str(path), "n")) as database:
                database[b"aa_data"] = b"body"

        return write

    found = {"sqlite": _sqlite, "dumb": writer(dbm.dumb), "default": writer(dbm)}
    for name in ("dbm.gnu", "dbm.ndbm", "dbm.sqlite3"):
        with contextlib.suppress(ImportError):
            found[name] = writer(importlib.import_module(name))
    return found


DATABASES = _writers()


@pytest.mark.parametrize("kind", DATABASES)
def test_every_kind_of_database_is_seen_at_the_start(kind: str, tmp_path: Path) -> None:
    """Whatever its files are called, they make the folder one that holds something from before the guard."""
    DATABASES[kind](tmp_path / "spider.db")
    assert stores.Store(stores.CACHE, "HTTPCACHE_DIR", tmp_path).is_old


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
    monkeypatch.setattr(stores, "find_default_dbm", lambda: default)
    problem = stores.find_unclean_cache(Settings({**_ON, "HTTPCACHE_DIR": str(tmp_path / "none"), **changed}))
    assert (problem is not None and "dbm.dumb" in problem) is refused


@pytest.mark.parametrize("name", ["spider.db.db", "spider.db.pag"])
def test_ndbm_that_is_there_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``dbm`` goes on with the kind of database that it finds, whatever it would take for a new one."""
    monkeypatch.setattr(stores, "find_default_dbm", lambda: "dbm.gnu")
    settings = Settings({**_ON, "HTTPCACHE_DIR": str(tmp_path)})
    assert stores.find_unclean_cache(settings) is None
    (tmp_path / name).write_bytes(b"")
    assert stores.find_unclean_cache(settings)


def test_the_default_module_is_what_dbm_takes(tmp_path: Path) -> None:
    """As seen from a database that ``dbm`` has just made."""
    with contextlib.closing(dbm.open(str(tmp_path / "new.db"), "n")) as database:
        database[b"a"] = b"b"
    assert dbm.whichdb(str(tmp_path / "new.db")) == stores.find_default_dbm()


# Job directories.


@pytest.mark.parametrize("name", ["requests.queue/0", "requests.queue/0/q00000", "spider.state"])
def test_data_urls_that_wait_are_seen(name: str, tmp_path: Path) -> None:
    """In a queue of any kind and in the spider's state, but not elsewhere."""
    job = stores.Store(stores.JOB, "JOBDIR", tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "notes").write_bytes(b"data:image/png;base64,AAAA")
    (tmp_path / name).write_bytes(b"\0\0data: and more\0")
    assert not stores.has_data_urls(job)
    (tmp_path / name).write_bytes(b"\0\0\x8c\x20data:image/png;base64,AAAA\x94")
    assert stores.has_data_urls(job)
