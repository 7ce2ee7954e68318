"""How many bodies are in memory before they have their verdict: downloads start as fast as they can be looked at.

Scrapy's own limits are about the requests of spiders; media pipelines, and the guard's own fetches, hand over hundreds
at once. So each download waits here, at the very handler that would bring it, until there is room for what it brings.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ingest_guard.policy.policy import InFlight

if TYPE_CHECKING:
    from scrapy import Request

# How much of the average size the last body counts for; and what the first ones are taken to be.
_WEIGHT = 0.05
_GUESS = 64 << 10
# From a handler to the gate there are a few turns of the event loop. One that is not there by then was cancelled.
_LOST_AFTER = 60.0
_LOOK_EVERY = 1.0


class Admission:
    """Bounds on bodies, from the start of their download to the gate's verdict.

    A download under way counts with the size that bodies of this crawl have on average; what it brought, with its own.

    Parameters
    ----------
    bounds
        Of the policy.
    requests
        How many requests Scrapy has under way at most: ``auto`` must never slow a crawl down for its settings' sake.
    """

    def __init__(self, bounds: InFlight, requests: int) -> None:
        self._most = max(bounds.images, 2 * requests) if bounds.bodies == "auto" else bounds.bodies
        self._most_bytes = bounds.bytes
        self._asking: deque[asyncio.Future[None]] = deque()
        # Weak: nothing reports a download that is cancelled. Its body may go at any time, or linger in a cycle.
        self._held: WeakKeyDictionary[Request, int] = WeakKeyDictionary()
        self._arrived: WeakKeyDictionary[Request, int] = WeakKeyDictionary()
        self._on_the_way: WeakKeyDictionary[Request, float] = WeakKeyDictionary()
        self._looks = False
        self._let_in = 0
        self._average = float(_GUESS)
        self.peak_bodies = self.peak_bytes = 0

    @property
    def bodies(self) -> int:
        """Bodies in memory and downloads under way, now."""
        return len(self._held) + self._let_in

    async def begin(self, request: Request) -> None:
        """Wait until a download may start, and count it."""
        if self._asking or not self._has_room():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._asking.append(turn)
            self._look_later()
            try:
                await turn
            except BaseException:
                if turn in self._asking:
                    self._asking.remove(turn)
                else:
                    self._let_in -= 1
                    self._let_others_in()
                raise
            self._let_in -= 1
        self._held[request] = round(self._average)

    def came(self, request: Request, size: int) -> None:
        """Count what a download brought."""
        self._held[request] = self._arrived[request] = size
        self._on_the_way[request] = time.monotonic()
        self._average += _WEIGHT * (size - self._average)
        self.peak_bodies = max(self.peak_bodies, len(self._arrived))
        self.peak_bytes = max(self.peak_bytes, sum(self._arrived.values()))

    def end(self, request: Request) -> None:
        """Count a request out: it has its verdict, or its download failed.

        Does nothing for a request that was never admitted.
        """
        self._arrived.pop(request, None)
        self._on_the_way.pop(request, None)
        if self._held.pop(request, None) is not None:
            self._let_others_in()

    @contextmanager
    def ended(self, request: Request) -> Iterator[None]:
        """Count a request out when this ends, however it does."""
        self._on_the_way.pop(request, None)
        try:
            yield
        finally:
            self.end(request)

    def _look_later(self) -> None:
        """While requests wait, look now and then for downloads that were cancelled without a word."""
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._looks = False
        late = time.monotonic() - _LOST_AFTER
        for request in [request for request, since in list(self._on_the_way.items()) if since < late]:
            self.end(request)
        self._let_others_in()
        if self._asking:
            self._look_later()

    def _let_others_in(self) -> None:
        while self._asking and self._has_room():
            self._let_in += 1
            turn = self._asking.popleft()
            if not turn.done():  # a waiter that was cancelled counts itself out
                turn.set_result(None)

    def _has_room(self) -> bool:
        bodies = self.bodies
        if not bodies:
            return True  # a single body over the bounds goes through alone
        if bodies >= self._most:
            return False
        coming = (self._let_in + 1) * self._average
        return sum(self._held.values()) + coming <= self._most_bytes
