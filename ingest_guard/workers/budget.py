"""How much may be under way at one time, for all callers together: images and bytes, shared by domains."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest_guard.policy.policy import InFlight, Policy
from ingest_guard.workers.domains import Domain, Domains


class Budget:
    """Bounds on images and bytes in flight.

    Media pipelines hand over hundreds of bodies at once, past all of Scrapy's own limits; here they wait their turn.
    Domains take turns; the images of one domain keep their order. A domain whose scans take long gets no more places
    than it takes to keep the workers busy: see :meth:`~ingest_guard.workers.domains.Domains.most_places`.

    Parameters
    ----------
    bounds
        Of the policy.
    domains
        What is known of the domains; None begins with nothing.

    Attributes
    ----------
    domains
        The same.
    images, bytes
        What is under way now.
    peak_images, peak_bytes, peak_waiting
        The most that was under way, and the most that waited, at one time.
    """

    def __init__(self, bounds: InFlight, domains: Domains | None = None) -> None:
        self._bounds = bounds
        self.domains = Domains() if domains is None else domains
        self._queues: dict[Domain, deque[tuple[int, asyncio.Future[None]]]] = {}
        # Domains whose next image may be let in as soon as there is room, in the order of their turns.
        self._turns: dict[Domain, None] = {}
        self._fetches: dict[Domain, deque[asyncio.Future[None]]] = {}
        self.waiting = 0
        self.images = self.bytes = 0
        self.peak_images = self.peak_bytes = self.peak_waiting = 0

    async def enter(self, size: int, domain: str = "") -> Domain:
        """Wait until an image of ``size`` bytes may be under way, and count it for its domain, which is returned."""
        of = self.domains.get(domain)
        if not self._turns and of not in self._queues and self._fits(size) and self._has_place(of):
            self._count(of, 1, size)
            return of
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if of not in self._queues:
            self._queues[of] = deque()
        self._queues[of].append((size, turn))
        self.waiting += 1
        self.peak_waiting = max(self.peak_waiting, self.waiting)
        self._take_turn(of)
        try:
            await turn
        except asyncio.CancelledError:
            # Give back the place in the queue, or what this caller has been counted with.
            if (size, turn) in self._queues.get(of, ()):
                self._queues[of].remove((size, turn))
                self.waiting -= 1
                self._take_turn(of)
                self._let_in()
            else:
                self.leave(size, of)
            raise
        return of

    def leave(self, size: int, domain: Domain | None = None) -> None:
        """Count an image of a domain out, and let in those that fit now."""
        domain = domain or self.domains.get("")
        self._count(domain, -1, -size)
        self._take_turn(domain)
        self._let_in()

    async def room(self, domain: str = "") -> None:
        """Wait while others of the domain wait, or all places are taken: called before a download."""
        if self.waiting:
            self.leave(0, await self.enter(0, domain))

    @asynccontextmanager
    async def fetch(self, domain: str) -> AsyncIterator[None]:
        """Hold a fetch while its domain has as many under way as can be scanned soon.

        Scrapy counts what the guard looks at as under way: the fetches of a slow domain would hold up all others.
        """
        of = self.domains.get(domain)
        if of in self._fetches or of.fetches >= self.domains.most_places(of):
            self.domains.held_fetches += 1
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._fetches.setdefault(of, deque()).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():  # it was let in already
                    of.fetches -= 1
                self._let_fetch(of)
                raise
        else:
            of.fetches += 1
        try:
            yield
        finally:
            of.fetches -= 1
            of.fetched += 1
            self._let_fetch(of)

    def _let_fetch(self, of: Domain) -> None:
        """Let fetches of a domain begin that may do so now."""
        waiting = self._fetches.get(of)
        while waiting and (waiting[0].done() or of.fetches < self.domains.most_places(of)):
            turn = waiting.popleft()
            if not turn.done():
                of.fetches += 1
                turn.set_result(None)
        if waiting is not None and not waiting:
            del self._fetches[of]

    def _take_turn(self, of: Domain) -> None:
        """Put a domain behind the others whose turn comes, if it has something waiting and may have a place."""
        if not self._queues.get(of):
            self._queues.pop(of, None)
            self._turns.pop(of, None)
        elif of not in self._turns and self._has_place(of):
            self._turns[of] = None

    def _let_in(self) -> None:
        while self._turns:
            of = next(iter(self._turns))
            if not self._fits(self._queues[of][0][0]):
                return
            del self._turns[of]
            size, turn = self._queues[of].popleft()
            self.waiting -= 1
            self._count(of, 1, size)
            self._take_turn(of)
            if not turn.done():
                turn.set_result(None)

    def _fits(self, size: int) -> bool:
        # A single body over the budget goes through alone.
        return not self.images or (self.images < self._bounds.images and self.bytes + size <= self._bounds.bytes)

    def _has_place(self, of: Domain) -> bool:
        return of.places < self.domains.most_places(of)

    def _count(self, of: Domain, images: int, size: int) -> None:
        of.places += images
        self.images += images
        self.bytes += size
        self.peak_images = max(self.peak_images, self.images)
        self.peak_bytes = max(self.peak_bytes, self.bytes)


def make_budget(policy: Policy) -> Budget:
    """Return a new budget for images in flight and for what each domain may take, by the policy."""
    return Budget(policy.in_flight, Domains(policy.fairness, policy.limits.seconds, policy.worker_count))
