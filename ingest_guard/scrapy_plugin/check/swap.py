"""Hot swap: a crawl that runs for weeks changes over to new versions of the blocklist by itself.

The store's pointer is read now and then, and at a SIGHUP. A new version is opened and verified in a thread, and gets
workers of its own; when all of them are ready, it takes over between two images, and the old workers end with what they
hold. Nothing waits meanwhile. A version that cannot be used is refused loudly, and the old one stays.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import FrameType
from typing import Any

from scrapy.utils.asyncio import create_looping_call, run_in_thread
from scrapy.utils.defer import _schedule_coro

from ingest_guard.blocklist.store.manifest import NAME as MANIFEST
from ingest_guard.blocklist.store.versions import current_version
from ingest_guard.errors import BlocklistError, IngestGuardError
from ingest_guard.guard.guard import Guard
from ingest_guard.scrapy_plugin.check.self_test import SelfTest
from ingest_guard.scrapy_plugin.core.generation import Generation
from ingest_guard.scrapy_plugin.core.state import GuardState

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = 3600.0
_ALARM_EVERY = 3600.0

_listeners: list[Callable[[], None]] = []
_before: Any = None


@dataclass(slots=True)
class _Refusal:
    """A version that could not be used, and when it is worth another look."""

    version: str
    pause: float
    until: float


class Swapper:
    """Look for new versions, bring them in, and watch how old the one in use is."""

    def __init__(self, state: GuardState, self_test: SelfTest) -> None:
        self._state = state
        self._self_test = self_test
        self._policy = state.policy
        self._interval = self._policy.swap.interval.total_seconds()
        self._is_looking = False
        self._look_again = False
        self._is_stopped = False
        self._coming: Generation | None = None
        self._refusal: _Refusal | None = None
        self._next_alarm = 0.0
        self._stop: list[Callable[[], object]] = []

    def start(self) -> None:
        """Begin to look; needs a running event loop."""
        ticker = create_looping_call(self.look)
        ticker.start(self._interval, now=False)
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to do
                loop.call_soon_threadsafe(self._on_hangup)

        if not listen_for_hangups(on_signal):
            logger.debug("ingest_guard cannot listen for SIGHUP here; new lists are found by the clock alone")
        self._stop = [lambda: ticker.running and ticker.stop(), partial(forget_listener, on_signal)]
        self._watch_age()

    def stop(self) -> None:
        """Look no more, and give up a version that is being brought in."""
        self._is_stopped = True
        for each in self._stop:
            each()
        self._stop = []
        if self._coming is not None:
            self._coming.pool.close()

    def look(self, *, asked: bool = False) -> None:
        """Look for a new version now, unless that is under way.

        Parameters
        ----------
        asked
            True where the operator wants it: a version that was refused gets another chance at once.
        """
        self._state.settle()
        if self._is_stopped or self._state.failed:
            return
        if self._is_looking:
            self._look_again = self._look_again or asked
            return
        self._is_looking = True
        _schedule_coro(self._look(asked=asked))

    def _on_hangup(self) -> None:
        logger.info("ingest_guard looks for a new version of the blocklist: SIGHUP")
        self.look(asked=True)

    async def _look(self, *, asked: bool) -> None:
        version = ""
        try:
            version = await run_in_thread(self._named)
            if version == self._state.guard.version:
                self._refusal = None
            elif asked or not self._is_pausing(version):
                await self._change_to(version)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a new version, the old one stays
            self._refuse(version, error)
        finally:
            self._is_looking = False
        if self._is_stopped:
            return
        self._watch_age()
        if self._look_again:
            self._look_again = False
            self.look(asked=True)

    def _named(self) -> str:
        """Return the version that the store's pointer names."""
        folder = self._policy.blocklist
        # The policy names one version, not a store: there is nothing to change over to.
        pinned = (folder / MANIFEST).exists()
        return self._state.guard.version if pinned else current_version(folder)

    def _is_pausing(self, version: str) -> bool:
        refusal = self._refusal
        return refusal is not None and refusal.version == version and time.monotonic() < refusal.until

    async def _change_to(self, version: str) -> None:
        began = time.monotonic()
        before = self._state.guard
        guard = await run_in_thread(Guard.from_policy, self._policy)
        self._require_newer(guard, before)
        if self._is_stopped or self._state.failed:
            return
        coming = self._coming = self._state.prepare(guard)
        try:
            coming.pool.start()
            await coming.pool.ready()
        except BaseException:
            self._state.discard(coming)
            raise
        finally:
            self._coming = None
        if self._is_stopped or self._state.failed:
            self._state.discard(coming)
            return
        self._state.switch(coming)
        self._refusal = None
        self._next_alarm = 0.0
        took = time.monotonic() - began
        self._state.count("swap/done")
        self._state.crawler.stats.max_value("ingest_guard/swap/seconds_peak", round(took, 3))
        logger.info(
            "ingest_guard has changed over from version %s of the blocklist to %s, which took %.1f s to bring in",
            before.version[:12],
            guard.version[:12],
            took,
        )
        await self._self_test.again()
        if guard.version != version:
            logger.info("ingest_guard: a newer version than %s came up meanwhile", version[:12])

    def _require_newer(self, guard: Guard, before: Guard) -> None:
        """Refuse what could not be tested, and to go back in time.

        What was added since would pass again, which an attacker may want.
        """
        if not guard.blocklist.knows_canary:
            raise BlocklistError("it was built by a release that planted no canary in it; build it again")
        if guard.blocklist.created < before.blocklist.created and self._policy.swap.older == "refuse":
            raise BlocklistError(
                f"it was built at {guard.blocklist.created:%Y-%m-%d %H:%M:%S} UTC, before the one in use "
                f"({before.blocklist.created:%Y-%m-%d %H:%M:%S} UTC); build a new version, start the crawl again, or "
                "set swap.older: accept in the policy"
            )

    def _refuse(self, version: str, error: Exception) -> None:
        if self._is_stopped:
            return
        again = self._refusal is not None and self._refusal.version == version
        pause = min(self._refusal.pause * 2, _LONGEST_PAUSE) if self._refusal and again else self._interval
        self._refusal = _Refusal(version, pause, time.monotonic() + pause)
        self._state.count("swap/refused")
        current = self._state.guard
        # What others' exceptions say may quote a file's content.
        why = str(error) if isinstance(error, IngestGuardError | OSError) else type(error).__name__
        logger.error(
            "ingest_guard refuses version %s of the blocklist, and goes on with %s of %s UTC: %s",
            version[:12] or "(unknown)",
            current.version[:12],
            f"{current.blocklist.created:%Y-%m-%d %H:%M:%S}",
            why,
        )

    def _watch_age(self) -> None:
        """Note how old the version in use is, and raise the alarm when it is too old."""
        state, policy = self._state, self._policy
        age = datetime.now(UTC) - state.guard.blocklist.created
        is_stale = age > policy.max_age
        state.set_value("blocklist/age_seconds", int(age.total_seconds()))
        state.set_value("blocklist/stale", int(is_stale))
        if not is_stale:
            return
        if policy.swap.stale == "stop":
            state.fail(
                f"the blocklist was built {_format_span(age)} ago; the policy allows {_format_span(policy.max_age)}"
            )
        elif time.monotonic() >= self._next_alarm:
            self._next_alarm = time.monotonic() + _ALARM_EVERY
            logger.critical(
                "ingest_guard: the blocklist was built %s ago, the policy allows %s. The crawl goes on with it; what "
                "was listed since is not known here. Build a new version, and see why none has come",
                _format_span(age),
                _format_span(policy.max_age),
            )


def _format_span(span: timedelta) -> str:
    return str(span - timedelta(microseconds=span.microseconds))


def listen_for_hangups(callback: Callable[[], None]) -> bool:
    """Call something at each SIGHUP from now on; it runs inside the signal handler.

    A handler that was there before is still called.

    Returns
    -------
    bool
        False where signals cannot be had: another thread than the main one, another system, or a handler that was not
        installed from Python.
    """
    global _before  # noqa: PLW0603 - a process has one handler of a signal
    number = getattr(signal, "SIGHUP", None)
    if number is None or signal.getsignal(number) is None:
        return False
    if signal.getsignal(number) is not _on_hangup:
        try:
            _before = signal.signal(number, _on_hangup)
        except ValueError:
            return False
    _listeners.append(callback)
    return True


def forget_listener(callback: Callable[[], None]) -> None:
    """Stop calling it; the last one restores the earlier handler, unless another one has been installed since."""
    with contextlib.suppress(ValueError):
        _listeners.remove(callback)
        if not _listeners and signal.getsignal(signal.SIGHUP) is _on_hangup:
            signal.signal(signal.SIGHUP, _before)


def _on_hangup(number: int, frame: FrameType | None) -> None:
    for callback in _listeners:
        callback()
    if callable(_before):
        _before(number, frame)
