"""How much may be under way at one time, for all callers together: images and bytes, in the order of asking."""

import asyncio
from collections import deque

from ingest_guard.policy.policy import InFlight


class Budget:
    """Bounds on images and bytes in flight.

    Media pipelines hand over hundreds of bodies at once, past all of Scrapy's own limits; here they wait their turn.

    Attributes
    ----------
    images, bytes
        What is under way now.
    peak_images, peak_bytes, peak_waiting
        The most that was under way, and the most that waited, at one time.
    """

    def __init__(self, bounds: InFlight) -> None:
        self._bounds = bounds
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.images = self.bytes = 0
        self.peak_images = self.peak_bytes = self.peak_waiting = 0

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._queue)

    async def enter(self, size: int) -> None:
        """Wait until an image of ``size`` bytes may be under way, and count it."""
        if not self._queue and self._fits(size):
            self._count(1, size)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        self.peak_waiting = max(self.peak_waiting, len(self._queue))
        try:
            await turn
        except asyncio.CancelledError:
            # Give back the place in the queue, or what this caller has been counted with.
            if (size, turn) in self._queue:
                self._queue.remove((size, turn))
                self._let_in()
            else:
                self.leave(size)
            raise

    def leave(self, size: int) -> None:
        """Count an image out, and let in those that fit now."""
        self._count(-1, -size)
        self._let_in()

    async def room(self) -> None:
        """Wait while others wait: called before a download, so that bodies do not pile up."""
        if self._queue:
            await self.enter(0)
            self.leave(0)

    def _let_in(self) -> None:
        while self._queue and self._fits(self._queue[0][0]):
            size, turn = self._queue.popleft()
            self._count(1, size)
            if not turn.done():
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        # A single body over the budget goes through alone.
        return not self.images or (self.images < self._bounds.images and self.bytes + size <= self._bounds.bytes)

    def _count(self, images: int, size: int) -> None:
        self.images += images
        self.bytes += size
        self.peak_images = max(self.peak_images, self.images)
        self.peak_bytes = max(self.peak_bytes, self.bytes)
