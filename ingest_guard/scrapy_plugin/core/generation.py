"""One version of the blocklist in use: the guard, its workers, and everything that was found with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from ingest_guard.dataset.optouts.signals import Signals
from ingest_guard.guard.guard import Guard
from ingest_guard.guard.scan_result import Scan
from ingest_guard.workers.inline import InlinePool
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from scrapy.http import Response

_VERIFIED = 1 << 14
_REMEMBERED_SCANS = 1 << 12


class Passed(NamedTuple):
    """The body of a response that may pass, and what its headers say of its use where they were read."""

    body: bytes
    signals: Signals | None = None


class Generation:
    """A check takes the current one once, holds it, and uses nothing else until there is a verdict.

    So a swap between two steps of a check changes nothing about it, and what one version has let through says nothing
    about the next one.

    Attributes
    ----------
    guard, pool
        The lists, and the workers that have the same version open.
    verified
        SHA-256 of bodies that may pass.
    passed
        Responses that may pass, as the gate has seen them.
    scans
        What scans found, by SHA-256.
    is_retired
        True as soon as another one has taken over.
    """

    def __init__(self, guard: Guard, pool: WorkerPool | InlinePool) -> None:
        self.guard = guard
        self.pool = pool
        self.verified: LRUCache[str, None] = LRUCache(_VERIFIED)
        # A response that still holds the very object that was verified needs no second digest: bytes do not change.
        self.passed: WeakKeyDictionary[Response, Passed] = WeakKeyDictionary()
        self.scans: LRUCache[str, Scan] = LRUCache(_REMEMBERED_SCANS)
        self.is_retired = False
        self._holders = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the workers for as long as something is being checked."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            self._end_if_unused()

    def retire(self) -> None:
        """End the workers as soon as what is being checked has its verdict; do not wait for it."""
        self.is_retired = True
        self._end_if_unused()

    def _end_if_unused(self) -> None:
        if self.is_retired and not self._holders:
            self.pool.retire()
