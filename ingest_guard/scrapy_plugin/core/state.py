"""What all parts of one crawler's guard share: policy, lists in use, bounds, counts, and the latch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, WeakSet

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.utils.defer import _schedule_coro

from ingest_guard.dataset.optouts.signals import Signals
from ingest_guard.dataset.records.seen import Keys
from ingest_guard.errors import IncidentError
from ingest_guard.guard.flood import FloodBreaker
from ingest_guard.guard.guard import Guard
from ingest_guard.incidents.writer import open_incidents
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.admission import Admission
from ingest_guard.scrapy_plugin.core.generation import Generation
from ingest_guard.scrapy_plugin.core.meter import Meter
from ingest_guard.scrapy_plugin.core.opt_out_signals import SignalReader
from ingest_guard.scrapy_plugin.core.page_verdicts import DroppedPages, ItemPages
from ingest_guard.scrapy_plugin.core.readings import PageReadings
from ingest_guard.scrapy_plugin.core.settings import load_policy
from ingest_guard.urls.registrable import domain_of
from ingest_guard.verdict import Action, Verdict
from ingest_guard.workers.budget import make_budget
from ingest_guard.workers.inline import InlinePool
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    PassedListener = Callable[[Request, Response, Verdict, Generation, Signals], None]

logger = logging.getLogger(__name__)

CLOSE_REASON = "ingest_guard_failed"


class GuardState:
    """The shared state of one crawler's guard.

    It lives in this process's memory and nowhere else: nothing that travels with a request or through a queue can stand
    in for it.

    Attributes
    ----------
    current
        The version of the lists in use. Take it once for each check: it may change between any two steps.
    budget
        Bounds on what is in flight, and the shares of domains, for the workers of all versions together.
    admission
        Bounds on bodies that are in memory, or coming, and have no verdict yet.
    incidents
        Writes an entry of each match; None where the policy names no recipient.
    failed
        True once the guard has latched shut: everything is dropped.
    is_open
        True once there is a spider to close.
    handled
        What a download handler of the strict level has let through; the gate need not look again.
    readings
        What pages say, as workers have read them.
    test_requests
        Requests of the self-test: what they bring is checked like anything else, and not counted.
    written, first_shard
        What the feeds held when the crawl began.
    on_version
        Called with each version that comes into use, the first one too, before anything is checked with it.
    on_passed
        Called with each image that the gate lets through to a spider or a media pipeline.
    """

    def __init__(self, crawler: Crawler) -> None:
        self.crawler = crawler
        self.policy = load_policy(crawler.settings)
        self.budget = make_budget(self.policy)
        self.admission = Admission(self.policy.in_flight, crawler.settings.getint("CONCURRENT_REQUESTS"))
        self.current = self.prepare(Guard.from_policy(self.policy))
        self.incidents = open_incidents(self.policy)
        self.failed = False
        self.is_open = False
        self.handled: WeakKeyDictionary[Response, bytes] = WeakKeyDictionary()
        self.readings = PageReadings(self._read_page)
        self.test_requests: WeakSet[Request] = WeakSet()
        self.item_pages = ItemPages()
        self.dropped_pages = DroppedPages()
        self.flood = FloodBreaker(self.policy.flood)
        self.meter = Meter(self.policy.report.hosts)
        self.signals = SignalReader(crawler, self.policy.opt_outs)
        self.written = Keys()
        self.first_shard = 0
        self.on_version: list[Callable[[Guard], None]] = []
        self.on_passed: list[PassedListener] = []
        self._retired: list[Generation] = []
        self._crashes = 0  # of workers that have ended
        self._memory_peak: dict[str, int] = {}
        self.current.pool.start()

    @classmethod
    def of(cls, crawler: Crawler) -> GuardState:
        """Return the crawler's state, made when first asked for.

        Raises
        ------
        IngestGuardError
            The guard is not set up as it must be, or its policy or blocklist cannot be used.
        """
        if crawler not in _STATES:
            with placement.announced():
                placement.require_addon(crawler.settings)
                _STATES[crawler] = cls(crawler)
        return _STATES[crawler]

    @property
    def guard(self) -> Guard:
        """The guard that is in use just now."""
        return self.current.guard

    @property
    def pool(self) -> WorkerPool | InlinePool:
        """The workers that are in use just now."""
        return self.current.pool

    def lists_with_url(self, url: str) -> list[str]:
        """Return the ids of the lists that have a URL, or its host."""
        return self.current.guard.blocklist.match_url(url)

    def is_held(self, list_id: str) -> bool:
        """Return whether a match on a list is only held."""
        return self.current.guard.action_on([list_id]) is Action.HOLD

    async def _read_page(self, body: bytes, declared: str | None, url: str, question: PageQuestion) -> PageReading:
        """Have a page read by the workers in use; its domain pays."""
        generation = self.current
        with generation.held():
            self.count("texts_read")
            return await generation.pool.read(body, declared, domain_of(url), question)

    def prepare(self, guard: Guard) -> Generation:
        """Return a generation with workers of its own, which are not started yet."""
        if not self.policy.worker_count:
            return Generation(guard, InlinePool(guard, self.budget))
        pool = WorkerPool(guard, lambda why: self._on_failed_pool(pool, why), self.budget)
        return Generation(guard, pool)

    def switch(self, coming: Generation) -> None:
        """Use another generation from the next check on. What the old one has let through counts no longer."""
        before, self.current = self.current, coming
        self.note_version()
        self.discard(before)

    def discard(self, generation: Generation) -> None:
        """End a generation's workers when nothing is being checked with them any more."""
        self._retired.append(generation)
        generation.retire()
        self.settle()

    def settle(self) -> None:
        """Let go of retired generations whose processes have ended."""
        for generation in self._retired:
            self._note_peaks(generation)
        self._crashes += sum(generation.pool.crashes for generation in self._retired if generation.pool.is_over)
        self._retired = [generation for generation in self._retired if not generation.pool.is_over]

    def _note_peaks(self, generation: Generation) -> None:
        for name, size in generation.pool.memory.peak.items():
            self._memory_peak[name] = max(size, self._memory_peak.get(name, 0))

    def note_version(self) -> None:
        """Note in the statistics what this crawl is held against, and inform the listeners."""
        for listener in self.on_version:
            listener(self.guard)
        self.note_incidents()
        self.set_value("list_version", self.guard.version)
        self.set_value("check_set", self.guard.attestation["check_set"])

    def _on_failed_pool(self, pool: WorkerPool, why: str) -> None:
        if pool is self.current.pool or pool.gave_wrong_answer:
            self.fail(why)
        elif any(pool is generation.pool for generation in self._retired):
            # Its last images are dropped as guard_failed; the version in use has workers of its own.
            logger.error("ingest_guard: the workers of a version that was replaced do not work: %s", why)

    def fail(self, why: str) -> None:
        """Latch shut: drop everything from here on, and close the spider."""
        if self.failed:
            return
        self.failed = True
        logger.critical("ingest_guard has failed and drops everything from here on: %s", why)
        self.set_value("failed", 1)
        if self.is_open and self.crawler.engine is not None:
            _schedule_coro(self.crawler.engine.close_spider_async(reason=CLOSE_REASON))

    def _end_incidents(self) -> None:
        if self.incidents is None:
            return
        try:
            self.incidents.close()
        except IncidentError as error:
            self.is_open = False  # it is being closed just now
            self.fail(str(error))
        self.note_incidents()

    def note_incidents(self) -> None:
        """Note in the statistics how many incidents were written, and how many wait in the folder since when."""
        if self.incidents is not None:
            self.set_value("incidents/written", self.incidents.written)
            self.set_value("incidents/waiting", self.incidents.waiting)
            self.set_value("incidents/since", self.incidents.since)

    def count(self, key: str, by: int = 1) -> None:
        """Add to one of the guard's statistics."""
        self.crawler.stats.inc_value(f"ingest_guard/{key}", by)

    def set_value(self, key: str, value: object) -> None:
        """Set one of the guard's statistics."""
        self.crawler.stats.set_value(f"ingest_guard/{key}", value)

    def close(self) -> None:
        """End the workers, note their peaks, and let the crawler go."""
        for generation in (self.current, *self._retired):
            generation.pool.close()
        self.settle()
        self._end_incidents()
        self._note_peaks(self.current)
        self.set_value("in_flight/bodies_peak", self.admission.peak_bodies)
        self.set_value("in_flight/body_bytes_peak", self.admission.peak_bytes)
        self.set_value("in_flight/images_peak", self.budget.peak_images)
        self.set_value("in_flight/bytes_peak", self.budget.peak_bytes)
        self.set_value("in_flight/waiting_peak", self.budget.peak_waiting)
        for name, value in self.budget.domains.statistics().items():
            self.set_value(f"domains/{name}", value)
        self.set_value("workers/lost", self._crashes + self.pool.crashes)
        self.set_value("workers/private_bytes_peak", self._memory_peak.get("private", 0))
        self.set_value("workers/pss_bytes_peak", self._memory_peak.get("pss", 0))
        _STATES.pop(self.crawler, None)


_STATES: WeakKeyDictionary[Crawler, GuardState] = WeakKeyDictionary()
