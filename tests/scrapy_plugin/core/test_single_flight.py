from __future__ import annotations

import asyncio

import pytest

from ingest_guard.scrapy_plugin.core.single_flight import SingleFlight


def test_work_is_done_once_for_all_who_ask_meanwhile() -> None:
    """All get the one result; who asks later starts anew, and another key is other work."""
    done: list[str] = []

    async def crawl() -> list[str]:
        flights: SingleFlight[str] = SingleFlight("failed")

        async def work(name: str) -> str:
            done.append(name)
            await asyncio.sleep(0)
            return name

        together = await asyncio.gather(*(flights.run(key, lambda key=key: work(key)) for key in "aab"))  # type: ignore[misc]
        assert "a" not in flights
        return [*together, await flights.run("a", lambda: work("later"))]

    assert asyncio.run(crawl()) == ["a", "a", "b", "later"]
    assert done == ["a", "b", "later"]


def test_the_others_do_not_wait_for_work_that_was_given_up() -> None:
    """Where the first is cancelled or raises, they get the result for that; a waiter may go away."""

    async def crawl(end: str) -> list[object]:
        flights: SingleFlight[str] = SingleFlight("failed")

        async def work() -> str:
            await asyncio.sleep(0.01)
            raise OSError("down")

        first, gone, other = (asyncio.ensure_future(flights.run("a", work)) for _ in range(3))
        await asyncio.sleep(0)
        gone.cancel()
        if end == "cancelled":
            first.cancel()
        found = await asyncio.gather(first, gone, other, return_exceptions=True)
        return [type(each) if isinstance(each, BaseException) else each for each in found]

    assert asyncio.run(crawl("cancelled")) == [asyncio.CancelledError, asyncio.CancelledError, "failed"]
    assert asyncio.run(crawl("raised")) == [OSError, asyncio.CancelledError, "failed"]


def test_waiting_for_work_does_not_do_it() -> None:
    """A waiter for a key that is under way gets its result; there is nothing to wait for otherwise."""

    async def crawl() -> str:
        flights: SingleFlight[str] = SingleFlight("failed")
        first = asyncio.ensure_future(flights.run("a", lambda: asyncio.sleep(0, "done")))
        await asyncio.sleep(0)
        found = await flights.wait("a")
        await first
        with pytest.raises(KeyError):
            await flights.wait("a")
        return found

    assert asyncio.run(crawl()) == "done"
