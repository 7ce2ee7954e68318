"""The workers of one version of the lists: who gets which job, what happens when one dies, and when to give up.

A job is an image to scan or a text to read. Two bounds hold for all callers together: images in flight and bytes in
flight, where a text counts as an image does. What is over them waits. Domains take turns in that, and share the
workers' time fairly; one whose scans keep failing is closed for a while. A worker that dies or overruns costs its own
image (``worker_crashed``, ``timeout``) and is replaced; when replacements die before
they have scanned anything, several in a row, the pool fails, and with it the guard. Probes, pictures whose answer is
known, are mixed in: a wrong answer to one fails the pool too.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ingest_guard.errors import GuardFailedError
from ingest_guard.guard.guard import Guard
from ingest_guard.guard.page_reading import page_limits
from ingest_guard.guard.scan_result import Scan
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.verdict import Reason
from ingest_guard.workers.budget import Budget, make_budget
from ingest_guard.workers.fair_queue import FairQueue
from ingest_guard.workers.memory import WorkerMemory
from ingest_guard.workers.probes import Probes
from ingest_guard.workers.source import START_SECONDS, Source
from ingest_guard.workers.worker import Events, Job, TextJob, Worker

_TICK = 0.25
_DEATHS_TO_GIVE_UP = 5


class WorkerPool:
    """Scans images in child processes, for one asyncio event loop.

    Parameters
    ----------
    guard
        Whose policy and blocklist the workers use.
    on_failure
        Called once with a text when the pool cannot work any more. Every scan from then on is ``guard_failed``.
    budget
        What bounds images and bytes in flight; None makes one by the policy. Pools that work side by side share one.

    Attributes
    ----------
    crashes
        Workers that died or were killed.
    gave_wrong_answer
        True where a worker gave a wrong answer to a probe.
    memory
        What workers have used.
    """

    def __init__(self, guard: Guard, on_failure: Callable[[str], None], budget: Budget | None = None) -> None:
        self._policy = guard.policy
        self._page_limits = page_limits(guard.policy)
        self._source = Source(guard, self._on_source_ready, self._on_source_lost)
        self._on_failure = on_failure
        self._events = Events(ready=self._on_ready, answer=self._on_answer, lost=self._on_lost)
        self._workers: list[Worker] = []
        self._changed = asyncio.Event()
        self._deaths = 0
        self._failure: str | None = None
        self._probes = Probes(self._page_limits)
        self.crashes = 0
        self.gave_wrong_answer = False
        self.memory = WorkerMemory()
        self.budget = budget or make_budget(guard.policy)
        self._waiting = FairQueue(self.budget.domains)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the process that workers come from; needs no running event loop (:meth:`ready` does).

        Raises
        ------
        OSError
            No process can be started.
        """
        self._source.start()

    async def ready(self) -> None:
        """Wait until every worker has opened the lists; GuardFailedError where one cannot."""
        self._source.attach()
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)
        while self._failure is None and sum(w.is_ready for w in self._workers) < self._policy.worker_count:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise GuardFailedError(self._failure)

    async def scan(self, data: bytes, domain: str = "") -> Scan:
        """Scan one image; never raises, whatever the bytes are.

        Parameters
        ----------
        data
            The image.
        domain
            The registrable domain whose share of the workers' time it takes.
        """
        scan: Scan = await self._work(Job(data, asyncio.get_running_loop().create_future()), domain)
        return scan

    async def read(
        self, text: bytes, declared: str | None = None, domain: str = "", question: PageQuestion | None = None
    ) -> PageReading:
        """Read one text; never raises, whatever it is.

        Parameters
        ----------
        text
            With any Content-Encoding undone.
        declared
            Its Content-Type.
        domain
            The registrable domain whose share of the workers' time it takes.
        question
            What is wanted beside the inline bodies.

        Returns
        -------
        PageReading
            Without the text itself. Where the worker failed at it, its doubt is the :class:`~ingest_guard.Reason`.
        """
        answer: asyncio.Future[PageReading] = asyncio.get_running_loop().create_future()
        job = TextJob(text, answer, declared=declared, limits=self._page_limits, question=question)
        reading: PageReading = await self._work(job, domain)
        return reading

    async def _work(self, job: Job, domain: str) -> Any:
        """Let a worker do a job when it is the domain's turn, and return the answer."""
        answer = job.answer
        place = job.domain = await self.budget.enter(len(job.data), domain)
        try:
            if self._failure is not None:
                job.fail(Reason.GUARD_FAILED)
            elif self.budget.domains.is_closed(place):
                self._drop(job)
            else:
                for probe in self._probes.due():
                    self._waiting.push(probe)
                self._waiting.push(job)
                self._hand_out()
            return await answer if answer is not None else None
        finally:
            self.budget.leave(len(job.data), place)

    def retire(self) -> None:
        """End all processes without waiting for them: no further scan will be asked for."""
        self._failure = self._failure or "the pool is retired"
        self._drop_everything()
        for worker in self._workers:
            self.memory.note(worker)
            worker.end(kill=True)
        self._workers = []
        self._source.retire()

    def close(self) -> None:
        """End all processes, and wait for it; what is still under way ends as ``guard_failed``."""
        self._stop_ticking()
        self.retire()
        self._source.close()

    @property
    def is_over(self) -> bool:
        """Whether all processes of a retired pool have ended."""
        return self._source.is_over

    def _hand_out(self) -> None:
        """Give waiting images to the workers that have least to do."""
        while self._waiting:
            able = [w for w in self._workers if w.is_ready and not self._is_leaving(w) and w.has_room]
            job = self._waiting.pop() if able else None
            if job is None:
                return
            if job.domain is not None and self.budget.domains.is_closed(job.domain):
                self._waiting.release(job)
                self._drop(job)
            else:
                min(able, key=lambda worker: len(worker.jobs)).give(job)

    def _drop(self, job: Job) -> None:
        self.budget.domains.drop()
        job.fail(Reason.DOMAIN_BUDGET)

    def _on_source_ready(self) -> None:
        while self._failure is None and sum(not w.is_retiring for w in self._workers) < self._policy.worker_count:
            if not self._add_worker():
                return

    def _on_source_lost(self, why: str, is_final: bool) -> None:  # noqa: FBT001 - a callback, not for people
        self._deaths += 1
        if self._deaths >= _DEATHS_TO_GIVE_UP or is_final:
            self._fail(f"scan workers do not work ({why})")
        elif self._failure is None:
            try:
                self._source.start()
            except OSError as error:
                self._fail(f"no scan worker can be started ({error.strerror})")

    def _on_ready(self, worker: Worker) -> None:
        self.memory.note(worker)
        for old in [w for w in self._workers if w.is_retiring]:
            # Its successor is here: it ends when it has answered what it holds.
            if not old.jobs:
                self._remove(old)
        self._hand_out()
        self._changed.set()

    def _on_answer(self, worker: Worker, job: Job, payload: bytes) -> None:
        try:
            found = job.unpack(payload)
        except (ValueError, KeyError, TypeError, RecursionError):
            self._on_lost(worker, "its answer is not readable", job)
            return
        if job.answer is None:
            if job.is_right is not None and not job.is_right(found):
                self.gave_wrong_answer = True
                what = "page" if isinstance(found, PageReading) else "picture"
                self._fail(f"a worker gave a wrong answer to a {what} whose answer is known")
            self._hand_out()
            return
        self._deaths = 0
        reason = found.reason if isinstance(found, Scan) else found.doubt and Reason(found.doubt)
        self._waiting.count_end(job, time.monotonic() - job.since, reason or None)
        job.finish(found)
        if worker.handled >= self._policy.images_per_worker and not worker.is_retiring:
            self._retire(worker)
        elif not worker.jobs and self._is_leaving(worker):
            self._remove(worker)
        self._hand_out()

    def _retire(self, worker: Worker) -> None:
        worker.is_retiring = True
        self._add_worker()

    def _is_leaving(self, worker: Worker) -> bool:
        return worker.is_retiring and self._has_successor()

    def _has_successor(self) -> bool:
        return sum(w.is_ready and not w.is_retiring for w in self._workers) >= self._policy.worker_count

    def _remove(self, worker: Worker) -> None:
        self.memory.note(worker)
        worker.end(kill=False)
        self._workers.remove(worker)

    def _add_worker(self) -> bool:
        """Fork a worker; return False where that must wait until there is a nursery again."""
        worker = self._source.fork(self._events)
        if worker is not None:
            self._workers.append(worker)
        return worker is not None

    def _on_lost(
        self, worker: Worker, why: str, job: Job | None = None, reason: Reason = Reason.WORKER_CRASHED
    ) -> None:
        """Replace a worker; the image that it was scanning ends with the reason, those behind it go to another one."""
        if worker not in self._workers:
            return
        self.crashes += 1
        worker.end(kill=True)
        self._workers.remove(worker)
        culprit = job or (worker.jobs.popleft() if worker.jobs else None)
        for job_behind in reversed(worker.jobs):
            self._waiting.put_back(job_behind)
        worker.jobs.clear()
        # Workers that ended with their nursery are one death, not several.
        is_own_death = self._source.is_of_now(worker)
        if culprit is not None:
            seconds = time.monotonic() - culprit.since
            self._waiting.count_end(culprit, seconds, reason, is_domains_fault=is_own_death)
        if is_own_death:
            self._deaths += 0 if culprit is not None and culprit.answer is not None and worker.is_ready else 1
        if self._deaths >= _DEATHS_TO_GIVE_UP:
            self._fail(f"scan workers do not work ({why})")
        elif self._failure is None:
            self._add_worker()
        if culprit is not None:
            culprit.fail(reason)
        self._hand_out()

    def _tick(self) -> None:
        """End workers that overran their time or do not start; ask them for their use of memory now and then."""
        # First of all: a fault below must not end the watch over time limits.
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._tick)
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.jobs and worker.is_ready and now - worker.jobs[0].since > self._policy.limits.seconds:
                self._on_lost(worker, "it overran its time", reason=Reason.TIMEOUT)
            elif not worker.is_ready and now - worker.born > START_SECONDS:
                self._on_lost(worker, f"it did not start within {START_SECONDS:.0f} seconds")
        self.memory.ask(self._workers, now)
        self._source.tick()
        self._hand_out()  # what waited for others that were active
        if self.is_over:
            self._stop_ticking()

    def _stop_ticking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fail(self, why: str) -> None:
        if self._failure is None:
            self._failure = why
            self._on_failure(why)
        self._drop_everything()

    def _drop_everything(self) -> None:
        jobs = self._waiting.clear()
        for worker in self._workers:
            for job in worker.jobs:
                self._waiting.release(job)
            jobs.extend(worker.jobs)
            worker.jobs.clear()
        for job in jobs:
            job.fail(Reason.GUARD_FAILED)
        self._changed.set()
