from __future__ import annotations

import gzip
import os
import time
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.encodings.codings import CODINGS, zstd
from ingest_guard.encodings.stages import Stages, content_codings, undo

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
RANDOM = os.urandom(150_000)
"""Longer, encoded, than what is fed to a decoder at once."""
BODY = RANDOM + b"the end of it " * 50


def raw_deflate(data: bytes) -> bytes:
    """Encode without zlib's header and checksum."""
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "brotli": ("br", lambda data: brotli.compress(data, quality=4)),
    "zstd": ("zstd", zstd.compress),
}
every = pytest.mark.parametrize(("coding", "encode"), ENCODERS.values(), ids=ENCODERS)


def test_every_coding_is_tried() -> None:
    """These tests know every coding that there is."""
    assert {coding for coding, _ in ENCODERS.values()} == set(CODINGS)


@every
def test_whole_body(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """A whole stream gives the body, and the stage before it is kept."""
    sent = encode(BODY)
    assert undo(sent, [coding], MIB) == Stages((sent, BODY))


@every
def test_empty_content(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """A stream of nothing is nothing."""
    assert undo(encode(b""), [coding], MIB).bodies[-1] == b""
    assert undo(encode(b""), [coding], MIB).problem is None


@every
def test_no_body_at_all(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """Answers to HEAD announce a coding and have no body."""
    assert undo(b"", [coding], MIB) == Stages((b"",))


@every
def test_truncated(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """A cut-off stream gives what it has, and says that it is cut off."""
    stages = undo(encode(BODY)[:-40], [coding], MIB)
    assert stages.problem == "truncated"
    assert len(stages.bodies) == 2
    assert BODY.startswith(stages.bodies[1])
    assert len(stages.bodies[1]) > 60_000


@every
def test_trailing_padding_is_fine(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """Line ends and zeros behind a stream are what servers leave there; Brotli's decoder takes none."""
    stages = undo(encode(BODY) + b"\r\n\0\0", [coding], MIB)
    assert stages.problem == ("broken" if coding == "br" else None)
    assert stages.bodies[1] == BODY


@every
def test_trailing_junk(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """Anything else behind a stream is a problem: a cache would keep it. The body is there to be looked at."""
    stages = undo(encode(BODY) + b"\xff\xd8\xff and more", [coding], MIB)
    assert (stages.problem, stages.bodies[1]) == ("broken", BODY)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_streams_one_after_the_other(coding: str) -> None:
    """Several members make one body, wherever the cuts are."""
    encode = ENCODERS[coding][1]
    sent = encode(BODY) + encode(b"") + encode(b"more") + encode(BODY[:70_000])
    assert undo(sent, [coding], MIB) == Stages((sent, BODY + b"more" + BODY[:70_000]))


@every
def test_second_stream_that_is_cut_off(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """What the first gave is not lost; Brotli knows no second one."""
    stages = undo(encode(BODY) + encode(BODY)[:5000], [coding], MIB)
    assert stages.problem == ("broken" if coding == "br" else "truncated")
    assert stages.bodies[1].startswith(BODY)


@pytest.mark.parametrize("coding", ["gzip", "zlib"])
def test_wrong_checksum_gives_the_body(coding: str) -> None:
    """A browser shows a picture whose stream has a wrong checksum, so it is there to be compared, all of it."""
    name, encode = ENCODERS[coding]
    sent = bytearray(encode(BODY))
    sent[-5 if coding == "gzip" else -1] ^= 255
    stages = undo(bytes(sent), [name], MIB)
    assert (stages.problem, stages.bodies[1]) == ("broken", BODY)


@every
def test_damage_in_the_middle(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """What comes before the damage is there to be looked at, whether it is found early or late."""
    text = RANDOM.hex().encode()
    sent = bytearray(encode(text))
    sent[100_000:100_200] = b"\xff" * 200
    stages = undo(bytes(sent), [coding], MIB)
    # Raw deflate and zstd as servers send it have no checksum: there, what comes out is simply another body.
    assert stages.problem in {"broken", "truncated"} or coding in {"deflate", "zstd"}
    assert stages.bodies[1][:100_000] == text[:100_000]


@every
def test_text_that_was_never_encoded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """Nothing comes out of what is no stream at all."""
    sent = b"<!doctype html><p>plain text in spite of its header</p>"
    assert undo(sent, [coding], MIB) == Stages((sent,), "broken")


def test_raw_deflate_that_looks_like_zlib() -> None:
    """A raw stream whose first two bytes are those of zlib's format is decoded all the same."""
    # A stored block of one byte; the bits of its first byte that nobody reads make it zlib's 78 01.
    sent = b"\x78\x01\x00\xfe\xff" + b"x" + raw_deflate(BODY)
    assert undo(sent, ["deflate"], MIB) == Stages((sent, b"x" + BODY))


@every
def test_limit_is_exact(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """A body of the limit passes; one byte more does not."""
    sent = encode(BODY)
    assert undo(sent, [coding], len(BODY)).problem is None
    assert undo(sent, [coding], len(BODY) - 1) == Stages((sent,), "too_large")


@every
def test_bombs_are_bounded(coding: str, encode: Callable[[bytes], bytes]) -> None:
    """Decoding stops at the limit: it neither takes the memory of the whole nor its time."""
    sent = encode(bytes(64 * MIB))
    started = time.process_time()
    assert undo(sent, [coding], MIB // 4) == Stages((sent,), "too_large")
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(("coding", "count"), [("gzip", 50_000), ("zstd", 100_000), ("deflate", 100_000)])
def test_many_empty_streams_are_given_up(coding: str, count: int) -> None:
    """A body of nothing but empty members costs the sender little, and must not cost the receiver much."""
    sent = ENCODERS["zlib" if coding == "deflate" else coding][1](b"") * count
    started = time.process_time()
    assert undo(sent, [coding], MIB).problem == "too_many"
    assert time.process_time() - started < 1.0


def test_brotli_that_comes_in_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that keeps some of its output back is asked until it has given all."""

    class Drip:
        left = 3

        def process(self, data: bytes, *, output_buffer_limit: int) -> bytes:
            self.left -= 1
            return b"x"

        def can_accept_more_data(self) -> bool:
            return self.left <= 0

        def is_finished(self) -> bool:
            return self.left <= 0

    monkeypatch.setattr(brotli, "Decompressor", Drip)
    assert undo(b"sent", ["br"], 10).bodies[-1] == b"xxx"
    assert undo(b"sent", ["br"], 2).problem == "too_large"


def test_several_codings_are_undone_last_first() -> None:
    """Each stage is kept for a look."""
    inner = gzip.compress(BODY)
    middle = brotli.compress(inner, quality=1)
    sent = zstd.compress(middle)
    assert undo(sent, ["gzip", "br", "zstd"], MIB) == Stages((sent, middle, inner, BODY))


@pytest.mark.parametrize(
    ("codings", "problem", "count"),
    [
        (["compress"], "unknown", 1),
        (["compress", "gzip"], "unknown", 2),
        (["gzip", "foo"], "unknown", 2),
        (["gzip"] * 5, "too_many", 1),
        (["br", "gzip"], "broken", 2),
        (["gzip;q=1"], "unknown", 1),
        (["br", "foo"], "unknown", 1),
    ],
)
def test_codings_that_cannot_be_undone(codings: list[str], problem: str, count: int) -> None:
    """What could be undone is there, and what is left is told."""
    stages = undo(gzip.compress(b"x" * 100), codings, MIB)
    assert (stages.problem, len(stages.bodies)) == (problem, count)


@pytest.mark.parametrize(
    ("headers", "codings"),
    [
        ([], []),
        ([b""], []),
        ([b"gzip"], ["gzip"]),
        ([b" GZip ,, br"], ["gzip", "br"]),
        ([b"gzip", b"identity, BR"], ["gzip", "br"]),
        ([b"identity"], []),
        ([b"\xff"], []),
        ([b"UTF-8, gzip"], ["gzip"]),
        ([b"gzip, utf-8"], ["gzip", "utf-8"]),
        ([b"none", b"image/jpeg; x"], []),
        ([b"compress, foo"], ["compress", "foo"]),
    ],
)
def test_content_codings(headers: list[bytes], codings: list[str]) -> None:
    """Headers and commas both list codings; case, blanks, identity and names of no coding inside them do not count."""
    assert content_codings(headers) == codings


@settings(max_examples=80, deadline=None)
@given(
    body=st.binary(max_size=2000),
    chain=st.lists(st.sampled_from([key for key in ENCODERS if key != "raw deflate"]), max_size=4),
)
def test_what_was_encoded_comes_back(body: bytes, chain: list[str]) -> None:
    """Any body through any codings is itself again, and every stage is there."""
    sent = [body]
    for name in chain:
        sent.append(ENCODERS[name][1](sent[-1]))
    stages = undo(sent[-1], [ENCODERS[name][0] for name in chain], MIB)
    expected = tuple(reversed(sent)) if sent[-1] else (b"",)
    assert stages == Stages(expected)


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=300)
    | st.tuples(
        st.sampled_from(list(ENCODERS)), st.binary(max_size=200), st.integers(0, 60), st.binary(max_size=4)
    ).map(lambda given: (e := ENCODERS[given[0]][1](given[1]))[: given[2]] + given[3] + e[given[2] + 1 :]),
    codings=st.lists(st.sampled_from([*CODINGS, "foo"]), max_size=6),
)
def test_anything_gives_stages(data: bytes, codings: list[str]) -> None:
    """Whatever was sent under whatever header, the answer is stages of bounded size and a known word."""
    stages = undo(data, codings, 5000)
    assert stages.bodies[0] == data
    assert all(len(body) <= 5000 for body in stages.bodies[1:])
    assert stages.problem in {None, "truncated", "broken", "unknown", "too_many", "too_large", "beside"}
