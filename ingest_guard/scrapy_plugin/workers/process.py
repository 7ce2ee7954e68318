"""One worker as its parent sees it: a child process, its end of the socket pair, and the images it has been given."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.workers.eventloop import watch
from ingest_guard.scrapy_plugin.workers.protocol import CONFIGURATION, AnswerReader, ProtocolError, frame_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest_guard.scrapy_plugin.workers.eventloop import Promise, Watch

_START = """\
import json, sys
sys.path[:] = json.loads(sys.argv[3])
from ingest_guard.scrapy_plugin.workers.child import main
main(int(sys.argv[1]), int(sys.argv[2]))
"""
_READ_SIZE = 1 << 16
_SEND_BUFFER = 1 << 20


@dataclass(slots=True, eq=False)
class Job:
    """One image on its way through a worker."""

    data: bytes = field(repr=False)
    promise: Promise
    since: float = 0.0
    """When a worker began with it (monotonic seconds)."""


@dataclass(slots=True)
class Events:
    """Whom a worker tells what happened to it."""

    ready: Callable[[Worker], None]
    answer: Callable[[Worker, Job, bytes], None]
    lost: Callable[[Worker, str], None]


class Worker:
    """A child process that scans images, one after the other.

    ``jobs`` holds what it was given and has not answered, oldest first: the first of them is in its hands, the others
    wait in the socket so that it never idles.
    """

    def __init__(self, configuration: bytes, events: Events) -> None:
        self.jobs: deque[Job] = deque()
        self.is_ready = False
        self.is_retiring = False
        self.cannot_start = False
        self.handled = 0
        self.born = time.monotonic()
        self._events = events
        self._next = CONFIGURATION
        self._expected: deque[int] = deque()
        self._reader = AnswerReader()
        self._outgoing: deque[memoryview] = deque()
        self._watch: Watch | None = None
        self._sock, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(theirs)
        self._sock.setblocking(False)  # noqa: FBT003 - as it is
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._queue(configuration)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def attach(self) -> None:
        """Let the event loop that is running now serve the socket."""
        self._watch = watch(self._sock, self._on_readable, self._flush)
        self._flush()

    def give(self, job: Job) -> None:
        """Send an image to be scanned."""
        if not self.jobs:
            job.since = time.monotonic()
        self.jobs.append(job)
        self._queue(job.data)
        self._flush()

    def end(self, *, kill: bool) -> None:
        """Close the socket (a worker that reads the end of it leaves) or kill the process, and forget it."""
        if self._watch:
            self._watch.stop()
            self._watch = None
        self._outgoing.clear()
        self._sock.close()
        if kill:
            self._process.kill()

    def reap(self, timeout: float) -> bool:
        """Wait for the process to end; False where it has not by then."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _queue(self, payload: bytes) -> None:
        self._expected.append(self._next)
        self._outgoing.append(memoryview(frame_header(self._next, len(payload))))
        self._outgoing.append(memoryview(payload))
        self._next = (self._next + 1) % (1 << 32)

    def _flush(self) -> None:
        try:
            while self._outgoing:
                sent = self._sock.sendmsg(self._outgoing)
                while self._outgoing and sent >= len(self._outgoing[0]):
                    sent -= len(self._outgoing.popleft())
                if self._outgoing:
                    self._outgoing[0] = self._outgoing[0][sent:]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            # The other end is gone. Reading says so too, and is where it is dealt with.
            self._outgoing.clear()
        if self._watch:
            self._watch.want_write(bool(self._outgoing))

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._events.lost(self, "it ended")
            return
        try:
            for number, payload in self._reader.feed(data):
                self._on_frame(number, payload)
        except ProtocolError as error:
            self._events.lost(self, str(error))

    def _on_frame(self, number: int, payload: bytes) -> None:
        if not self._expected or number != self._expected.popleft():
            raise ProtocolError("a worker answered what it was not asked")
        if number == CONFIGURATION and not self.is_ready:
            self._on_greeting(payload)
            return
        if not self.jobs:
            raise ProtocolError("a worker answered what it was not asked")
        job = self.jobs.popleft()
        self.handled += 1
        if self.jobs:
            self.jobs[0].since = time.monotonic()
        self._events.answer(self, job, payload)

    def _on_greeting(self, payload: bytes) -> None:
        try:
            greeting = json.loads(payload)
        except ValueError:
            raise ProtocolError("a worker's greeting is not readable") from None
        if "error" in greeting:
            # It says so itself: another one would do no better.
            self.cannot_start = True
            self._events.lost(self, f"it could not start: {greeting['error']}")
            return
        self.is_ready = True
        self._events.ready(self)


def _spawn(theirs: socket.socket) -> subprocess.Popen[bytes]:
    """Start the child on a fresh interpreter: a fork would carry everything that the crawl holds in memory."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", _START, str(theirs.fileno()), str(os.getpid()), json.dumps(sys.path)],
        pass_fds=(theirs.fileno(),),
        stdin=subprocess.DEVNULL,
        # A decoder that dies may print what it was at; nobody is to read that.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
