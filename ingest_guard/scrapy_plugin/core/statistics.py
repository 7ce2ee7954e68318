"""The guard's own numbers among a crawl's statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "ingest_guard/"


def own_counts(stats: Mapping[str, Any]) -> dict[str, int]:
    """Return the guard's counters, sorted by name and without the prefix."""
    # dict() copies in one step: the metrics are read in another thread.
    own = {name.removeprefix(PREFIX): value for name, value in dict(stats).items() if name.startswith(PREFIX)}
    return {name: value for name, value in sorted(own.items()) if type(value) is int}


def failed_feeds(stats: Mapping[str, Any]) -> int:
    """Return how many files of Scrapy's feeds could not be stored."""
    return sum(value for name, value in stats.items() if name.startswith("feedexport/failed_count/"))
