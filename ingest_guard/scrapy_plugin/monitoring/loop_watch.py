"""Names what has held the event loop for more than a second: meanwhile no response is read and no time limit watched.

A thread looks four times a second whether the loop has run; where it has not, it logs the functions that the loop's
thread is in: names of modules and functions alone, never a value. It is switched off with ``report.loop_stalls``.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING

from scrapy import signals

if TYPE_CHECKING:
    from types import FrameType

    from ingest_guard.scrapy_plugin.core.state import GuardState

logger = logging.getLogger(__name__)

_EVERY = 0.25
_STALL = 1.0
_MOST_NAMES = 6
# A process that was stopped, or a machine that slept, has not computed: that is no stall of the loop.
_LEAST_BUSY = 0.25


class LoopWatch:
    """Watches one event loop.

    Attributes
    ----------
    stalls
        How often it was held for more than a second.
    longest
        The longest of these, in seconds.
    """

    def __init__(self) -> None:
        self.stalls = 0
        self.longest = 0.0
        self._ended = threading.Event()
        self._ticked = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._watch, name="ingest_guard loop watch", daemon=True)
        self._loop_thread = 0
        self._is_reported = False

    @classmethod
    def watch(cls, state: GuardState) -> None:
        """Watch a crawl's loop from the opening of its spider to the end of its engine."""
        watch = cls()

        def note() -> None:
            watch.stop()
            state.set_value("loop/stalls", watch.stalls)
            state.set_value("loop/longest_stall_seconds", round(watch.longest, 3))

        state.crawler.signals.connect(watch.start, signal=signals.spider_opened, weak=False)
        state.crawler.signals.connect(note, signal=signals.spider_closed, weak=False)

    def start(self) -> None:
        """Begin, in the thread of the loop that is running."""
        self._loop_thread = threading.get_ident()
        self._tick()
        self._thread.start()

    def stop(self) -> None:
        """End the watch, and count what holds the loop just now."""
        self._note_gap()
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._note_gap()
        self._ticked, self._is_reported = time.monotonic(), False
        self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tick)

    def _note_gap(self) -> None:
        """Count a stall that the thread has reported, when the loop runs again."""
        if self._is_reported:
            self.stalls += 1
            self.longest = max(self.longest, time.monotonic() - self._ticked)

    def _watch(self) -> None:
        looked, computed = time.monotonic(), time.process_time()
        while not self._ended.wait(_EVERY):
            now, used = time.monotonic(), time.process_time()
            # A function in C may hold this thread up, too: that one computes.
            was_stopped = now - looked > _STALL and used - computed < _LEAST_BUSY * (now - looked)
            if now - self._ticked > _STALL and not self._is_reported and not was_stopped:
                frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - the documented way to another thread's stack
                where = " < ".join(_name_functions(frame))
                # Noted first: the loop may run again before the line is written.
                self._is_reported = True
                logger.warning("The event loop has not run for %.1f s; it is in: %s", now - self._ticked, where)
            looked, computed = now, used


def _name_functions(frame: FrameType | None) -> list[str]:
    """Return ``module:function`` of the innermost functions, down to the event loop's own."""
    names: list[str] = []
    while frame is not None and len(names) < _MOST_NAMES:
        module = frame.f_globals.get("__name__", "?")
        if module == "asyncio" or str(module).startswith("asyncio."):
            break
        names.append(f"{module}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    return names or ["the event loop itself"]
