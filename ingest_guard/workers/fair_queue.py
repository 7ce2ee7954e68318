"""Which image a worker gets next: the workers' time is shared fairly by registrable domain.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) on measured worker seconds: each domain has a virtual time that
grows by what its scans take, and the domain whose virtual time is smallest is next. What a scan takes is known only
when it has ended, so a domain is charged with what its scans took lately, and the difference is made up for at the end.

A scan cannot be interrupted. Three rules keep long ones from holding up all workers while other domains are active:
a domain of which nothing is known has one scan at a time; slow domains together have half of the workers (with a single
worker, they pause for as long as their last scan took); a domain whose last scan failed has one at a time in any case.
"""

import time
from collections import deque
from collections.abc import Callable

from ingest_guard.verdict import Reason
from ingest_guard.workers.domains import Domain, Domains
from ingest_guard.workers.worker import Job, TextJob

_ACTIVE_FOR = 1.0


class FairQueue:
    """The images of one pool that wait for a worker.

    Parameters
    ----------
    domains
        What is known of the domains; pools that work side by side share it.
    clock
        Seconds that only grow.
    """

    def __init__(self, domains: Domains, clock: Callable[[], float] = time.monotonic) -> None:
        self._domains = domains
        self._clock = clock
        self._waiting: dict[Domain, deque[Job]] = {}
        self._probes: deque[Job] = deque()
        self._slow = 0
        self._pause_until = 0.0
        # When images that are not slow were given to workers last: of one domain, and of the last one before it.
        self._last: tuple[Domain | None, float] = (None, 0.0)
        self._before: tuple[Domain | None, float] = (None, 0.0)

    def __len__(self) -> int:
        return len(self._probes) + sum(map(len, self._waiting.values()))

    def __bool__(self) -> bool:
        return bool(self._probes or self._waiting)

    def push(self, job: Job) -> None:
        """Put an image behind the others of its domain; a probe goes before everything else."""
        self._jobs_of(job).append(job)

    def put_back(self, job: Job) -> None:
        """Put an image that a worker has not begun with before the others of its domain."""
        self.release(job)
        self._jobs_of(job).appendleft(job)

    def pop(self) -> Job | None:
        """Take the image that is next; None where none is, or none may begin now."""
        if self._probes:
            return self._probes.popleft()
        now = self._clock()
        chosen = None
        for domain in self._waiting:
            if (chosen is None or domain.virtual < chosen.virtual) and self._may_begin(domain, now):
                chosen = domain
        if chosen is None:
            return None
        jobs = self._waiting[chosen]
        job = jobs.popleft()
        if not jobs:
            del self._waiting[chosen]
        self._charge(job, chosen, now)
        return job

    def count_end(self, job: Job, seconds: float, reason: Reason | None, *, is_domains_fault: bool = True) -> None:
        """Count the end of a scan that took ``seconds`` of a worker.

        Parameters
        ----------
        job
            What :meth:`pop` returned.
        seconds
            Worker time.
        reason
            Why it could not be scanned, if so.
        is_domains_fault
            False where the worker died of something else.
        """
        domain = job.domain
        if domain is None:
            return
        if job.is_slow:
            self._pause_until = self._clock() + seconds
        self.release(job)
        domain.virtual += seconds
        if is_domains_fault:
            self._domains.count_scan(domain, seconds, reason, is_image=not isinstance(job, TextJob))

    def release(self, job: Job) -> None:
        """Take back what a domain was charged with for an image that no worker has any more."""
        if job.domain is not None:
            job.domain.virtual -= job.estimate
            job.domain.with_workers -= 1
            self._slow -= job.is_slow
            job.estimate, job.is_slow = 0.0, False

    def clear(self) -> list[Job]:
        """Take all images out."""
        jobs = [*self._probes, *(job for jobs in self._waiting.values() for job in jobs)]
        self._probes.clear()
        self._waiting.clear()
        return jobs

    def _jobs_of(self, job: Job) -> deque[Job]:
        domain = job.domain
        if domain is None:
            return self._probes
        if domain not in self._waiting:
            # What it did not use while it had nothing to do is not saved up.
            domain.virtual = max(domain.virtual, self._domains.virtual)
            self._waiting[domain] = deque()
        return self._waiting[domain]

    def _charge(self, job: Job, domain: Domain, now: float) -> None:
        self._domains.virtual = domain.virtual
        job.estimate, job.is_slow = domain.estimate, domain.is_slow
        domain.virtual += job.estimate
        domain.with_workers += 1
        if job.is_slow:
            self._slow += 1
        elif self._last[0] is domain:
            self._last = (domain, now)
        else:
            self._before, self._last = self._last, (domain, now)

    def _may_begin(self, domain: Domain, now: float) -> bool:
        if domain.failed_in_row and domain.with_workers:
            return False
        if (domain.mean is not None and not domain.is_slow) or not self._others_are_active(domain, now):
            return True
        if domain.mean is None:
            return not domain.with_workers
        workers = self._domains.workers
        return self._slow < workers // 2 or (workers == 1 and not self._slow and now >= self._pause_until)

    def _others_are_active(self, domain: Domain, now: float) -> bool:
        other, when = self._before if self._last[0] is domain else self._last
        return other is not None and now - when < _ACTIVE_FOR
