from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard import Match, Reason
from ingest_guard.guard.scan_result import Hit, Scan
from ingest_guard.verdict import ImageFacts
from ingest_guard.workers.protocol import HEADER, LARGEST_ANSWER, AnswerReader, ProtocolError, frame_header

TEXT = st.text(max_size=20)
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


def test_the_answer_reader_accepts_frames_in_any_pieces() -> None:
    """Frames come out whole and in order however the bytes arrive."""
    wire = b"".join(frame_header(number, number) + b"x" * number for number in range(5))
    for step in (1, 2, 3, 7, len(wire)):
        reader = AnswerReader()
        frames = [frame for at in range(0, len(wire), step) for frame in reader.feed(wire[at : at + step])]
        assert frames == [(number, b"x" * number) for number in range(5)]


def test_an_answer_that_is_too_long_is_refused_before_it_is_read() -> None:
    """A worker that announces a huge answer is cut off at the announcement."""
    with pytest.raises(ProtocolError):
        list(AnswerReader().feed(frame_header(1, LARGEST_ANSWER + 1)))
