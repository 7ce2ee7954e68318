"""Work that is done once for all who ask for it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Run one piece of work for each key at a time; everyone else who asks for the key waits for its result.

    The first one to ask does the work in its own task. The futures belong to the running loop, so they are made at the
    first question, never before a crawl runs.

    Parameters
    ----------
    failed
        What the others get where the first one is cancelled, or raises.
    """

    def __init__(self, failed: T) -> None:
        self._failed = failed
        self._under_way: dict[str, asyncio.Future[T]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._under_way

    async def run(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do the work, or wait for the one who is doing it."""
        if key in self._under_way:
            return await self.wait(key)
        flight = self._under_way[key] = asyncio.get_running_loop().create_future()
        result = self._failed
        try:
            result = await work()
        finally:
            del self._under_way[key]
            flight.set_result(result)
        return result

    async def wait(self, key: str) -> T:
        """Wait for work that is under way."""
        # Shielded: one of several waiters may be cancelled without the others.
        return await asyncio.shield(self._under_way[key])
