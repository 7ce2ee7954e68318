"""One worker as its parent sees it: the parent's end of the socket pair, and the jobs that the worker holds."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ingest_guard.guard.page_reading import failed_reading, largest_answer, unpack_reading
from ingest_guard.guard.scan_result import Scan
from ingest_guard.pages.findings import PageLimits
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.verdict import Reason
from ingest_guard.workers.domains import SLOW, Domain
from ingest_guard.workers.nursery import Nursery
from ingest_guard.workers.protocol import (
    CONFIGURATION,
    IMAGE,
    LARGEST_ANSWER,
    REPORT,
    AnswerReader,
    ProtocolError,
    frame_header,
    text_head,
)

# One job that it does and one in its socket: it never waits for the event loop.
_DEPTH = 2
_READ_SIZE = 1 << 16
_SEND_BUFFER = 1 << 20


@dataclass(slots=True, eq=False)
class Job:
    """One image on its way through a worker; its subclass, a text."""

    data: bytes = field(repr=False)
    answer: asyncio.Future[Any] | None
    """What the caller awaits; None for a probe."""
    domain: Domain | None = None
    """Which domain's time it takes; None for a probe."""
    since: float = 0.0
    """When a worker began with it (monotonic seconds)."""
    estimate: float = 0.0
    """What its domain was charged with in advance."""
    is_slow: bool = False
    """Whether it was known beforehand to take long."""
    is_right: Callable[[Any], bool] | None = None
    """Of a probe: whether what was found is what is known to be in it."""

    @property
    def may_take_long(self) -> bool:
        """Whether the next image had better not wait behind this one."""
        domain = self.domain
        return domain is not None and (self.is_slow or domain.mean is None or domain.failed_in_row > 0)

    @property
    def head(self) -> bytes:
        """What goes before the data in a question to a worker."""
        return IMAGE

    @property
    def largest_answer(self) -> int:
        """Bytes that the answer may have."""
        return LARGEST_ANSWER

    def unpack(self, payload: bytes) -> Scan | PageReading:
        """Read a worker's answer; ValueError, KeyError or TypeError for what is none."""
        return Scan.from_wire(payload)

    def finish(self, found: Scan | PageReading) -> None:
        """Give the caller what was found, if it still waits."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(found)

    def fail(self, reason: Reason) -> None:
        """Give the caller the reason why nothing was found."""
        self.finish(Scan(reason=reason))


@dataclass(slots=True, eq=False)
class TextJob(Job):
    """One text on its way through a worker."""

    declared: str | None = None
    """Its Content-Type."""
    limits: PageLimits = field(default_factory=PageLimits)
    question: PageQuestion | None = None
    """What is wanted beside its inline bodies."""

    @property
    def head(self) -> bytes:
        """What goes before the data in a question to a worker."""
        return text_head(self.declared, self.question)

    @property
    def largest_answer(self) -> int:
        """Bytes that the answer may have."""
        return largest_answer(self.limits)

    def unpack(self, payload: bytes) -> PageReading:
        """Read a worker's answer; ValueError, KeyError or TypeError for what is none."""
        return unpack_reading(payload, self.limits, self.question)

    def fail(self, reason: Reason) -> None:
        """Give the caller the reason why nothing was found."""
        self.finish(failed_reading(reason))


@dataclass(slots=True)
class Events:
    """What a worker calls when something has happened to it."""

    ready: Callable[[Worker], None]
    answer: Callable[[Worker, Job, bytes], None]
    lost: Callable[[Worker, str], None]


class Worker:
    """A child process that scans images and reads texts, one after the other; needs a running event loop.

    ``jobs`` holds what it was given and has not answered, oldest first: the first of them is in its hands, the others
    wait in the socket so that it never idles.

    Raises
    ------
    OSError
        The nursery is gone.
    """

    def __init__(self, nursery: Nursery, events: Events) -> None:
        self.jobs: deque[Job] = deque()
        self.nursery = nursery
        self.is_ready = False
        self.is_retiring = False
        self.handled = 0
        self.handled_at_report = 0
        self.born = time.monotonic()
        self.pid = 0
        """What its greeting said; 0 until it is ready."""
        self.memory: dict[str, int] = {}
        """What it reported last, in bytes: ``private``, ``clean``, ``pss``."""
        self._events = events
        self._next = CONFIGURATION + 1
        self._expected: deque[int] = deque([CONFIGURATION])
        self._reader = AnswerReader(self._largest_answer)
        self._outgoing: deque[memoryview] = deque()
        self._sock, theirs = socket.socketpair()
        with theirs:
            try:
                self._serial = nursery.fork(theirs)
            except OSError:
                self._sock.close()
                raise
        self._sock.setblocking(False)  # noqa: FBT003 - as it is
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        self._loop.add_reader(self._sock.fileno(), self._on_readable)
        self._waits_to_write = False

    @property
    def has_room(self) -> bool:
        """Whether it may be given another job: one waits in its socket where it does not wait for long."""
        if not self.jobs:
            return True
        first = self.jobs[0]
        return len(self.jobs) < _DEPTH and not first.may_take_long and time.monotonic() - first.since < SLOW

    def give(self, job: Job) -> None:
        """Send an image to be scanned, or a text to be read."""
        if not self.jobs:
            job.since = time.monotonic()
        self.jobs.append(job)
        self._queue(self._next, job.head, job.data)
        # Skips the number of a report.
        self._next = (self._next + 1) % REPORT

    def ask_for_report(self) -> None:
        """Ask what memory it uses; ``memory`` holds the answer when it has come."""
        self.handled_at_report = self.handled
        self._queue(REPORT)

    def end(self, *, kill: bool) -> None:
        """Close the socket (a worker that reads the end of it leaves) or have the process killed, and forget it."""
        if self._loop is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._loop.remove_writer(self._sock.fileno())
            self._loop = None
        self._outgoing.clear()
        self._sock.close()
        if kill:
            self.nursery.kill(self._serial)

    def _queue(self, number: int, head: bytes = b"", data: bytes = b"") -> None:
        self._expected.append(number)
        self._outgoing.append(memoryview(frame_header(number, len(head) + len(data)) + head))
        if data:
            self._outgoing.append(memoryview(data))
        self._flush()

    def _largest_answer(self) -> int:
        is_of_job = self.is_ready and self.jobs and self._expected and self._expected[0] != REPORT
        return self.jobs[0].largest_answer if is_of_job else LARGEST_ANSWER

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
            # The other end is gone. Reading finds that too, and deals with it.
            self._outgoing.clear()
        if self._loop is not None and self._waits_to_write is not bool(self._outgoing):
            self._waits_to_write = not self._waits_to_write
            if self._waits_to_write:
                self._loop.add_writer(self._sock.fileno(), self._flush)
            else:
                self._loop.remove_writer(self._sock.fileno())

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
        if not self.is_ready:
            greeting = _read_object(payload)
            self.pid = greeting["pid"] if type(greeting.get("pid")) is int else 0
            self.memory = _read_memory(greeting.get("memory"))
            self.is_ready = True
            self._events.ready(self)
        elif number == REPORT:
            self.memory = _read_memory(_read_object(payload))
        elif not self.jobs:
            raise ProtocolError("a worker answered what it was not asked")
        else:
            job = self.jobs.popleft()
            self.handled += 1
            if self.jobs:
                self.jobs[0].since = time.monotonic()
            self._events.answer(self, job, payload)


def _read_object(payload: bytes) -> dict[str, Any]:
    try:
        read = json.loads(payload)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise ProtocolError("a worker's greeting or report is not readable")
    return read


def _read_memory(read: Any) -> dict[str, int]:
    """Return the plausible figures of a report: a worker that was taken over may say anything."""
    if not isinstance(read, dict):
        return {}
    known = ("private", "clean", "pss")
    return {name: read[name] for name in known if type(read.get(name)) is int and 0 <= read[name] < 1 << 50}
