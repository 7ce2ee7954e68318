from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from ingest_guard import Match, Reason
from ingest_guard.scanned import Scan
from ingest_guard.scrapy_plugin.workers.process import Events, Job, Worker
from ingest_guard.scrapy_plugin.workers.protocol import HEADER, AnswerReader, ProtocolError, frame_header
from ingest_guard.verdict import ImageFacts

if TYPE_CHECKING:
    import pytest

TEXT = st.text(max_size=20)
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
    matches=st.lists(st.builds(Match, TEXT, TEXT, st.integers(0, 256), TEXT), max_size=3).map(tuple),
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


LIAR = """
import os, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
sock.sendall(bytes.fromhex({answer!r}))
while sock.recv(65536):
    pass
"""


def lost_after(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a child that sends ``answer`` whatever it is asked; return what its parent makes of it."""
    monkeypatch.setattr("ingest_guard.scrapy_plugin.workers.process._START", LIAR.format(answer=answer.hex()))

    async def main() -> str:
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def unexpected(*_: Any) -> None:
            raise AssertionError

        def lost(worker: Worker, why: str) -> None:
            worker.end(kill=True)
            done.set_result(why)

        def ready(worker: Worker) -> None:
            worker.give(Job(b"an image", None))  # type: ignore[arg-type]

        worker = Worker(b"{}", Events(ready=ready, answer=unexpected, lost=lost))
        worker.attach()
        try:
            return await asyncio.wait_for(done, 30)
        finally:
            assert worker.reap(10)

    return asyncio.run(main())


def test_a_worker_that_answers_what_it_was_not_asked_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer with another number than the image's, or before any image, ends the worker."""
    greeting = frame_header(0, 2) + b"{}"
    for answer in (frame_header(7, 2) + b"{}", greeting + frame_header(2, 2) + b"{}"):
        assert lost_after(answer, monkeypatch) == "a worker answered what it was not asked"


def test_a_worker_that_greets_with_noise_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A greeting that is no JSON ends the worker; so does an announcement without measure."""
    assert "greeting" in lost_after(frame_header(0, 3) + os.urandom(1) + b"{{", monkeypatch)
    assert "too long" in lost_after(frame_header(0, 1 << 31), monkeypatch)
