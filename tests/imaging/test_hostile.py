"""Files that mean harm: nothing hangs, nothing eats the memory, nothing ends as anything but a verdict."""

from __future__ import annotations

import gc
import io
import struct
import sys
import time
import tracemalloc
import types
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imaging.corpus import (
    FORMATS,
    animation,
    chunk,
    damaged,
    encode,
    flips,
    giants,
    good,
    long_gif,
    look,
    outcome,
    segment,
    text_bomb,
    with_segments,
)
from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from support.pictures import drawn

from ingest_guard.imaging import decode
from ingest_guard.imaging.decode import Limits, NotScannable, open_picture
from ingest_guard.imaging.pixels import pillow, render
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.verdict import Reason


@pytest.mark.parametrize("name", giants())
def test_giant_dimensions_are_refused_before_anything_is_decoded(name: str) -> None:
    """A few kilobytes that say they are gigapixels cost nothing."""
    data = giants()[name]
    tracemalloc.start()
    try:
        assert outcome(data, Limits(pixels=50_000_000)) is Reason.PIXELS
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_size_of_an_avif_is_checked_before_it_is_decoded() -> None:
    """The container says it."""
    assert outcome(good("AVIF"), Limits(pixels=1000)) is Reason.PIXELS


@pytest.mark.parametrize("name", FORMATS)
def test_limit_of_pixels_holds_for_every_format(name: str) -> None:
    """One pixel more than the limit is too many."""
    width, height = look(good(name)).size
    assert outcome(good(name), Limits(pixels=width * height - 1)) is Reason.PIXELS
    assert outcome(good(name), Limits(pixels=width * height * 2)) is None


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_limit_of_frames(name: str) -> None:
    """As many frames as allowed are seen, then the reason; a sample is an explicit choice."""
    data = animation(name, 6)
    seen = look(data, Limits(frames=4))
    assert (len(seen.lumas), seen.reason) == (4, Reason.FRAMES)
    assert seen.count > 4
    sampled = look(data, Limits(frames=3, sample_frames=True))
    kind = "page" if name == "TIFF" else "frame"
    assert (list(sampled.lumas), sampled.reason) == (["native", f"{kind}:3", f"{kind}:6"], None)
    assert sampled.count == 6


def test_one_frame_may_be_sample_enough() -> None:
    """A sample of one is the first."""
    assert list(look(animation("GIF", 3), Limits(frames=1, sample_frames=True)).lumas) == ["native"]


def test_more_icons_than_frames_are_refused() -> None:
    """Sub-images are frames."""
    data = encode(drawn(1, (64, 64)), "ICO", sizes=[(16, 16), (32, 32), (64, 64)])
    assert outcome(data, Limits(frames=2)) is Reason.FRAMES


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_frames_of_an_animation_are_counted_once(name: str) -> None:
    """The budget over all frames is what is shown: width by height by number."""
    assert outcome(animation(name, 4), Limits(total_pixels=96 * 64 * 4)) is None


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_budget_of_pixels_over_all_frames(name: str) -> None:
    """Many frames within the limit of one are not within that of all; those before it are seen."""
    seen = look(animation(name, 6), Limits(total_pixels=96 * 64 * 5))
    assert seen.reason is Reason.PIXELS
    assert 1 <= len(seen.lumas) < 6


def test_body_over_the_limit_of_bytes_is_refused() -> None:
    """Whatever it is."""
    assert outcome(good("BMP"), Limits(bytes=1000)) is Reason.TOO_LARGE


@pytest.mark.parametrize("sample", [False, True])
def test_ten_thousand_frames_are_refused_or_sampled_quickly(sample: bool) -> None:  # noqa: FBT001 - a parameter
    """The blocks are counted; nobody decodes them all unless the policy wants a sample."""
    start = time.process_time()
    seen = look(long_gif(), Limits(frames=20, sample_frames=sample))
    assert time.process_time() - start < 10
    assert len(seen.lumas) >= 1
    assert seen.reason is (None if sample else Reason.FRAMES)


def test_compressed_text_is_never_inflated() -> None:
    """A PNG with gigabytes of text in it is the picture that it shows."""
    tracemalloc.start()
    try:
        seen = look(text_bomb())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (seen.reason, list(seen.lumas)) == (None, ["native"])
    assert peak < 32_000_000


def test_samples_that_inflate_to_more_than_the_picture_are_not_kept() -> None:
    """IDAT bombs stop at the last row."""
    rows = zlib.compress(bytes(1 << 24))
    head = chunk(b"IHDR", struct.pack(">II5B", 16, 16, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    assert look(data).lumas["native"].shape == (16, 16)


def test_progressive_jpeg_of_too_many_scans_is_refused() -> None:
    """Each scan costs a pass over the whole picture."""
    data = encode(drawn(1), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    assert outcome(data[:-2] + data[last:-2] * 1001 + b"\xff\xd9") is Reason.CORRUPT


@pytest.mark.parametrize(
    ("marker", "reason"),
    [(0xC3, Reason.UNSUPPORTED_CODEC), (0xC5, Reason.UNSUPPORTED_CODEC), (0xCF, Reason.UNSUPPORTED_CODEC)],
)
def test_jpeg_processes_without_a_decoder_are_named(marker: int, reason: Reason) -> None:
    """Lossless, hierarchical, differential: known types in unknown variants."""
    data = bytearray(good("JPEG"))
    data[data.index(b"\xff\xc0") + 1] = marker
    assert outcome(bytes(data)) is reason


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (4, 12, Reason.UNSUPPORTED_CODEC),
        (9, 2, Reason.UNSUPPORTED_CODEC),
        (9, 5, Reason.UNSUPPORTED_CODEC),
        (6, 0, Reason.CORRUPT),
    ],
)
def test_jpeg_frame_headers_that_no_decoder_reads(at: int, value: int, reason: Reason) -> None:
    """12 bits, two or five components, no height."""
    data = bytearray(good("JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + at] = value
    if at == 6:
        data[frame + 5] = 0
    assert outcome(bytes(data)) is reason


def test_jpeg_with_two_frame_headers_or_none_is_corrupt() -> None:
    """Two parsers could take it for two different pictures."""
    data = good("JPEG")
    at = data.index(b"\xff\xc0")
    header = data[at : at + 19]
    assert outcome(data[:at] + header + data[at:]) is Reason.CORRUPT
    assert outcome(data[:at] + data[at + 19 :]) is Reason.CORRUPT
    assert outcome(b"\xff\xd8\xff\xd9" + bytes(40)) is Reason.CORRUPT
    assert outcome(data[:at] + segment(0xC0, b"\x08") + data[at:]) is Reason.CORRUPT


def test_stray_bytes_and_lone_markers_in_a_jpeg_header_are_skipped() -> None:
    """As every decoder does."""
    assert outcome(with_segments(good("JPEG"), b"\xff\x01", b"\xff\xd0", b"junk")) is None


@pytest.mark.parametrize(
    "header",
    [(16, 16, 3, 2), (16, 16, 8, 1), (0, 16, 8, 2), (16, 0, 8, 2)],
)
def test_png_headers_that_make_no_sense_are_corrupt(header: tuple[int, int, int, int]) -> None:
    """Depths and colour types that do not go together, and no pixels."""
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II5B", *header, 0, 0, 0)) + good("PNG")[33:]
    assert outcome(data) is Reason.CORRUPT


def test_pngs_that_browsers_do_not_show() -> None:
    """No samples, no palette, Apple's own dialect, no header, a chunk name that is none."""
    data = good("PNG")
    end = chunk(b"IEND", b"")
    assert outcome(data[:33] + end) is Reason.CORRUPT
    assert outcome(data[:33] + chunk(b"CgBI", bytes(4)) + data[33:]) is Reason.UNSUPPORTED_CODEC
    assert outcome(data[:8] + end) is Reason.CORRUPT
    assert outcome(data[:33] + chunk(b"1234", b"") + data[33:]) is Reason.CORRUPT
    palette = encode(drawn(1, (64, 64)).convert("P"), "PNG")
    at = palette.index(b"PLTE") - 4
    length = int.from_bytes(palette[at : at + 4], "big")
    assert outcome(palette[:at] + palette[at + 12 + length :]) is Reason.CORRUPT


def test_apng_frames_that_make_no_sense_are_corrupt() -> None:
    """A frame outside its canvas, and one without samples; what came before is seen."""
    data = bytearray(animation("PNG", 3))
    at = data.rindex(b"fcTL")
    outside = data[:]
    outside[at + 8 : at + 12] = struct.pack(">I", 5000)
    outside[at + 30 : at + 34] = zlib.crc32(outside[at : at + 30]).to_bytes(4, "big")
    seen = look(bytes(outside))
    assert (seen.reason, len(seen.lumas)) == (Reason.CORRUPT, 2)
    empty = bytes(data[: at - 4]) + bytes(data[at - 4 : at + 34]) + chunk(b"IEND", b"")
    seen = look(empty)
    assert (seen.reason, len(seen.lumas)) == (Reason.CORRUPT, 2)


def test_gifs_that_browsers_do_not_show() -> None:
    """No frame at all, no size, too short."""
    data = good("GIF")
    assert outcome(data[:10] + b"\0\0\0;") is Reason.CORRUPT
    assert outcome(data[:10]) is Reason.TRUNCATED
    head = struct.pack("<6sHHBBB", b"GIF89a", 0, 0, 0, 0, 0)
    assert outcome(head + struct.pack("<B4HB", 0x2C, 0, 0, 0, 0, 0) + b"\2\2\x44\1\0;") is Reason.CORRUPT


def test_webps_that_lie_are_corrupt() -> None:
    """No picture in it, a header without a size, a canvas of another size than its picture."""
    assert outcome(b"RIFF" + struct.pack("<I", 12) + b"WEBPXMP " + bytes(4)) is Reason.CORRUPT
    data = bytearray(good("WEBP"))
    data[23] ^= 0xFF
    assert outcome(bytes(data)) is Reason.CORRUPT
    body = b"VP8X" + struct.pack("<I4x", 10) + (299).to_bytes(3, "little") * 2 + good("WEBP")[12:]
    assert outcome(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body) is Reason.CORRUPT


def test_bmps_that_no_decoder_reads() -> None:
    """An unknown header, a compression, a depth, no pixels, a lie about its length."""
    data = bytearray(good("BMP"))

    def with_(at: int, form: str, value: int) -> bytes:
        return bytes(data[:at]) + struct.pack(form, value) + bytes(data[at + struct.calcsize(form) :])

    assert outcome(with_(30, "<I", 4)) is Reason.UNSUPPORTED_CODEC
    assert outcome(with_(28, "<H", 5)) is Reason.UNSUPPORTED_CODEC
    assert outcome(with_(18, "<i", 0)) is Reason.CORRUPT
    assert outcome(with_(14, "<I", 99)) is Reason.CORRUPT
    assert outcome(with_(2, "<I", 0)) is None
    assert outcome(with_(2, "<I", 1 << 31)) is None
    assert look(with_(22, "<i", -64)).size == (96, 64)
    old = struct.pack("<2sI4xIIHHHH", b"BM", 26 + 12 * 4, 26, 12, 4, 4, 1, 24) + bytes(range(48))
    assert look(old).size == (4, 4)


def test_run_length_coded_bmp_is_decoded() -> None:
    """RLE8, with the end where the header says."""
    palette = bytes(byte for level in range(256) for byte in (level, level, 255 - level, 0))
    rows = b"".join(b"\x20" + bytes([level]) + b"\0\0" for level in range(0, 256, 8)) + b"\0\1"
    head = struct.pack("<2sI4xI", b"BM", 54 + 1024 + len(rows), 54 + 1024)
    dib = struct.pack("<IiiHHIIiiII", 40, 32, 32, 1, 8, 1, len(rows), 0, 0, 256, 0)
    assert look(head + dib + palette + rows).lumas["native"].shape == (32, 32)
    assert outcome((head + dib + palette + rows)[:-5]) is Reason.TRUNCATED


def test_icons_that_lie() -> None:
    """An entry outside the file, none at all, one that is no bitmap; the sound ones are seen."""
    data = bytearray(encode(drawn(1, (64, 64)), "ICO", sizes=[(32, 32), (64, 64)], bitmap_format="bmp"))
    second = struct.unpack_from("<I", data, 6 + 16 + 12)[0]
    broken = data[:]
    broken[second : second + 4] = b"\xff\xff\xff\xff"
    seen = look(bytes(broken))
    assert (seen.reason, len(seen.lumas)) == (Reason.CORRUPT, 1)
    broken[second : second + 8] = struct.pack("<Ii", 40, 0)
    assert outcome(bytes(broken)) is Reason.CORRUPT
    broken[second : second + 16] = struct.pack("<IiiHH", 40, 16, 32, 1, 77)
    assert outcome(bytes(broken)) is Reason.CORRUPT
    outside = data[:]
    outside[6 + 12 : 6 + 16] = struct.pack("<I", 1 << 30)
    assert outcome(bytes(outside)) is Reason.TRUNCATED
    assert outcome(b"\0\0\1\0\0\0" + bytes(20)) is Reason.CORRUPT
    assert outcome(b"\0\0\1\0\5\0" + bytes(20)) is Reason.TRUNCATED


def test_tiffs_that_lie() -> None:
    """Loops, no pages, no size, an unknown compression, too many entries."""
    data = bytearray(good("TIFF"))
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    loop = data[:]
    struct.pack_into("<I", loop, first + 2 + 12 * count, first)
    assert (look(bytes(loop)).count, look(bytes(loop)).reason) == (1, None)
    assert outcome(bytes(data[:4]) + bytes(4) + bytes(data[8:])) is Reason.CORRUPT
    many = data[:]
    struct.pack_into("<H", many, first, 65535)
    assert outcome(bytes(many)) in {Reason.CORRUPT, Reason.TRUNCATED}
    at = data.index(struct.pack("<HHI", 259, 3, 1), first)
    packed = data[:]
    struct.pack_into("<H", packed, at + 8, 34661)
    assert outcome(bytes(packed)) is Reason.UNSUPPORTED_CODEC
    flat = data[:]
    entry = max(flat.find(struct.pack("<HHI", 257, kind, 1)) for kind in (3, 4))
    struct.pack_into("<I", flat, entry + 8, 0)
    assert outcome(bytes(flat)) is Reason.CORRUPT


def test_page_that_is_broken_does_not_hide_the_next() -> None:
    """The other pages of a TIFF are seen."""
    data = bytearray(animation("TIFF", 3))
    at = data.index(struct.pack("<HHI", 259, 3, 1))
    struct.pack_into("<H", data, at + 8, 34661)
    seen = look(bytes(data))
    assert (seen.reason, list(seen.lumas)) == (Reason.UNSUPPORTED_CODEC, ["page:2", "page:3"])


def test_big_tiff_is_decoded() -> None:
    """64-bit offsets."""
    picture = drawn(1, (64, 64))
    seen = look(encode(picture, "TIFF", big_tiff=True))
    assert np.array_equal(seen.lumas["native"], np.asarray(picture.convert("L")))


def test_jpeg_2000_that_lies() -> None:
    """No code stream, a size of nothing, sizes that differ."""
    data = bytearray(good("JPEG2000"))
    stream = data.index(b"\xff\x4f\xff\x51")
    assert outcome(bytes(data[: stream - 8])) in {Reason.CORRUPT, Reason.TRUNCATED}
    flat = data[:]
    struct.pack_into(">I", flat, stream + 8, 0)
    assert outcome(bytes(flat)) is Reason.CORRUPT
    other = data[:]
    struct.pack_into(">I", other, stream + 8, 95)
    assert outcome(bytes(other)) is Reason.CORRUPT
    nothing = data[:]
    nothing[stream] = 0
    assert outcome(bytes(nothing)) is Reason.CORRUPT
    bare = bytes(data[stream:])
    assert outcome(bare) is None
    assert outcome(bare[:-2]) is Reason.TRUNCATED
    part = bare.index(b"\xff\x90")
    last = bare[: part + 6] + bytes(4) + bare[part + 10 :]
    assert outcome(last) is None
    assert outcome(last[:-40]) is Reason.TRUNCATED


def test_avif_without_its_index_is_corrupt() -> None:
    """Boxes, and none of those that matter."""
    assert outcome(b"\0\0\0\x14ftypavif\0\0\0\0avif" + b"\0\0\0\x08free") is Reason.CORRUPT
    data = good("AVIF")
    assert outcome(data.replace(b"ispe", b"isqe")) is Reason.CORRUPT


def test_sixty_four_bit_boxes_are_read() -> None:
    """A box may state its length in eight bytes."""
    free = struct.pack(">I4sQ", 1, b"free", 24) + bytes(8)
    assert outcome(good("AVIF") + free) is None
    assert outcome(good("AVIF") + free[:12]) is Reason.TRUNCATED
    assert outcome(good("AVIF") + struct.pack(">I4s", 4, b"free")) is None
    assert outcome(good("AVIF") + struct.pack(">I4s", 0, b"free") + bytes(40)) is None


def test_heif_without_its_decoder_is_an_unsupported_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is not installed, or cannot be imported."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = good("AVIF").replace(b"avif", b"heic")
    assert sniff(data).format == "HEIF"
    assert outcome(data) is Reason.UNSUPPORTED_CODEC


def test_heif_with_its_decoder_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra's plug-in is used like Pillow's own."""

    def opened(file: object) -> AvifImageFile:
        return AvifImageFile(io.BytesIO(file.read().replace(b"heic", b"avif")))

    monkeypatch.setitem(sys.modules, "pillow_heif", types.SimpleNamespace(HeifImageFile=opened))
    data = good("AVIF").replace(b"avif", b"heic")
    seen = look(data)
    assert (seen.reason, seen.lumas["native"].shape) == (None, (64, 96))


@pytest.mark.parametrize("name", ["PDF", "words", "nothing"])
def test_what_is_no_image_does_not_open(name: str) -> None:
    """Only what sniffs as an image of a type that is read here is given to a decoder."""
    data = {"PDF": b"%PDF-1.7", "words": b"words", "nothing": b""}[name]
    assert outcome(data) is Reason.UNSUPPORTED_TYPE


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), Reason.MEMORY),
        (RecursionError(), Reason.CORRUPT),
        (SyntaxError("x"), Reason.CORRUPT),
        (Image.DecompressionBombError("x"), Reason.PIXELS),
        (NotScannable(Reason.FRAMES), Reason.FRAMES),
        (struct.error("x"), Reason.CORRUPT),
    ],
)
def test_whatever_a_decoder_raises_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: Reason
) -> None:
    """While it opens, while it decodes, while views are made of it."""

    def fail(*_: object, **__: object) -> None:
        raise error

    for name in ("JPEG", "AVIF", "TIFF", "ICO"):
        monkeypatch.setitem(decode.READERS, name, fail)
        assert outcome(good(name)) is reason
        monkeypatch.undo()
    monkeypatch.setattr(render, "flatten_mode", fail)
    assert outcome(good("PNG")) is reason
    monkeypatch.undo()
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    assert outcome(good("TIFF")) is reason


@pytest.mark.parametrize("name", ["PIL.AvifImagePlugin.AvifImageFile._open", "PIL.TiffImagePlugin.TiffImageFile._open"])
def test_memory_that_runs_out_while_a_file_opens_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is not mistaken for an unknown variant."""

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(name, fail)
    assert outcome(good("AVIF" if "Avif" in name else "TIFF")) is Reason.MEMORY


def test_memory_that_runs_out_in_an_icon_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for its bitmaps."""

    def fail(*_: object) -> None:
        raise MemoryError

    data = encode(drawn(1, (64, 64)), "ICO", bitmap_format="bmp")
    monkeypatch.setattr("PIL.IcoImagePlugin.IcoImageFile._open", fail)
    assert outcome(data) is Reason.MEMORY


def test_reasons_tell_nothing_of_the_file() -> None:
    """The text of the error is the reason; no decoder's error, with the bytes that it quotes, hangs on it."""
    with pytest.raises(NotScannable) as caught:
        open_picture(good("PNG")[:20], Limits())
    assert str(caught.value) == "truncated"
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_warnings_of_decoders_stay_inside() -> None:
    """Nothing is printed, and the filters are as they were."""
    before = warnings.filters[:]
    with pillow.quiet():
        warnings.warn("loud", stacklevel=1)
    assert warnings.filters == before


def test_damaged_corpus_ends_in_reasons() -> None:
    """Every cut, flip and lie of the corpus: frames, or a reason of the closed list, within seconds each."""
    slowest = 0.0
    for _, data in damaged():
        start = time.process_time()
        reason = outcome(data)
        slowest = max(slowest, time.process_time() - start)
        assert reason is None or isinstance(reason, Reason)
    gc.collect()
    assert slowest < 10


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.integers(0, 10**6), st.sampled_from(["scan", "refuse"]))
def test_flipped_bits_end_in_reasons(name: str, seed: int, trailing: str) -> None:
    """Random damage, a different one each time."""
    for data in flips(good(name), 3, seed):
        assert outcome(data, Limits(trailing=trailing)) in {None, *Reason}


_MAGIC = st.sampled_from([good(name)[:length] for name in FORMATS for length in (4, 12, 30, 60)])


@settings(max_examples=150, deadline=None)
@given(_MAGIC, st.binary(max_size=300))
def test_any_bytes_behind_a_signature_end_in_reasons(head: bytes, rest: bytes) -> None:
    """A beginning that is right, and anything at all behind it."""
    data = head + rest
    reason = outcome(data)
    assert reason is None or isinstance(reason, Reason)
    assert sniff(data).kind is not Kind.EMPTY
