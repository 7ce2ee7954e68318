from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import Response
from scrapy.settings import Settings
from support.waiting import until

from ingest_guard.policy.policy import InFlight
from ingest_guard.scrapy_plugin.check import handlers
from ingest_guard.scrapy_plugin.core.admission import Admission
from ingest_guard.scrapy_plugin.core.state import GuardState

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler

KIB = 1 << 10


def requests(count: int) -> list[Request]:
    """Return different requests."""
    return [Request(f"https://site.example/{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("bounds", "requests_at_once", "most"),
    [({}, 16, 64), ({}, 200, 400), ({"bodies": 3}, 200, 3), ({"images": 500}, 16, 500)],
)
def test_so_many_bodies_and_no_more(bounds: dict[str, Any], requests_at_once: int, most: int) -> None:
    """Beyond the bound downloads wait, in the order of asking; by itself it never slows Scrapy's settings down."""

    async def crawl() -> None:
        admission = Admission(InFlight(**bounds), requests_at_once)
        asked, begun = requests(most + 2), []

        async def begin(request: Request) -> None:
            await admission.begin(request)
            begun.append(request)

        tasks = [asyncio.create_task(begin(request)) for request in asked]
        await until(lambda: len(begun) == most)
        await asyncio.sleep(0)
        assert begun == asked[:most]
        admission.end(asked[5 % most])
        await until(lambda: len(begun) == most + 1)
        assert begun == asked[: most + 1]
        admission.end(asked[0])
        admission.end(asked[0])
        await asyncio.gather(*tasks)
        assert admission.bodies == most

    asyncio.run(crawl())


def test_bytes_are_bounded_by_what_came_and_what_is_to_be_expected() -> None:
    """A download counts with the average size, a body with its own; one alone always goes through."""

    async def crawl() -> None:
        admission = Admission(InFlight(bytes=1000 * KIB, bodies=100), 16)
        first, second, third = requests(3)
        await admission.begin(first)
        admission.came(first, 5000 * KIB)
        waiting = asyncio.create_task(admission.begin(second))
        await asyncio.sleep(0)
        assert not waiting.done()
        admission.end(first)
        await waiting
        # 64 KiB were expected at first; one body of 5,000 makes that 310.
        admission.came(second, 600 * KIB)
        await admission.begin(third)
        assert admission.bodies == 2
        late = asyncio.create_task(admission.begin(first))
        await asyncio.sleep(0)
        assert not late.done()
        admission.end(second)
        await late
        assert (admission.peak_bodies, admission.peak_bytes) == (1, 5000 * KIB)

    asyncio.run(crawl())


def test_whoever_goes_away_makes_room() -> None:
    """A wait that is cancelled, even when its turn has come, or a request that nobody holds counts no longer."""

    async def crawl() -> None:
        admission = Admission(InFlight(bodies=1), 1)
        first, second, third = requests(3)
        await admission.begin(first)
        waiting = [asyncio.create_task(admission.begin(request)) for request in (second, third)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        # Its turn comes, and it is cancelled before it knows.
        admission.end(first)
        waiting[1].cancel()
        await asyncio.gather(waiting[1], return_exceptions=True)
        assert admission.bodies == 0
        await admission.begin(first)
        del first
        gc.collect()
        assert admission.bodies == 0
        await asyncio.wait_for(admission.begin(second), 5)

    asyncio.run(crawl())


@pytest.mark.parametrize("is_collected", [True, False])
def test_a_download_that_is_lost_between_its_handler_and_the_gate_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
    is_collected: bool,  # noqa: FBT001 - one of two ways
) -> None:
    """Whoever cancels a fetch then tells nobody: its place is free when it is collected, or after a while."""
    monkeypatch.setattr("ingest_guard.scrapy_plugin.core.admission._LOOK_EVERY", 0.01)
    if not is_collected:
        monkeypatch.setattr("ingest_guard.scrapy_plugin.core.admission._LOST_AFTER", 0.05)

    async def crawl() -> None:
        admission = Admission(InFlight(bodies=1), 1)
        first, second, third = requests(3)
        await admission.begin(first)
        admission.came(first, 100)
        waiting = asyncio.create_task(admission.begin(second))
        await asyncio.sleep(0)
        assert not waiting.done()
        if is_collected:
            del first
            gc.collect()
        await asyncio.wait_for(waiting, 5)
        # At the gate it is no longer on the way, however long that takes.
        admission.came(second, 100)
        with admission.ended(second):
            looks: list[bool] = []
            look = admission._look
            monkeypatch.setattr(admission, "_look", lambda: looks.append(late.done()) or look())
            late = asyncio.create_task(admission.begin(third))
            await until(lambda: len(looks) == 20)
            assert not any(looks)
        await asyncio.wait_for(late, 5)

    asyncio.run(crawl())


class Inner:
    """A download handler that is slow, and notes how many downloads it has under way."""

    lazy = False
    under_way = most = 0
    go: asyncio.Event

    async def download_request(self, request: Request) -> Response:
        """Download when the test says so."""
        cls = type(self)
        cls.under_way += 1
        cls.most = max(cls.most, cls.under_way)
        await cls.go.wait()
        cls.under_way -= 1
        if request.url.endswith("/0"):
            raise OSError("no route")
        return Response(request.url, body=b"x" * 100)


def test_downloads_start_as_fast_as_bodies_are_looked_at(make_crawler: Callable[..., Crawler]) -> None:
    """However many a pipeline asks for, no more are under way, or here without a verdict; failed ones make room."""
    crawler = make_crawler("in_flight: {bodies: 4}\n")
    settings = Settings({"DOWNLOAD_HANDLERS": {"https": Inner}})
    handlers.wrap_handlers(settings, handlers.PacedHandler)
    paced = settings.getwithbase("DOWNLOAD_HANDLERS")["https"].from_crawler(crawler)
    admission = GuardState.of(crawler).admission
    held: list[int] = []

    async def download(request: Request) -> None:
        try:
            await paced.download_request(request)
        except OSError:
            return
        held.append(admission.bodies)
        await asyncio.sleep(0)
        admission.end(request)

    async def crawl() -> None:
        Inner.go = asyncio.Event()
        tasks = [asyncio.create_task(download(request)) for request in requests(40)]
        await until(lambda: Inner.under_way == 4)
        Inner.go.set()
        await asyncio.gather(*tasks)

    asyncio.run(crawl())
    assert Inner.most == 4
    assert len(held) == 39
    assert max(held) <= 4
    assert admission.peak_bodies <= 4
    assert admission.bodies == 0


def test_a_download_that_failed_holds_no_place(make_crawler: Callable[..., Crawler]) -> None:
    """Not even as long as somebody keeps its request, as whoever tries it again does."""
    crawler = make_crawler("in_flight: {bodies: 1}\n")
    settings = Settings({"DOWNLOAD_HANDLERS": {"https": Inner}})
    handlers.wrap_handlers(settings, handlers.PacedHandler)
    paced = settings.getwithbase("DOWNLOAD_HANDLERS")["https"].from_crawler(crawler)
    kept = requests(1)[0]

    async def crawl() -> None:
        Inner.go = asyncio.Event()
        Inner.go.set()
        with pytest.raises(OSError, match="no route"):
            await paced.download_request(kept)

    asyncio.run(crawl())
    assert GuardState.of(crawler).admission.bodies == 0
