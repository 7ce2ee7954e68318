from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import Response
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode
from support.waiting import until

from ingest_guard import BlocklistError, ImageBlocked
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store.draft import point_to
from ingest_guard.blocklist.store.newest import NewestVersions
from ingest_guard.blocklist.store.versions import current_version, versions
from ingest_guard.scrapy_plugin.check import swap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from scrapy_plugin.conftest import Chain, Site

URL = "https://site.example/"
KNOWN, LATER, SAFE = (encode(drawn(seed), quality=90) for seed in (1, 2, 3))
OLD = [("sha256", hashlib.sha256(KNOWN).hexdigest())]
NEW = [*OLD, ("pdq", pdq_of(drawn(2)))]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Build a store that knows one image."""
    return make_blocklist(tmp_path / "store", {"a": OLD})


@pytest.fixture
def started(make_chain: Callable[..., Chain], policy_file: Path, store: Path, site: Site) -> Callable[..., Chain]:
    """Return a maker of chains on the store, with lines for the policy; what it finds are three images."""
    site.answers = {URL + "known": KNOWN, URL + "later": LATER, URL + "safe": SAFE}

    def make(policy: str = "", workers: str = "inline") -> Chain:
        policy_file.write_text(f"blocklist: {store}\nworkers: {workers}\n", encoding="utf-8")
        chain = make_chain(policy)
        chain.crawler.engine.close_spider_async = _closed  # type: ignore[union-attr]
        return chain

    return make


async def _closed(reason: str) -> None:
    """Stand in for the engine's own."""


def running(chain: Chain, work: Callable[[], Awaitable[Any]]) -> Any:
    """Do work while the chain's runtime looks for new versions."""

    async def main() -> Any:
        chain.state.is_open = True
        await chain.state.pool.ready()
        chain.runtime.swapper.start()
        try:
            return await asyncio.wait_for(work(), 60)
        finally:
            chain.runtime.close()

    return asyncio.run(main())


async def look(chain: Chain, *, asked: bool = True) -> None:
    """Have the chain look for a new version, and wait until it has."""
    chain.runtime.swapper.look(asked=asked)
    await until(lambda: not chain.runtime.swapper._is_looking)


async def outcomes(chain: Chain) -> list[str]:
    """Return what becomes of the three images."""
    return [await outcome(chain, name) for name in ("known", "later", "safe")]


async def outcome(chain: Chain, name: str) -> str:
    """Return what becomes of one image."""
    try:
        return f"passed {len((await chain.download(Request(URL + name))).body)}"
    except ImageBlocked as blocked:
        return str(blocked.outcome)


def test_a_new_version_counts_from_the_next_image_on(started: Callable[..., Chain], store: Path) -> None:
    """Caches of the old version say nothing any more: the very image that it let through is dropped."""
    chain = started()

    async def work() -> list[Any]:
        before = await outcomes(chain)
        old = chain.state.current
        make_blocklist(store, {"a": NEW})
        await look(chain)
        assert chain.state.current is not old
        assert old.is_retired
        return [before, await outcomes(chain)]

    passed = [f"passed {len(LATER)}", f"passed {len(SAFE)}"]
    assert running(chain, work) == [["match", *passed], ["match", "match", passed[1]]]
    stats = chain.stats()
    assert stats["list_version"] == current_version(store)
    assert (stats["swap/done"], stats.get("swap/refused")) == (1, None)
    assert stats["swap/seconds_peak"] > 0


def test_a_look_that_finds_nothing_new_changes_nothing(started: Callable[..., Chain]) -> None:
    """The same version, or a version's own folder, is left alone."""
    chain = started()

    async def work() -> bool:
        before = chain.state.current
        await look(chain, asked=False)
        return chain.state.current is before

    assert running(chain, work)
    assert "swap/done" not in chain.stats()
    assert chain.stats()["blocklist/age_seconds"] >= 0


def test_a_policy_that_names_one_version_stays_with_it(
    started: Callable[..., Chain], store: Path, policy_file: Path, make_chain: Callable[..., Chain]
) -> None:
    """A version's own folder has no pointer, and that is no fault."""
    policy_file.write_text(f"blocklist: {store / 'versions' / current_version(store)}\nworkers: inline\n")
    chain = make_chain()

    async def work() -> None:
        make_blocklist(store, {"a": NEW})
        await look(chain)

    running(chain, work)
    assert not {"swap/done", "swap/refused"} & set(chain.stats())


def test_a_check_that_began_before_a_swap_ends_with_its_own_version(started: Callable[..., Chain], store: Path) -> None:
    """One snapshot from begin to end: what it lets through is noted for its own version, and is checked again later."""
    chain = started()
    generation = chain.state.current
    good = generation.pool.scan
    response = Response(URL + "later", body=LATER)

    async def work() -> tuple[str, bool, str]:
        async def scan(data: bytes, payer: str) -> Any:
            if not generation.is_retired:
                make_blocklist(store, {"a": NEW})
                await look(chain)
            return await good(data, payer)

        generation.pool.scan = scan  # type: ignore[method-assign]
        passed = await chain.part("Gate").process_response(Request(URL + "later"), response)
        noted = passed in chain.state.current.passed
        try:
            await chain.part("Sentinel").process_response(Request(URL + "later"), passed)
        except ImageBlocked as blocked:
            return passed.url, noted, str(blocked.outcome)
        return passed.url, noted, "passed"

    assert running(chain, work) == (URL + "later", False, "match")
    stats = chain.stats()
    assert (stats["no_known_match"], stats["sentinel/dropped"]) == (1, 1)


def test_records_name_the_version_that_cleared_them(started: Callable[..., Chain], store: Path) -> None:
    """An image that was fetched before the swap and is asked for after it is fetched and checked again."""
    chain = started()

    async def fetch() -> Any:
        return await chain.runtime.fetcher.fetch(URL + "safe", None)

    async def work() -> list[Any]:
        first = await fetch()
        again = await fetch()
        make_blocklist(store, {"a": NEW})
        await look(chain)
        return [first, again, await fetch()]

    first, again, later = running(chain, work)
    assert first is again
    assert first.attestation["lists"] != later.attestation["lists"]
    assert later.attestation == chain.state.guard.attestation
    assert len(chain.site.asked) == 2


def test_a_fetch_under_way_is_not_shared_across_a_swap(started: Callable[..., Chain], store: Path) -> None:
    """Whoever asks after the swap does not get what a fetch from before it finds."""
    chain = started()

    async def work() -> list[Any]:
        go_on = asyncio.Event()
        plain = chain.site.download

        async def held(request: Request) -> Response:
            response = await plain(request)
            await go_on.wait()
            return response

        chain.site.download = held  # type: ignore[method-assign]
        early = asyncio.create_task(chain.runtime.fetcher.fetch(URL + "safe", None))
        await until(lambda: chain.site.asked)
        make_blocklist(store, {"a": NEW})
        await look(chain)
        late = asyncio.create_task(chain.runtime.fetcher.fetch(URL + "safe", None))
        await asyncio.sleep(0)
        go_on.set()
        return [await early, await late]

    results = [fetched.result for fetched in running(chain, work)]
    assert results == ["no_known_match", "no_known_match"]
    assert len(chain.site.asked) == 2


def _damaged(store: Path) -> None:
    make_blocklist(store, {"a": NEW})
    file = next((store / "versions" / current_version(store)).glob("*.bloom"))
    file.chmod(0o644)
    file.write_bytes(b"x" + file.read_bytes()[1:])
    file.chmod(0o444)


def _missing(store: Path) -> None:
    point_to(store, "0" * 64)


def _without_pointer(store: Path) -> None:
    (store / "current").unlink()


def _writable(store: Path) -> None:
    make_blocklist(store, {"a": NEW})
    (store / "versions" / current_version(store)).chmod(0o777)


@pytest.mark.parametrize("spoil", [_damaged, _missing, _without_pointer, _writable])
def test_a_bad_version_is_refused_and_the_old_one_stays(
    started: Callable[..., Chain], store: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is wrong with it, the log says so as an error, the statistics count it, and checks go on."""
    chain = started()

    async def work() -> list[str]:
        before = chain.state.current
        spoil(store)
        await look(chain)
        assert chain.state.current is before
        assert not chain.state.failed
        return await outcomes(chain)

    assert running(chain, work) == ["match", f"passed {len(LATER)}", f"passed {len(SAFE)}"]
    assert chain.stats()["swap/refused"] == 1
    assert "refuses version" in caplog.text
    assert not any(value in caplog.text for _, value in NEW)


def test_a_list_that_the_policy_names_and_the_new_version_lacks_is_refused(
    started: Callable[..., Chain], store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What would not start a crawl does not take one over either."""
    chain = started("lists: {a: {owner: me}}\n")

    async def work() -> None:
        build(store, [ListSource("b", "plain", store.parent / "store-a.txt")], accept=True)
        await look(chain)

    running(chain, work)
    assert "key lists names a" in caplog.text


@pytest.mark.parametrize(("policy", "expected"), [("", "old"), ("swap: {older: accept}\n", "older")])
def test_an_older_version_is_refused_unless_the_policy_accepts_it(
    started: Callable[..., Chain], store: Path, policy: str, expected: str
) -> None:
    """A pointer that goes back in time would let pass what was listed since."""
    (first,) = versions(store)
    make_blocklist(store, {"a": NEW})
    chain = started(policy)
    in_use = chain.state.guard.version

    async def work() -> str:
        point_to(store, first)
        await look(chain)
        return chain.state.guard.version

    assert running(chain, work) == (in_use if expected == "old" else first)
    assert chain.stats().get("swap/refused") == (1 if expected == "old" else None)


@pytest.mark.parametrize(("policy", "expected"), [("", "refused"), ("swap: {older: accept}\n", "accepted")])
def test_a_version_that_is_older_than_another_crawls_is_refused(
    started: Callable[..., Chain], store: Path, tmp_path: Path, policy: str, expected: str
) -> None:
    """What one crawl has changed over to, the next one and those beside it do not go back behind."""
    (first,) = versions(store)
    policy += f"state: {tmp_path / 'memory'}\n"
    chain = started(policy)
    make_blocklist(store, {"a": NEW})
    second = current_version(store)
    make_blocklist(store, {"a": [*NEW, ("md5", "0" * 31 + "1")]})
    third = current_version(store)
    memory = NewestVersions(tmp_path / "memory", store)

    async def work() -> str:
        await look(chain)
        assert chain.state.guard.version == third
        seen = memory.newest()
        assert seen is not None
        assert seen.version == third
        point_to(store, second)
        await look(chain)
        return chain.state.guard.version

    assert running(chain, work) == (third if expected == "refused" else second)
    point_to(store, first)
    if expected == "refused":
        with pytest.raises(BlocklistError, match="is older than"):
            started(policy)
    else:
        assert started(policy).state.guard.version == first


def test_a_refused_version_gets_another_chance_after_a_pause_or_a_signal(
    started: Callable[..., Chain], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening a large version costs: it is tried again after longer and longer pauses, or on demand."""
    chain = started("swap: {interval: 1h}\n")

    async def work() -> list[int]:
        _damaged(store)
        counts = []
        for asked in (False, False, True, False):
            await look(chain, asked=asked)
            counts.append(chain.stats()["swap/refused"])
        refusal = chain.runtime.swapper._refusal
        assert refusal is not None
        assert refusal.pause == swap._LONGEST_PAUSE
        refusal.until = 0
        await look(chain, asked=False)
        make_blocklist(store, {"a": [*NEW, ("md5", "0" * 31 + "1")]})
        await look(chain, asked=False)
        return [*counts, chain.stats()["swap/refused"], chain.stats()["swap/done"]]

    assert running(chain, work) == [1, 1, 2, 2, 3, 1]


def test_a_fault_of_ours_refuses_the_version_without_its_text(
    started: Callable[..., Chain], store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What other code's exceptions say may quote a file: only their name is told."""
    chain = started()

    def broken(policy: object) -> None:
        raise KeyError("a value of a list")

    async def work() -> None:
        make_blocklist(store, {"a": NEW})
        monkeypatch.setattr(swap.Guard, "from_policy", broken)
        await look(chain)

    running(chain, work)
    assert "KeyError" in caplog.text
    assert "a value of a list" not in caplog.text


def _make_old(chain: Chain) -> None:
    blocklist = chain.state.guard.blocklist
    blocklist.created -= timedelta(days=40)


def test_a_list_that_grows_too_old_raises_an_alarm(
    started: Callable[..., Chain], store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The crawl goes on, the log says CRITICAL once an hour, and the statistics say it until a new version is there."""
    chain = started()

    async def work() -> list[Any]:
        _make_old(chain)
        await look(chain)
        await look(chain)
        during = [chain.stats()["blocklist/stale"], chain.state.failed]
        make_blocklist(store, {"a": NEW})
        await look(chain)
        return [*during, chain.stats()["blocklist/stale"], chain.stats()["blocklist/age_seconds"] < 1000]

    assert running(chain, work) == [1, False, 0, True]
    assert [record.levelno for record in caplog.records if "The crawl goes on with it" in record.message] == [
        logging.CRITICAL
    ]


def test_a_policy_can_stop_the_crawl_when_the_list_is_too_old(started: Callable[..., Chain]) -> None:
    """With swap.stale: stop, the gate latches shut."""
    chain = started("swap: {stale: stop}\n")

    async def work() -> list[str]:
        _make_old(chain)
        await look(chain)
        return await outcomes(chain)

    assert running(chain, work) == ["not_scannable"] * 3
    assert chain.stats()["failed"] == 1


def test_looks_that_come_while_one_is_under_way_make_one_more(
    started: Callable[..., Chain], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal during a look is not lost; ticks of the clock are not piled up."""
    chain = started()
    looks: list[bool] = []
    plain = swap.Swapper._look

    async def counted(self: swap.Swapper, *, asked: bool) -> None:
        looks.append(asked)
        await plain(self, asked=asked)

    monkeypatch.setattr(swap.Swapper, "_look", counted)

    async def work() -> None:
        for asked in (False, True, False, True):
            chain.runtime.swapper.look(asked=asked)
        await until(lambda: not chain.runtime.swapper._is_looking)

    running(chain, work)
    assert looks == [False, True]


def test_a_crawl_that_ends_gives_up_what_was_coming(started: Callable[..., Chain], store: Path) -> None:
    """A version that is being brought in when the spider closes is let go of, with its processes; nothing is logged."""
    chain = started(workers="1")

    async def work() -> int:
        make_blocklist(store, {"a": NEW})
        chain.runtime.swapper.look(asked=True)
        await until(lambda: chain.runtime.swapper._coming is not None)
        pool: Any = chain.runtime.swapper._coming.pool
        await until(lambda: pool._source.nursery is not None)
        pid = int(pool._source.nursery.pid)
        chain.runtime.swapper.stop()
        await until(lambda: not chain.runtime.swapper._is_looking)
        assert pool.is_over
        return pid

    pid = running(chain, work)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not {"swap/refused", "swap/done"} & set(chain.stats())


def test_workers_of_both_versions_share_their_bounds(started: Callable[..., Chain], store: Path) -> None:
    """While two versions have images under way, the bounds of one hold for both together."""
    chain = started("in_flight: {images: 2}\n", workers="1")

    async def work() -> list[Any]:
        old = chain.state.current
        with old.held():
            images = [encode(drawn(50 + number, (90, 70))) for number in range(8)]
            early = [asyncio.create_task(old.pool.scan(image)) for image in images[:4]]
            make_blocklist(store, {"a": NEW})
            await look(chain)
            new = chain.state.current
            assert not any(task.cancelled() for task in early)
            late = [asyncio.create_task(new.pool.scan(image)) for image in images[4:]]
            scans = await asyncio.gather(*early, *late)
            assert not old.pool.is_over
        await until(lambda: old.pool.is_over)
        return [scan.reason for scan in scans]

    assert running(chain, work) == [None] * 8
    assert chain.stats()["in_flight/images_peak"] == 2
    assert chain.stats()["workers/lost"] == 0


def test_old_workers_that_fail_after_the_swap_do_not_stop_the_crawl(
    started: Callable[..., Chain], store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The version in use has workers of its own; a worker that lied stops it all the same."""
    chain = started(workers="1")

    async def work() -> list[bool]:
        old: Any = chain.state.current
        with old.held():
            make_blocklist(store, {"a": NEW})
            await look(chain)
            old.pool._fail("scan workers do not work (a test)")
            latched = [chain.state.failed]
            reason = (await old.pool.scan(SAFE)).reason
            assert str(reason) == "guard_failed"
        await look(chain)
        chain.state._on_failed_pool(chain.state.pool, "a test")  # type: ignore[arg-type]
        return [*latched, chain.state.failed]

    assert running(chain, work) == [False, True]
    assert "of a version that was replaced" in caplog.text


def test_an_old_worker_that_lied_latches_the_gate(started: Callable[..., Chain], store: Path) -> None:
    """Its earlier answers cannot be trusted, whatever version is in use now."""
    chain = started(workers="1")

    async def work() -> bool:
        old: Any = chain.state.current
        with old.held():
            make_blocklist(store, {"a": NEW})
            await look(chain)
            old.pool.gave_wrong_answer = True
            old.pool._fail("a worker gave a wrong answer")
        return chain.state.failed

    assert running(chain, work)


def test_workers_that_cannot_start_refuse_the_version(
    started: Callable[..., Chain], store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The old version stays, with its workers; those that would not start leave nothing behind."""
    chain = started(workers="1")

    async def work() -> list[str]:
        before = chain.state.current
        make_blocklist(store, {"a": NEW})
        monkeypatch.setattr("ingest_guard.workers.nursery._START", "raise SystemExit(1)")
        await look(chain)
        assert chain.state.current is before
        return await outcomes(chain)

    assert running(chain, work) == ["match", f"passed {len(LATER)}", f"passed {len(SAFE)}"]
    assert chain.stats()["swap/refused"] == 1
    assert "scan workers do not work" in caplog.text


@pytest.fixture
def hangup_handler() -> Iterator[list[int]]:
    """Install a handler of SIGHUP that notes its calls, as a program around the crawl may have one."""
    calls: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _: calls.append(number))
    yield calls
    signal.signal(signal.SIGHUP, before)


def test_a_hangup_reaches_all_who_listen_and_whoever_was_there_before(hangup_handler: list[int]) -> None:
    """Several crawls of a process listen; the older handler is called, and comes back when the last one is gone."""
    before = signal.getsignal(signal.SIGHUP)
    heard: list[str] = []
    one, two = (lambda: heard.append("one")), (lambda: heard.append("two"))
    assert swap.listen_for_hangups(one)
    assert swap.listen_for_hangups(two)
    os.kill(os.getpid(), signal.SIGHUP)
    swap.forget_listener(one)
    os.kill(os.getpid(), signal.SIGHUP)
    swap.forget_listener(two)
    swap.forget_listener(two)
    assert signal.getsignal(signal.SIGHUP) is before
    assert (heard, hangup_handler) == (["one", "two", "two"], [signal.SIGHUP] * 2)


def test_a_handler_that_came_later_is_left_in_place(hangup_handler: list[int]) -> None:
    """Whoever takes the signal after us keeps it."""
    del hangup_handler
    callback = list[int]().clear
    assert swap.listen_for_hangups(callback)
    later = lambda *_: None  # noqa: E731 - a handler with an identity
    signal.signal(signal.SIGHUP, later)
    swap.forget_listener(callback)
    assert signal.getsignal(signal.SIGHUP) is later


def test_signals_are_for_the_main_thread_alone(hangup_handler: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """In another thread, on a system without the signal, or over a handler of C code, there is no listening."""
    del hangup_handler
    heard: list[bool] = []
    thread = threading.Thread(target=lambda: heard.append(swap.listen_for_hangups(lambda: None)))
    thread.start()
    thread.join()
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    heard.append(swap.listen_for_hangups(lambda: None))
    monkeypatch.delattr(signal, "SIGHUP")
    heard.append(swap.listen_for_hangups(lambda: None))
    assert heard == [False, False, False]


def test_a_signal_makes_the_chain_look(started: Callable[..., Chain], store: Path, hangup_handler: list[int]) -> None:
    """SIGHUP brings in a new version hours before the next look."""
    chain = started("swap: {interval: 12h}\n")

    async def work() -> None:
        make_blocklist(store, {"a": NEW})
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: "swap/done" in chain.stats())

    running(chain, work)
    assert hangup_handler == [signal.SIGHUP]
