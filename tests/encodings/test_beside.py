from __future__ import annotations

import gzip
import os
import struct
import time
import zlib
from typing import TYPE_CHECKING

import brotli
import pytest

from ingest_guard.encodings.beside import MOST_BESIDE
from ingest_guard.encodings.codings import zstd
from ingest_guard.encodings.stages import undo

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
PAGE = b"<!doctype html><title>x</title><p>" + b"hello " * 50
HIDDEN = os.urandom(6000).replace(b"\0", b"1")
_EXTRA, _NAME, _COMMENT, _CHECKSUM = 4, 8, 16, 2


def gzip_with(page: bytes, flags: int, fields: bytes) -> bytes:
    """Encode with optional fields in the header."""
    plain = gzip.compress(page, mtime=0)
    return plain[:3] + bytes([flags]) + plain[4:10] + fields + plain[10:]


def extra(page: bytes, field: bytes) -> bytes:
    """Encode with an extra field."""
    return gzip_with(page, _EXTRA, struct.pack("<H", len(field)) + field)


def name(page: bytes, field: bytes) -> bytes:
    """Encode with a file name."""
    return gzip_with(page, _NAME, field + b"\0")


def comment(page: bytes, field: bytes) -> bytes:
    """Encode with a file name and a comment."""
    return gzip_with(page, _NAME | _COMMENT, b"x\0" + field + b"\0")


def second_member(page: bytes, field: bytes) -> bytes:
    """Encode with an extra field in an empty member behind the first."""
    return gzip.compress(page) + extra(b"", field)


def skippable(page: bytes, field: bytes, number: int = 13) -> bytes:
    """Encode with a skippable frame in front."""
    return struct.pack("<II", 0x184D2A50 + number, len(field)) + field + zstd.compress(page)


def skippable_behind(page: bytes, field: bytes) -> bytes:
    """Encode with a skippable frame behind."""
    return zstd.compress(page) + struct.pack("<II", 0x184D2A50, len(field)) + field


def _pack(*fields: tuple[int, int]) -> bytes:
    """Return (value, bits) fields as a Brotli stream has them."""
    bits = at = 0
    for value, count in fields:
        bits |= value << at
        at += count
    return bits.to_bytes((at + 7) // 8, "little")


def _metadata(field: bytes) -> tuple[tuple[int, int], ...]:
    count = 2 if len(field) > MOST_BESIDE else 1
    return ((0, 1), (3, 2), (0, 1), (count, 2), (len(field) - 1, 8 * count))


def metadata(page: bytes, field: bytes) -> bytes:
    """Encode with a Brotli metadata block in front."""
    stored = _pack((0, 1), (0, 2), (len(page) - 1, 16), (1, 1)) + page
    return _pack((0, 1), *_metadata(field)) + field + stored + b"\x03"


def metadata_behind(page: bytes, field: bytes) -> bytes:
    """Encode with a metadata block between the content and the end."""
    stored = _pack((0, 1), (0, 1), (0, 2), (len(page) - 1, 16), (1, 1)) + page
    return stored + _pack(*_metadata(field)) + field + b"\x03"


WAYS: dict[str, tuple[str, Callable[[bytes, bytes], bytes]]] = {
    "gzip extra field": ("gzip", extra),
    "gzip name": ("gzip", name),
    "gzip comment": ("gzip", comment),
    "gzip second member": ("gzip", second_member),
    "zstd skippable frame": ("zstd", skippable),
    "zstd skippable frame behind": ("zstd", skippable_behind),
    "Brotli metadata": ("br", metadata),
    "Brotli metadata behind": ("br", metadata_behind),
}
every = pytest.mark.parametrize(("coding", "encode"), WAYS.values(), ids=WAYS)


@every
@pytest.mark.parametrize("size", [1000, 6000])
def test_more_than_a_name_beside_the_page(coding: str, encode: Callable[[bytes, bytes], bytes], size: int) -> None:
    """It is a problem, and is there to be looked at; the page itself is, too."""
    stages = undo(encode(PAGE, HIDDEN[:size]), [coding], MIB)
    assert (stages.problem, stages.bodies[-1]) == ("beside", PAGE)
    assert any(HIDDEN[200 : size - 200] in part for part in stages.beside)


@every
def test_a_stream_that_is_cut_off_behind_it(coding: str, encode: Callable[[bytes, bytes], bytes]) -> None:
    """A text that is cut off may pass; one that carries something may not, wherever the cut is."""
    whole = encode(PAGE, HIDDEN)
    for cut in (1, 5, 20, 400):
        stages = undo(whole[:-cut], [coding], MIB)
        assert stages.problem == "beside"


@every
def test_as_much_as_a_name_is_fine(coding: str, encode: Callable[[bytes, bytes], bytes]) -> None:
    """A short field is handed on for its digest, and is no problem."""
    field = HIDDEN[: MOST_BESIDE - 1]
    stages = undo(encode(PAGE, field), [coding], MIB)
    assert (stages.problem, stages.bodies[-1]) == (None, PAGE)
    assert field in stages.beside or coding == "br"


def test_many_short_fields_count_together() -> None:
    """A file that is spread over the names of many members is as large as before."""
    sent = b"".join(name(b"x", HIDDEN[at : at + 100]) for at in range(0, 6000, 100))
    assert undo(sent, ["gzip"], MIB).problem == "beside"


def test_sizes_of_blocks_do_not_count() -> None:
    """What bgzip and pzstd write passes, whatever the number of blocks."""
    blocks = b"".join(extra(bytes([number]) * 100, b"BC\x02\0" + b"ab") for number in range(200))
    assert undo(blocks, ["gzip"], MIB).problem is None
    frames = b"".join(skippable(bytes([number]) * 100, b"abcd", number=0) for number in range(100))
    assert undo(frames, ["zstd"], MIB).problem is None


def test_field_with_a_checksum_of_the_header() -> None:
    """A header with its own checksum is read like another."""
    body = gzip.compress(PAGE, mtime=0)
    head = body[:3] + bytes([_CHECKSUM | _NAME]) + body[4:10] + b"page.html\0"
    sent = head + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") + body[10:]
    stages = undo(sent, ["gzip"], MIB)
    assert (stages.problem, stages.beside) == (None, (b"page.html",))


def test_inner_codings_are_looked_at() -> None:
    """The field of a stream inside another coding counts, too."""
    assert undo(brotli.compress(extra(PAGE, HIDDEN), quality=1), ["gzip", "br"], MIB).problem == "beside"


TEXTS = {
    "prose": b" ".join(b"word%d of %d" % (number * number % 977, number % 89) for number in range(40_000)),
    "numbers": b"".join(b'{"id": %d, "at": %d},' % (n * 7919 % 99991, n**3 % 1_000_003) for n in range(20_000)),
    "bytes": os.urandom(200_000),
    "letters": "".join(chr(0x4E00 + n * n % 3001) for n in range(100_000)).encode(),
    "short": b"<p>short",
}


@pytest.mark.parametrize("quality", [0, 1, 2, 4, 5, 6, 9, 11])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_tables_of_ordinary_brotli_are_no_metadata(text: bytes, quality: int) -> None:
    """Long tables give nothing either; they are needed, and so they pass."""
    stages = undo(brotli.compress(text, quality=quality), ["br"], MIB * 4)
    assert (stages.problem, stages.beside, stages.bodies[-1]) == (None, (), text)


def test_very_many_metadata_blocks_are_given_up() -> None:
    """Each that is tried out costs; a stream of hundreds is refused as a whole, in little time."""
    one = _pack(*_metadata(HIDDEN[:900])) + HIDDEN[:900] + _pack((0, 1), (0, 2), (9, 16), (1, 1)) + b"0123456789"
    sent = _pack((0, 1), *_metadata(b"1")) + b"1" + one * 300 + b"\x03"
    started = time.process_time()
    stages = undo(sent, ["br"], MIB)
    assert (stages.problem, stages.bodies[-1]) == ("beside", b"0123456789" * 300)
    assert stages.beside == (sent,)
    assert time.process_time() - started < 2.0


def test_many_short_metadata_blocks_count_together() -> None:
    """Blocks that are too short to be tried out are refused where there are many."""
    one = _pack(*_metadata(HIDDEN[:400])) + HIDDEN[:400] + _pack((0, 1), (0, 2), (9, 16), (1, 1)) + b"0123456789"
    sent = _pack((0, 1), *_metadata(b"1")) + b"1" + one * 100 + b"\x03"
    assert undo(sent, ["br"], MIB).problem == "beside"
