"""The old names of what asyncio has itself, for modules that still use them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Promise:
    """A future that is set at most once."""

    def __init__(self) -> None:
        self._future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def keep(self, value: Any) -> None:
        """Set its result, unless it has one."""
        if not self._future.done():
            self._future.set_result(value)

    def awaitable(self) -> Awaitable[Any]:
        """Return the future."""
        return self._future


promise = Promise


def from_signal(callback: Callable[[], None]) -> Callable[[], None]:
    """Return what a signal handler may call so that ``callback`` runs in the loop soon."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to do
            loop.call_soon_threadsafe(callback)

    return wake
