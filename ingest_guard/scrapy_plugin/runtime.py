"""What the guard's parts of one crawler share: the guard, the workers, what was verified, and the latch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scrapy.utils.defer import _schedule_coro

from ingest_guard.guard import Guard
from ingest_guard.scrapy_plugin import placement
from ingest_guard.scrapy_plugin.config import load_policy
from ingest_guard.scrapy_plugin.fetch import Fetcher
from ingest_guard.scrapy_plugin.pages import Pages
from ingest_guard.scrapy_plugin.recent import Recent
from ingest_guard.scrapy_plugin.workers.inline import InlinePool
from ingest_guard.scrapy_plugin.workers.pool import WorkerPool

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.http import Response

    from ingest_guard.scanned import Scan

logger = logging.getLogger(__name__)

CLOSE_REASON = "ingest_guard_failed"
_VERIFIED = 1 << 14
_REMEMBERED_SCANS = 1 << 12


class Runtime:
    """The shared state of one crawler's guard.

    It lives in this process's memory and nowhere else: nothing that travels with a request or through a queue can stand
    in for it.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.policy = load_policy(crawler.settings)
        self.guard = Guard.from_policy(self.policy)
        self.pool: WorkerPool | InlinePool = (
            WorkerPool(self.guard, self.fail) if self.policy.worker_count else InlinePool(self.guard)
        )
        self.latched = False
        self.is_open = False
        self.verified: Recent[bool] = Recent(_VERIFIED)
        # A response that still holds the very object that was verified needs no second digest: bytes do not change.
        self.passed: WeakKeyDictionary[Response, bytes] = WeakKeyDictionary()
        self.scans: Recent[Scan] = Recent(_REMEMBERED_SCANS)
        self.pages = Pages()
        self.fetcher = Fetcher(self)
        self.pool.start()

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
        stats = self.crawler.stats
        stats.set_value("ingest_guard/in_flight/images_peak", self.pool.budget.peak_images)
        stats.set_value("ingest_guard/in_flight/bytes_peak", self.pool.budget.peak_bytes)
        stats.set_value("ingest_guard/in_flight/waiting_peak", self.pool.budget.peak_waiting)
        stats.set_value("ingest_guard/workers/lost", self.pool.crashes)
        self.pool.close()
        _RUNTIMES.pop(self.crawler, None)


_RUNTIMES: WeakKeyDictionary[Crawler, Runtime] = WeakKeyDictionary()
