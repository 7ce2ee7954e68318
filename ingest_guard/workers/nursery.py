"""The process that workers come from, as its parent sees it.

It opens and verifies the lists once, loads all that scanning needs, and forks a worker for each order. So a worker is
there in milliseconds, shares all but what it writes with its siblings, and needs no file: a version that a builder has
removed meanwhile stays in use until the parent lets go of it. The nursery never sees an image.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from ingest_guard.guard.credentials import without_keys
from ingest_guard.workers.protocol import CONFIGURATION, KILL, ORDER, WORKER, AnswerReader, frame_header

_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[3])
from ingest_guard.workers.child import main
main(int(sys.argv[1]), int(sys.argv[2]))
"""
_READ_SIZE = 1 << 16
_SEND_BUFFER = 1 << 20
_SECONDS_TO_END = 5.0
_ALLOCATOR = {"MALLOC_ARENA_MAX": "1"}


class Nursery:
    """A child process that forks workers.

    Parameters
    ----------
    configuration
        What :func:`~ingest_guard.guard.transfer.pack_guard` made.
    on_ready
        Called when the lists are open; only then workers can be had.
    on_lost
        Called with the reason when it has ended, or has said that it cannot work (then ``cannot_start`` is True).

    Raises
    ------
    OSError
        No process can be started.
    """

    def __init__(
        self, configuration: bytes, on_ready: Callable[[Nursery], None], on_lost: Callable[[Nursery, str], None]
    ) -> None:
        self._on_ready, self._on_lost = on_ready, on_lost
        self._reader = AnswerReader()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serial = 0
        self._end_by: float | None = None
        self.is_ready = False
        self.cannot_start = False
        self.memory: dict[str, int] = {}
        """What it reported when it was ready, in bytes: ``private``, ``clean``, ``pss``."""
        self.born = time.monotonic()
        self._sock, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _spawn(theirs)
            except OSError:
                self._sock.close()
                raise
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        with contextlib.suppress(OSError):  # gone already: reading says so too
            self._sock.sendall(frame_header(CONFIGURATION, len(configuration)) + configuration)
        self._sock.setblocking(False)  # noqa: FBT003 - as it is

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def attach(self) -> None:
        """Let the event loop that is running now serve the socket."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._sock.fileno(), self._on_readable)

    def fork(self, theirs: socket.socket) -> int:
        """Order a worker that serves this end of a socket pair; return the number by which it can be ended.

        Raises
        ------
        OSError
            The nursery is gone.
        """
        self._serial += 1
        socket.send_fds(self._sock, [ORDER.pack(WORKER, self._serial)], [theirs.fileno()])
        return self._serial

    def kill(self, serial: int) -> None:
        """End a worker, even one that does not listen any more."""
        # Without a nursery the kernel has ended its workers.
        with contextlib.suppress(OSError):
            self._sock.send(ORDER.pack(KILL, serial))

    def is_gone(self) -> bool:
        """Return whether the process has closed its socket."""
        try:
            return not self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def end(self) -> None:
        """Close the socket: the process then ends its workers, and itself."""
        if self._loop is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._loop = None
        self._sock.close()
        self._end_by = time.monotonic() + _SECONDS_TO_END

    def reap(self, timeout: float) -> bool:
        """Wait for the process to end, and kill it when it does not; return False while it still runs."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            if self._end_by is not None and time.monotonic() > self._end_by:
                self._process.kill()
            return False
        return True

    def close(self) -> None:
        """End it and its workers, and wait until they have ended."""
        self.end()
        if not self.reap(_SECONDS_TO_END):
            self._process.kill()
            self._process.wait()

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._on_lost(self, "the process that they come from ended")
            return
        try:
            for _, payload in self._reader.feed(data):
                self._on_greeting(payload)
        except ValueError:
            self._on_lost(self, "the process that they come from said something that is not readable")

    def _on_greeting(self, payload: bytes) -> None:
        greeting = json.loads(payload)
        if "error" in greeting:
            # Another one would fail for the same reason.
            self.cannot_start = True
            self._on_lost(self, f"it could not start: {greeting['error']}")
            return
        self.memory = greeting.get("memory", {})
        self.is_ready = True
        self._on_ready(self)


def environment() -> dict[str, str]:
    """Return the environment variables of the child: without those that this process read keys from."""
    threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {**without_keys(os.environ), **threads, **_ALLOCATOR, "PYTHONDONTWRITEBYTECODE": "1"}


def _spawn(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start the child on a fresh interpreter: a fork would carry everything that the crawl holds in memory."""
    return subprocess.Popen(
        [sys.executable, "-c", _START, str(theirs.fileno()), str(os.getpid()), json.dumps(sys.path)],
        pass_fds=(theirs.fileno(),),
        stdin=subprocess.DEVNULL,
        # A decoder that dies may print what it worked on; that must not get into a log.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
