"""How a crawl ended, for the reader of its records: a file that only a guarded crawl writes, after everything else.

Scrapy's exit code says nothing: it is 0 for a crawl that was closed because its guard had failed, and for one that ran
without a guard because somebody emptied ``ADDONS``. This file says it, by being there.
"""

import json
from pathlib import Path
from typing import Any

from scrapy import signals

from ingest_guard._clock import format_time, now
from ingest_guard._version import __version__
from ingest_guard.files.atomic import whole_file
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.meter import failed_feeds, own_counts
from ingest_guard.scrapy_plugin.core.settings import COMPLETION_SETTING
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.output import resume
from ingest_guard.scrapy_plugin.output.manifest import keeper_of

# Those of Scrapy's statistics that say why pages were not read. None has an address.
_SCRAPYS = (
    "robotstxt/",
    "offsite/",
    "httperror/",
    "dupefilter/",
    "downloader/exception_",
    "response_received_count",
)


class Ending:
    """Notes the beginning and the end of a crawl: in its job directory, the completion file and the manifest."""

    def __init__(self, state: GuardState) -> None:
        self._state = state
        self._settings = state.crawler.settings
        self._job = resume.job_folder(self._settings)
        self._facts: dict[str, Any] = {}
        with placement.announced():
            self._manifest = keeper_of(state)

    @classmethod
    def watch(cls, state: GuardState) -> None:
        """Follow a crawl from its beginning to its end."""
        ending = cls(state)
        connect = state.crawler.signals.connect
        connect(ending.opened, signal=signals.spider_opened, weak=False)
        connect(ending.closed, signal=signals.spider_closed, weak=False)
        connect(ending.stopped, signal=signals.engine_stopped, weak=False)

    def opened(self) -> None:
        """Note the beginning; a file from an earlier crawl says nothing of this one."""
        if (file := self._file()) is not None:
            file.unlink(missing_ok=True)
        if self._job is not None:
            resume.begin(self._job)
        self._facts = {"started": now(), **_held_against(self._state)}

    def closed(self, reason: str) -> None:
        """Remember why."""
        self._facts["finish_reason"] = reason

    async def stopped(self) -> None:
        """Write the manifest and both notes, unless the guard failed or the crawl never got so far."""
        if self._state.failed or "finish_reason" not in self._facts:
            return
        if self._manifest is not None:
            self._facts["attested"] = await self._manifest.write(
                self._facts["finish_reason"], self._state.crawler.stats.get_stats()
            )
        if self._job is not None:
            resume.close(self._job)
        if (file := self._file()) is not None:
            stats = self._state.crawler.stats.get_stats()
            self._facts |= {"ended": now(), "counts": own_counts(stats), "feeds_failed": failed_feeds(stats)}
            self._facts["scrapy"] = {name: n for name, n in sorted(stats.items()) if name.startswith(_SCRAPYS)}
            with whole_file(file) as target:
                target.write((json.dumps(self._facts, indent=1, sort_keys=True) + "\n").encode())

    def _file(self) -> Path | None:
        value = self._settings.get(COMPLETION_SETTING)
        return Path(str(value)) if value else None


def _held_against(state: GuardState) -> dict[str, Any]:
    spider = state.crawler.spider
    return {
        "format": 1,
        "spider": spider.name if spider is not None else None,
        "guard": f"ingest_guard {__version__}",
        "list_version": state.guard.version,
        "lists_created": format_time(state.guard.blocklist.created),
        "check_set": state.guard.attestation["check_set"],
    }
