from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.waiting import until

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.errors import GuardFailedError, IngestGuardError
from ingest_guard.guard.scan_result import Scan
from ingest_guard.scrapy_plugin.check import self_test as selftest
from ingest_guard.scrapy_plugin.check.inspection import inspect
from ingest_guard.verdict import Match, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_plugin.conftest import Chain

    from ingest_guard.workers.inline import InlinePool


def run(chain: Chain) -> None:
    """Run the self-test of a chain."""
    asyncio.run(chain.runtime.self_test.run())


def test_a_guard_that_works_passes_and_counts_nothing_else(chain: Chain) -> None:
    """Neither checks nor matches of the self-test are told as the crawl's; nor is the canary seen by anybody."""
    seen: list[Any] = []

    def see(request: Any, response: Any) -> Any:
        seen.append(request)
        return response

    chain.downloader.methods["process_response"].insert(1, see)
    run(chain)
    run(chain)
    assert chain.stats() == {"self_tests": 2, "scans_spared": chain.stats().get("scans_spared"), "texts_read": 4}
    assert seen == []
    assert not chain.state.dropped_pages.askers(selftest._URL)


def test_every_kind_goes_to_the_gate_and_to_the_sentinel(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image as it is and compressed, inside a page, and a variant that only its looks give away."""
    sent: list[tuple[str, bool]] = []
    answer = selftest.SelfTest._answer

    async def noted(self: Any, name: str, response: Any, way: Any) -> Any:
        sent.append((name, "Content-Encoding" in response.headers))
        return await answer(self, name, response, way)

    monkeypatch.setattr(selftest.SelfTest, "_answer", noted)
    run(chain)
    kinds = ("an image", "a compressed image", "an image inside a page", "an altered image")
    assert [name for name, _ in sent] == [
        f"{kind}, {way}" for kind in kinds for way in ("downloaded", "put in on the way")
    ]
    assert [name for name, compressed in sent if compressed] == [name for name, _ in sent[2:4]]


@pytest.mark.parametrize("part", ["Gate", "Sentinel"])
def test_a_way_around_a_part_is_found(part: str, chain: Chain) -> None:
    """Where Scrapy does not ask a part of the guard, the test does not pass."""
    methods = chain.downloader.methods["process_response"]
    methods.remove(chain.part(part).process_response)
    with pytest.raises(GuardFailedError, match=r"got through|was stopped by"):
        run(chain)


@pytest.mark.parametrize("kind", ["an image", "a compressed image", "an image inside a page", "an altered image"])
def test_a_guard_that_lost_one_of_its_senses_is_found(kind: str, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that concerns one kind of body alone is found by the canary of that kind."""
    if kind == "an altered image":

        async def blind(self: InlinePool, data: bytes, payer: str) -> Scan:
            return Scan()

        monkeypatch.setattr(type(chain.state.pool), "scan", blind)
    else:
        wanted = {
            "an image": lambda response: response.body.startswith(b"BM"),
            "a compressed image": lambda response: "Content-Encoding" in response.headers,
            "an image inside a page": lambda response: response.body.startswith(b"<"),
        }[kind]

        async def unseeing(state: Any, response: Any, payer: str, **options: Any) -> Any:
            if wanted(response):
                response = response.replace(body=b"nothing", headers={})
            return await inspect(state, response, payer, **options)

        monkeypatch.setattr("ingest_guard.scrapy_plugin.check.judge.inspect", unseeing)
    with pytest.raises(GuardFailedError, match=f"{kind}, downloaded"):
        run(chain)


def test_a_canary_that_is_recognised_and_kept_is_a_failure(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dropped must have been emptied, too."""
    monkeypatch.setattr("ingest_guard.scrapy_plugin.check.judge.scrub", id)
    with pytest.raises(GuardFailedError, match="recognised, and kept"):
        run(chain)


def test_a_middleware_that_raises_instead_of_the_guard_is_a_failure(chain: Chain) -> None:
    """Nobody knows what it stops beside this; its text, which may quote anything, is not told."""

    def stop(request: Any, response: Any) -> None:
        raise ValueError("secret")

    chain.downloader.methods["process_response"].insert(0, stop)
    with pytest.raises(GuardFailedError, match="stopped by ValueError") as caught:
        run(chain)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("faults", [4, 5])
def test_passing_faults_of_a_worker_are_no_verdict(faults: int, chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another image may take a worker down just then; a guard of which every worker goes down does not work."""
    left = [Scan(reason=Reason.WORKER_CRASHED)] * faults
    scan = type(chain.state.pool).scan

    async def sometimes(self: Any, data: bytes, payer: str) -> Scan:
        is_listed = data == chain.state.guard.whole.canary()
        return left.pop() if left and not is_listed else await scan(self, data, payer)

    monkeypatch.setattr(type(chain.state.pool), "scan", sometimes)
    if faults < selftest._ATTEMPTS:
        run(chain)
    else:
        with pytest.raises(GuardFailedError, match="an altered image, downloaded: worker_crashed"):
            run(chain)


def test_a_blocklist_without_a_canary_is_refused(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl that cannot test itself does not start, and its operator is told what to do."""
    monkeypatch.setattr(Blocklist, "knows_canary", property(lambda _: False))
    with pytest.raises(IngestGuardError, match="build it again: ingest-guard blocklist build"):
        run(chain)


@pytest.mark.parametrize(
    ("fault", "said"),
    [(GuardFailedError("got through"), "got through"), (KeyError("x"), "could not be run (KeyError")],
)
def test_a_failure_during_the_crawl_latches_the_gate(
    fault: Exception, said: str, chain: Chain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is: from then on everything is dropped, and it is not run again."""
    runs: list[int] = []

    async def fail(self: Any) -> None:
        runs.append(1)
        raise fault

    monkeypatch.setattr(selftest.SelfTest, "run", fail)
    for _ in range(2):
        asyncio.run(chain.runtime.self_test.again())
    assert chain.state.failed
    assert len(runs) == 1
    assert caplog.records[-1].levelname == "CRITICAL"
    assert said in caplog.records[-1].getMessage()


def test_it_repeats_at_its_interval_until_it_is_stopped(make_chain: Callable[..., Chain]) -> None:
    """Not at once, then every interval; two never run at the same time."""
    chain = make_chain("self_test: {interval: 1s}\n")

    async def crawl() -> None:
        chain.runtime.self_test.start()
        assert "self_tests" not in chain.stats()
        await until(lambda: chain.stats().get("self_tests", 0) >= 1)
        chain.runtime.self_test._is_running = True
        await chain.runtime.self_test.again()
        assert chain.stats()["self_tests"] == 1
        chain.runtime.self_test.stop()
        chain.runtime.self_test.stop()

    asyncio.run(crawl())


def test_the_strict_level_is_tested_in_its_download_handlers(make_chain: Callable[..., Chain]) -> None:
    """There a download of the canary, which needs no network, has to be stopped before the gate."""
    chain = make_chain("level: strict\n")
    urls: list[str] = []

    async def download(request: Any) -> Any:
        urls.append(request.url)
        return SimpleNamespace()

    chain.crawler.engine.downloader.handlers = SimpleNamespace(download_request_async=download)  # type: ignore[union-attr]
    with pytest.raises(GuardFailedError, match=r"got through \(a download\)"):
        run(chain)
    assert [url[:22] for url in urls] == ["data:image/bmp;base64,"]


def test_the_canary_is_no_flood(chain: Chain) -> None:
    """However often it is shown, no alarm says that an entry of a list matches too much."""
    chain.state.flood = type(chain.state.flood)(1)
    for _ in range(5):
        run(chain)
    assert "flood_alarms" not in chain.stats()
    assert (
        Match("ingest-guard-canary", "sha256", 0, "bytes")
        in chain.state.guard.check(chain.state.guard.whole.canary()).matches
    )
