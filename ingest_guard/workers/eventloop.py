"""The two event loops that Scrapy can run on, as far as the workers need them: watch a socket, keep a promise."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Protocol, cast

from scrapy.utils.asyncio import is_asyncio_available
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable


class Promise(Protocol):
    """Something to await that is kept once."""

    def keep(self, value: Any) -> None:
        """Give it its value; a second value, or one for a waiter that went away, is let go."""

    def awaitable(self) -> Awaitable[Any]:
        """Return what is to be awaited."""


class Watch(Protocol):
    """Interest in one socket."""

    def want_write(self, wanted: bool) -> None:  # noqa: FBT001 - a switch is what it is
        """Ask, or stop asking, to be told when it can be written."""

    def stop(self) -> None:
        """End all interest."""


def promise() -> Promise:
    """Return a promise for the loop that is running."""
    return _AsyncioPromise() if is_asyncio_available() else _TwistedPromise()


def watch(sock: socket.socket, readable: Callable[[], None], writable: Callable[[], None]) -> Watch:
    """Call ``readable`` whenever there is something to read, and ``writable`` while that was asked for."""
    if is_asyncio_available():
        return _AsyncioWatch(sock, readable, writable)
    return _TwistedWatch(sock, readable, writable)


def from_signal(callback: Callable[[], None]) -> Callable[[], None]:
    """Return what a signal handler may call so that ``callback`` runs soon, as any other event does."""
    if is_asyncio_available():
        loop = _loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: there is nothing left to do
                loop.call_soon_threadsafe(callback)

        return wake
    from twisted.internet import reactor  # noqa: PLC0415 - importing it installs a reactor

    return lambda: cast("Any", reactor).callFromThread(callback)


class _AsyncioPromise:
    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[Any] = _loop().create_future()

    def keep(self, value: Any) -> None:
        if not self._future.done():
            self._future.set_result(value)

    def awaitable(self) -> Awaitable[Any]:
        return self._future


class _TwistedPromise:
    __slots__ = ("_deferred",)

    def __init__(self) -> None:
        self._deferred: Deferred[Any] = Deferred()

    def keep(self, value: Any) -> None:
        if not self._deferred.called:
            self._deferred.callback(value)

    def awaitable(self) -> Awaitable[Any]:
        return self._deferred


class _AsyncioWatch:
    def __init__(self, sock: socket.socket, readable: Callable[[], None], writable: Callable[[], None]) -> None:
        self._loop, self._fd, self._writable, self._writing = _loop(), sock.fileno(), writable, False
        self._loop.add_reader(self._fd, readable)

    def want_write(self, wanted: bool) -> None:  # noqa: FBT001 - see Watch
        if wanted and not self._writing:
            self._loop.add_writer(self._fd, self._writable)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._fd)
        self._writing = wanted

    def stop(self) -> None:
        self.want_write(False)  # noqa: FBT003 - see Watch
        self._loop.remove_reader(self._fd)


class _TwistedWatch:
    """A reader and writer as Twisted's reactors other than the asyncio one want them."""

    def __init__(self, sock: socket.socket, readable: Callable[[], None], writable: Callable[[], None]) -> None:
        from twisted.internet import reactor  # noqa: PLC0415 - importing it installs a reactor

        self._reactor = cast("Any", reactor)
        self._sock, self.doRead, self.doWrite, self._writing = sock, readable, writable, False
        self._reactor.addReader(self)

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:  # noqa: N802 - Twisted's name
        return "ingest_guard worker"

    def connectionLost(self, reason: object) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: the end of the socket is seen by reading it."""

    def want_write(self, wanted: bool) -> None:  # noqa: FBT001 - see Watch
        if wanted and not self._writing:
            self._reactor.addWriter(self)
        elif self._writing and not wanted:
            self._reactor.removeWriter(self)
        self._writing = wanted

    def stop(self) -> None:
        self.want_write(False)  # noqa: FBT003 - see Watch
        self._reactor.removeReader(self)


def _loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        # The asyncio reactor is installed but not running yet; its own loop is the one that will.
        from twisted.internet import reactor  # noqa: PLC0415 - importing it installs a reactor

        loop: asyncio.AbstractEventLoop = cast("Any", reactor)._asyncioEventloop  # noqa: SLF001 - there is no public way to it
        return loop
