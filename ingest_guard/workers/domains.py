"""What the workers know of each registrable domain: what its scans cost, and what its failures may still cost.

A scan fails where it runs out of time or memory, or its worker dies. Failed scans are paid from a budget of worker
seconds that each domain has. It begins with ``fairness.failures`` time limits (``limits.seconds``), grows with
``fairness.failing_share`` of all workers' time and with the time of the domain's good scans, and is never more than at
the beginning. A domain that has used it up is closed: its further images are dropped at once (``domain_budget``) until
enough has come in for one more time limit. Each closing in a row doubles that time, up to an hour; a good scan takes
one closing back. So a domain whose scans do nothing but fail costs no more than that share, once the first budget is
spent.

The number of domains is bounded. One that has not been seen for long is forgotten, and begins anew.
"""

import logging
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from cachetools import LRUCache

from ingest_guard.policy.operation import Fairness
from ingest_guard.verdict import Reason

logger = logging.getLogger(__name__)

FAILURES = frozenset({Reason.TIMEOUT, Reason.WORKER_CRASHED, Reason.MEMORY})
SLOW = 0.25
"""Seconds from which on a domain's scans count as slow: others should not wait behind one of them."""
_GUESS = 0.05
_UNKNOWN = 8
_WEIGHT = 0.25
# So much of a domain's work may be with the workers, or on its way to them, for each worker (seconds).
_BACKLOG = 4.0
# A worker that died is replaced: that counts as a part of the time limit, at least.
_OF_A_CRASH = 0.2
# What pays for less than half of a scan that runs out of time pays for none.
_LEAST_CREDIT = 0.5
_LONGEST_CLOSING = 3600.0
_MOST_CLOSINGS = 16


class Domain:
    """One registrable domain, or a host that has none.

    Attributes
    ----------
    seconds
        Worker time that it has used.
    mean
        What one of its scans or readings is expected to take, in seconds; None before the first one.
    image_mean
        The same of its images alone.
    virtual
        When its next scan is due, in the worker time of a single domain; see :mod:`~ingest_guard.workers.fair_queue`.
    with_workers, places, fetches, fetched
        Images that workers have; places that it holds in the budget; fetches under way, and those that have ended.
    credit, credit_at
        What is left of its budget for failures, and at what time.
    is_limited
        Whether failures may close it: not where the policy says so, nor for images that belong to no domain.
    failed_in_row
        Scans that failed since the last good one.
    closings, closed_until
        How often it was closed in a row, and until when it is.
    """

    __slots__ = (
        "__weakref__", "closed_until", "closings", "credit", "credit_at", "failed_in_row", "fetched", "fetches",
        "image_mean", "is_limited", "mean", "places", "seconds", "virtual", "with_workers",
    )  # fmt: skip

    def __init__(self, credit: float, now: float, *, is_limited: bool = True) -> None:
        self.is_limited = is_limited
        self.seconds = self.virtual = 0.0
        self.mean: float | None = None
        self.image_mean: float | None = None
        self.with_workers = self.places = self.fetches = self.fetched = 0
        self.credit, self.credit_at = credit, now
        self.failed_in_row = self.closings = 0
        self.closed_until = now

    @property
    def estimate(self) -> float:
        """What its next scan is charged with until it has ended."""
        return _GUESS if self.mean is None else self.mean

    @property
    def is_slow(self) -> bool:
        """Whether its scans are known to take long."""
        return self.mean is not None and self.mean >= SLOW


class Domains:
    """All domains of a crawl, for the workers of all versions of the lists together.

    Parameters
    ----------
    policy
        How worker time is shared.
    seconds
        The time limit of a scan.
    workers
        How many there are.
    clock
        Seconds that only grow.

    Attributes
    ----------
    virtual
        The virtual time of the domain that a worker has begun with last.
    held_fetches
        Fetches that waited because their domain had enough under way.
    """

    def __init__(
        self,
        policy: Fairness | None = None,
        seconds: float = 10.0,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        policy = policy or Fairness()
        self.workers = max(workers, 1)
        self._limit = seconds
        self._is_limited = policy.failures > 0
        self._allowance = policy.failures * seconds
        self._income = policy.failing_share * self.workers
        self._clock = clock
        self.virtual = 0.0
        # Whatever holds a domain keeps it alive, even if the others have crowded it out meanwhile.
        self._alive: WeakValueDictionary[str, Domain] = WeakValueDictionary()
        self._recent: LRUCache[str, Domain] = LRUCache(policy.remembered_domains)
        self._seconds = self._failed_seconds = self._most_seconds = 0.0
        self._failed = self._closings = self._dropped = self.held_fetches = 0

    def __len__(self) -> int:
        return len(self._alive)

    def get(self, name: str) -> Domain:
        """Return a domain by its name. Images without one (files of a purge, say) are a domain that is never closed."""
        domain = self._alive.get(name)
        if domain is None:
            domain = self._alive[name] = Domain(
                self._allowance, self._clock(), is_limited=self._is_limited and bool(name)
            )
        self._recent[name] = domain
        return domain

    def is_closed(self, domain: Domain) -> bool:
        """Return whether a domain's images are dropped at once."""
        return self._clock() < domain.closed_until

    def drop(self) -> None:
        """Count an image that was dropped because its domain is closed."""
        self._dropped += 1

    def count_scan(self, domain: Domain, seconds: float, reason: Reason | None, *, is_image: bool = True) -> None:
        """Count the end of a scan or of a reading, in worker time, and how it ended."""
        domain.mean = _moved(domain.mean, seconds)
        if is_image:
            # A page that was read at once says nothing of how long the images on it take.
            domain.image_mean = _moved(domain.image_mean, seconds)
        domain.seconds += seconds
        self._seconds += seconds
        self._most_seconds = max(self._most_seconds, domain.seconds)
        if reason in FAILURES:
            self._failed += 1
            self._failed_seconds += seconds
            if domain.is_limited:
                domain.failed_in_row += 1
                self._charge(domain, max(seconds, self._limit * _OF_A_CRASH if reason is Reason.WORKER_CRASHED else 0))
        elif domain.failed_in_row or domain.closings or domain.credit < self._allowance:
            domain.failed_in_row = 0
            domain.closings = max(domain.closings - 1, 0)
            self._take_in(domain, seconds)

    def most_places(self, domain: Domain) -> int:
        """Return how many images of a domain may be with the pool, or on their way to it.

        Enough to keep all workers busy; the images of a slow domain would fill all places else.
        """
        if domain.image_mean is None:
            # Few at first, and more with each that was answered: none of them may ever need a scan.
            return _UNKNOWN * self.workers + domain.fetched
        return max(self.workers + 1, int(_BACKLOG * self.workers / max(domain.image_mean, 1e-4)))

    def statistics(self) -> dict[str, float]:
        """Return counts of all domains together: no name leaves this."""
        return {
            "closings": self._closings,
            "dropped": self._dropped,
            "failed_scans": self._failed,
            "failed_seconds": round(self._failed_seconds, 3),
            "held_fetches": self.held_fetches,
            "largest_share": round(self._most_seconds / self._seconds, 4) if self._seconds else 0.0,
            "worker_seconds": round(self._seconds, 3),
        }

    def _take_in(self, domain: Domain, seconds: float) -> None:
        """Add what came in since the last time, and ``seconds``. Nothing comes in while a domain is closed."""
        now = max(self._clock(), domain.credit_at)
        income = (now - domain.credit_at) * self._income + seconds
        domain.credit, domain.credit_at = min(domain.credit + income, self._allowance), now

    def _charge(self, domain: Domain, seconds: float) -> None:
        if self.is_closed(domain):
            # It was under way when its domain was closed: the closing is longer by what it cost.
            domain.closed_until += seconds / self._income
            domain.credit_at = domain.closed_until
            return
        self._take_in(domain, -seconds)
        if domain.credit >= self._limit * _LEAST_CREDIT:
            return
        usual = (self._limit - domain.credit) / self._income
        closed_for = min(usual * 2**domain.closings, max(usual, _LONGEST_CLOSING))
        domain.closings = min(domain.closings + 1, _MOST_CLOSINGS)
        domain.closed_until = self._clock() + closed_for
        domain.credit, domain.credit_at = self._limit, domain.closed_until
        self._closings += 1
        logger.warning(
            "The scans of a domain keep failing: its images are dropped for %.0f seconds (%d closings so far)",
            closed_for,
            self._closings,
        )


def _moved(mean: float | None, seconds: float) -> float:
    """Return a moving mean with one value more."""
    return seconds if mean is None else mean + _WEIGHT * (seconds - mean)
