"""What a running crawl looks like at one moment: queues, memory, the lists in use. Read by all that watch it."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest_guard.scrapy_plugin.core.state import GuardState

PREFIX = "ingest_guard/"
_STATM = Path("/proc/self/statm")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def counts(runtime: GuardState) -> dict[str, int]:
    """Return the guard's own counters, without what is told of single lists' entries by other names."""
    # One copy in one step: the metrics are read in another thread.
    stats = dict(runtime.crawler.stats.get_stats())
    return {
        name.removeprefix(PREFIX): value
        for name, value in stats.items()
        if name.startswith(PREFIX) and type(value) is int
    }


def pages(runtime: GuardState) -> int:
    """Return how many responses the downloader has brought, of whatever kind."""
    return int(runtime.crawler.stats.get_value("downloader/response_count", 0) or 0)


def queues(runtime: GuardState) -> dict[str, int]:
    """Return what is under way and what waits: for a worker, for the downloader, for its turn."""
    budget = runtime.budget
    return {
        "scanning": budget.images,
        "scanning_bytes": budget.bytes,
        "waiting": budget.waiting,
        "downloading": _downloading(runtime),
        "scheduled": _scheduled(runtime),
    }


def memory(runtime: GuardState) -> dict[str, int]:
    """Return the bytes that the crawl's own process has in memory, and the most that one worker had for itself."""
    return {"crawler": _resident(), "worker_peak": runtime.pool.memory_peak.get("private", 0)}


def list_age(runtime: GuardState) -> int:
    """Return the age of the blocklist in use, in seconds."""
    return int((datetime.now(UTC) - runtime.guard.blocklist.created).total_seconds())


def lists(runtime: GuardState) -> dict[str, Any]:
    """Return what the crawl is held against at this moment; ids, versions and numbers, no entry."""
    guard = runtime.guard
    described = [
        {
            "id": info.id,
            "version": info.version,
            **({"severity": info.severity} if info.severity is not None else {}),
            "entries": sum(info.counts.values()),
        }
        for info in guard.blocklist.lists
    ]
    return {
        "version": guard.version,
        "created": stamp(guard.blocklist.created),
        "check_set": guard.attestation["check_set"],
        "algorithms": list(guard.attestation["algorithms"]),
        "lists": described,
    }


def stamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _downloading(runtime: GuardState) -> int:
    with contextlib.suppress(AttributeError, RuntimeError, TypeError):  # no engine yet, or no more
        return len(runtime.crawler.engine.downloader.active)
    return 0


def _scheduled(runtime: GuardState) -> int:
    # Scrapy has no public name for it; its own log of open queues asks the same.
    with contextlib.suppress(AttributeError, RuntimeError, TypeError):
        slot: Any = runtime.crawler.engine._slot  # noqa: SLF001 - see above
        return len(slot.scheduler)
    return 0


def _resident() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(_STATM.read_text().split()[1]) * _PAGE_SIZE
    return 0
