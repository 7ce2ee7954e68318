"""How much may be under way at one time: images and bytes, whoever asks, in the order of asking."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ingest_guard.workers.eventloop import promise

if TYPE_CHECKING:
    from ingest_guard.policy.policy import InFlight
    from ingest_guard.workers.eventloop import Promise


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
        self._asking: deque[tuple[int, Promise]] = deque()
        self.images = self.bytes = 0
        self.peak_images = self.peak_bytes = self.peak_waiting = 0

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._asking)

    async def enter(self, size: int) -> None:
        """Wait until an image of ``size`` bytes may be under way, and count it."""
        if self._asking or not self._fits(size):
            turn = promise()
            self._asking.append((size, turn))
            self.peak_waiting = max(self.peak_waiting, len(self._asking))
            await turn.awaitable()
            return
        self._count(1, size)

    def leave(self, size: int) -> None:
        """Count an image out, and let in those that fit now."""
        self._count(-1, -size)
        while self._asking and self._fits(self._asking[0][0]):
            waiting_size, turn = self._asking.popleft()
            self._count(1, waiting_size)
            turn.keep(None)

    async def room(self) -> None:
        """Wait while others wait: asked before a download, so that bodies do not pile up."""
        if self._asking:
            await self.enter(0)
            self.leave(0)

    def _fits(self, size: int) -> bool:
        # A single body over the budget goes through alone.
        return not self.images or (self.images < self._bounds.images and self.bytes + size <= self._bounds.bytes)

    def _count(self, images: int, size: int) -> None:
        self.images += images
        self.bytes += size
        self.peak_images = max(self.peak_images, self.images)
        self.peak_bytes = max(self.peak_bytes, self.bytes)
