"""How a crawl ended, for whoever takes its records: a file that only a guarded crawl writes, after everything else.

Scrapy's exit code says nothing: it is 0 for a crawl that was closed because its guard had failed, and for one that ran
without a guard because somebody emptied ``ADDONS``. This file says it, by being there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import signals

from ingest_guard._clock import now
from ingest_guard._version import __version__
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.settings import COMPLETION_SETTING
from ingest_guard.scrapy_plugin.core.statistics import failed_feeds, own_counts
from ingest_guard.scrapy_plugin.output import jobs
from ingest_guard.scrapy_plugin.output.manifest_bucket import keeper_of

if TYPE_CHECKING:
    from ingest_guard.scrapy_plugin.core.state import GuardState


class Ending:
    """Notes the beginning and the end of a crawl: in its job directory, the completion file and the manifest."""

    def __init__(self, runtime: GuardState) -> None:
        self._runtime = runtime
        self._settings = runtime.crawler.settings
        self._job = jobs.job_folder(self._settings)
        self._facts: dict[str, Any] = {}
        with placement.announced():
            self._manifest = keeper_of(runtime)

    @classmethod
    def watch(cls, runtime: GuardState) -> None:
        """Follow a crawl from its beginning to its end."""
        ending = cls(runtime)
        connect = runtime.crawler.signals.connect
        connect(ending.opened, signal=signals.spider_opened, weak=False)
        connect(ending.closed, signal=signals.spider_closed, weak=False)
        connect(ending.stopped, signal=signals.engine_stopped, weak=False)

    def opened(self) -> None:
        """Note the beginning; a file from an earlier crawl says nothing of this one."""
        if (file := self._file()) is not None:
            file.unlink(missing_ok=True)
        if self._job is not None:
            jobs.begin(self._job)
        self._facts = {"started": now(), **_held_against(self._runtime)}

    def closed(self, reason: str) -> None:
        """Remember why."""
        self._facts["finish_reason"] = reason

    async def stopped(self) -> None:
        """Write the manifest and both notes, unless the guard failed or the crawl never got so far."""
        if self._runtime.failed or "finish_reason" not in self._facts:
            return
        if self._manifest is not None:
            self._facts["attested"] = await self._manifest.write(
                self._facts["finish_reason"], self._runtime.crawler.stats.get_stats()
            )
        if self._job is not None:
            jobs.close(self._job)
        if (file := self._file()) is not None:
            stats = self._runtime.crawler.stats.get_stats()
            _write(
                file,
                {**self._facts, "ended": now(), "counts": own_counts(stats), "feeds_failed": failed_feeds(stats)},
            )

    def _file(self) -> Path | None:
        value = self._settings.get(COMPLETION_SETTING)
        return Path(str(value)) if value else None


def _held_against(runtime: GuardState) -> dict[str, Any]:
    spider = runtime.crawler.spider
    return {
        "format": 1,
        "spider": spider.name if spider is not None else None,
        "guard": f"ingest_guard {__version__}",
        "list_version": runtime.guard.version,
        "check_set": runtime.guard.attestation["check_set"],
    }


def _write(file: Path, facts: dict[str, Any]) -> None:
    hidden = file.with_name(f".{file.name}.{os.getpid()}")
    hidden.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    hidden.replace(file)
