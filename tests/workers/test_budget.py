from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ingest_guard.policy.policy import InFlight
from ingest_guard.workers.budget import Budget

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
