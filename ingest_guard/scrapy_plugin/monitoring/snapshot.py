"""A running crawl at one moment: queues, memory, the lists in use. Telemetry, progress and metrics show it."""

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest_guard._clock import format_time
from ingest_guard.scrapy_plugin.core.meter import own_counts
from ingest_guard.scrapy_plugin.core.state import GuardState

_STATM = Path("/proc/self/statm")
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def counts(state: GuardState) -> dict[str, Any]:
    """Return the guard's statistics so far, by their names; those of domains too, which others find at the end only."""
    domains = {f"domains/{name}": value for name, value in state.budget.domains.statistics().items()}
    return own_counts(state.crawler.stats.get_stats()) | domains


def responses(state: GuardState) -> int:
    """Return how many responses of any kind the downloader has received."""
    return int(state.crawler.stats.get_value("downloader/response_count", 0) or 0)


def queues(state: GuardState) -> dict[str, int]:
    """Return what is being scanned and downloaded, and what waits for that."""
    budget = state.budget
    return {
        "scanning": budget.images,
        "scanning_bytes": budget.bytes,
        "waiting": budget.waiting,
        "downloading": _downloading(state),
        "scheduled": _scheduled(state),
    }


def memory(state: GuardState) -> dict[str, int]:
    """Return the bytes that the crawl's own process has in memory, and the most that one worker had for itself."""
    return {"crawler": _resident(), "worker_peak": state.pool.memory.peak.get("private", 0)}


def list_age(state: GuardState) -> int:
    """Return the age of the blocklist in use, in seconds."""
    return int((datetime.now(UTC) - state.guard.blocklist.created).total_seconds())


def lists(state: GuardState) -> dict[str, Any]:
    """Return the lists that the crawl checks against at this moment: ids, versions and numbers, no entry."""
    guard = state.guard
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
        "created": format_time(guard.blocklist.created),
        "check_set": guard.attestation["check_set"],
        "algorithms": list(guard.attestation["algorithms"]),
        "lists": described,
    }


def _downloading(state: GuardState) -> int:
    with contextlib.suppress(AttributeError, RuntimeError, TypeError):  # there is no engine before and after the crawl
        return len(state.crawler.engine.downloader.active)
    return 0


def _scheduled(state: GuardState) -> int:
    # Scrapy has no public name for it.
    with contextlib.suppress(AttributeError, RuntimeError, TypeError):
        slot: Any = state.crawler.engine._slot  # noqa: SLF001 - as above
        return len(slot.scheduler)
    return 0


def _resident() -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(_STATM.read_text().split()[1]) * _PAGE_SIZE
    return 0
