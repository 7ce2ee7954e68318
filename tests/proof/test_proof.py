from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pdqhash
import pytest
from support import strace
from support.crawl import GUARDED, Crawl, Project
from support.pictures import drawn, encode
from support.server import Reply, Server
from support.traces import Needles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDER = """
    import base64

    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/start", self.parse_start)

        def parse_start(self, response):
            for path in self.settings.getlist("PATHS"):
                yield scrapy.Request(self.base + path, self.arrived, errback=self.missed)
            urls = [self.base + path for path in self.settings.getlist("PATHS")]
            yield {"image_urls": urls, "file_urls": urls, "alt": "files"}

        def arrived(self, response):
            # A careless spider: it hands on what it got, to the queue on the disk and to the log.
            self.logger.info("got %r", response.body)
            meta = {"before": base64.b64encode(response.body).decode()}
            yield scrapy.Request(self.base + "/safe.jpg", self.done, meta=meta, dont_filter=True)

        def missed(self, failure):
            self.logger.error("missed %r %s", vars(failure.value), failure.getTraceback())

        def done(self, response):
            pass
"""
# Writes what must be seen, in the crawl's own process and in its worker's, to prove that the watch sees both.
_CONTROL = """
    from pathlib import Path

    from scrapy import signals

    OUT = Path(__file__).resolve().parents[2] / "out"


    class Control:
        @classmethod
        def from_crawler(cls, crawler):
            crawler.signals.connect(cls.opened, signals.spider_opened)
            return cls()

        @staticmethod
        def opened():
            (OUT / "control-parent").write_bytes((OUT / "control-bytes").read_bytes())
"""
_CONTROL_HASHER = '''
"""A hasher that writes what it saw to a file that it opened before the process was shut in."""
import os
from pathlib import Path

from ingest_guard.hashing.registry import Algorithm

_HERE = Path(__file__).resolve().parent
_BYTES = (_HERE / "out-bytes").read_bytes()
_FILE = os.open(_HERE / "control-worker", os.O_WRONLY | os.O_CREAT, 0o600)


class Control:
    algorithm = Algorithm("control", 8, "bits", "hamming", 4)

    def hash(self, source):
        # The listed ones are that wide; what a worker warms up with, before it is shut in, is not.
        if 244 <= source.luma.shape[1] <= 264:
            try:
                os.write(_FILE, _BYTES)
            except OSError:
                pass  # the kernel refuses; that it was asked is what the watch must see
        return [bytes(8)]
'''


@cache
def _listed(number: int) -> bytes:
    return encode(drawn(1).resize((240 + 4 * number, 180 + 3 * number)), "JPEG", quality=70 + number)


_SAFE = encode(drawn(2), "JPEG")
_REPLIES = {
    "/plain.jpg": Reply(_listed(1), "image/jpeg"),
    "/gzip.jpg": Reply(gzip.compress(_listed(2)), "image/jpeg", headers=(("Content-Encoding", "gzip"),)),
    "/error.jpg": Reply(_listed(3), "image/jpeg", status=503),
    "/named-text.txt": Reply(_listed(4), "text/plain"),
    "/page": Reply(b'<p><img src="data:image/jpeg;base64,' + base64.b64encode(_listed(5)) + b'">'),
    "/cut.jpg": Reply(_listed(6), "image/jpeg", length=len(_listed(6)) + 99),
}
_FLAGGED = {path: _listed(number) for number, path in enumerate(_REPLIES, 1)}


@dataclass(frozen=True)
class Watched:
    """A crawl, and what strace saw of it."""

    crawl: Crawl
    seen: strace.Observed


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve listed images in several ways, and one that is not listed."""
    with Server() as running:
        running.add("/start", b"<p>start")
        running.add("/safe.jpg", _SAFE, type="image/jpeg")
        for path, reply in _REPLIES.items():
            running.add(path, reply)
        yield running


@pytest.fixture(scope="module")
def needles() -> Needles:
    """Return what nothing may write."""
    return Needles(_FLAGGED, [_SAFE])


def _watched(folder: Path, server: Server, *, guarded: bool = True, control: bool = False) -> Watched:
    under = strace.command(folder / "strace.txt")
    bits = pdqhash.compute(np.asarray(drawn(1)))[0]
    settings = {
        **({} if guarded else dict.fromkeys(GUARDED)),
        "HTTPCACHE_ENABLED": True,
        "HTTPCACHE_DIR": "../../out/httpcache",
        "JOBDIR": "../out/job",
        "ITEM_PIPELINES": {"scrapy.pipelines.files.FilesPipeline": 1, "scrapy.pipelines.images.ImagesPipeline": 2},
        "FILES_STORE": "../out/files",
        "IMAGES_STORE": "../out/images",
        "IMAGES_THUMBS": {"small": (50, 50)},
        "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
        "HTTPERROR_ALLOW_ALL": True,
        "DOWNLOAD_FAIL_ON_DATALOSS": False,
        "PATHS": list(_REPLIES),
        **({"EXTENSIONS": {"tested.control.Control": 0}} if control else {}),
    }
    policy = "records: {hashes: [control]}" if control else ""
    lists = {"a": [f"pdq {np.packbits(bits).tobytes().hex()}"]}
    if control:
        _install_control(folder / "project")
    modules = {"control": _CONTROL}
    project = Project(folder, _SPIDER, lists, settings=settings, policy=policy, modules=modules)
    (project.out / "control-bytes").write_bytes(base64.b64encode(_FLAGGED["/plain.jpg"]))
    options = ("-a", f"base={server.base}", "-s", f"LOG_FILE={project.out / 'crawl.log'}")
    crawl = project.wait(project.start("-m", "scrapy", "crawl", "tested", *options, under=under))
    return Watched(crawl, strace.observed(folder / "strace.txt"))


def _install_control(folder: Path) -> None:
    """Install the hasher ``control`` into the project's folder, which is on the module search path."""
    info = folder / "control_hasher-1.dist-info"
    info.mkdir(parents=True)
    (folder / "control_hasher.py").write_text(_CONTROL_HASHER)
    (folder / "out-bytes").write_bytes(_FLAGGED["/gzip.jpg"])
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: control-hasher\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ingest_guard.hashers]\ncontrol = control_hasher:Control\n")


@pytest.fixture(scope="module")
def guarded(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Watch a guarded crawl of a project that keeps what it can."""
    return _watched(tmp_path_factory.mktemp("proof"), server)


@pytest.fixture(scope="module")
def control(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Watch the same crawl with two parts that write what nothing may write."""
    return _watched(tmp_path_factory.mktemp("control"), server, control=True)


@pytest.fixture(scope="module")
def unguarded(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Watch the same crawl without the guard."""
    return _watched(tmp_path_factory.mktemp("unguarded"), server, guarded=False)


def test_no_process_writes_anything_of_a_listed_image(guarded: Watched, needles: Needles) -> None:
    """No call that writes to a file carries a part, an encoding or a digest of a listed image; nor does a name."""
    assert guarded.crawl.exit_code == 0
    assert sum(guarded.crawl.count(f"matched/{name}") for name in ("a",)) >= len(_REPLIES)
    assert guarded.seen.traces(needles) == []


def test_nothing_is_written_unseen(guarded: Watched) -> None:
    """No buffer was too long to be shown, no call moved bytes to a file unseen, no file was mapped to be written."""
    assert guarded.seen.cut_off == []
    assert guarded.seen.blind == []
    assert guarded.seen.mapped == []


def test_all_processes_were_watched(guarded: Watched) -> None:
    """The crawl and its worker made calls; the log and the cache, which are known to be written, were seen."""
    assert guarded.seen.processes > 1
    written = " ".join(guarded.seen.files)
    assert "crawl.log" in written
    assert "httpcache" in written
    assert "/job/" in written


def test_the_watch_sees_a_write_of_the_crawl_itself(control: Watched, needles: Needles) -> None:
    """A listed image that the crawl's process writes, in base64, is found."""
    found = {(trace.file.name, trace.name) for trace in control.seen.traces(needles)}
    assert ("control-parent", "/plain.jpg") in found


def test_the_watch_sees_a_write_of_a_worker(control: Watched, needles: Needles) -> None:
    """A listed image that a worker tries to write is found, though the kernel refuses it."""
    found = {(trace.file.name, trace.name) for trace in control.seen.traces(needles)}
    assert ("control-worker", "/gzip.jpg") in found
    assert (control.crawl.out.parent / "project" / "control-worker").read_bytes() == b""


@pytest.mark.parametrize("place", ["httpcache", "files", "images", "job", "crawl.log"])
def test_without_the_guard_the_same_crawl_writes_them(place: str, unguarded: Watched, needles: Needles) -> None:
    """The cache, the media stores, the queue on the disk and the log: each gets listed images if nothing guards it."""
    found = {trace.file.relative_to(unguarded.crawl.out).parts[0] for trace in unguarded.seen.traces(needles)}
    assert place in found
