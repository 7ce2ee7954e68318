from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.policy.policy import InFlight
from ingest_guard.workers.budget import Budget
from ingest_guard.workers.domains import Domains

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def started(*waiters: Awaitable[None]) -> list[asyncio.Future[None]]:
    """Start tasks, and let each come to where it waits."""
    tasks = [asyncio.ensure_future(waiter) for waiter in waiters]
    await asyncio.sleep(0)
    return tasks


def test_callers_are_let_in_in_the_order_of_asking() -> None:
    """A small image does not overtake a large one that waits for room."""

    async def main() -> None:
        budget = Budget(InFlight(images=5, bytes=100))
        await budget.enter(60)
        large, small = await started(budget.enter(50), budget.enter(10))
        assert (budget.waiting, budget.images, budget.bytes) == (2, 1, 60)
        budget.leave(60)
        await asyncio.gather(large, small)
        assert (budget.waiting, budget.images, budget.bytes) == (0, 2, 60)
        assert (budget.peak_waiting, budget.peak_images, budget.peak_bytes) == (2, 2, 60)

    asyncio.run(main())


def test_an_image_over_the_budget_goes_through_alone() -> None:
    """It waits until nothing else is under way, and holds up what comes behind it."""

    async def main() -> None:
        budget = Budget(InFlight(images=5, bytes=100))
        await budget.enter(500)
        (behind,) = await started(budget.enter(1))
        assert not behind.done()
        budget.leave(500)
        await behind
        assert (budget.images, budget.bytes) == (1, 1)

    asyncio.run(main())


@pytest.mark.parametrize("is_let_in", [False, True])
def test_a_caller_that_is_cancelled_counts_no_longer(*, is_let_in: bool) -> None:
    """Whether it still waited or was just let in: those behind it get its place."""

    async def main() -> None:
        budget = Budget(InFlight(images=1))
        await budget.enter(10)
        first, second = await started(budget.enter(20), budget.enter(30))
        if is_let_in:
            budget.leave(10)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        if not is_let_in:
            budget.leave(10)
        await second
        assert (budget.waiting, budget.images, budget.bytes) == (0, 1, 30)

    asyncio.run(main())


def test_a_cancelled_caller_at_the_head_lets_those_behind_it_in() -> None:
    """What was too large for the room that there is no longer holds up what fits."""

    async def main() -> None:
        budget = Budget(InFlight(images=5, bytes=100))
        await budget.enter(60)
        large, small = await started(budget.enter(90), budget.enter(10))
        large.cancel()
        await small
        assert (budget.waiting, budget.images, budget.bytes) == (0, 2, 70)

    asyncio.run(main())


def test_domains_take_turns() -> None:
    """Whoever asked first: after each image of one domain, one of another one is let in."""

    async def main() -> list[str]:
        budget, order = Budget(InFlight(images=1)), []

        async def pass_through(domain: str) -> None:
            place = await budget.enter(1, domain)
            order.append(domain)
            await asyncio.sleep(0)
            budget.leave(1, place)

        await asyncio.gather(*(pass_through(domain) for domain in "aaaaaabbc"))
        assert (budget.images, budget.bytes, budget.waiting) == (0, 0, 0)
        return order

    assert asyncio.run(main()) == list("aabcabaaa")


def test_a_slow_domain_gets_few_places() -> None:
    """As many as keep the workers busy; the other places stay free, and nobody waits before a download for it."""

    async def main() -> None:
        budget = Budget(InFlight(images=64), Domains(workers=2))
        budget.domains.count_scan(budget.domains.get("slow.example"), 7.0, None)
        waiting = await started(*(budget.enter(1, "slow.example") for _ in range(40)))
        assert (budget.images, budget.waiting) == (3, 37)
        await asyncio.wait_for(budget.room("quick.example"), 1)
        quick = await asyncio.wait_for(budget.enter(1, "quick.example"), 1)
        (before_a_download,) = await started(budget.room("slow.example"))
        assert not before_a_download.done()
        budget.leave(1, quick)
        for _ in range(40):
            budget.leave(1, budget.domains.get("slow.example"))
            await asyncio.sleep(0)
        await asyncio.gather(*waiting, before_a_download)
        assert (budget.images, budget.waiting) == (0, 0)

    asyncio.run(main())


@pytest.mark.parametrize("is_let_in", [False, True])
def test_fetches_of_a_slow_domain_are_held(*, is_let_in: bool) -> None:
    """One more than there are workers goes out at a time, and a cancelled one gives its turn to the next."""

    async def main() -> None:
        budget, begun, ended = Budget(InFlight(), Domains(workers=1)), [], asyncio.Event()
        domain = budget.domains.get("slow.example")
        budget.domains.count_scan(domain, 7.0, None)

        async def fetch(number: int) -> None:
            async with budget.fetch("slow.example"):
                begun.append(number)
                await ended.wait()

        tasks = await started(*(fetch(number) for number in range(6)))
        assert begun == [0, 1]
        assert budget.domains.held_fetches == 4
        async with budget.fetch("quick.example"):
            pass
        if is_let_in:
            tasks[0].cancel()
            await asyncio.sleep(0)
        tasks[2].cancel()
        ended.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert begun == [0, 1, 3, 4, 5]
        assert domain.fetches == 0

    asyncio.run(main())


def test_fetches_of_an_unknown_domain_become_more_with_each_answer() -> None:
    """Its images may all be missing, and never tell what a scan of them would take."""

    async def main() -> int:
        budget = Budget(InFlight(), Domains(workers=1))
        most = 0

        async def fetch() -> None:
            nonlocal most
            async with budget.fetch("gone.example"):
                most = max(most, budget.domains.get("gone.example").fetches)
                await asyncio.sleep(0)

        await asyncio.gather(*(fetch() for _ in range(200)))
        return most

    assert asyncio.run(main()) > 50


@settings(max_examples=80, deadline=None)
@given(
    images=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 150), st.booleans()), max_size=60),
    means=st.dictionaries(st.sampled_from("abc"), st.sampled_from([0.01, 7.0])),
)
def test_everything_is_let_in_once(images: list[tuple[str, int, bool]], means: dict[str, float]) -> None:
    """Whatever is cancelled meanwhile: the bounds hold, and all that is left gets in and out."""

    async def main() -> None:
        budget, through = Budget(InFlight(images=4, bytes=200), Domains(workers=1)), 0
        for name, mean in means.items():
            budget.domains.count_scan(budget.domains.get(name), mean, None)

        async def pass_through(name: str, size: int) -> None:
            nonlocal through
            place = await budget.enter(size, name)
            try:
                assert budget.images <= 4
                assert budget.bytes <= 200
                await asyncio.sleep(0)
                through += 1
            finally:
                budget.leave(size, place)

        tasks = await started(*(pass_through(name, size) for name, size, _ in images))
        for task, (_, _, is_cancelled) in zip(tasks, images, strict=True):
            if is_cancelled:
                task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        assert through == sum(result is None for result in results)
        assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
        assert (budget.images, budget.bytes, budget.waiting) == (0, 0, 0)
        assert not budget._queues
        assert not budget._turns

    asyncio.run(main())
