"""The crawl's progress on stderr: a live line below the log in a terminal, elsewhere a line now and then.

The setting ``INGEST_GUARD_PROGRESS`` switches it on; ``ingest-guard crawl`` sets it in a terminal.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text
from scrapy import signals
from scrapy.utils.asyncio import AsyncioLoopingCall, create_looping_call

from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.monitoring import snapshot

if TYPE_CHECKING:
    from twisted.internet.task import LoopingCall

_LIVE_EVERY = 0.5
_LINE_EVERY = 30.0
_WINDOW = 10.0
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_DROPPED = ("matched", "held", "not_scannable")
# What a narrow terminal shows above all; the rest comes in its own order.
_FIRST = ("kept", "dropped", "images", "time", "pages", "a second", "opted out")
_GAP = "  "
_STYLES = {"kept": "bold green", "dropped": "bold red"}


class Progress:
    """Shows the progress of one crawl.

    Parameters
    ----------
    state
        Of the crawl.
    stream
        Where to write; stderr.
    clock
        A monotonic clock, in seconds.
    """

    def __init__(self, state: GuardState, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._stream = stream
        self._clock = clock
        self._began = clock()
        self._pace = _Pace()
        self._console = Console(file=stream)
        self._live: Live | None = None
        self._moved: list[logging.StreamHandler[Any]] = []
        self._ticker: AsyncioLoopingCall | LoopingCall | None = None

    @classmethod
    def watch(cls, state: GuardState) -> None:
        """Show a crawl from its beginning to its end."""
        progress = cls(state, sys.stderr)
        connect = state.crawler.signals.connect
        connect(progress.opened, signal=signals.spider_opened, weak=False)
        connect(progress.stopped, signal=signals.engine_stopped, weak=False)

    def opened(self) -> None:
        """Start the display."""
        self._began = self._clock()
        every = _LINE_EVERY
        if self._console.is_terminal:
            every = _LIVE_EVERY
            # The log goes above: a handler that wrote directly to the stream would break the display.
            self._moved = _find_handlers(self._stream)
            above = _Above(self._console)
            for handler in self._moved:
                handler.setStream(above)
            self._live = Live(
                self._render(), console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._ticker = create_looping_call(self.tick)
        self._ticker.start(every, now=False)

    def tick(self) -> None:
        """Show the numbers of this moment. A terminal that has gone away ends the display, never the crawl."""
        try:
            if self._live is not None:
                self._live.update(self._render(), refresh=True)
            else:
                self._write_line()
        except (OSError, ValueError):
            self._stop_ticker()

    def stopped(self) -> None:
        """Show the last numbers, and give the log handlers their stream back."""
        self._stop_ticker()
        with contextlib.suppress(OSError, ValueError):
            if self._live is not None:
                self._live.update(self._render(), refresh=True)
                self._live.stop()
            else:
                self._write_line()
        for handler in self._moved:
            handler.setStream(self._stream)
        self._moved = []

    def _stop_ticker(self) -> None:
        if self._ticker is not None and self._ticker.running:
            self._ticker.stop()

    def _collect(self) -> dict[str, str]:
        state, now = self._state, self._clock()
        counts, queues = snapshot.counts(state), snapshot.queues(state)
        checked = counts.get("checked", 0)
        self._pace.note(now, checked)
        return {
            "time": _format_span(now - self._began),
            "pages": f"{counts.get('spider/pages', counts.get('not_an_image', 0)):,}",
            "images": f"{checked:,}",
            "a second": f"{self._pace.rate():.1f}",
            "kept": f"{counts.get('records', 0):,}",
            "dropped": f"{sum(counts.get(name, 0) for name in _DROPPED):,}",
            "opted out": f"{sum(n for name, n in counts.items() if name.startswith('opted_out/')):,}",
            "requests to come": f"{queues['scheduled'] + queues['downloading']:,}",
            "in scan": f"{queues['scanning'] + queues['waiting']:,}",
            **_domains(counts),
            "age of lists": _format_span(snapshot.list_age(state)),
        }

    def _render(self) -> Text:
        """Return one line that fits the terminal, as wide as it is at this moment."""
        text = Text(no_wrap=True, overflow="crop")
        for name, value in _fitting(self._collect(), self._console.width).items():
            text.append(f"{_GAP if text else ''}{name} ", style="dim")
            text.append(value, style=_STYLES.get(name, "bold"))
        return text

    def _write_line(self) -> None:
        text = ", ".join(f"{name} {value}" for name, value in self._collect().items())
        self._stream.write(f"ingest-guard: {text}\n")
        self._stream.flush()


def _domains(counts: dict[str, Any]) -> dict[str, str]:
    """Return the shares of domains, as far as there is something to say: the line is long enough."""
    shown = {}
    if counts["domains/worker_seconds"]:
        shown["largest domain"] = f"{counts['domains/largest_share']:.0%}"
    if counts["domains/dropped"]:
        shown["over budget"] = f"{counts['domains/dropped']:,}"
    return shown


def _fitting(values: dict[str, str], width: int) -> dict[str, str]:
    """Return as many values as have room in a line, the most important ones, in their own order."""
    chosen: set[str] = set()
    room = width
    for name in sorted(values, key=lambda name: (name not in _FIRST, _FIRST.index(name) if name in _FIRST else 0)):
        room -= len(name) + 1 + len(values[name]) + (len(_GAP) if chosen else 0)
        if room < 0:
            break
        chosen.add(name)
    return {name: value for name, value in values.items() if name in chosen}


class _Pace:
    """Images a second over the last seconds."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def note(self, now: float, count: int) -> None:
        self._seen.append((now, count))
        while len(self._seen) > 2 and self._seen[1][0] < now - _WINDOW:  # noqa: PLR2004 - both ends of the window
            del self._seen[0]

    def rate(self) -> float:
        (begin, low), (end, high) = self._seen[0], self._seen[-1]
        return (high - low) / (end - begin) if end > begin else 0.0


class _Above:
    """A stream that writes above the live line, without wrapping long log lines."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        # Text, so that nothing in a log line is read as markup.
        self._console.print(Text(text), end="", soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        self._console.file.flush()


def _find_handlers(stream: TextIO) -> list[logging.StreamHandler[Any]]:
    handlers = logging.getLogger().handlers
    return [each for each in handlers if isinstance(each, logging.StreamHandler) and each.stream is stream]


def _format_span(seconds: float) -> str:
    whole = int(seconds)
    if whole >= _DAY:
        return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
    return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02}:{whole % _MINUTE:02}"
