from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.crawl import GUARDED, Crawl, Project, descendants, end, json_lines
from support.listed import pdq_of
from support.pictures import drawn, encode
from support.server import Reply, Seen, Server

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.store.draft import retain
from ingest_guard.blocklist.store.versions import current_version

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from support.zygote import Running

_SPIDERS = """
    import signal
    import time

    import scrapy
    from scrapy import signals

    from tested.reporting import tell

    signal.signal(signal.SIGHUP, lambda *_: tell(kind="hangup"))


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        @classmethod
        def from_crawler(cls, crawler, *args, **kwargs):
            spider = super().from_crawler(crawler, *args, **kwargs)
            crawler.signals.connect(spider.exported, signals.item_scraped)
            return spider

        async def start(self):
            yield scrapy.Request(self.base + "/first", dont_filter=True)

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}
            for link in response.css("a::attr(href)").getall():
                yield response.follow(link, dont_filter=True)

        def exported(self, item):
            tell(kind="record", alt=item["alt"], at=time.time(), lists=item["attestation"]["lists"])
"""
_SECONDS = 60.0
_LISTED, _LATER, _LATER_BY_LOOKS = (encode(drawn(seed), quality=90) for seed in (1, 2, 3))
_SAFE = {f"/safe{number}.jpg": encode(drawn(700 + number, (160, 120)), "JPEG") for number in range(4)}
_IMAGES = {"/listed.jpg": _LISTED, "/later.jpg": _LATER, "/looks.jpg": _LATER_BY_LOOKS, **_SAFE}
_OLD = {"a": [f"sha256 {hashlib.sha256(_LISTED).hexdigest()}"]}
_NEW = {"a": [*_OLD["a"], f"sha256 {hashlib.sha256(_LATER).hexdigest()}", f"pdq {pdq_of(drawn(3))}"]}
_CHANGED, _REFUSED = "has changed over from version", "refuses version"
_FIRST, _SECOND = "?1", "?2"


def _wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _page(query: str, *more: str) -> bytes:
    """Show every image at addresses of this page's own, and at those of all pages."""
    shown = [(path + query, path + query) for path in _IMAGES] + [(path, f"again{path}{query}") for path in _IMAGES]
    images = "".join(f'<img src="{src}" alt="{alt}">' for src, alt in shown)
    return (images + "".join(f'<a href="{link}">' for link in more)).encode()


class _Running:
    """A crawl that meets a page of images, then something happens to its lists, then another page of the same images.

    The server does what happens, and lets the crawl go on when that has shown: nothing here depends on time. Where the
    test looks at its processes, it runs in an interpreter of its own, and starts all of them itself.
    """

    def __init__(
        self, project: Project, server: Server, happens: Callable[[_Running], object], *, by_itself: bool = False
    ) -> None:
        self.project, self.server, self._happens, self._by_itself = project, server, happens, by_itself
        self.process: subprocess.Popen[bytes] | Running | None = None
        self.trouble: list[BaseException] = []
        for path, body in _IMAGES.items():
            server.add(path, body, type="image/jpeg")
        server.add("/first", _page(_FIRST, "/event"))
        server.add("/event", self._on_event)
        server.add("/second", _page(_SECOND))

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log(self) -> str:
        return (self.project.out / "output.txt").read_text(errors="replace")

    def records(self) -> list[dict[str, Any]]:
        with contextlib.suppress(ValueError):  # the last line is being written
            return [event for event in json_lines(self.project.out / "events.jsonl") if event["kind"] == "record"]
        return []

    def wait_for(self, text: str, times: int = 1) -> None:
        _wait_until(lambda: self.log().count(text) >= times, f"the log never said: {text}\n{self.log()[-3000:]}")

    def crawl(self, **settings: Any) -> Crawl:
        """Run it to its end, and see that it leaves no process behind."""
        self.start(**settings)
        assert self.process is not None
        before = set(descendants(self.pid))
        try:
            crawl = self.project.wait(self.process)
        finally:
            end(self.process)
        assert not self.trouble, (self.trouble, crawl.output[-3000:])
        _wait_until(lambda: not any(map(_is_alive, before)), "a process outlived the crawl")
        return crawl

    def start(self, **settings: Any) -> None:
        if settings:
            self.project.set(**GUARDED, **settings)
        command = ("scrapy", "crawl", "tested", "-a", f"base={self.server.base}")
        self.process = self.project.start("-m", *command) if self._by_itself else self.project.begin(*command)

    def _on_event(self, seen: Seen) -> Reply:
        try:
            # Of the first page, all but the listed one make records.
            _wait_until(lambda: len(self.records()) == 2 * (len(_IMAGES) - 1), "the first page's records did not come")
            self._happens(self)
        except BaseException as error:  # noqa: BLE001 - told by the test, not by a thread of the server
            self.trouble.append(error)
        return Reply(b'<a href="/second">')


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve what a test adds."""
    with Server() as server:
        yield server


def _project(folder: Path, policy: str = "workers: 2\nswap: {interval: 0.1s}\n") -> Project:
    project = Project(folder, _SPIDERS, _OLD)
    (project.project / "policy.yaml").write_text(f"blocklist: ../blocklist\n{policy}")
    return project


def _alts(query: str, *without: str) -> set[str]:
    shown = [path for path in _IMAGES if path not in ("/listed.jpg", *without)]
    return {path + query for path in shown} | {f"again{path}{query}" for path in shown}


def _of(crawl: Crawl, query: str) -> dict[str, set[str]]:
    """Return alternative text -> versions of the lists that cleared it."""
    return {
        record["alt"]: {entry["version"] for entry in record["attestation"]["lists"]}
        for record in crawl.records
        if record["alt"].endswith(query)
    }


def _publish(running: _Running) -> None:
    running.project.build(_NEW)
    running.wait_for(_CHANGED)


def _publish_and_hang_up(running: _Running) -> None:
    running.project.build(_NEW)
    # As a terminal does it: to the workers, too.
    os.killpg(running.pid, signal.SIGHUP)
    running.wait_for(_CHANGED)


def _assert_swapped(crawl: Crawl, project: Project) -> None:
    """All that is listed only in the new version passed before, and was dropped after; records say by which version."""
    assert crawl.exit_code == 0, crawl.output[-4000:]
    assert crawl.stats["finish_reason"] == "finished"
    first, second = _of(crawl, _FIRST), _of(crawl, _SECOND)
    assert set(first) == _alts(_FIRST)
    assert set(second) == _alts(_SECOND, "/later.jpg", "/looks.jpg")
    with Blocklist.open(project.folder / "blocklist") as newest:
        new = {info.version for info in newest.lists}
        assert crawl.stats["ingest_guard/list_version"] == newest.version
    (old,) = {frozenset(versions) for versions in first.values()}
    assert old.isdisjoint(new)
    assert {frozenset(versions) for versions in second.values()} == {frozenset(new)}
    assert crawl.count("swap/done") == 1
    assert crawl.count("not_scannable") == crawl.count("errors") == crawl.count("failed") == 0


_LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {},
    "none": {"TWISTED_REACTOR_ENABLED": False},
}


@pytest.mark.parametrize("loop", _LOOPS)
def test_a_new_version_takes_over_between_two_images(tmp_path: Path, server: Server, loop: str) -> None:
    """A running crawl finds a new version by itself, on each event loop; nothing of what it cleared before counts."""
    project = _project(tmp_path)
    crawl = _Running(project, server, _publish).crawl(**_LOOPS[loop])
    _assert_swapped(crawl, project)
    assert crawl.faults() == []
    assert 0 < crawl.count("workers/private_bytes_peak") < 60 << 20
    assert crawl.count("workers/pss_bytes_peak") >= crawl.count("workers/private_bytes_peak")
    assert crawl.count("blocklist/age_seconds") < 600
    assert crawl.stats["ingest_guard/blocklist/stale"] == 0


def test_the_inline_mode_changes_over_too(tmp_path: Path, server: Server) -> None:
    """Without worker processes, lists change between two images just the same."""
    project = _project(tmp_path, "workers: inline\nswap: {interval: 0.1s}\n")
    _assert_swapped(_Running(project, server, _publish).crawl(), project)


@pytest.mark.parametrize("loop", _LOOPS)
def test_a_hangup_makes_a_crawl_look_at_once(tmp_path: Path, server: Server, loop: str) -> None:
    """SIGHUP is heard on each event loop, long before the next look is due; an older handler of it is still called."""
    project = _project(tmp_path, "workers: 1\nswap: {interval: 12h}\n")
    crawl = _Running(project, server, _publish_and_hang_up).crawl(**_LOOPS[loop])
    _assert_swapped(crawl, project)
    assert [event for event in crawl.events if event["kind"] == "hangup"]
    assert crawl.count("workers/lost") == 0


def _damage(running: _Running) -> None:
    """Publish a version with one changed byte, then a good one."""
    old = current_version(running.project.folder / "blocklist")
    running.project.build(_NEW)
    folder = running.project.folder / "blocklist" / "versions" / current_version(running.project.folder / "blocklist")
    file = next(folder.glob("*.bloom"))
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    file.chmod(0o444)
    assert current_version(running.project.folder / "blocklist") != old
    running.wait_for(_REFUSED)


def test_a_damaged_version_is_refused_and_the_crawl_goes_on(tmp_path: Path, server: Server) -> None:
    """The old version stays in use: what it lists is dropped, what it does not list passes, and the log says so."""
    project = _project(tmp_path)
    crawl = _Running(project, server, _damage).crawl()
    assert crawl.exit_code == 0
    assert set(_of(crawl, _SECOND)) == _alts(_SECOND)
    assert crawl.count("swap/refused") >= 1
    assert crawl.count("swap/done") == 0
    assert [line for line in crawl.output.splitlines() if " ERROR: " in line and _REFUSED in line]


def _remove_in_use(running: _Running) -> None:
    """Publish a damaged version, remove the one in use, and kill the workers: their successors have no files."""
    in_use = current_version(running.project.folder / "blocklist")
    _damage(running)
    store = running.project.folder / "blocklist"
    assert in_use in retain(store, current_version(store), 1)
    before = set(descendants(running.pid))
    workers = {pid for pid in before if _parent(pid) != running.pid}
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    _wait_until(lambda: len(set(descendants(running.pid)) - before) >= len(workers), "the workers were not replaced")


def test_workers_are_replaced_after_their_version_was_removed(tmp_path: Path, server: Server) -> None:
    """Retention may remove the version that a crawl uses; its workers die and are replaced all the same."""
    project = _project(tmp_path)
    crawl = _Running(project, server, _remove_in_use, by_itself=True).crawl()
    assert crawl.exit_code == 0, crawl.output[-4000:]
    assert set(_of(crawl, _SECOND)) == _alts(_SECOND)
    assert crawl.count("workers/lost") == 2
    assert crawl.count("failed") == 0


def _kill_on_the_way(running: _Running) -> None:
    """Publish a version, and kill every process of the crawl's that comes up meanwhile, once, a few of them."""
    killed: set[int] = set()
    running.project.build(_NEW)

    def changed() -> bool:
        for pid in descendants(running.pid):
            if pid not in killed and len(killed) < 4:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        return _CHANGED in running.log()

    _wait_until(changed, "the crawl never changed over")
    assert len(killed) == 4


def test_processes_that_are_killed_during_a_swap_are_replaced(tmp_path: Path, server: Server) -> None:
    """Whatever processes die while a new version comes in, it comes in, and nothing is let through."""
    project = _project(tmp_path)
    crawl = _Running(project, server, _kill_on_the_way, by_itself=True).crawl()
    _assert_swapped(crawl, project)


@pytest.mark.parametrize("moment", ["at once", "when its processes start", "when it has taken over"])
def test_a_crawl_that_is_killed_during_a_swap_leaves_the_store_as_it_is(
    tmp_path: Path, server: Server, moment: str
) -> None:
    """After kill -9 of the whole crawl the store opens at the new version, and no process is left."""

    def kill(running: _Running) -> None:
        before = set(descendants(running.pid))
        running.project.build(_NEW)
        if moment == "when its processes start":
            _wait_until(lambda: set(descendants(running.pid)) - before, "no new process came")
        elif moment == "when it has taken over":
            running.wait_for(_CHANGED)
        left.extend(descendants(running.pid))
        os.kill(running.pid, signal.SIGKILL)

    left: list[int] = []
    project = _project(tmp_path)
    running = _Running(project, server, kill, by_itself=True)
    running.start()
    assert running.process is not None
    try:
        assert running.process.wait(_SECONDS) == -signal.SIGKILL
        _wait_until(lambda: left and not any(map(_is_alive, left)), "a process outlived the crawl")
    finally:
        end(running.process)
    assert not running.trouble
    with Blocklist.open(project.folder / "blocklist") as opened:
        assert sum(sum(info.counts.values()) for info in opened.lists) == 3


_STREAM = 12
"""Images a page of the endless stream."""


class _Stream:
    """Pages of ever new images, without an end until some pages after the change; the lists change on the way."""

    def __init__(self, project: Project, server: Server) -> None:
        self.project, self.server = project, server
        self.served: dict[str, float] = {}
        self.changed_at = 0.0
        self._pictures = [drawn(900 + number, (96, 72)) for number in range(_STREAM)]
        self._pages = self._left = 0
        server.add("/first", self._page)
        server.add("/more", self._page)
        server.add("/image", self._image)

    def lists(self) -> dict[str, list[str]]:
        return {"a": [*_OLD["a"], *(f"pdq {pdq_of(picture)}" for picture in self._pictures[::3])]}

    def _page(self, seen: Seen) -> Reply:
        self._pages += 1
        if self._pages == 4:
            self._builder = threading.Thread(target=self.project.build, args=(self.lists(),))
            self._builder.start()
        if not self.changed_at and _CHANGED in (self.project.out / "output.txt").read_text(errors="replace"):
            self.changed_at = time.time()
        self._left += bool(self.changed_at)
        names = [f"{self._pages}-{number}" for number in range(_STREAM)]
        images = "".join(f'<img src="/image?{name}" alt="{name}">' for name in names)
        return Reply((images + ('<a href="/more">' if self._left < 4 and self._pages < 2000 else "")).encode())

    def _image(self, seen: Seen) -> Reply:
        name = seen.path.partition("?")[2]
        # Different bytes each time: nothing is known from before.
        body = encode(self._pictures[int(name.partition("-")[2])], "JPEG", comment=name.encode())
        self.served.setdefault(name, time.time())
        return Reply(body, "image/jpeg")


def test_nothing_is_held_or_mixed_up_while_a_version_comes_in(tmp_path: Path, server: Server) -> None:
    """In an endless stream of images, each is checked against one whole version, and none waits for the change.

    Each answer is held against when the server sent the image, so that this says how long one was held.
    """
    project = _project(tmp_path, "workers: 1\nswap: {interval: 0.1s}\nin_flight: {images: 4}\n")
    stream = _Stream(project, server)
    project.set(**GUARDED, CONCURRENT_REQUESTS=4, CONCURRENT_ITEMS=4, LOG_LEVEL="INFO")
    process = project.begin("scrapy", "crawl", "tested", "-a", f"base={server.base}")
    crawl = project.wait(process)
    assert crawl.exit_code == 0, crawl.output[-3000:]
    assert crawl.count("swap/done") == 1
    assert stream.changed_at
    told = [event for event in crawl.events if event["kind"] == "record"]
    versions = list(dict.fromkeys(event["lists"][0]["version"] for event in told))
    assert len(versions) == 2
    cleared_by = {event["alt"]: event["lists"][0]["version"] for event in told}
    for name in stream.served:
        is_listed_later = int(name.partition("-")[2]) % 3 == 0
        if is_listed_later:
            # Let through by the old version, or dropped by the new one.
            assert cleared_by.get(name) in (versions[0], None), name
            assert name not in cleared_by or stream.served[name] < stream.changed_at
        else:
            assert name in cleared_by
    # Items that were between the two pipelines were checked once more, against the new version.
    asked = [path for path in server.asked() if path.startswith("/image")]
    assert crawl.count("checked") == len(asked) == crawl.count("no_known_match") + crawl.count("matched")
    assert crawl.count("matched/a") == sum(name not in cleared_by for name in stream.served) > 0
    waits = [event["at"] - stream.served[event["alt"]] for event in told]
    assert max(waits) < 2.0, sorted(waits)[-5:]
