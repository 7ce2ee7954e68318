from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from support.caches import CLEAN_DBM
from support.crawl import Crawl, Project, zygote
from support.pictures import drawn, encode
from support.server import Reply, Server

from ingest_guard.pages.extract import EXTRACTION
from ingest_guard.scrapy_plugin.stores.stores import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LISTED, _SAFE = encode(drawn(1), "JPEG"), encode(drawn(2), "JPEG")
_PAGE = b'<p>a page with <img src="data:image/jpeg;base64,' + base64.b64encode(_LISTED) + b'">'
_DATA_URL = "data:image/jpeg;base64," + base64.b64encode(_LISTED).decode()
_SPIDER = """
    import scrapy
    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/start", self.parse_start)

        def parse_start(self, response):
            for path in ("/page", "/safe.jpg", "/packed.jpg", "/listed.jpg"):
                yield scrapy.Request(self.base + path, self.arrived, errback=self.missed)
            yield {"file_urls": [self.base + "/listed.jpg", self.base + "/safe.jpg"],
                   "image_urls": [self.base + "/listed.jpg", self.base + "/safe.jpg"],
                   "image_url": self.base + "/safe.jpg", "alt": "stored"}
            if self.settings.get("JOBDIR"):
                for number in range(4):
                    meta = {"seen": response.body} if number == 0 else {}
                    meta = {"seen": self.settings["PICTURE"]} if number == 1 else meta
                    url = self.settings["DATA_URL"] if number == 2 else self.base + f"/later{number}"
                    yield scrapy.Request(url, self.arrived, meta=meta, priority=-5)
                self.crawler.engine.close_spider(self, "enough")

        def arrived(self, response):
            tell(arrived=response.url.rpartition("/")[2], length=len(response.body))

        def missed(self, failure):
            tell(missed=failure.request.url.rpartition("/")[2], type=type(failure.value).__name__)
"""
_LISTS = {"a": [f"sha256 {hashlib.sha256(_LISTED).hexdigest()}"]}
_UNGUARDED: dict[str, Any] = {"ADDONS": {}}
_GUARDED: dict[str, Any] = {"ADDONS": {"ingest_guard.Addon": 0}, "INGEST_GUARD_POLICY": "policy.yaml"}
_STORAGE = "scrapy.extensions.httpcache."
_STORES: dict[str, dict[str, Any]] = {
    "folders": {"HTTPCACHE_STORAGE": f"{_STORAGE}FilesystemCacheStorage"},
    "packed": {"HTTPCACHE_STORAGE": f"{_STORAGE}FilesystemCacheStorage", "HTTPCACHE_GZIP": True},
    "database": {"HTTPCACHE_STORAGE": f"{_STORAGE}DbmCacheStorage", "HTTPCACHE_DBM_MODULE": CLEAN_DBM},
    "plain database": {"HTTPCACHE_STORAGE": f"{_STORAGE}DbmCacheStorage", "HTTPCACHE_DBM_MODULE": "dbm.dumb"},
}
_CACHE = {"HTTPCACHE_ENABLED": True, "HTTPCACHE_DIR": "../../out/httpcache"}
_MEDIA = {
    "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1, "scrapy.pipelines.images.ImagesPipeline": 2},
    "FILES_STORE": "../out/files",
    "IMAGES_STORE": "../out/images",
    "IMAGES_THUMBS": {"small": (50, 50)},
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a page with a listed image inside, listed images, and others."""
    import gzip  # noqa: PLC0415 - for one answer

    with Server() as running:
        running.add("/start", b"<p>start")
        running.add("/page", _PAGE)
        running.add("/listed.jpg", _LISTED, type="image/jpeg")
        running.add("/safe.jpg", _SAFE, type="image/jpeg")
        packed = Reply(gzip.compress(_LISTED), "image/jpeg", headers=(("Content-Encoding", "gzip"),))
        running.add("/packed.jpg", packed)
        yield running


def purge(project: Project, *options: str) -> tuple[int, str]:
    """Run the command in the project; return its exit code and what it printed."""
    output = project.folder / "purge.txt"
    running = zygote().start(
        ("ingest-guard", "purge", *options),
        cwd=project.project,
        environment=project.environment(),
        output=output,
        seconds=120,
    )
    return running.wait(), output.read_text()


@pytest.fixture(params=_STORES)
def cached(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Project:
    """Return a project whose HTTP cache was filled without the guard."""
    settings = {**_CACHE, **_STORES[request.param]}
    project = Project(tmp_path, _SPIDER, _LISTS, settings={**settings, **_UNGUARDED})
    crawl = project.crawl(base=server.base)
    assert crawl.stats["httpcache/store"] == 5
    assert crawl.traces({"listed": _LISTED}, [_SAFE]) != []
    project.set(**_GUARDED, **settings)
    return project


def test_cache_from_before_the_guard(cached: Project, server: Server) -> None:
    """It is refused at the start; a purge empties it, and the crawl starts and fills it anew."""
    project, folder = cached, cached.out / "httpcache"
    server.log.clear()
    refused = project.crawl(base=server.base)
    assert refused.exit_code != 0
    assert server.asked() == []
    (line,) = refused.critical()
    assert "HTTP cache" in line
    assert "ingest-guard purge" in line
    before = _files(folder)
    assert before

    code, text = purge(project, "--dry-run")
    assert (code, f": {len(before)} files would be removed\n" in text) == (1, True), text
    assert _files(folder) == before

    code, text = purge(project)
    assert (code, f": {len(before)} files removed\n" in text) == (0, True), text
    assert "http:" not in text
    assert refused.traces({"listed": _LISTED}, [_SAFE]) == []
    assert list(folder.iterdir()) == []

    crawl = project.crawl(base=server.base)
    assert crawl.exit_code == 0, crawl.log[-2000:]
    assert "httpcache/hit" not in crawl.stats
    assert crawl.traces({"listed": _LISTED}, [_SAFE]) == []
    assert (folder / MARKER).exists()
    assert purge(project)[0] == 0
    assert list(folder.iterdir()) == []


def test_a_store_that_the_guard_began_is_known(server: Server, tmp_path: Path) -> None:
    """The first guarded crawl leaves a marker, and the second one starts."""
    project = Project(tmp_path, _SPIDER, _LISTS, settings={**_CACHE, **_MEDIA})
    for _ in range(2):
        crawl = project.crawl(base=server.base)
        assert crawl.exit_code == 0, crawl.log[-2000:]
    for name in ("httpcache", "files", "images"):
        marker = json.loads((project.out / name / MARKER).read_text())
        assert marker["list_version"] == crawl.stats["ingest_guard/list_version"]
        assert "purged" not in marker
    assert crawl.traces({"listed": _LISTED}, [_SAFE]) == []


def _files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() and file.name != MARKER}


def test_media_stores_from_before_the_guard(server: Server, tmp_path: Path) -> None:
    """Listed files go, and the thumbnails of listed pictures with them."""
    project = Project(tmp_path, _SPIDER, _LISTS, settings={**_MEDIA, **_UNGUARDED})
    before = project.crawl(base=server.base)
    files, images = project.out / "files", project.out / "images"
    assert (len(_files(files)), len(_files(images))) == (2, 4)
    project.set(**_GUARDED, **_MEDIA)
    refused = project.crawl(base=server.base)
    assert refused.exit_code != 0
    assert "media store" in refused.critical()[0]
    # ImagesPipeline writes pictures anew: only their looks are known.
    import numpy as np  # noqa: PLC0415 - for one test

    from ingest_guard.hashing.pdq import pdq  # noqa: PLC0415

    value, _ = pdq(np.asarray(drawn(1).convert("L")))
    project.build({"a": [*_LISTS["a"], f"pdq {value.hex()}"]})
    code, text = purge(project)
    assert code == 0, text
    name = hashlib.sha1(f"{server.base}/safe.jpg".encode(), usedforsecurity=False).hexdigest()
    assert _files(files) == {f"full/{name}.jpg"}
    assert _files(images) == {f"full/{name}.jpg", f"thumbs/small/{name}.jpg"}
    kept = [(images / name).read_bytes() for name in _files(images)]
    assert before.traces({"listed": _LISTED}, [_SAFE, *kept]) == []
    assert project.crawl(base=server.base).exit_code == 0


@pytest.mark.parametrize("queue", ["PickleLifoDiskQueue", "PickleFifoDiskQueue", "PickleFifoSQLiteQueue"])
def test_job_directory_with_pictures_in_it(server: Server, tmp_path: Path, queue: str) -> None:
    """All waiting requests go, whatever they carry; the next crawl starts with its first pages."""
    squeues = pytest.importorskip("scrapy.squeues")
    if not hasattr(squeues, queue):
        pytest.skip("this Scrapy has no such queue")
    settings = {
        "JOBDIR": "../out/job",
        "SCHEDULER_DISK_QUEUE": f"scrapy.squeues.{queue}",
        "DATA_URL": _DATA_URL,
        "PICTURE": _LISTED,
        "URLLENGTH_LIMIT": 0,
    }
    project = Project(tmp_path, _SPIDER, _LISTS, settings={**settings, **_UNGUARDED})
    before = project.crawl(base=server.base)
    assert before.stats["finish_reason"] == "enough"
    job = project.out / "job"
    assert _DATA_URL.encode()[2000:2100] in b"".join(file.read_bytes() for file in job.rglob("*") if file.is_file())
    (job / "of-mine.txt").touch()
    # What a guarded crawl keeps there: whether it was closed.
    (job / "ingest_guard.json").write_text(f'{{"state": "closed", "extraction": {EXTRACTION}}}')
    project.set(**_GUARDED, **{**settings, "PICTURE": None})
    code, text = purge(project)
    assert code == 0, text
    assert " files removed\n" in text
    assert _files(job) == {"of-mine.txt", "ingest_guard.json"}
    server.log.clear()
    again = project.crawl(base=server.base)
    assert again.exit_code == 0, again.log[-2000:]
    assert "/start" in server.asked()


def test_since_looks_at_what_is_new(server: Server, tmp_path: Path) -> None:
    """With --since, files of media stores that were written before are left, and so is the marker."""
    project = Project(tmp_path, _SPIDER, _LISTS, settings={**_MEDIA, **_UNGUARDED})
    project.crawl(base=server.base)
    project.set(**_GUARDED, **_MEDIA)
    files = project.out / "files"
    code, text = purge(project, "--since", "2999-01-01")
    assert (code, " 0 looked at" in text) == (0, True), text
    code, text = purge(project, "--since", "2020-01-01T00:00:00", "--dry-run")
    assert (code, " 2 looked at, 1 would be removed (1 matched" in text, len(_files(files))) == (1, True, 2), text
    code, text = purge(project, "--since", "2020-01-01T00:00:00")
    assert (code, " 2 looked at, 1 removed (1 matched, 0 not scannable)" in text) == (0, True), text
    assert len(_files(files)) == 1
    assert not (files / MARKER).exists()


def test_what_is_no_part_of_a_cache_is_left(server: Server, tmp_path: Path) -> None:
    """It is counted, the exit code says so, and the cache stays one that no crawl starts with."""
    project = Project(tmp_path, _SPIDER, _LISTS, settings=_CACHE)
    folder = project.out / "httpcache"
    (folder / "tested" / "aa" / "aabb").mkdir(parents=True)
    (folder / "tested" / "aa" / "aabb" / "response_body").write_bytes(_SAFE)
    (folder / "other.bin").write_bytes(b"?")
    (folder / "broken.db").write_bytes(b"not a database")
    code, text = purge(project)
    assert code == 3, text
    assert ": 2 files removed; 1 files were left" in text
    assert _files(folder) == {"other.bin"}
    assert project.crawl(base=server.base).exit_code != 0


def test_doubtful_files_of_a_media_store_go(server: Server, tmp_path: Path) -> None:
    """A file that is cut off or too large goes; a link is left and reported, and what it leads to is not touched."""
    project = Project(tmp_path, _SPIDER, _LISTS, settings={"FILES_STORE": "../out/files"})
    (project.project / "policy.yaml").write_text("blocklist: ../blocklist\nlimits: {bytes: 1 MiB}\n")
    files, outside = project.out / "files", tmp_path / "outside"
    files.mkdir(parents=True)
    outside.mkdir()
    (outside / "listed.jpg").write_bytes(_LISTED)
    (files / "safe.jpg").write_bytes(_SAFE)
    (files / "cut.jpg").write_bytes(_SAFE[: len(_SAFE) // 2])
    (files / "large.jpg").write_bytes(_SAFE + bytes(2 << 20))
    (files / "link.jpg").symlink_to(outside / "listed.jpg")
    (files / "full").symlink_to(outside)
    code, text = purge(project)
    assert (code, " 3 looked at, 2 removed (0 matched, 2 not scannable); 2 files were left" in text) == (3, True), text
    assert {file.name for file in files.iterdir()} == {"safe.jpg", "link.jpg", "full"}
    assert _files(outside) == {"listed.jpg"}
    assert project.crawl(base=server.base).exit_code != 0


def test_nothing_to_purge(tmp_path: Path) -> None:
    """A project without any store is told so."""
    project = Project(tmp_path, _SPIDER, _LISTS)
    assert purge(project) == (0, "No cache, media store or job directory here.\n")


def test_media_stores_need_a_blocklist(server: Server, tmp_path: Path) -> None:
    """Where the guard cannot work, nothing is removed from a media store and the exit code says so."""
    project = Project(tmp_path, _SPIDER, _LISTS, settings={**_MEDIA, **_UNGUARDED})
    crawl: Crawl = project.crawl(base=server.base)
    before = _files(project.out)
    project.set(**_GUARDED, **_MEDIA)
    (project.project / "policy.yaml").write_text("blocklist: ../absent\n")
    code, text = purge(project)
    assert code == 4
    assert "absent" in text
    assert before - {"files", "images"} <= _files(project.out)
    assert crawl.traces({"listed": _LISTED}, [_SAFE]) != []
