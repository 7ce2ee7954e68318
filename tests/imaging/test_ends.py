"""Where a file ends: cut short, gone on with, or neither."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from imaging.corpus import (
    FORMATS,
    animation,
    bits_apart,
    chunk,
    encode,
    good,
    look,
    odd_profile,
    outcome,
    segment,
    with_chunks,
)
from PIL import Image
from support.pictures import drawn, photographs

from ingest_guard.imaging.decode import Limits, NotScannable, open_picture
from ingest_guard.imaging.formats.tiff import Layout
from ingest_guard.verdict import Reason


def _grey(image: object) -> np.ndarray:
    return np.asarray(image.convert("L"))


_END_MARKS = {"JPEG": 2, "GIF": 1, "PNG": 12}
"""Bytes of the mark at the end of a file, of which every pixel is there without it."""


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("missing", [1, 2, 16, 200])
def test_file_without_its_last_bytes_is_truncated(name: str, missing: int) -> None:
    """Where they are more than an end mark. Pillow is silent about some of these; we are not."""
    if missing <= _END_MARKS.get(name, 0) + {"PNG": 8, "GIF": 1}.get(name, 0):  # check sums; an empty block
        assert outcome(good(name)[:-missing]) is None
    else:
        assert outcome(good(name)[:-missing]) is Reason.TRUNCATED


_UPPER = Image.fromarray(np.repeat(np.array([255] * 120 + [0] * 120, np.uint8)[:, None], 360, 1))
_LARGE = photographs()["chelsea"].resize((360, 240))
_FILES = {
    "JPEG": encode(_LARGE),
    "JPEG, progressive": encode(_LARGE, progressive=True),
    "JPEG, grey": encode(_LARGE.convert("L")),
    "JPEG, CMYK": encode(_LARGE.convert("CMYK")),
    "JPEG, restarts": encode(_LARGE, restart_marker_blocks=4),
    "JPEG, half of it grey": encode(Image.composite(_LARGE, Image.new("RGB", (360, 240), (128, 128, 128)), _UPPER)),
    "JPEG, profile": encode(_LARGE, icc_profile=odd_profile()),
    "GIF": encode(_LARGE, "GIF"),
    "GIF, interlaced": encode(_LARGE, "GIF", interlace=1),
    "GIF, animation": animation("GIF", 3),
    "PNG": encode(_LARGE, "PNG"),
    "PNG, palette": encode(_LARGE.quantize(64), "PNG"),
    "PNG, animation": animation("PNG", 3),
}


@pytest.mark.parametrize("name", _FILES)
def test_missing_end_mark_loses_nothing(name: str) -> None:
    """Every viewer shows such a file whole: it is scanned, and passes."""
    data = _FILES[name]
    seen, reference = look(data[: -_END_MARKS[name[:4].strip(",")]]), look(data)
    assert (seen.reason, reference.reason) == (None, None)
    assert all(np.array_equal(seen.lumas[view], luma) for view, luma in reference.lumas.items())


@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("share", [0.4, 0.5, 0.6])
@pytest.mark.parametrize("ended", [False, True])
def test_half_a_picture_is_truncated(name: str, share: float, ended: bool) -> None:  # noqa: FBT001 - a parameter
    """With and without an end mark behind it: whether all rows were there is the decoder's word."""
    data = _FILES[name]
    if name == "JPEG, half of it grey":
        share -= 0.3  # most of its bytes are those of the upper half
    mark = data[-_END_MARKS[name[:4].strip(",")] :] if ended else b""
    assert outcome(data[: int(len(data) * share)] + (b"\0" * (name[:3] == "GIF" and ended)) + mark) in {
        Reason.TRUNCATED,
        Reason.CORRUPT,
    }


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("ended", [False, True])
def test_half_a_strip_of_a_tiff_is_truncated(mode: str, share: float, ended: bool) -> None:  # noqa: FBT001 - a parameter
    """Each strip that is a JPEG must hold all of its rows: the decoder fills up what is missing, and says nothing."""
    data = encode(_LARGE.convert(mode), "TIFF", compression="jpeg")
    assert outcome(data) is None
    layout = Layout(data)
    layout.walk(1)
    start, stop = layout.samples[len(layout.samples) // 2]
    cut = start + int((stop - start) * share)
    left = (b"\xff\xd9" * ended).ljust(stop - cut, b"\0")
    assert outcome(data[:cut] + left + data[stop:]) is Reason.TRUNCATED


def test_a_compression_that_is_named_twice_is_the_same() -> None:
    """A TIFF does not get around the look at its strips by naming their compression for each sample."""
    data = bytearray(encode(_LARGE, "TIFF", compression="jpeg"))
    layout = Layout(bytes(data))
    layout.walk(1)
    start, stop = layout.samples[-1]
    data[(start + stop) // 2 : stop] = bytes(stop - (start + stop) // 2)
    at = bytes(data).index(struct.pack("<HHIHH", 259, 3, 1, 7, 0), layout.pages[0].at)
    data[at : at + 12] = struct.pack("<HHIHH", 259, 3, 2, 7, 7)
    assert outcome(bytes(data)) is Reason.TRUNCATED


def test_a_tiff_with_a_strip_that_is_no_jpeg_is_not_whole() -> None:
    """What cannot be read as what it is announced as is a doubt."""
    data = encode(_LARGE, "TIFF", compression="jpeg")
    layout = Layout(data)
    layout.walk(1)
    start, stop = layout.samples[0]
    assert outcome(data[:start] + bytes(stop - start) + data[stop:]) is not None


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}])
def test_webp_that_says_it_is_longer_is_whole(options: dict[str, object]) -> None:
    """Its chunks are all there; of an animation there may be frames missing."""
    data = encode(_LARGE, "WEBP", **options)
    assert outcome(data[:4] + struct.pack("<I", len(data) + 92) + data[8:]) is None
    data = animation("WEBP", 3)
    assert outcome(data[:4] + struct.pack("<I", len(data) + 92) + data[8:]) is Reason.TRUNCATED


@pytest.mark.parametrize("name", FORMATS)
def test_no_cut_of_a_file_passes(name: str) -> None:
    """Wherever a file is cut off before its end mark, it does not end without a reason."""
    data = good(name)
    data = data[: len(data) - 16 * (name in _END_MARKS)]
    for length in range(1, len(data), max(1, len(data) // 60)):
        with pytest.raises(NotScannable) as caught:
            list(open_picture(data[:length], Limits()).frames())
        assert caught.value.reason in {Reason.TRUNCATED, Reason.UNSUPPORTED_TYPE}


@pytest.mark.parametrize(
    ("name", "options", "allowed"),
    [
        ("JPEG", {}, 31),
        ("JPEG", {"progressive": True}, 31),
        ("PNG", {}, 31),
        ("GIF", {}, 31),
        ("WEBP", {}, 31),
        ("BMP", {}, 31),
        ("TIFF", {}, 31),
        ("JPEG2000", {}, 31),
    ],
)
def test_what_is_left_of_a_cut_file_is_seen(name: str, options: dict[str, object], allowed: int) -> None:
    """Nine tenths of a picture are still found, and only then is it said that the rest is missing."""
    picture = photographs()["chelsea"].resize((360, 240))
    data = encode(picture, name, **options)
    seen = look(data[: len(data) * 93 // 100])
    assert seen.reason is Reason.TRUNCATED
    reference = look(data).lumas["native"]
    rows = 200  # of 240: the last ones are what is missing
    assert np.abs(seen.lumas["native"][:rows].astype(int) - reference[:rows]).mean() < allowed


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_whole_frames_of_a_cut_animation_are_seen(name: str) -> None:
    """The first frames of an animation that was cut in its last one."""
    data = animation(name, 4)
    seen = look(data[: len(data) * 85 // 100]) if name != "TIFF" else look(data[:-10])
    assert seen.reason is Reason.TRUNCATED
    assert len(seen.lumas) >= 3


def test_progressive_jpeg_cut_between_its_scans_is_seen() -> None:
    """The scans that are there make a picture, however many bytes of tables follow them."""
    data = encode(photographs()["chelsea"].resize((360, 240)), "JPEG", progressive=True)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    seen = look(data[: second + 3])
    assert seen.reason is Reason.TRUNCATED
    assert bits_apart(seen.lumas["native"], look(data).lumas["native"]) <= 31


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("padding", [b"\0", b"\n", b"\r\n", bytes(5000), b"\xff\xff"])
def test_padding_after_the_end_is_harmless(name: str, padding: bytes) -> None:
    """Servers and cameras leave zeros and line breaks; they are no trailing data, even where that is refused."""
    assert outcome(good(name) + padding, Limits(trailing="refuse")) is None


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("second", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_second_image_after_the_first_is_seen(name: str, second: str) -> None:
    """Images behind an image are found by their signatures."""
    other = drawn(11, (80, 80))
    data = good(name) + b"..." + encode(other, second, **({"speed": 10} if second == "AVIF" else {}))
    seen = look(data)
    assert seen.reason is None
    assert bits_apart(seen.lumas["trailing:1"], _grey(other)) <= 16


def test_several_images_after_the_first_are_seen() -> None:
    """All of them, each up to its own end, with its frames."""
    seen = look(good("JPEG") + good("PNG") + animation("GIF", 2) + b"text between" + good("BMP"))
    assert list(seen.lumas) == ["native", "trailing:1", "trailing:2", "trailing:2/frame:2", "trailing:3"]


def test_trailing_data_is_refused_where_the_policy_says_so() -> None:
    """Text, archives or images: anything that is no padding; what can be seen is seen all the same."""
    refuse = Limits(trailing="refuse")
    assert outcome(good("JPEG") + b"PK\3\4 and so on", refuse) is Reason.TRAILING_DATA
    assert outcome(good("JPEG") + b"PK\3\4 and so on") is None
    seen = look(good("PNG") + good("JPEG"), refuse)
    assert seen.reason is Reason.TRAILING_DATA
    assert "trailing:1" in seen.lumas


def test_pictures_that_a_jpeg_announces_are_no_trailing_data() -> None:
    """A multi-picture JPEG is one file; with something else behind it, it is refused like any other."""
    refuse = Limits(trailing="refuse")
    data = encode(drawn(1, (96, 64)), "MPO", save_all=True, append_images=[drawn(2, (96, 64))])
    seen = look(data, refuse)
    assert (seen.reason, list(seen.lumas)) == (None, ["native", "trailing:1"])
    assert outcome(data + b"junk", refuse) is Reason.TRAILING_DATA


def test_second_image_that_is_cut_off_is_told() -> None:
    """What is behind the end must be as sound as what is before it."""
    seen = look(good("PNG") + good("JPEG")[:-40])
    assert seen.reason is Reason.TRUNCATED
    assert "trailing:1" in seen.lumas


def test_second_image_that_no_decoder_reads_is_told() -> None:
    """A known type in an unknown variant behind the end is no pass."""
    other = bytearray(good("JPEG"))
    other[other.index(b"\xff\xc0") + 4] = 12
    assert outcome(good("PNG") + bytes(other)) is Reason.UNSUPPORTED_CODEC


def test_signature_that_is_no_image_is_let_be() -> None:
    """Three bytes of JPEG's occur by chance in any data."""
    assert outcome(good("PNG") + b"\xff\xd8\xff\xe0 nothing of the kind" * 20) is None


def test_data_full_of_signatures_is_refused() -> None:
    """Nobody looks behind ten thousand false ones."""
    assert outcome(good("PNG") + b"\xff\xd8\xff\xe0" * 10_000) is Reason.TRAILING_DATA


def test_more_images_behind_the_end_than_frames_are_allowed_are_refused() -> None:
    """The limit of frames holds for what follows, too."""
    assert outcome(good("PNG") + good("JPEG") * 4, Limits(frames=3)) is Reason.FRAMES


def test_end_marker_inside_a_table_is_not_the_end() -> None:
    """Tables between scans may hold the two bytes of an EOI; the picture goes on behind them."""
    data = encode(drawn(3), "JPEG", progressive=True)
    at = data.index(b"\xff\xc4", data.index(b"\xff\xda"))
    comment = b"\xff\xfe\x00\x06\xff\xd9\xff\xd9"
    seen = look(data[:at] + comment + data[at:])
    assert seen.reason is None
    assert np.array_equal(seen.lumas["native"], look(data).lumas["native"])


def test_restart_markers_do_not_end_a_scan() -> None:
    """RST0 to RST7 belong to the entropy-coded data."""
    data = encode(drawn(3), "JPEG", restart_marker_blocks=4)
    seen = look(data + good("PNG"))
    assert seen.reason is None
    assert list(seen.lumas) == ["native", "trailing:1"]


def test_fill_bytes_before_markers_are_skipped() -> None:
    """Any number of FF may come before a marker."""
    data = good("JPEG")
    at = data.index(b"\xff\xdb")
    assert outcome(data[:at] + b"\xff\xff\xff" + data[at:-2] + b"\xff\xff\xff\xd9" + b"tail") is None


def test_wrong_checksum_makes_a_png_corrupt_or_a_chunk_void() -> None:
    """Critical chunks must be right; a broken ancillary one is ignored, as browsers do."""
    data = bytearray(good("PNG"))
    data[data.index(b"IDAT") + 8] ^= 1
    assert outcome(bytes(data)) is Reason.CORRUPT
    broken = bytearray(chunk(b"gAMA", (16667).to_bytes(4, "big")))
    broken[-1] ^= 1
    seen = look(with_chunks(good("PNG"), bytes(broken)))
    assert (seen.reason, list(seen.lumas)) == (None, ["native"])


def test_png_whose_samples_end_early_is_corrupt() -> None:
    """All chunks are sound, and the compressed stream in them is too short."""
    rows = zlib.compress((b"\0" + bytes(range(48))) * 8)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II5B", 16, 64, 8, 2, 0, 0, 0)) + chunk(b"IDAT", rows[:-6])
    )
    seen = look(data + chunk(b"IEND", b""))
    assert seen.reason is Reason.CORRUPT
    assert "native" in seen.lumas


def test_gif_with_stray_zeros_between_its_blocks_is_sound() -> None:
    """Encoders leave them, browsers skip them."""
    data = good("GIF")
    assert outcome(data[:-1] + b"\0\0\0;") is None


def test_gif_with_junk_between_its_blocks_is_corrupt() -> None:
    """Browsers show what came before; so do we, and tell."""
    data = animation("GIF", 3)
    seen = look(data[:-1] + b"junk;")
    assert seen.reason is Reason.CORRUPT
    assert len(seen.lumas) == 3


def test_missing_pad_byte_of_a_webp_is_forgiven() -> None:
    """Lengths are what counts."""
    data = good("WEBP")
    assert outcome(data[:4] + struct.pack("<I", len(data) - 8) + data[8:]) is None


class _Bits:
    """Writes codes of JPEG's entropy-coded data."""

    def __init__(self) -> None:
        self._text = ""

    def put(self, symbol: int, value: int = 0) -> None:
        """Write the code of a symbol, which is its number in four bits, and the bits of a value."""
        self._text += f"{symbol:04b}"
        size = abs(value).bit_length()
        if size:
            self._text += f"{value if value > 0 else value + (1 << size) - 1:0{size}b}"

    def data(self) -> bytes:
        """Return the bytes, filled up with ones."""
        text = self._text + "1" * (-len(self._text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")


def _spectral(side: int = 24) -> tuple[bytes, int]:
    """Return a grey progressive JPEG of two scans, none of them a refinement, and where the second one's data begin."""
    rng = np.random.default_rng(4)
    levels = rng.integers(-60, 60, side * side).tolist()
    edges = (rng.integers(16, 31, side * side) * rng.choice([-1, 1], side * side)).tolist()
    first, second, before = _Bits(), _Bits(), 0
    for level, edge in zip(levels, edges, strict=True):
        first.put(abs(level - before).bit_length(), level - before)
        second.put(5, edge)
        second.put(0)
        before = level
    table = bytes([0, 0, 0, 12, *[0] * 12, *range(12)])
    head = b"".join(
        (
            b"\xff\xd8",
            segment(0xDB, bytes([0, *[8] * 64])),
            segment(0xC2, struct.pack(">BHHB", 8, side * 8, side * 8, 1) + b"\1\x11\0"),
            segment(0xC4, b"\0" + table),
            segment(0xC4, b"\x10" + table),
            segment(0xDA, b"\1\1\0\0\0\0"),
            first.data(),
            segment(0xDA, b"\1\1\0\1\x3f\0"),
        )
    )
    return head + second.data() + b"\xff\xd9", len(head)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_last_scan_that_is_cut_off_is_known_in_spite_of_an_end_mark(share: float) -> None:
    """Where it brings coefficients: without them the rest of the picture is blurred."""
    data, start = _spectral()
    assert outcome(data) is None
    cut = data[: start + int((len(data) - start) * share)].rstrip(b"\xff")
    assert outcome(cut + b"\xff\xd9") is Reason.TRUNCATED


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("colour", [0, 2, 3, 4, 6])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (63, 61), (1, 9), (9, 1), (1, 1)])
def test_a_png_whose_stream_ends_in_order_before_its_last_row_is_truncated(
    width: int,
    height: int,
    colour: int,
    *,
    interlaced: bool,
) -> None:
    """Its check sums and end mark are right, and Pillow leaves what is missing black. A whole black one is whole."""
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    sides = (
        [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in steps] if interlaced else [(width, height)]
    )
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]

    def picture(missing: int, level: bytes) -> bytes:
        rows = b"".join((b"\0" + level * (w * samples)) * h for w, h in sides if w > 0 and h > 0)
        chunks = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, interlaced))]
        chunks += [chunk(b"PLTE", bytes(range(6)))] if colour == 3 else []
        packed = zlib.compress(rows[: len(rows) - missing])
        parts = [packed[:11], packed[11:]]
        chunks += [chunk(b"IDAT", part) for part in parts] + [chunk(b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)

    assert outcome(picture(0, b"\1")) is None
    assert outcome(picture(0, b"\0")) is None
    last_row = 1 + samples * [w for w, h in sides if w > 0 and h > 0][-1]
    for level in (b"\1", b"\0"):
        assert outcome(picture(1, level)) in {Reason.TRUNCATED, Reason.CORRUPT}
        # Pillow itself refuses a stream without any row.
        expected = Reason.CORRUPT if (width == 1 or not interlaced) and height == 1 else Reason.TRUNCATED
        assert outcome(picture(last_row, level)) is expected
