"""SIGHUP as daemons have it: look for something new. Whoever had a handler for it before is still called."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_listeners: list[Callable[[], None]] = []
_before: Any = None


def listen(callback: Callable[[], None]) -> bool:
    """Call something at each SIGHUP from now on; it runs inside the signal handler.

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


def forget(callback: Callable[[], None]) -> None:
    """Call it no more; the last one gives the signal back to whoever had it, unless somebody else has taken it."""
    with contextlib.suppress(ValueError):
        _listeners.remove(callback)
        if not _listeners and signal.getsignal(signal.SIGHUP) is _on_hangup:
            signal.signal(signal.SIGHUP, _before)


def _on_hangup(number: int, frame: FrameType | None) -> None:
    for callback in _listeners:
        callback()
    if callable(_before):
        _before(number, frame)
