"""Scan without processes: for tests, tools, and machines that have no means to isolate a worker."""

from ingest_guard.guard.guard import Guard
from ingest_guard.guard.scan_result import Scan
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.verdict import Reason
from ingest_guard.workers.budget import Budget
from ingest_guard.workers.memory import WorkerMemory


class InlinePool:
    """A pool without processes: it scans in the caller's thread, and blocks the event loop meanwhile."""

    crashes = 0
    gave_wrong_answer = False
    is_over = True

    def __init__(self, guard: Guard, budget: Budget | None = None) -> None:
        self._guard = guard
        self._scanner = guard.scanner
        self.budget = budget or Budget(guard.policy.in_flight)
        self.memory = WorkerMemory()

    def start(self) -> None:
        """Do nothing: there is no process to start."""

    async def ready(self) -> None:
        """Let hashers make what they make once; PolicyError where an encoder cannot be used."""
        self._scanner.prepare()

    async def scan(self, data: bytes, domain: str = "") -> Scan:  # noqa: ARG002 - as the pool with processes
        """Scan one image; nothing waits, so there is nothing to share between domains."""
        try:
            return self._scanner.scan(data)
        except MemoryError:
            return Scan(reason=Reason.MEMORY)

    async def read(
        self,
        text: bytes,
        declared: str | None = None,
        domain: str = "",  # noqa: ARG002 - as the pool with processes
        question: PageQuestion | None = None,
    ) -> PageReading:
        """Read one text."""
        return self._guard.read(text, declared, question)

    def retire(self) -> None:
        """Do nothing: there is no process to end."""

    def close(self) -> None:
        """Do nothing: there is no process to end."""
