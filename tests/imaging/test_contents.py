"""What is inside a file that no decoder reads: every part of every container is searched."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from imaging.corpus import (
    FORMATS,
    animation,
    bits_apart,
    chunk,
    good,
    look,
    outcome,
    segment,
    with_chunks,
    with_segments,
)
from PIL import Image
from support.pictures import drawn, encode

from ingest_guard.imaging.decode import Limits, open_picture
from ingest_guard.verdict import Reason

Carrier = Callable[[bytes], bytes]
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
HIDDEN = {
    "JPEG": encode(drawn(21, (120, 90)), "JPEG", quality=85),
    "PNG": encode(drawn(21, (120, 90)).convert("L").quantize(32), "PNG"),
    "GIF": encode(drawn(21, (120, 90)), "GIF"),
    "WEBP": encode(drawn(21, (120, 90)), "WEBP"),
    "BMP": encode(drawn(21, (64, 48)), "BMP"),
    "TIFF": encode(drawn(21, (64, 48)), "TIFF"),
    "AVIF": encode(drawn(21, (120, 90)), "AVIF", speed=10),
}


def box(name: bytes, data: bytes) -> bytes:
    """Return an ISO box."""
    return struct.pack(">I", 8 + len(data)) + name + data


def _png(name: bytes, lead: bytes = b"", tail: bytes = b"") -> Carrier:
    return lambda data: with_chunks(good("PNG"), chunk(name, lead + data + tail))


def _xmp(data: bytes) -> bytes:
    text = base64.encodebytes(data).replace(b"\n", b"&#xA;")
    return b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><xmpGImg:image>" + text + b"</xmpGImg:image></x:xmpmeta>"


def _hex(data: bytes) -> bytes:
    """Return a profile as ImageMagick writes it: its name, its length, and lines of hex."""
    profile = b"Exif\0\0" + data
    text = profile.hex().encode()
    return b"\nexif\n%8d\n" % len(profile) + b"\n".join(_split(text, 72)) + b"\n"


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _gif(label: int, lead: bytes = b"") -> Carrier:
    def put(data: bytes) -> bytes:
        gif = good("GIF")
        at = 13 + (3 << (gif[10] & 7) + 1 if gif[10] & 0x80 else 0)
        blocks = b"".join(bytes([len(part)]) + part for part in _split(data, 255))
        return gif[:at] + bytes([0x21, label]) + lead + blocks + b"\0" + gif[at:]

    return put


def _webp(name: bytes) -> Carrier:
    def put(data: bytes) -> bytes:
        body = good("WEBP")[8:] + name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
        return b"RIFF" + struct.pack("<I", len(body)) + body

    return put


def _bmp_gap(data: bytes) -> bytes:
    bmp = good("BMP")
    (offset,) = struct.unpack_from("<I", bmp, 10)
    head = struct.pack("<I4xI", len(bmp) + len(data), offset + len(data))
    return bmp[:2] + head + bmp[14:offset] + data + bmp[offset:]


def _tiff_tag(tag: int) -> Carrier:
    def put(data: bytes) -> bytes:
        tiff = good("TIFF")
        (at,) = struct.unpack_from("<I", tiff, 4)
        (count,) = struct.unpack_from("<H", tiff, at)
        entries = tiff[at + 2 : at + 2 + 12 * count]
        directory = struct.pack("<H", count + 1) + entries
        place = len(tiff)
        directory += struct.pack("<HHII", tag, 7, len(data), place) + bytes(4)
        start = place + len(data)
        return tiff[:4] + struct.pack("<I", start) + tiff[8:] + data + directory

    return put


def _ico_gap(data: bytes) -> bytes:
    ico = bytearray(good("ICO"))
    count = int.from_bytes(ico[4:6], "little")
    for number in range(count):
        place = 6 + 16 * number + 12
        ico[place : place + 4] = struct.pack("<I", struct.unpack_from("<I", ico, place)[0] + len(data))
    head = 6 + 16 * count
    return bytes(ico[:head]) + data + bytes(ico[head:])


def _jumbf(data: bytes) -> bytes:
    """Return a C2PA store as cameras write it: one box, cut into segments that repeat its header."""
    store = box(b"jumb", box(b"bidb", data))
    parts = _split(store[8:], 300)
    heads = [b"JP\0\1" + struct.pack(">I", number) + store[:8] for number in range(1, len(parts) + 1)]
    return with_segments(good("JPEG"), *(segment(0xEB, head + part) for head, part in zip(heads, parts, strict=True)))


def _extended_xmp(data: bytes) -> bytes:
    text = _xmp(data)
    parts = _split(text, 500)
    heads = (
        b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", len(text), 500 * n) for n in range(99)
    )
    return with_segments(good("JPEG"), *(segment(0xE1, head + part) for head, part in zip(heads, parts, strict=False)))


def _between_scans(data: bytes) -> bytes:
    jpeg = encode(drawn(7, (96, 64)), "JPEG", progressive=True)
    at = jpeg.index(b"\xff\xc4", jpeg.index(b"\xff\xda"))
    return jpeg[:at] + segment(0xE5, data) + jpeg[at:]


def _behind_scan(data: bytes) -> bytes:
    return good("JPEG")[:-2] + segment(0xFE, data) + b"\xff\xd9"


CARRIERS = {
    **{f"JPEG, {n:02x}": lambda d, n=n: with_segments(good("JPEG"), segment(n, d)) for n in (0xE1, 0xE5, 0xED, 0xFE)},
    "JPEG, JFIF with more": lambda d: with_segments(good("JPEG"), segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0" + d)),
    "JPEG, cut into segments": lambda d: with_segments(good("JPEG"), *(segment(0xE7, part) for part in _split(d, 400))),
    "JPEG, DNL": lambda d: with_segments(good("JPEG"), segment(0xDC, d)),
    "JPEG, C2PA": _jumbf,
    "JPEG, hex": lambda d: with_segments(good("JPEG"), segment(0xFE, _hex(d)[:65_000])),
    "JPEG, XMP": lambda d: with_segments(good("JPEG"), segment(0xE1, _XMP + _xmp(d))),
    "JPEG, extended XMP": _extended_xmp,
    "JPEG, between scans": _between_scans,
    "JPEG, behind its scan": _behind_scan,
    **{f"PNG, {name.decode()}": _png(name) for name in (b"prVt", b"caBX", b"eXIf", b"tEXt", b"iCCP", b"gAMA", b"sPLT")},
    "PNG, zTXt": lambda d: _png(b"zTXt", b"Comment\0\0")(zlib.compress(d)),
    "PNG, compressed iTXt": lambda d: _png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0")(zlib.compress(_xmp(d))),
    "PNG, XMP": lambda d: _png(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0")(_xmp(d)),
    "PNG, base64 in tEXt": lambda d: _png(b"tEXt", b"Thumb\0")(base64.b64encode(d)),
    "PNG, fdAT": _png(b"fdAT", bytes(4)),
    "PNG, hex": lambda d: _png(b"tEXt", b"Raw profile type exif\0")(_hex(d)),
    "PNG, compressed hex": lambda d: _png(b"zTXt", b"Raw profile type APP1\0\0")(zlib.compress(_hex(d))),
    "PNG, broken chunk": lambda d: with_chunks(good("PNG"), chunk(b"prVt", d)[:-1] + b"\0"),
    "PNG, behind its samples": lambda d: good("PNG")[:-12] + chunk(b"IDAT", d) + good("PNG")[-12:],
    "GIF, comment": _gif(0xFE),
    "GIF, application": _gif(0xFF, b"\x0bNETSCAPE2.0"),
    "GIF, plain text": _gif(0x01, b"\x0c" + bytes(12)),
    "GIF, hex in a comment": lambda d: _gif(0xFE)(_hex(d)),
    "GIF, base64 in a comment": lambda d: _gif(0xFE)(base64.b64encode(d)),
    **{f"WebP, {name.decode()}": _webp(name) for name in (b"ABCD", b"EXIF", b"XMP ", b"ICCP")},
    "WebP, base64 in XMP": lambda d: _webp(b"XMP ")(_xmp(d)),
    "BMP, gap": _bmp_gap,
    "TIFF, private tag": _tiff_tag(60_000),
    "TIFF, Photoshop's": _tiff_tag(34_377),
    "TIFF, XMP": lambda d: _tiff_tag(700)(_xmp(d)),
    **{f"AVIF, {n.decode()}": lambda d, n=n: good("AVIF") + box(n, d) for n in (b"free", b"skip", b"mdat")},
    "AVIF, uuid": lambda d: good("AVIF") + box(b"uuid", bytes(16) + d),
    "AVIF, XMP": lambda d: good("AVIF") + box(b"uuid", bytes(16) + _xmp(d)),
    **{f"JPEG 2000, {n.decode()}": lambda d, n=n: good("JPEG2000") + box(n, d) for n in (b"uuid", b"xml ", b"free")},
    "JPEG 2000, base64": lambda d: good("JPEG2000") + box(b"xml ", _xmp(d)),
    "ICO, gap": _ico_gap,
}  # fmt: skip


@pytest.mark.parametrize("format", HIDDEN)
@pytest.mark.parametrize("name", CARRIERS)
def test_picture_inside_a_container_is_seen(name: str, format: str) -> None:  # noqa: A002 - Pillow's word
    """Its bytes are found as they were, and it is decoded as a thumbnail is."""
    hidden = HIDDEN[format]
    data = CARRIERS[name](hidden)
    seen = look(data)
    assert seen.reason is None
    wanted = np.asarray(Image.open(io.BytesIO(hidden)).convert("L"))
    assert min(bits_apart(luma, wanted) for view, luma in seen.lumas.items() if "thumbnail" in view) <= 40
    if name != "PNG, behind its samples" and format not in {"AVIF", "TIFF"}:
        assert hidden in set(open_picture(data, Limits()).files())


# What is spelt otherwise, or lies in the samples, is known by a signature alone, and no viewer finds it there.
PLAIN = [name for name in CARRIERS if not re.search("samples|base64|hex|XMP|iTXt", name)]


@pytest.mark.parametrize("name", PLAIN)
def test_other_file_that_fills_a_part_is_found(name: str) -> None:
    """A video or a font has no signature to look for: what a part of the container holds is a file, too."""
    data = b"no picture " + np.random.default_rng(3).integers(0, 256, 900).astype(np.uint8).tobytes()
    files = set(open_picture(CARRIERS[name](data), Limits()).files())
    assert any(data in each for each in files)


@pytest.mark.parametrize("name", PLAIN)
def test_document_inside_a_container_is_a_doubt(name: str) -> None:
    """Viewers of PDF look for it in whatever they are given."""
    assert outcome(CARRIERS[name](_PDF)) is Reason.UNSUPPORTED_TYPE


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "words " * 50)
    return buffer.getvalue()


_WORDS = b"".join(b"%d words " % n for n in range(99))
_DOCUMENTS = {
    "PDF": _PDF,
    "PDF behind a line break": b"\n" + _PDF,
    "ZIP": _archive(),
    "ZIP behind words": b"words" + _archive(),
    "RAR": b"Rar!\x1a\x07\0" + b"x" * 40,
    "gzip": gzip.compress(_WORDS),
    "gzip behind zeros": bytes(77) + gzip.compress(_WORDS),
    "gzip without compression": gzip.compress(_WORDS, 0),
    "bzip2": bz2.compress(_WORDS),
    "xz": lzma.compress(_WORDS),
    "zstd": b"\x28\xb5\x2f\xfd" + _WORDS,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("document", _DOCUMENTS.values(), ids=_DOCUMENTS)
def test_document_behind_an_image_is_a_doubt(name: str, document: bytes) -> None:
    """An archive or a PDF is opened wherever it begins."""
    assert outcome(good(name) + document) is Reason.TRAILING_DATA


@pytest.mark.parametrize("document", ["gzip", "bzip2", "xz", "zstd", "RAR"])
def test_archive_inside_a_container_is_a_doubt(document: str) -> None:
    """As a PDF is; what has the signature of gzip and is no stream is nothing."""
    for name in ("JPEG, fe", "PNG, prVt", "GIF, comment", "WebP, ABCD", "BMP, gap", "AVIF, free"):
        assert outcome(CARRIERS[name](_DOCUMENTS[document])) is Reason.UNSUPPORTED_TYPE
        assert outcome(CARRIERS[name](b"\x1f\x8b\x08\0\1\2\3\4\0\3" + b"\xff" * 40)) is None


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("behind", HIDDEN)
def test_picture_behind_a_picture_is_seen(name: str, behind: str) -> None:
    """Of any format behind any, of the same format, too."""
    seen = look(good(name) + HIDDEN[behind])
    wanted = np.asarray(Image.open(io.BytesIO(HIDDEN[behind])).convert("L"))
    others = [luma for view, luma in seen.lumas.items() if view != "native"]
    assert seen.reason is not None or min(bits_apart(luma, wanted) for luma in others) <= 40


@pytest.mark.parametrize("name", FORMATS)
def test_sound_files_have_nothing_inside(name: str) -> None:
    """No doubt, and no picture beside the frames."""
    seen = look(good(name))
    assert (seen.reason, [view for view in seen.lumas if "thumbnail" in view]) == (None, [])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_pictures_in_pictures_are_seen(depth: int) -> None:
    """As deep as the limit says, each compressed once more."""
    data = HIDDEN["JPEG"]
    for _ in range(depth):
        data = _png(b"zTXt", b"Comment\0\0")(zlib.compress(data))
    assert outcome(data) is None
    assert HIDDEN["JPEG"] in set(open_picture(data, Limits()).files())
    assert outcome(data, Limits(nesting=depth - 1)) is Reason.NESTING


def test_picture_inside_that_is_too_large_is_a_doubt() -> None:
    """What cannot be looked at is not passed; what is broken is nothing."""
    giant = bytearray(HIDDEN["JPEG"])
    at = giant.index(b"\xff\xc0")
    giant[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    assert outcome(CARRIERS["PNG, prVt"](bytes(giant))) is Reason.PIXELS
    assert outcome(CARRIERS["PNG, prVt"](HIDDEN["JPEG"][:100])) is None


def test_more_pictures_inside_than_frames_are_allowed_are_a_doubt() -> None:
    """As with frames."""
    many = b"".join(encode(drawn(seed, (60, 45)), "JPEG") for seed in range(4))
    assert outcome(CARRIERS["PNG, prVt"](many), Limits(frames=3)) is Reason.FRAMES


def test_part_full_of_signatures_is_a_doubt() -> None:
    """Nobody looks behind thousands of beginnings, nor copies gigabytes."""
    assert outcome(CARRIERS["PNG, prVt"](b"\xff\xd8\xff\xe0" * 5000)) is Reason.NESTING
    assert outcome(CARRIERS["PNG, prVt"](b"\xff\xd8\xff\xe0" * 1000), Limits(bytes=100_000)) is Reason.NESTING


def test_bomb_of_text_is_looked_at_in_part() -> None:
    """Compressed text beyond some megabytes is nobody's caption."""
    bomb = zlib.compress(HIDDEN["JPEG"] + bytes(64 << 20))
    assert HIDDEN["JPEG"] in set(open_picture(_png(b"zTXt", b"Comment\0\0")(bomb), Limits()).files())
    assert outcome(_png(b"zTXt", b"Comment\0\0")(b"no stream at all")) is None


def test_picture_inside_one_behind_the_end_is_seen() -> None:
    """What follows the end is a container, too."""
    data = good("BMP") + CARRIERS["PNG, zTXt"](HIDDEN["JPEG"])
    assert HIDDEN["JPEG"] in set(open_picture(data, Limits()).files())


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    at, found = 0, []
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        found.append((name, data[at : at + length]))
        at += length
    return found


@pytest.mark.parametrize("brand", [b"avif", b"avis"])
def test_track_and_still_of_an_avif_are_both_seen(brand: bytes) -> None:
    """Which of them is shown depends on who looks; a still that is the track's first frame is seen once."""
    data = animation("AVIF", 2)
    seen = look(data[:8] + brand + data[12:])
    assert seen.reason is None
    names = {b"avif": {"native", "track/frame:2"}, b"avis": {"native", "frame:2"}}
    assert names[brand] == set(seen.lumas)


def test_item_of_an_avif_that_is_not_shown_is_seen() -> None:
    """A picture beside the primary one is a picture; alpha is a part of it."""
    picture = drawn(5, (96, 64)).convert("RGBA")
    hidden = drawn(6, (96, 64)).convert("L")
    picture.putalpha(hidden)
    data = encode(picture, "AVIF", speed=10)
    assert not [view for view in look(data).lumas if "item" in view]
    seen = look(data.replace(b"auxl", b"thmb"))
    assert bits_apart(seen.lumas["item:2"], np.asarray(hidden)) <= 31


def _samples(rows: bytes, kind: str, hidden: bytes) -> bytes:
    """Return the samples of a PNG, with a file behind their rows: in the stream of zlib, or after its end."""
    if kind == "in the stream":  # without compression a file lies in it as it is
        return zlib.compress(rows + hidden, 0)
    packer = zlib.compressobj(0)
    unended = packer.compress(rows) + packer.flush(zlib.Z_SYNC_FLUSH)
    return {"after its end": zlib.compress(rows, 9), "without an end": unended}[kind] + hidden


@pytest.mark.parametrize("cut", [None, 8192, 65536, 70_000])
@pytest.mark.parametrize("padding", [0, 200_000])
@pytest.mark.parametrize("kind", ["in the stream", "after its end", "without an end"])
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("animated", [False, True])
def test_picture_behind_the_samples_of_a_png_is_seen(
    animated: bool,  # noqa: FBT001 - a parameter of the test
    interlaced: bool,  # noqa: FBT001 - a parameter of the test
    kind: str,
    padding: int,
    cut: int | None,
) -> None:
    """Wherever it lies, in samples of many blocks: what the decoder has read is no longer looked at, the rest is."""
    noise = np.random.default_rng(5)
    steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    sizes = [(-(-(300 - x) // dx), -(-(300 - y) // dy)) for x, y, dx, dy in steps] if interlaced else [(300, 300)]
    rows = b"".join(b"\0" + noise.bytes(width) for width, height in sizes for _ in range(height))
    samples = _samples(rows, kind, b"\x11" * padding + HIDDEN["JPEG"])
    parts = [samples] if cut is None else _split(samples, cut)
    header = struct.pack(">IIBBBBB", 300, 300, 8, 0, 0, 0, interlaced)
    chunks = [chunk(b"IHDR", header)]
    if animated:
        control = struct.pack(">IIIIHHBB", 300, 300, 0, 0, 1, 10, 0, 0)
        chunks += [chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"IDAT", zlib.compress(rows))]
        chunks += [chunk(b"fcTL", bytes(4) + control)]
        chunks += [chunk(b"fdAT", struct.pack(">I", number) + part) for number, part in enumerate(parts, 1)]
    else:
        chunks += [chunk(b"IDAT", part) for part in parts]
    seen = look(b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b""))
    assert seen.reason in ({Reason.CORRUPT} if kind == "without an end" else {None})
    is_whole = any(HIDDEN["JPEG"] in part for part in parts)
    assert "thumbnail" in seen.lumas or not is_whole


def test_samples_are_searched_once_they_are_decoded() -> None:
    """What lies behind them is found with the rest where a file is asked for them first, too, and comes once."""
    picture = open_picture(CARRIERS["PNG, behind its samples"](HIDDEN["JPEG"]), Limits())
    before = list(picture.files())
    assert HIDDEN["JPEG"] not in before
    assert list(picture.files(behind_samples=True)) == [HIDDEN["JPEG"]]
    assert list(picture.files(behind_samples=True)) == []
    assert [frame.name for frame in picture.frames()] == ["native", "thumbnail"]
