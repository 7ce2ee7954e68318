"""What the guard's parts of one crawler share: the guard, the workers, what was verified, and the latch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scrapy.utils.defer import _schedule_coro

from ingest_guard.dataset.records.seen import Keys, Seen
from ingest_guard.guard.flood import FloodBreaker
from ingest_guard.guard.guard import Guard
from ingest_guard.scrapy_plugin.check.list_actions import announce_allowed
from ingest_guard.scrapy_plugin.check.self_test import SelfTest
from ingest_guard.scrapy_plugin.check.swap import Swapper
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.admission import Admission
from ingest_guard.scrapy_plugin.core.condemned import Condemned
from ingest_guard.scrapy_plugin.core.generation import Generation
from ingest_guard.scrapy_plugin.core.meter import Meter
from ingest_guard.scrapy_plugin.core.pages import Pages
from ingest_guard.scrapy_plugin.core.settings import load_policy
from ingest_guard.scrapy_plugin.images.fetch import Fetcher
from ingest_guard.scrapy_plugin.images.opt_outs import OptOuts
from ingest_guard.workers.budget import Budget
from ingest_guard.workers.inline import InlinePool
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy.crawler import Crawler
    from scrapy.http import Response

logger = logging.getLogger(__name__)

CLOSE_REASON = "ingest_guard_failed"


class Runtime:
    """The shared state of one crawler's guard.

    It lives in this process's memory and nowhere else: nothing that travels with a request or through a queue can stand
    in for it.

    Attributes
    ----------
    current
        The version of the lists in use. Take it once for each check: it may change between any two steps.
    budget
        Bounds on what is in flight, for the workers of all versions together.
    admission
        Bounds on bodies that are in memory, or coming, and have no verdict yet.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.policy = load_policy(crawler.settings)
        self.budget = Budget(self.policy.in_flight)
        self.admission = Admission(self.policy.in_flight, crawler.settings.getint("CONCURRENT_REQUESTS"))
        self.current = self.prepare(Guard.from_policy(self.policy))
        self.latched = False
        self.is_open = False
        # What a download handler of the strict level has let through already; the gate need not look again.
        self.handled: WeakKeyDictionary[Response, bytes] = WeakKeyDictionary()
        self.pages = Pages()
        self.condemned = Condemned()
        self.flood = FloodBreaker(self.policy.flood)
        self.meter = Meter(self.policy.report.hosts)
        # What the feeds held when the crawl began, and what has left since.
        self.written = Keys()
        self.first_shard = 0
        self.seen = Seen(self.policy.records.remembered_uids)
        self.opt_outs = OptOuts(self)
        self.fetcher = Fetcher(self)
        self.swapper = Swapper(self)
        self.self_test = SelfTest(self)
        # Who wants to know of each version that comes into use, the first one too, before anything is checked with it.
        self.on_version: list[Callable[[Guard], None]] = []
        self._retired: list[Generation] = []
        self._lost = 0
        self._memory_peak: dict[str, int] = {}
        self.current.pool.start()

    @classmethod
    def of(cls, crawler: Crawler) -> Runtime:
        """Return the crawler's runtime, made when first asked for.

        Raises
        ------
        IngestGuardError
            The guard is not set up as it must be, or its policy or blocklist cannot be used.
        """
        if crawler not in _RUNTIMES:
            with placement.announced():
                placement.require_addon(crawler.settings)
                _RUNTIMES[crawler] = cls(crawler)
        return _RUNTIMES[crawler]

    @property
    def guard(self) -> Guard:
        """The guard that is in use just now."""
        return self.current.guard

    @property
    def pool(self) -> WorkerPool | InlinePool:
        """The workers that are in use just now."""
        return self.current.pool

    def prepare(self, guard: Guard) -> Generation:
        """Return a generation with workers of its own, which are not started yet."""
        if not self.policy.worker_count:
            return Generation(guard, InlinePool(guard, self.budget))
        pool = WorkerPool(guard, lambda why: self._on_failed_pool(pool, why), self.budget)
        return Generation(guard, pool)

    def switch(self, coming: Generation) -> None:
        """Use another generation from the next check on. What the old one has let through counts no longer."""
        before, self.current = self.current, coming
        self.fetcher.forget()
        self.note_version()
        self.discard(before)

    def discard(self, generation: Generation) -> None:
        """End a generation's workers when nothing is being checked with them any more."""
        self._retired.append(generation)
        generation.retire()
        self.settle()

    def note_version(self) -> None:
        """Note in the statistics what this crawl is held against."""
        self.crawler.stats.set_value("ingest_guard/list_version", self.guard.version)
        self.crawler.stats.set_value("ingest_guard/check_set", self.guard.attestation["check_set"])
        announce_allowed(self)
        for tell in self.on_version:
            tell(self.guard)

    def settle(self) -> None:
        """Let go of retired generations whose processes have ended."""
        for generation in self._retired:
            self._note_peaks(generation)
        self._lost += sum(generation.pool.crashes for generation in self._retired if generation.pool.is_over)
        self._retired = [generation for generation in self._retired if not generation.pool.is_over]

    def _note_peaks(self, generation: Generation) -> None:
        for name, size in generation.pool.memory_peak.items():
            self._memory_peak[name] = max(size, self._memory_peak.get(name, 0))

    def _on_failed_pool(self, pool: WorkerPool, why: str) -> None:
        if pool is self.current.pool or pool.gave_wrong_answer:
            self.fail(why)
        elif any(pool is generation.pool for generation in self._retired):
            # Its last images are dropped as guard_failed; the version in use has workers of its own.
            logger.error("ingest_guard: the workers of a version that was replaced do not work: %s", why)

    def fail(self, why: str) -> None:
        """Latch shut: drop everything from here on, and close the spider."""
        if self.latched:
            return
        self.latched = True
        logger.critical("ingest_guard has failed and drops everything from here on: %s", why)
        self.crawler.stats.set_value("ingest_guard/failed", 1)
        if self.is_open and self.crawler.engine is not None:
            _schedule_coro(self.crawler.engine.close_spider_async(reason=CLOSE_REASON))

    def count(self, key: str, by: int = 1) -> None:
        """Add to one of the guard's statistics."""
        self.crawler.stats.inc_value(f"ingest_guard/{key}", by)

    def close(self) -> None:
        """End the workers, note their peaks, and let the crawler go."""
        self.swapper.stop()
        self.self_test.stop()
        for generation in [self.current, *self._retired]:
            generation.pool.close()
        self.settle()
        self._note_peaks(self.current)
        stats = self.crawler.stats
        stats.set_value("ingest_guard/in_flight/bodies_peak", self.admission.peak_bodies)
        stats.set_value("ingest_guard/in_flight/body_bytes_peak", self.admission.peak_bytes)
        stats.set_value("ingest_guard/in_flight/images_peak", self.budget.peak_images)
        stats.set_value("ingest_guard/in_flight/bytes_peak", self.budget.peak_bytes)
        stats.set_value("ingest_guard/in_flight/waiting_peak", self.budget.peak_waiting)
        stats.set_value("ingest_guard/workers/lost", self._lost + self.current.pool.crashes)
        stats.set_value("ingest_guard/workers/private_bytes_peak", self._memory_peak.get("private", 0))
        stats.set_value("ingest_guard/workers/pss_bytes_peak", self._memory_peak.get("pss", 0))
        _RUNTIMES.pop(self.crawler, None)


_RUNTIMES: WeakKeyDictionary[Crawler, Runtime] = WeakKeyDictionary()
