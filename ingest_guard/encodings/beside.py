"""What a content coding carries beside its content: a reader never sees it, and a cache keeps it.

gzip has header fields (https://www.rfc-editor.org/rfc/rfc1952#section-2.3), zstd has skippable frames
(https://www.rfc-editor.org/rfc/rfc8878#section-3.1.2), Brotli has metadata blocks
(https://www.rfc-editor.org/rfc/rfc7932#section-9.2). A file name and the sizes that bgzip writes
are ordinary; more than that has no business in an answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import brotli

MOST_BESIDE: Final = 256
"""Bytes that a body may have beside its content, sizes of blocks not counted: a file name has so many at most."""
STEP: Final = 128
"""Bytes of Brotli that are decoded at once."""
_GZIP: Final = b"\x1f\x8b"
_GZIP_HEAD: Final = 10
_EXTRA, _NAME, _COMMENT = 4, 8, 16
_BLOCK_SIZES: Final = (b"BC\x02\0", b"RA", b"IG", b"MZ")
"""How fields begin in which bgzip, dictzip, and others write the sizes of their blocks."""
_MOST_SIZES: Final = 8
_SKIPPABLE: Final = 0x184D2A50
_NUMBER_OF_A_FRAME: Final = 4
"""pzstd writes the size of the next frame into a frame of its own."""
_LONG_SILENCE: Final = 512
_MOST_SILENCES: Final = 64
_SHORT_SILENCES: Final = 1 << 13
_OF_THE_BODY: Final = 32
_CHANGED: Final = 128
_FLIPS: Final = tuple(bytes(byte ^ flip for byte in range(256)) for flip in (0xFF, 0x55))


@dataclass(slots=True)
class Silence:
    """Bytes of a Brotli stream that gave nothing: tables of the next block, or metadata.

    Attributes
    ----------
    start, stop
        Where they are in the stream, to :data:`STEP` bytes.
    given
        Bytes of content that came before.
    """

    start: int
    stop: int
    given: int


def is_too_much(beside: list[bytes]) -> bool:
    """Return whether a body carries more beside its content than any sender has reason to."""
    return sum(map(len, beside)) > MOST_BESIDE


def gzip_fields(data: bytes, at: int) -> Iterator[bytes]:
    """Yield the fields of a gzip member's header, cut off or not; block sizes are left out.

    Parameters
    ----------
    data
        The body.
    at
        Where the member starts.
    """
    if data[at : at + 2] != _GZIP or len(data) < at + _GZIP_HEAD:
        return
    flags = data[at + 3]
    at += _GZIP_HEAD
    if flags & _EXTRA:
        size = int.from_bytes(data[at : at + 2], "little")
        field = data[at + 2 : at + 2 + size]
        if len(field) > _MOST_SIZES or not field.startswith(_BLOCK_SIZES):
            yield field
        at += 2 + size
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            end = data.find(b"\0", at)
            end = end if end >= 0 else len(data)
            yield data[at:end]
            at = end + 1


def zstd_frame(data: bytes, at: int) -> Iterator[bytes]:
    """Yield what is in a zstd frame that readers skip, if the one that starts here is one."""
    if len(data) < at + 8:
        return
    magic, size = struct.unpack_from("<II", data, at)
    if magic & ~0xF == _SKIPPABLE and size > _NUMBER_OF_A_FRAME:
        yield data[at + 8 : at + 8 + size]


def brotli_metadata(data: bytes, content: bytes, silences: list[Silence]) -> Iterator[bytes]:
    """Yield the parts of a Brotli stream that have no effect on its content.

    Only the decoder knows where a block starts. So each long part that gave nothing is tried out: a changed table
    gives other content or none at all, changed metadata make no difference.

    Parameters
    ----------
    data
        The stream.
    content
        What came out of it.
    silences
        Where nothing came out of it.
    """
    long = [silence for silence in silences if silence.stop - silence.start >= _LONG_SILENCE]
    short = sum(silence.stop - silence.start for silence in silences if silence not in long)
    if len(long) > _MOST_SILENCES or short > max(_SHORT_SILENCES, len(data) // _OF_THE_BODY):
        yield data
        return
    for silence in long:
        places = range(silence.start, silence.stop, _CHANGED)
        if any(_has_no_effect(data, content, silence, place) for place in places):
            yield data[silence.start : silence.stop]


def _has_no_effect(data: bytes, content: bytes, silence: Silence, place: int) -> bool:
    end = min(len(data), silence.stop + STEP)
    for table in _FLIPS:
        changed = data[place : min(place + _CHANGED, end)].translate(table)
        decoder = brotli.Decompressor()
        at = 0
        try:
            for piece in (data[:place], changed, data[place + _CHANGED : end]):
                got = decoder.process(piece)
                if content[at : at + len(got)] != got:
                    return False
                at += len(got)
        except brotli.error:
            return False
        is_waiting = at <= silence.given and not decoder.is_finished()
        if is_waiting and silence.stop < len(data):
            return False
    return True
