"""What is no whole image: cut off, broken, oversized, or something else by its bytes. None becomes a record."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

from demo.model import Expectation, Fate, Placed, Resource
from demo.pictures import CONTENT_TYPES, SUFFIXES, content_encoded, encode, poster

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOMB_SIDE = 24_000


def oddities() -> Iterator[Placed]:
    """Yield every image address that must give neither a record nor a match."""
    yield from _cut_off()
    yield from _broken()
    yield from _something_else()
    yield from _absent()


def _unscannable(path: str, body: bytes, declared: str, reason: str, why: str, **more: object) -> Placed:
    resource = Resource(path, body, declared, **more)  # type: ignore[arg-type]  # handed on as they come
    return Placed(resource, Expectation(Fate.NOT_SCANNABLE, why, reason=reason), f"A picture: {why}")


def _cut_off() -> Iterator[Placed]:
    for number, kind in enumerate(("JPEG", "PNG", "WEBP", "GIF")):
        whole = encode(poster(300 + number), kind)
        path = f"/odd/cut-off.{SUFFIXES[kind]}"
        why = f"a {kind} whose end is missing"
        yield _unscannable(path, whole[: len(whole) * 3 // 5], CONTENT_TYPES[kind], "truncated", why)
    whole = encode(poster(310), "JPEG")
    headers = (("Content-Range", f"bytes 0-{len(whole) - 1}/{len(whole) + 4000}"),)
    yield _unscannable("/odd/part.jpg", whole, "image/jpeg", "partial", "a part of a file", status=206, headers=headers)


def _broken() -> Iterator[Placed]:
    yield _unscannable("/odd/bomb.png", bomb(), "image/png", "pixels", f"{_BOMB_SIDE} pixels a side in few bytes")
    damaged = bytearray(encode(poster(311), "PNG"))
    damaged[len(damaged) // 2] ^= 0x55
    yield _unscannable("/odd/damaged.png", bytes(damaged), "image/png", "corrupt", "a PNG with a wrong byte")
    whole = encode(poster(312), "JPEG")
    cut = content_encoded(whole, "gzip")[:-200]
    headers = (("Content-Encoding", "gzip"),)
    why = "a gzip body whose end is missing"
    yield _unscannable("/odd/cut-off-gzip.jpg", whole, "image/jpeg", "encoding", why, headers=headers, sent=cut)
    headers = (("Content-Encoding", "compress"),)
    why = "a content coding that nothing here undoes"
    scrambled = bytes(byte ^ 0xA5 for byte in encode(poster(313), "JPEG"))
    yield _unscannable("/odd/unknown-coding.jpg", scrambled, "image/jpeg", "encoding", why, headers=headers)


def _something_else() -> Iterator[Placed]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr(zipfile.ZipInfo("notes.txt"), "nothing to see")
    yield _unscannable("/odd/archive.jpg", archive.getvalue(), "image/jpeg", "unsupported_type", "an archive")
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4" cx="5" cy="5"/></svg>'
    page = b"<!doctype html><title>Sign in</title><p>Sign in to see this picture."
    for path, body, declared, why in (
        ("/odd/notes.jpg", b"This is a text file that calls itself a JPEG.\n" * 30, "image/jpeg", "a text file"),
        ("/odd/sign-in.png", page, "image/png", "an HTML page"),
        ("/odd/empty.jpg", b"", "image/jpeg", "an empty file"),
        ("/odd/circle.svg", drawing, "image/svg+xml", "an SVG with nothing inside"),
    ):
        yield Placed(Resource(path, body, declared), Expectation(Fate.NOT_AN_IMAGE, why), f"A picture: {why}")


def _absent() -> Iterator[Placed]:
    page = b"<!doctype html><title>Not here</title><p>There is nothing here."
    for path, status in (("/odd/missing.jpg", 404), ("/odd/gone.jpg", 410)):
        expectation = Expectation(Fate.HTTP_ERROR, f"status {status}")
        yield Placed(Resource(path, page, "text/html", status), expectation, f"A picture: status {status}")
    # Status 404 and an image all the same: it must be looked at, and must not become a record.
    body = encode(poster(320), "JPEG")
    expectation = Expectation(Fate.HTTP_ERROR, "an image with status 404")
    yield Placed(Resource("/odd/missing-picture.jpg", body, "image/jpeg", 404), expectation, "A picture: not found")
    body = encode(poster(321), "JPEG")
    expectation = Expectation(Fate.FORBIDDEN, "robots.txt forbids it")
    yield Placed(Resource("/private/diary.jpg", body, "image/jpeg"), expectation, "A picture: private")


def bomb() -> bytes:
    """Return a valid PNG of 576 million black pixels in some 70 kB."""
    row = b"\0" * (1 + _BOMB_SIDE // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row * 240) for _ in range(_BOMB_SIDE // 240)) + packer.flush()
    header = struct.pack(">IIBBBBB", _BOMB_SIDE, _BOMB_SIDE, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
