from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.crawl import Crawl, Project, descendants, end
from support.pictures import drawn, encode
from support.server import Reply, Seen, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SPIDERS = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        page = "/page"

        async def start(self):
            yield scrapy.Request(self.base + self.page, dont_filter=True)

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}


    class Other(Tested):
        name = "other"
        page = "/other"


    class Wrong(Tested):
        name = "wrong"
        custom_settings = {"ADDONS": {}}
"""
_SCRIPT = """\
import asyncio
import json
import sys
from pathlib import Path

from scrapy.crawler import AsyncCrawlerProcess
from scrapy.utils.project import get_project_settings

base, names = sys.argv[1], sys.argv[2].split(",")
settings = get_project_settings()
settings.set("FEEDS", {"../out/%(name)s.jsonl": {"format": "jsonlines"}})
settings.set("LOG_FILE", "../out/crawl.log")
process = AsyncCrawlerProcess(settings)
crawls = {name: process.crawl(name, base=base) for name in names}
process.start()
ended = {name: type(task.exception()).__name__ for name, task in crawls.items()}
Path("../out/ended.json").write_text(json.dumps(ended))
"""
_NUMBER = 12
_SAFE = {f"/safe{number}.jpg": encode(drawn(700 + number, (160, 120)), "JPEG") for number in range(_NUMBER)}
_LISTED = encode(drawn(1), "JPEG")
_SECONDS = 30.0


class _Site:
    """A server whose last image waits until it is let go: until then, the crawl is under way for sure."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.held = threading.Event()
        self.go_on = threading.Event()
        server.add("/page", "".join(f'<img src="{path}" alt="{path}">' for path in [*_SAFE, "/listed.jpg"]).encode())
        server.add("/other", "".join(f'<img src="{path}" alt="o{path}">' for path in list(_SAFE)[:3]).encode())
        server.add("/slow", b'<img src="/safe0.jpg" alt="first"><img src="/held.jpg" alt="held">')
        server.add("/listed.jpg", _LISTED, type="image/jpeg")
        server.add("/held.jpg", self._hold)
        for path, body in _SAFE.items():
            server.add(path, body, type="image/jpeg")

    def _hold(self, seen: Seen) -> Reply:
        self.held.set()
        self.go_on.wait(_SECONDS)
        return Reply(encode(drawn(800), "JPEG"), "image/jpeg")

    def later(self, html: bytes) -> Callable[[Seen], Reply]:
        """Return a page that comes when everything is let go."""

        def answer(seen: Seen) -> Reply:
            self.go_on.wait(_SECONDS)
            return Reply(html)

        return answer


@pytest.fixture
def site() -> Iterator[_Site]:
    """Serve two pages of images, and one that keeps a crawl waiting."""
    with Server() as server:
        site = _Site(server)
        yield site
        site.go_on.set()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project with two workers a crawl."""
    lists = {"a": [f"md5 {hashlib.md5(_LISTED, usedforsecurity=False).hexdigest()}"]}
    project = Project(tmp_path, _SPIDERS, lists)
    (project.project / "policy.yaml").write_text("blocklist: ../blocklist\nworkers: 2\n")
    (project.project / "run.py").write_text(_SCRIPT)
    return project


def _wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits to be reaped does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _output(project: Project) -> str:
    """Return what a crawl that was started has printed so far: its log."""
    return (project.out / "output.txt").read_text(errors="replace")


def _feed(project: Project, name: str) -> list[str]:
    file = project.out / f"{name}.jsonl"
    return sorted(json.loads(line)["alt"] for line in file.read_text().splitlines())


def _crawl_command(site: _Site, page: str) -> tuple[str, ...]:
    return ("-m", "scrapy", "crawl", "tested", "-a", f"base={site.server.base}", "-a", f"page={page}")


def test_two_crawlers_of_one_process_have_a_guard_each(project: Project, site: _Site) -> None:
    """A script that runs two spiders at once gets both guarded, and both feeds complete."""
    crawl: Crawl = project.wait(project.start("run.py", site.server.base, "tested,other"))
    assert crawl.exit_code == 0, crawl.log[-3000:] + crawl.output[-3000:]
    assert _feed(project, "tested") == sorted(_SAFE)
    assert _feed(project, "other") == sorted(f"o{path}" for path in list(_SAFE)[:3])
    assert json.loads((project.out / "ended.json").read_text()) == {"tested": "NoneType", "other": "NoneType"}
    assert crawl.faults() == []


def test_a_crawler_that_is_not_guarded_ends_alone(project: Project, site: _Site) -> None:
    """In one process, a spider that empties ADDONS does not start; the one beside it crawls on, guarded."""
    project.set(
        ADDONS={"ingest_guard.Addon": 0},
        INGEST_GUARD_POLICY="policy.yaml",
        EXTENSIONS={"ingest_guard.Watchdog": 0},
    )
    project.wait(project.start("run.py", site.server.base, "wrong,other"))
    assert json.loads((project.out / "ended.json").read_text()) == {"wrong": "SetupError", "other": "NoneType"}
    assert "/page" not in site.server.asked()
    assert _feed(project, "other") == sorted(f"o{path}" for path in list(_SAFE)[:3])


def test_no_worker_outlives_a_crawl_that_ended(project: Project, site: _Site) -> None:
    """The workers of a crawl run while it does, and have ended when it has."""
    process = project.start(*_crawl_command(site, "/slow"))
    try:
        _wait_until(site.held.is_set, "the crawl did not get to its images")
        workers = list(descendants(process.pid))
        assert len(workers) == 3  # with the one that they come from
        assert all(map(_is_alive, workers))
        site.go_on.set()
        process.wait(_SECONDS)
        assert process.returncode == 0
        _wait_until(lambda: not any(map(_is_alive, workers)), "a worker outlived its crawl")
    finally:
        end(process)


def test_no_worker_outlives_a_crawl_that_was_killed(project: Project, site: _Site) -> None:
    """After kill -9 nothing can clean up: the kernel ends the workers."""
    process = project.start(*_crawl_command(site, "/slow"))
    try:
        _wait_until(site.held.is_set, "the crawl did not get to its images")
        workers = list(descendants(process.pid))
        assert len(workers) == 3  # with the one that they come from
        os.kill(process.pid, signal.SIGKILL)
        process.wait(_SECONDS)
        _wait_until(lambda: not any(map(_is_alive, workers)), "a worker outlived its crawl")
    finally:
        end(process)


def test_a_worker_that_is_killed_is_replaced(project: Project, site: _Site) -> None:
    """The crawl goes on without it: another one takes its place, and no image is lost or let through."""
    process = project.start(*_crawl_command(site, "/slow"))
    try:
        _wait_until(site.held.is_set, "the crawl did not get to its images")
        _wait_until(lambda: "'alt': 'first'" in _output(project), "the first image made no record")
        before = set(descendants(process.pid))
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        _wait_until(
            lambda: len({pid for pid in descendants(process.pid) if _is_alive(pid)} - before) == 3,
            "the workers were not replaced",
        )
        site.go_on.set()
        crawl = project.wait(process)
    finally:
        end(process)
    assert crawl.exit_code == 0
    assert sorted(record["alt"] for record in crawl.records) == ["first", "held"]
    # Successors that were there before the process that they come from was killed went with it.
    assert crawl.count("workers/lost") in (2, 3, 4)


def test_a_crawl_whose_workers_cannot_live_lets_nothing_out(project: Project, site: _Site) -> None:
    """Workers that die as soon as they start close the gate: the spider is closed, and nothing more gets out."""
    process = project.start(*_crawl_command(site, "/slow"))
    killed: set[int] = set()
    try:
        _wait_until(site.held.is_set, "the crawl did not get to its images")

        def all_killed() -> bool:
            for worker in set(descendants(process.pid)) - killed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                killed.add(worker)
            return "ingest_guard has failed" in _output(project)

        _wait_until(all_killed, "the workers were replaced for ever")
        site.go_on.set()
        crawl = project.wait(process)
    finally:
        end(process)
    assert crawl.stats["finish_reason"] == "ingest_guard_failed", crawl.output[-3000:]
    assert crawl.count("failed") == 1
    assert "held" not in {record["alt"] for record in crawl.records}


def test_a_crawl_that_was_interrupted_goes_on(project: Project, site: _Site) -> None:
    """With a job directory, an interrupted crawl and its resumption make a record of each safe image."""
    project.set(
        ADDONS={"ingest_guard.Addon": 0},
        INGEST_GUARD_POLICY="policy.yaml",
        JOBDIR="../out/job",
        CONCURRENT_REQUESTS=2,
        FEEDS={"../out/all.jsonl": {"format": "jsonlines", "overwrite": False}},
    )
    (project.project / "policy.yaml").write_text("blocklist: ../blocklist\nworkers: 1\n")
    pages = "".join(f'<a href="/page{number}">' for number in range(_NUMBER))
    (project.project / "tested" / "spiders.py").write_text(_PAGES)
    site.server.add("/index", pages.encode())
    for number, path in enumerate(_SAFE):
        shown = [path, "/listed.jpg", *(["/held.jpg"] if number == 0 else [])]
        html = "".join(f'<img src="{url}" alt="{url}">' for url in shown).encode()
        # However eager Scrapy is, most pages must still be waiting when the signal comes.
        site.server.add(f"/page{number}", html if number < 2 else site.later(html))
    process = project.start(*_crawl_command(site, "/index"))
    try:
        _wait_until(site.held.is_set, "the crawl did not get to its images")
        process.send_signal(signal.SIGINT)
        _wait_until(lambda: "Received SIGINT" in _output(project), "it did not take the signal")
        site.go_on.set()
        first = project.wait(process)
    finally:
        end(process)
    assert first.stats["finish_reason"] == "shutdown"
    half = _feed(project, "all") if (project.out / "all.jsonl").exists() else []
    assert len(half) < _NUMBER
    second = project.crawl(base=site.server.base, page="/index")
    assert second.exit_code == 0
    assert _feed(project, "all") == sorted([*_SAFE, "/held.jpg"])
    assert second.traces({"listed": _LISTED}) == []


_PAGES = """\
import scrapy


class Tested(scrapy.Spider):
    name = "tested"
    base = ""
    page = ""

    async def start(self):
        yield scrapy.Request(self.base + self.page)

    def parse(self, response):
        for number, link in enumerate(response.css("a::attr(href)").getall()):
            yield response.follow(link, self.parse_page, priority=-number)

    def parse_page(self, response):
        for image in response.css("img"):
            yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
"""
