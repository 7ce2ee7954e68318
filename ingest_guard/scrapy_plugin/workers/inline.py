"""Scanning without processes: for tests, tools, and machines that have no means to isolate a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.scanned import Scan
from ingest_guard.scrapy_plugin.workers.budget import Budget
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from ingest_guard.guard import Guard


class InlinePool:
    """The same without processes: scans here and now, and blocks the event loop meanwhile. For tests and tools."""

    crashes = 0

    def __init__(self, guard: Guard) -> None:
        self._scanner = guard.scanner
        self.budget = Budget(guard.policy.in_flight)

    def start(self) -> None:
        """Nothing to start."""

    async def ready(self) -> None:
        """Nothing to wait for."""

    async def scan(self, data: bytes) -> Scan:
        """Scan one image."""
        try:
            return self._scanner.scan(data)
        except MemoryError:
            return Scan(reason=Reason.MEMORY)

    def close(self) -> None:
        """Nothing to end."""
