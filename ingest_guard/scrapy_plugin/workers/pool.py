"""The workers of a crawl: who gets which image, what happens when one dies, and when to give up.

Two bounds hold whoever asks: images in flight and bytes in flight. What is over them waits in order. A worker that dies
or overruns costs its own image (``worker_crashed``, ``timeout``) and is replaced; when replacements die before they
have scanned anything, several in a row, the pool fails, and with it the guard.
"""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING

from scrapy.utils.asyncio import create_looping_call

from ingest_guard.errors import GuardFailedError
from ingest_guard.scanned import Scan
from ingest_guard.scrapy_plugin.workers import warmup
from ingest_guard.scrapy_plugin.workers.budget import Budget
from ingest_guard.scrapy_plugin.workers.eventloop import promise
from ingest_guard.scrapy_plugin.workers.process import Events, Job, Worker
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest_guard.guard import Guard
    from ingest_guard.scrapy_plugin.workers.eventloop import Promise

# One image in the worker's hands and one in its socket: it never waits for the event loop.
_DEPTH = 2
_TICK = 0.25
_START_SECONDS = 120.0
_DEATHS_TO_GIVE_UP = 5
_CANARY_EVERY = 1000


class WorkerPool:
    """Scan images in child processes.

    Parameters
    ----------
    guard
        Whose policy and blocklist the workers use.
    on_failure
        Called once with a text when the pool cannot work any more. Every scan from then on is ``guard_failed``.
    """

    def __init__(self, guard: Guard, on_failure: Callable[[str], None]) -> None:
        self._policy = guard.policy
        self._configuration = _configuration(guard)
        self._on_failure = on_failure
        self._events = Events(ready=self._on_ready, answer=self._on_answer, lost=self._on_lost)
        self._workers: list[Worker] = []
        self._ended: list[Worker] = []
        self._waiting: deque[Job] = deque()
        self._starting: list[Promise] = []
        self._deaths = 0
        self._attached = False
        self._failure: str | None = None
        self._canary = warmup.canary()
        self._known_answer = warmup.fingerprint(self._canary)
        self._until_canary = 0
        self.crashes = 0
        self.budget = Budget(guard.policy.in_flight)
        self._ticker = create_looping_call(self._tick)

    def start(self) -> None:
        """Start the processes; needs no running event loop."""
        self._workers = [Worker(self._configuration, self._events) for _ in range(self._policy.worker_count)]

    async def ready(self) -> None:
        """Wait until every worker has opened the lists; GuardFailedError where one cannot."""
        self._attached = True
        for worker in list(self._workers):
            worker.attach()
        self._ticker.start(_TICK, now=False)
        while self._failure is None and not all(worker.is_ready for worker in self._workers):
            turn = promise()
            self._starting.append(turn)
            await turn.awaitable()
        if self._failure is not None:
            raise GuardFailedError(self._failure)

    async def scan(self, data: bytes) -> Scan:
        """Scan one image; never raises for anything that it may be."""
        await self.budget.enter(len(data))
        try:
            if self._failure is not None:
                return Scan(reason=Reason.GUARD_FAILED)
            self._until_canary -= 1
            if self._until_canary <= 0:
                self._until_canary = _CANARY_EVERY
                self._waiting.append(Job(self._canary, promise()))
            job = Job(data, promise())
            self._waiting.append(job)
            self._hand_out()
            scan: Scan = await job.promise.awaitable()
            return scan
        finally:
            self.budget.leave(len(data))

    def close(self) -> None:
        """End all workers; what is still under way ends as ``guard_failed``."""
        if self._ticker.running:
            self._ticker.stop()
        self._failure = self._failure or "the pool is closed"
        self._drop_everything()
        for worker in self._workers:
            worker.end(kill=True)
        for worker in self._workers + self._ended:
            worker.reap(5.0)
        self._workers, self._ended = [], []

    def _hand_out(self) -> None:
        """Give waiting images to the workers that have least to do."""
        while self._waiting:
            able = [w for w in self._workers if w.is_ready and len(w.jobs) < _DEPTH and not self._is_leaving(w)]
            if not able:
                return
            min(able, key=lambda worker: len(worker.jobs)).give(self._waiting.popleft())

    def _on_ready(self, worker: Worker) -> None:
        del worker
        for old in [w for w in self._workers if w.is_retiring]:
            # Its successor is here: it ends when it has answered what it holds.
            if not old.jobs:
                self._remove(old)
        self._hand_out()
        self._wake()

    def _on_answer(self, worker: Worker, job: Job, payload: bytes) -> None:
        try:
            scan = Scan.from_wire(payload)
        except (ValueError, KeyError, TypeError):
            self._on_lost(worker, "its answer is not readable", job)
            return
        if job.data is self._canary:
            if scan.image is None or scan.image.fingerprints.get("pdq") != self._known_answer:
                self._fail("a worker gave a wrong answer to a picture whose answer is known")
            self._hand_out()
            return
        self._deaths = 0
        job.promise.keep(scan)
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
        worker.end(kill=False)
        self._workers.remove(worker)
        self._ended.append(worker)

    def _add_worker(self) -> None:
        try:
            worker = Worker(self._configuration, self._events)
        except OSError as error:
            self._fail(f"no scan worker can be started ({error.strerror})")
            return
        self._workers.append(worker)
        if self._attached:
            worker.attach()

    def _on_lost(
        self, worker: Worker, why: str, job: Job | None = None, reason: Reason = Reason.WORKER_CRASHED
    ) -> None:
        """Replace a worker; the image in its hands is lost to the reason, those behind it go to another one."""
        if worker not in self._workers:
            return
        was_ready = worker.is_ready
        self.crashes += 1
        worker.end(kill=True)
        self._workers.remove(worker)
        self._ended.append(worker)
        culprit = job or (worker.jobs.popleft() if worker.jobs else None)
        self._waiting.extendleft(reversed(worker.jobs))
        worker.jobs.clear()
        self._deaths += 0 if culprit is not None and culprit.data is not self._canary and was_ready else 1
        if self._deaths >= _DEATHS_TO_GIVE_UP or worker.cannot_start:
            self._fail(f"scan workers do not work ({why})")
        elif not self._failure:
            self._add_worker()
        if culprit is not None:
            culprit.promise.keep(Scan(reason=reason))
        self._hand_out()
        self._wake()

    def _tick(self) -> None:
        """End what overran its time, and workers that do not come up."""
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.jobs and worker.is_ready and now - worker.jobs[0].since > self._policy.limits.seconds:
                self._on_lost(worker, "it overran its time", reason=Reason.TIMEOUT)
            elif not worker.is_ready and now - worker.born > _START_SECONDS:
                self._on_lost(worker, f"it did not start within {_START_SECONDS:.0f} seconds")
        self._ended = [worker for worker in self._ended if not worker.reap(0)]

    def _fail(self, why: str) -> None:
        if self._failure is None:
            self._failure = why
            self._on_failure(why)
        self._drop_everything()
        self._wake()

    def _drop_everything(self) -> None:
        jobs = [*self._waiting, *(job for worker in self._workers for job in worker.jobs)]
        self._waiting.clear()
        for worker in self._workers:
            worker.jobs.clear()
        for job in jobs:
            job.promise.keep(Scan(reason=Reason.GUARD_FAILED))

    def _wake(self) -> None:
        waiting, self._starting = self._starting, []
        for turn in waiting:
            turn.keep(None)


def _configuration(guard: Guard) -> bytes:

    store = guard.policy.blocklist
    versioned = store / "versions" / guard.version
    # The very version that the parent holds, even if the pointer to the current one moves meanwhile.
    policy = guard.policy.model_copy(update={"blocklist": versioned if versioned.is_dir() else store})
    return json.dumps({"policy": policy.to_json(), "version": guard.version}).encode()
