from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.workers.protocol import frame_header
from ingest_guard.workers.worker import Events, Job, Worker, _read_memory

if TYPE_CHECKING:
    import socket

TEXT = st.text(max_size=20)


class Liar:
    """A nursery whose worker sends an answer whatever it is asked."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.killed: list[int] = []

    def fork(self, theirs: socket.socket) -> int:
        """Take the worker's end of a socket pair."""
        theirs.sendall(self._answer)
        self.held = theirs.dup()
        return 7

    def kill(self, serial: int) -> None:
        """Note who was to be ended."""
        self.killed.append(serial)


def lost_after(answer: bytes) -> str:
    """Return what the parent of a worker that sends ``answer`` makes of it."""

    async def main() -> str:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def unexpected(*_: Any) -> None:
            raise AssertionError

        def lost(worker: Worker, why: str) -> None:
            worker.end(kill=True)
            done.set_result(why)

        def ready(worker: Worker) -> None:
            worker.give(Job(b"an image", None))  # type: ignore[arg-type]

        liar = Liar(answer)
        Worker(liar, Events(ready=ready, answer=unexpected, lost=lost))  # type: ignore[arg-type]
        why = await asyncio.wait_for(done, 30)
        liar.held.close()
        assert liar.killed == [7]
        return why

    return asyncio.run(main())


def test_a_worker_that_answers_what_it_was_not_asked_is_ended() -> None:
    """An answer with another number than the image's, or before any image, ends the worker."""
    greeting = frame_header(0, 2) + b"{}"
    for answer in (frame_header(7, 2) + b"{}", greeting + frame_header(2, 2) + b"{}"):
        assert lost_after(answer) == "a worker answered what it was not asked"


def test_a_worker_that_greets_with_noise_is_ended() -> None:
    """A greeting that is no JSON ends the worker; so does an announcement without measure."""
    assert "not readable" in lost_after(frame_header(0, 3) + os.urandom(1) + b"{{")
    assert "too long" in lost_after(frame_header(0, 1 << 31))


def _nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner) | st.dictionaries(TEXT, inner)


@given(st.recursive(st.none() | TEXT | st.integers() | st.floats(), _nested))
def test_a_report_of_the_memory_is_taken_with_care(read: object) -> None:
    """Whatever a worker that was taken over says of its memory, only plausible numbers under known names are kept."""
    for wrapped in (read, {"private": read, "pss": 1}):
        kept = _read_memory(wrapped)
        assert set(kept) <= {"private", "clean", "pss"}
        assert all(type(size) is int and size >= 0 for size in kept.values())
