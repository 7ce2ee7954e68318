from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from scrapy_plugin.stores.test_stores import DATABASES

from ingest_guard import IngestGuardError, Policy
from ingest_guard.scrapy_plugin.stores import purge as module
from ingest_guard.scrapy_plugin.stores.purge import Findings, purge
from ingest_guard.scrapy_plugin.stores.stores import CACHE, JOB, MARKER, MEDIA, Store

if TYPE_CHECKING:
    from pathlib import Path

    from support.listed import World


@pytest.fixture
def policy(world: World) -> Policy:
    """Return one that scans in this process."""
    return Policy.model_validate({"blocklist": str(world.blocklist), "workers": "inline"})


def run(store: Store, policy: Policy, *others: Store, **options: Any) -> Findings:
    """Purge one store of a project that has others, too."""
    return next(findings for each, findings in purge([store, *others], policy, **options) if each == store)


def names(folder: Path) -> set[str]:
    """Return the files, links and empty folders in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not (path.is_dir() and any(path.iterdir()))}


@pytest.mark.parametrize("kind", DATABASES)
def test_every_kind_of_database_goes(kind: str, tmp_path: Path, policy: Policy) -> None:
    """With all its files."""
    DATABASES[kind](tmp_path / "spider.db")
    findings = run(Store(CACHE, "HTTPCACHE_DIR", tmp_path), policy)
    assert findings.whole >= 1
    assert findings.left == set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x.db", "x.db-wal", "x.db-shm", "x.db-journal", "x.db.dat", "x.db.dir", "x.db.bak"])
def test_what_a_kill_leaves_of_a_database_goes(name: str, tmp_path: Path, policy: Policy) -> None:
    """Each of its files is known by its name alone; nothing is opened."""
    (tmp_path / name).write_bytes(b"?")
    assert run(Store(CACHE, "HTTPCACHE_DIR", tmp_path), policy).whole == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_the_cache_s_stays(tmp_path: Path, policy: Policy) -> None:
    """Only files where a storage of Scrapy's writes them go: not a thesis, not a repository, not another database."""
    kept = {
        *("thesis.txt", "spider/notes", "spider/aa/bbcc/meta", "aa/aabb/meta", "spider/aa/aazz/meta", MARKER),
        *("objects/aa/bbccddee", "spider/inner.db", "empty"),
    }
    for name in [*kept, "spider/aa/aabb/meta", "spider/aa/aabb/.temporary", "my/spider/0f/0fff/response_body"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x") if name != "empty" else (tmp_path / name).mkdir()
    for dry_run in (True, False):
        findings = run(Store(CACHE, "HTTPCACHE_DIR", tmp_path), policy, dry_run=dry_run)
        assert (findings.whole, len(findings.left)) == (3, len(kept) - 2)
    assert names(tmp_path) == kept


def test_links_are_neither_followed_nor_removed(tmp_path: Path, policy: Policy) -> None:
    """What they lead to is outside, and a store with one in it is not done."""
    outside = tmp_path / "outside"
    (outside / "aa" / "aabb").mkdir(parents=True)
    (outside / "aa" / "aabb" / "meta").touch()
    (outside / "0").touch()
    cache, job = tmp_path / "cache", tmp_path / "job"
    (cache / "spider" / "bb" / "bbcc").mkdir(parents=True)
    (cache / "spider.db").symlink_to(outside / "0")
    (cache / "linked").symlink_to(outside)
    (cache / "spider" / "bb" / "bbcc" / "response_body").symlink_to(outside / "0")
    (cache / "spider" / "bb" / "bbdd").symlink_to(outside / "aa" / "aabb")
    job.mkdir()
    (job / "requests.queue").symlink_to(outside)
    before = names(tmp_path)
    assert len(run(Store(CACHE, "HTTPCACHE_DIR", cache), policy).left) == 4
    assert run(Store(JOB, "JOBDIR", job), policy).left == {job / "requests.queue"}
    assert names(tmp_path) == before


def test_a_folder_that_holds_more_is_left(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache or media store in which the working folder or another kind of store lies is not touched."""
    (tmp_path / "data.db").touch()
    (tmp_path / "files" / "images").mkdir(parents=True)
    cache, files = Store(CACHE, "HTTPCACHE_DIR", tmp_path), Store(MEDIA, "FILES_STORE", tmp_path / "files")
    job = Store(JOB, "JOBDIR", tmp_path)
    images = Store(MEDIA, "IMAGES_STORE", tmp_path / "files" / "images")
    assert run(cache, policy, files) == Findings(is_shared=True)
    assert not run(files, policy, images, cache).is_shared
    monkeypatch.chdir(tmp_path / "files")
    assert run(cache, policy).is_shared
    assert run(files, policy).is_shared
    assert not run(job, policy, files).is_shared
    assert (tmp_path / "data.db").exists()


def test_what_cannot_be_removed_is_left(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest goes; what another process has removed meanwhile is no error."""
    for name in ("a.db", "b.db", "c.db"):
        (tmp_path / name).touch()
    (tmp_path / MARKER).touch()
    really = os.unlink

    def unlink(path: str, **options: Any) -> None:
        if path == "b.db":
            raise PermissionError(13, "read-only", path)
        really(path, **options)
        if path == "c.db":
            raise FileNotFoundError(2, "gone", path)

    monkeypatch.setattr(os, "unlink", unlink)
    findings = run(Store(CACHE, "HTTPCACHE_DIR", tmp_path), policy)
    assert (findings.whole, findings.left) == (2, {tmp_path / "b.db"})
    assert names(tmp_path) == {"b.db", MARKER}


def test_a_queue_that_cannot_be_listed_is_left(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold anything."""
    monkeypatch.setattr(module, "contents", lambda folder: iter([(folder / "0", -1)]))
    assert run(Store(JOB, "JOBDIR", tmp_path), policy).left == {tmp_path / "0"}


def test_media_stores_are_looked_through(tmp_path: Path, policy: Policy, world: World) -> None:
    """What matches or cannot be scanned goes, thumbnails with it; the rest stays, and the marker is written."""
    for name, body in (("full/1.jpg", world.exact), ("full/2.png", world.near), ("full/3.jpg", world.clean)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(body)
    (tmp_path / "thumbs").mkdir()
    (tmp_path / "thumbs" / "1.jpg").write_bytes(world.clean)
    (tmp_path / "cut.jpg").write_bytes(world.clean[:500])
    store = Store(MEDIA, "FILES_STORE", tmp_path)
    findings = run(store, policy, dry_run=True)
    assert (findings.looked_at, findings.matched, findings.not_scannable) == (5, 2, 1)
    assert len(names(tmp_path)) == 5
    assert run(store, policy) == findings
    assert names(tmp_path) == {"full/3.jpg", "thumbs", MARKER}
    assert "purged" in (store.marker or {})
    assert run(store, policy).looked_at == 1


def test_doubts_about_a_file(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """A file that cannot be read, or on which the guard fails, goes; one that has gone meanwhile is no error."""
    for name in ("closed.jpg", "fault.jpg", "gone.jpg"):
        (tmp_path / name).write_bytes(world.clean)
    really = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        errors = {"closed.jpg": PermissionError(13, "closed"), "gone.jpg": FileNotFoundError(2, "gone")}
        if path in errors:
            raise errors[path]
        return really(path, *arguments, **options)

    def fail(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(module.Guard, "begin", fail)
    findings = run(Store(MEDIA, "FILES_STORE", tmp_path), policy)
    assert (findings.looked_at, findings.not_scannable, findings.left) == (2, 2, set())
    assert names(tmp_path) == {"gone.jpg", MARKER}


def test_a_store_that_cannot_be_marked(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is an error that says so, since no crawl would start with it."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Store, "mark", refuse)
    with pytest.raises(IngestGuardError, match=r"cannot be marked so \(Permission denied\)"):
        run(Store(MEDIA, "FILES_STORE", tmp_path), policy)


def test_workers_that_fail_leave_a_store_as_it_is(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they said before is not acted on, either."""
    (tmp_path / "1.jpg").write_bytes(world.exact)

    class Failing(module.InlinePool):
        def __init__(self, guard: Any, on_failure: Any) -> None:
            super().__init__(guard)
            on_failure("they died")

    monkeypatch.setattr(module, "WorkerPool", Failing)
    policy = Policy.model_validate({"blocklist": str(world.blocklist), "workers": 1})
    with pytest.raises(IngestGuardError, match="the scan workers failed"):
        run(Store(MEDIA, "FILES_STORE", tmp_path), policy)
    assert names(tmp_path) == {"1.jpg"}
