"""The process itself: who may read its memory, and what a newer Scrapy might do behind the guard's back."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from support.leaks import UNGUARDED, Case, Twin, listed, twins
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.crawl import Crawl, Project

# Reads the memory of the crawl as another program of the same user would: a child without any capability.
_SPIDER = """
    import ctypes
    import json
    import os
    import resource
    import urllib.request
    from pathlib import Path

    import scrapy
    from scrapy.utils.asyncio import run_in_thread
    from tested.hoard import keep

    GIVEN = Path(__file__).resolve().parents[2] / "given" / "memory.jpg"
    LIBC = ctypes.CDLL(None, use_errno=True)


    def drop_capabilities():
        # For root, too, what counts then is what counts for everybody.
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        LIBC.capset(header, (ctypes.c_uint32 * 6)())
        LIBC.prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)


    def read_memory():
        # In the child: what is looked for must not be in the parent for this reason.
        parent, body = os.getppid(), GIVEN.read_bytes()
        needle = body[len(body) // 2:][:64]
        try:
            regions = Path(f"/proc/{parent}/maps").read_text().splitlines()
            with open(f"/proc/{parent}/mem", "rb", 0) as memory:
                for region in regions:
                    span, rights = region.split()[:2]
                    start, stop = (int(part, 16) for part in span.split("-"))
                    if rights.startswith("rw") and stop - start < 1 << 28:
                        try:
                            memory.seek(start)
                            if needle in memory.read(stop - start):
                                keep("memory", body)
                                return
                        except (OSError, ValueError):
                            continue
            keep("memory", b"read, and found nothing")
        except PermissionError:
            keep("memory", b"not permitted")


    CODE = (
        "import gc\\nfrom scrapy.http import Response\\n"
        "for each in gc.get_objects():\\n"
        "    if isinstance(each, Response): print(each.body.hex())"
    )


    def ask(folder):
        for file in folder.rglob("*.json"):
            job = json.loads(file.read_text())
            if "token" not in job:
                continue
            headers = {"Authorization": "Bearer " + job["token"], "Content-Type": "application/json"}
            url = f"http://127.0.0.1:{job['port']}/execute"
            request = urllib.request.Request(url, json.dumps({"code": CODE}).encode(), headers)
            keep("remote-control", urllib.request.urlopen(request, timeout=20).read())


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            drop_capabilities()
            yield scrapy.Request(self.base + "/listed/memory.jpg", self.arrived, errback=self.missed)

        async def arrived(self, response):
            await self.look(response)

        async def missed(self, failure):
            await self.look(failure)

        async def look(self, held):
            child = os.fork()
            if child == 0:
                try:
                    read_memory()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
            limits = resource.getrlimit(resource.RLIMIT_CORE)[0], LIBC.prctl(3, 0, 0, 0, 0)
            keep("limits", repr(limits))
            await run_in_thread(ask, Path.home())
            if held is None:
                keep("limits", "nothing is held")
"""
_FLAGGED = {"memory": listed(1)}
_HAS_REMOTE_CONTROL = importlib.util.find_spec("scrapy.extensions.remote_control") is not None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a listed image."""
    with Server() as running:
        running.add("/listed/memory.jpg", listed(1), type="image/jpeg")
        yield running


def _give(project: Project) -> None:
    given = project.folder / "given"
    given.mkdir()
    (given / "memory.jpg").write_bytes(listed(1))


@pytest.fixture(scope="module")
def both(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Crawl while others try to look inside."""
    settings = {"TELNETCONSOLE_ENABLED": None}
    return twins(
        tmp_path_factory.mktemp("process"),
        _SPIDER,
        {"guarded": Case(settings), "unguarded": Case({**settings, **UNGUARDED})},
        _FLAGGED,
        prepare=_give,
        arguments={"base": server.base},
    )


def _kept(twin: Twin, way: str) -> bytes:
    return (twin.crawl.out / "hoard" / way).read_bytes()


def test_other_programs_cannot_read_the_memory(both: dict[str, Twin]) -> None:
    """A program of the same user reads a listed body from the crawl's memory, unless the kernel says no."""
    assert b"not permitted" in _kept(both["guarded"], "memory")
    assert both["unguarded"].left("memory") == {"memory"}


def test_a_crash_writes_no_memory_to_the_disk(both: dict[str, Twin]) -> None:
    """Core dumps are off by their size, and by a process that cannot be dumped; without the guard it can be."""
    assert b"(0, 0)" in _kept(both["guarded"], "limits")
    assert b", 1)" in _kept(both["unguarded"], "limits")


def test_nobody_is_let_into_the_process(both: dict[str, Twin]) -> None:
    """Remote control evaluates what any program of the user sends, and prints a listed body (newer Scrapy alone)."""
    assert not both["guarded"].reached("remote-control")
    assert both["unguarded"].left("remote-control") == ({"memory"} if _HAS_REMOTE_CONTROL else set())


def test_there_is_no_telnet_console(both: dict[str, Twin]) -> None:
    """The telnet console does the same for whoever knows its password; the guard's add-on leaves it off."""
    assert "Telnet console listening" not in both["guarded"].crawl.log
    assert "Telnet console listening" in both["unguarded"].crawl.log


# A Scrapy that is newer than any that was tested, in which responses take a way around the first middleware.
_NEWER = """
    import scrapy
    from scrapy.core.downloader.middleware import DownloaderMiddlewareManager

    scrapy.__version__ = "2.99.0"


    def without_our_own(self, mw):
        add(self, mw)
        if type(mw).__module__.startswith("ingest_guard"):
            for name in ("process_response", "process_exception"):
                self.methods[name] = type(self.methods[name])(
                    method for method in self.methods[name] if getattr(method, "__self__", None) is not mw
                )


    add = DownloaderMiddlewareManager._add_middleware
    DownloaderMiddlewareManager._add_middleware = without_our_own
"""
_PLAIN_SPIDER = """
    import scrapy
    from tested.hoard import keep


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/listed/memory.jpg", self.arrived)

        def arrived(self, response):
            keep("callback", response)
"""


@pytest.mark.parametrize("level", ["default", "strict"])
def test_a_newer_scrapy_with_a_way_around_does_not_start(level: str, server: Server, tmp_path: Path) -> None:
    """Where responses pass by the guard's middlewares, the self-test finds out before any request is sent."""
    server.log.clear()
    cases = {"guarded": Case({}, f"level: {level}"), "unguarded": Case(UNGUARDED)}

    def run(project: Project, case: Case) -> Crawl:
        # A process of its own: the change to Scrapy is for this one alone.
        log = f"LOG_FILE={project.out / 'crawl.log'}"
        return project.wait(project.start("-m", "scrapy", "crawl", "tested", "-a", f"base={server.base}", "-s", log))

    found = twins(tmp_path, _PLAIN_SPIDER, cases, _FLAGGED, modules={"__init__": _NEWER}, run=run)
    assert found["guarded"].crawl.exit_code != 0
    assert found["guarded"].crawl.critical() != []
    assert found["guarded"].traces == {}
    assert server.asked() == ["/listed/memory.jpg"]
    assert found["unguarded"].left("callback") == {"memory"}
