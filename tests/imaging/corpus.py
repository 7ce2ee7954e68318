"""Good files of every format, and what can be done to them: cut, flipped, lied about, blown up.

Used by the tests, and by anyone who wants to throw a corpus at a guard::

    python tests/imaging/corpus.py FOLDER
"""

from __future__ import annotations

import base64
import random
import struct
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pdqhash
from PIL import Image, ImageCms

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.pictures import drawn, encode

from ingest_guard.imaging.decode import Limits, NotScannable, open_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest_guard.verdict import Reason

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "ICO", "CUR", "TIFF", "JPEG2000")
PNG = b"\x89PNG\r\n\x1a\n"


class Seen(NamedTuple):
    """All that an image showed, and what was wrong with it."""

    lumas: dict[str, np.ndarray]
    colours: dict[str, Image.Image]
    reason: Reason | None
    size: tuple[int, int]
    count: int


def look(data: bytes, limits: Limits | None = None) -> Seen:
    """Decode everything; NotScannable where the file does not even open."""
    picture = open_picture(data, limits or Limits())
    lumas, colours, reason = {}, {}, None
    try:
        for frame in picture.frames():
            assert frame.name not in lumas
            lumas[frame.name] = frame.luma
            colours[frame.name] = frame.colour()
    except NotScannable as error:
        reason = error.reason
    return Seen(lumas, colours, reason, (picture.width, picture.height), picture.frame_count)


def outcome(data: bytes, limits: Limits | None = None) -> Reason | None:
    """Return the reason that a file ends with, whether it opens or not; None where all is well."""
    try:
        return look(data, limits).reason
    except NotScannable as error:
        return error.reason


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a PNG chunk."""
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Return a PNG with further chunks after its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def segment(marker: int, data: bytes) -> bytes:
    """Return a JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return a JPEG with further segments after its SOI."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def cursor(image: Image.Image) -> bytes:
    """Return a cursor with one bitmap of 32 bits a pixel, or 1 where the picture is black and white."""
    dib = bytearray(encode(image.convert("1" if image.mode == "1" else "RGB"), "DIB"))
    dib[8:12] = struct.pack("<i", image.height * 2)
    dib += bytes((image.width + 31) // 32 * 4 * image.height)
    head = struct.pack("<3HBBBBHHII", 0, 2, 1, image.width & 255, image.height & 255, 0, 0, 3, 4, len(dib), 22)
    return head + bytes(dib)


def odd_profile(exponent: float = 1 / 6) -> bytes:
    """Return an ICC profile of RGB samples stored with an odd exponent: sRGB's primaries, three equal curves."""
    tags = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(tags[128:132], "big")
    curve = b"curv" + bytes(4) + struct.pack(">I", 256)
    curve += b"".join(struct.pack(">H", round(65535 * (n / 255) ** (1 / exponent))) for n in range(256))
    at = len(tags) + -len(tags) % 4
    tags = tags.ljust(at, b"\0") + curve
    for number in range(count):
        entry = 132 + 12 * number
        if bytes(tags[entry : entry + 4]) in {b"rTRC", b"gTRC", b"bTRC"}:
            tags[entry + 4 : entry + 12] = struct.pack(">II", at, len(curve))
    tags[:4] = struct.pack(">I", len(tags))
    return bytes(tags)


def stored_with(image: Image.Image, exponent: float = 1 / 6) -> Image.Image:
    """Return the samples that the profile of :func:`odd_profile` turns back into the picture."""
    signal = np.asarray(image) / 255.0
    light = np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return Image.fromarray((light**exponent * 255).round().astype(np.uint8))


@cache
def good(name: str, size: tuple[int, int] = (96, 64)) -> bytes:
    """Return a sound file of a format."""
    image = drawn(7, size)
    if name == "CUR":
        return cursor(image)
    return encode(image, name, **({"speed": 10} if name == "AVIF" else {}))


@cache
def animation(name: str, frames: int = 4, size: tuple[int, int] = (96, 64)) -> bytes:
    """Return an animation of different drawings."""
    first, *others = [drawn(seed, size) for seed in range(frames)]
    return encode(first, name, save_all=True, append_images=others, duration=50, loop=0)


def cuts(data: bytes, step: int) -> Iterator[bytes]:
    """Yield the file cut off at every ``step``-th byte."""
    return (data[:length] for length in range(1, len(data), step))


def flips(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield the file with one to eight bits or bytes changed, most of them near its beginning."""
    chance = random.Random(seed)
    for _ in range(count):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = int(len(data) * chance.random() ** chance.choice((1, 4)))
            damaged[at] = chance.choice((damaged[at] ^ 1 << chance.randrange(8), chance.randrange(256), 0, 255))
        yield bytes(damaged)


def giants() -> dict[str, bytes]:
    """Return small files that say they are enormous."""
    width, height = 60_000, 60_000
    jpeg = bytearray(good("JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", height, width)
    png = PNG + chunk(b"IHDR", struct.pack(">II5B", width, height, 8, 2, 0, 0, 0))
    png += chunk(b"IDAT", zlib.compress(bytes(1 << 20))) + chunk(b"IEND", b"")
    gif = bytearray(good("GIF"))
    gif[6:10] = struct.pack("<HH", width, height)
    webp = b"VP8X" + struct.pack("<I4x", 10) + (16382).to_bytes(3, "little") * 2 + good("WEBP")[12:]
    bmp = bytearray(good("BMP"))
    bmp[18:26] = struct.pack("<ii", width, height)
    tiff = bytearray(good("TIFF"))
    for tag, value in ((256, width), (257, height)):
        at = max(tiff.find(struct.pack("<HHI", tag, kind, 1)) for kind in (3, 4))
        tiff[at : at + 12] = struct.pack("<HHII", tag, 4, 1, value)
    jp2 = bytearray(good("JPEG2000"))
    at = jp2.index(b"\xff\x4f\xff\x51")
    jp2[at + 8 : at + 16] = struct.pack(">II", width, height)
    return {
        "JPEG": bytes(jpeg),
        "PNG": png,
        "GIF": bytes(gif),
        "WEBP": b"RIFF" + struct.pack("<I", len(webp) + 4) + b"WEBP" + webp,
        "BMP": bytes(bmp),
        "TIFF": bytes(tiff),
        "JPEG2000": bytes(jp2),
    }


def long_gif(frames: int = 10_000) -> bytes:
    """Return a GIF of very many tiny frames."""
    head = struct.pack("<6sHHBBB6s", b"GIF89a", 64, 64, 0x80, 0, 0, bytes((0, 0, 0, 255, 255, 255)))
    frame = struct.pack("<B4HBB", 0x2C, 0, 0, 1, 1, 0, 2) + b"\2\x44\1\0"
    return head + frame * frames + b";"


def text_bomb() -> bytes:
    """Return a PNG with compressed text that inflates to 256 MiB, in each of the chunks that may have some."""
    packer = zlib.compressobj(9)
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(256)), packer.flush()])
    return with_chunks(
        good("PNG"),
        chunk(b"zTXt", b"Comment\0\0" + bomb),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + bomb),
        chunk(b"iCCP", b"profile\0\0" + bomb),
    )


def nested_svg(depth: int, image: bytes | None = None) -> bytes:
    """Return an SVG inside an SVG, ``depth`` times, with a picture in the innermost."""
    inner = b"data:image/jpeg;base64," + base64.b64encode(image or good("JPEG"))
    for _ in range(depth):
        svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="' + inner + b'"/></svg>'
        inner = b"data:image/svg+xml;base64," + base64.b64encode(svg)
    return b'<svg xmlns="http://www.w3.org/2000/svg"><image href="' + inner + b'"/></svg>'


def bits_apart(one: np.ndarray, other: np.ndarray) -> int:
    """Return the distance of two pictures' PDQ hashes, by the reference implementation."""
    first, _ = pdqhash.compute(np.ascontiguousarray(np.stack([one] * 3, axis=-1)))
    second, _ = pdqhash.compute(np.ascontiguousarray(np.stack([other] * 3, axis=-1)))
    return int((first != second).sum())


def damaged() -> Iterator[tuple[str, bytes]]:
    """Yield the whole corpus: name and file."""
    for name in FORMATS:
        yield f"{name}-good", good(name)
        for number, data in enumerate(cuts(good(name), max(1, len(good(name)) // 40))):
            yield f"{name}-cut{number}", data
        for number, data in enumerate(flips(good(name), 40)):
            yield f"{name}-flip{number}", data
    yield from ((f"{name}-giant", data) for name, data in giants().items())
    yield "GIF-long", long_gif()
    yield "PNG-bomb", text_bomb()
    yield "SVG-deep", nested_svg(30)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for label, content in damaged():
        (folder / label).write_bytes(content)
