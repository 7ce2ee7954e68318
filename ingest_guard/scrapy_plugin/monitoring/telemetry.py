"""The crawl's time series, for the report: ``telemetry.jsonl`` in the folder that ``INGEST_GUARD_DATASET`` names.

A line is a JSON object with ``kind`` and ``run``: ``start``, ``lists`` (at the start and with each change of lists),
``sample`` (the counts so far), ``hosts`` (now and then, and at the end) and ``end``. No line has a URL in it. Each line
is appended in one piece: a crawl that is killed loses what came after the last sample, and one that is resumed begins
another run.

The policy's section ``report`` steers it. A file that cannot be written costs the report, never the crawl.
"""

from __future__ import annotations

import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.utils.asyncio import AsyncioLoopingCall, create_looping_call

from ingest_guard._clock import now
from ingest_guard._version import __version__
from ingest_guard.dataset.shards.location import local_folder
from ingest_guard.dataset.shards.names import TELEMETRY
from ingest_guard.scrapy_plugin.core.meter import may_show_dropped, own_counts
from ingest_guard.scrapy_plugin.core.settings import DATASET_SETTING
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.monitoring import snapshot

if TYPE_CHECKING:
    from twisted.internet.task import LoopingCall

logger = logging.getLogger(__name__)

FORMAT = 1
# For its owner only: the times of matches and of records reveal more together than each alone.
_MODE = 0o600
# Samples become rarer as a crawl goes on: those of a day take 3 MB, those of a month 10 MB.
_SAMPLES = 2000
_HOSTS_EVERY = 300.0
_HOSTS_GROWTH = 0.1


class Telemetry:
    """Writes the time series of one crawl.

    Parameters
    ----------
    state
        Of the crawl.
    folder
        Where the file goes; made if it does not exist.
    """

    def __init__(self, state: GuardState, folder: Path) -> None:
        self._state = state
        self._file = folder / TELEMETRY
        self._run = os.urandom(4).hex()
        self._interval = state.policy.report.interval.total_seconds()
        self._began = self._next_sample = self._next_hosts = 0.0
        self._version = ""
        self._reason = ""
        self._is_broken = False
        self._ticker: AsyncioLoopingCall | LoopingCall | None = None

    @classmethod
    def watch(cls, state: GuardState) -> None:
        """Follow a crawl from its beginning to its end, if its data set is a local folder."""
        folder = local_folder(state.crawler.settings.get(DATASET_SETTING))
        if folder is None:
            return
        telemetry = cls(state, folder)
        connect = state.crawler.signals.connect
        connect(telemetry.opened, signal=signals.spider_opened, weak=False)
        connect(telemetry.record_left, signal=signals.item_scraped, weak=False)
        connect(telemetry.closed, signal=signals.spider_closed, weak=False)
        connect(telemetry.stopped, signal=signals.engine_stopped, weak=False)

    def opened(self) -> None:
        """Begin a run."""
        self._began = time.monotonic()
        spider = self._state.crawler.spider
        self._write(
            "start",
            format=FORMAT,
            spider=spider.name if spider is not None else None,
            guard=f"ingest_guard {__version__}",
            interval=self._interval,
            bounds=self._state.meter.bounds(),
        )
        self._sample()
        self._ticker = create_looping_call(self.tick)
        self._ticker.start(self._interval, now=False)

    def record_left(self, item: Any) -> None:
        """Count a record."""
        self._state.meter.note_record(item)

    def closed(self, reason: str) -> None:
        """Stop sampling by the clock; the last sample comes when all feeds are stored."""
        self._reason = reason
        if self._ticker is not None and self._ticker.running:
            self._ticker.stop()

    def stopped(self) -> None:
        """Write the last sample, the hosts, and how it ended."""
        if not self._reason:
            return
        self._sample()
        counted = own_counts(self._state.crawler.stats.get_stats())
        matched = counted.get("matched", 0) + counted.get("held", 0)
        self._hosts(with_dropped=may_show_dropped(matched, counted.get("not_scannable", 0)))
        self._write("end", reason=self._reason, failed=self._state.failed)

    def tick(self) -> None:
        """Write a sample and the hosts if they are due."""
        elapsed = time.monotonic() - self._began
        if elapsed >= self._next_sample:
            self._next_sample = elapsed + max(0.0, elapsed / _SAMPLES - self._interval)
            self._sample()
        if elapsed >= self._next_hosts:
            self._next_hosts = elapsed + max(_HOSTS_EVERY, elapsed * _HOSTS_GROWTH)
            # Two tables with drops, and the samples between them, would show which host a drop came from.
            self._hosts(with_dropped=False)

    def _sample(self) -> None:
        state = self._state
        if state.guard.version != self._version:
            self._version = state.guard.version
            self._write("lists", **snapshot.lists(state))
        self._write(
            "sample",
            counts=snapshot.counts(state),
            responses=snapshot.responses(state),
            queues=snapshot.queues(state),
            memory=snapshot.memory(state),
            list_age=snapshot.list_age(state),
            **({} if state.incidents is None else {"incidents_since": state.incidents.since}),
            **state.meter.to_json(),
        )

    def _hosts(self, *, with_dropped: bool) -> None:
        if self._state.policy.report.hosts:
            self._write("hosts", **self._state.meter.hosts.to_json(with_dropped=with_dropped))

    def _write(self, kind: str, **what: Any) -> None:
        if self._is_broken:
            return
        line = {
            "kind": kind,
            "run": self._run,
            "time": now(),
            "elapsed": round(time.monotonic() - self._began, 3),
            **what,
        }
        try:
            append(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            self._is_broken = True
            logger.warning(
                "ingest_guard cannot write %s (%s); the report will lack what comes", TELEMETRY, error.strerror
            )


def append(file: Path, line: bytes) -> None:
    """Append a line in one piece; end a line that a crash cut off first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        written = os.write(handle, line)
        if written < len(line):  # a full disk: the next line begins behind a newline of its own
            raise OSError(28, "no space left on the device")
    finally:
        os.close(handle)
