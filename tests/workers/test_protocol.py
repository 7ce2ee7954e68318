from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from ingest_guard import Match, Reason
from ingest_guard.guard.scan_result import Hit, Scan
from ingest_guard.verdict import ImageFacts
from ingest_guard.workers.process import Events, Job, Worker, _read_memory
from ingest_guard.workers.protocol import HEADER, AnswerReader, ProtocolError, frame_header

if TYPE_CHECKING:
    import socket

TEXT = st.text(max_size=20)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
VIEW = st.sampled_from(["bytes", "native", "frame:3/mirror", "embedded/thumbnail"])
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
VIEW = st.from_regex(r"[a-z0-9_:/.-]{1,20}", fullmatch=True)
FACTS = st.builds(
    ImageFacts,
    format=st.text("ABCXYZ0189", min_size=1, max_size=16),
    width=st.integers(1, 10**6),
    height=st.integers(1, 10**6),
    frames=st.integers(1, 1000),
    pdq_quality=st.none() | st.integers(0, 100),
    fingerprints=st.dictionaries(TEXT, st.text("0123456789abcdef", max_size=64), max_size=3),
)
SCANS = st.builds(
    Scan,
    matches=st.lists(st.builds(Match, NAME, NAME, st.integers(0, 256), VIEW), max_size=3).map(tuple),
    hits=st.lists(st.builds(Hit, NAME, NAME, st.integers(0, 1 << 40)), max_size=3).map(tuple),
    reason=st.none() | st.sampled_from(Reason),
    image=st.none() | FACTS,
    low_detail=st.booleans(),
)


@given(SCANS)
def test_a_scan_survives_the_wire(scan: Scan) -> None:
    """What a worker found is what its parent reads."""
    assert Scan.from_wire(scan.to_wire()) == scan


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | TEXT | st.integers(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_no_answer_is_read_as_a_scan_by_accident(wire: bytes) -> None:
    """Whatever a worker sends, it is a scan or an error that the pool expects."""
    with suppress(ValueError, KeyError, TypeError):
        Scan.from_wire(wire)


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_the_answer_reader_takes_any_bytes(pieces: list[bytes]) -> None:
    """Any stream gives frames, waits for more, or is refused; nothing is lost or made up."""
    reader = AnswerReader()
    frames = []
    try:
        for piece in pieces:
            frames += reader.feed(piece)
    except ProtocolError:
        return
    whole = b"".join(pieces)
    taken = b"".join(frame_header(number, len(payload)) + payload for number, payload in frames)
    assert whole.startswith(taken)
    assert (
        len(whole) - len(taken) < HEADER.size or HEADER.unpack_from(whole, len(taken))[1] > len(whole) - len(taken) - 8
    )


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
