"""Looking under encodings: everything that some bytes may stand for, layer by layer.

What a crawl writes is seldom the bytes of a response as they came: caches compress, queues pickle, feeds escape, logs
print ``repr``. :func:`layers` undoes all of these wherever they seem to begin, and again inside what comes out. It errs
on the side of trying: a wrong guess gives noise in which nothing is found.
"""

from __future__ import annotations

import base64
import bz2
import contextlib
import hashlib
import lzma
import pickletools
import re
import sys
import zlib
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPTH = 4
"""Encodings inside encodings that are undone."""
MOST = 16 << 20
"""Bytes that one stream may unpack to; what is longer is looked at up to there."""
_SHORTEST = 16
_ENOUGH = 8
_STREAM_TRIES = 4000

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{21,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{32,}")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|u00([0-9A-Fa-f]{2})|([0-7]{3})|([abfnrtv\\'\"/]))")
_LETTERS = {b"a": 7, b"b": 8, b"f": 12, b"n": 10, b"r": 13, b"t": 9, b"v": 11}
_PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e]{21,}")
_LATIN_RUN = re.compile(rb"(?:[\x00-\x7f]|[\xc2\xc3][\x80-\xbf]){40,}")
_LATIN = re.compile(rb"[\xc2\xc3][\x80-\xbf]")
_SPACE = re.compile(rb"\s+|\\r|\\n")
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_STREAMS = (
    ("gzip", re.compile(rb"\x1f\x8b\x08")),
    ("deflate", re.compile(rb"[\x08-\x78][\x01\x5e\x9c\xda]")),
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd")),
    ("bzip2", re.compile(rb"BZh[1-9]1AY&SY")),
    ("xz", re.compile(rb"\xfd7zXZ\x00")),
)


def layers(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (how it came out, bytes) for the data itself and for all that it may stand for.

    The first has the empty name; the others are named like ``gzip > base64``. Equal layers come once.
    """
    seen: set[bytes] = set()
    waiting = [("", data)]
    while waiting:
        how, layer = waiting.pop()
        mark = hashlib.blake2b(layer, digest_size=16).digest()
        if mark in seen:
            continue
        seen.add(mark)
        yield how, layer
        if how.count(">") < DEPTH - 1:
            for name, inner in _undo(layer):
                if len(inner) >= _SHORTEST:
                    waiting.append((f"{how} > {name}" if how else name, inner))


def _undo(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield from _streams(data)
    yield from _pickles(data)
    yield from _texts(data)


def _streams(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield compressed streams: those with a signature at any offset, those without one at the start."""
    for name, signature in _STREAMS:
        for tries, found in enumerate(signature.finditer(data)):
            if tries >= _STREAM_TRIES:
                break
            if name == "deflate" and int.from_bytes(found[0], "big") % 31:  # the check in zlib's two header bytes
                continue
            yield name, _unpack(_unpacker(name), data[found.start() :])
    yield "raw deflate", _unpack(_unpacker("raw deflate"), data)
    yield "br", _unpack(_unpacker("br"), data)


def _unpacker(name: str) -> Callable[[bytes], bytes]:
    if name == "br":
        process: Callable[[bytes], bytes] = brotli.Decompressor().process
        return process
    if name == "zstd":
        return zstd.ZstdDecompressor().decompress
    if name == "bzip2":
        return bz2.BZ2Decompressor().decompress
    if name == "xz":
        return lzma.LZMADecompressor().decompress
    return zlib.decompressobj({"gzip": 31, "deflate": 15, "raw deflate": -15}[name]).decompress


def _unpack(unpack: Callable[[bytes], bytes], data: bytes) -> bytes:
    """Unpack as far as it goes: a stream that is cut off or followed by something else gives its beginning."""
    parts: list[bytes] = []
    size = 0
    with contextlib.suppress(Exception):  # each library has its own errors, and each means: no further
        for start in range(0, len(data), 1 << 12):
            parts.append(unpack(data[start : start + (1 << 12)]))
            size += len(parts[-1])
            if size > MOST:
                break
    return b"".join(parts)


def _pickles(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the values inside of pickles; nothing is loaded, so nothing in them can run."""
    for tries, found in enumerate(_PICKLE.finditer(data)):
        if tries >= _STREAM_TRIES:
            break
        try:
            for _opcode, value, _position in pickletools.genops(data[found.start() :]):
                if isinstance(value, bytes | bytearray):
                    yield "pickle", bytes(value)
                elif isinstance(value, str):
                    yield "pickle", value.encode("utf-8", "surrogatepass")
        except Exception:  # noqa: BLE001, S112 - not a pickle after all, or its end
            continue


def _texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield bytes written as text, which stands in runs of printable characters."""
    for runs in _LATIN_RUN.findall(data) if data.count(b"\xc2") + data.count(b"\xc3") >= _ENOUGH else ():
        if len(_LATIN.findall(runs)) >= _ENOUGH:
            yield "latin-1", _LATIN.sub(lambda pair: bytes([(pair[0][0] & 3) << 6 | pair[0][1] & 63]), runs)
    text = b"\0".join(_PRINTABLE.findall(data))
    for joined in {text, _SPACE.sub(b"", text)}:
        plain = joined.replace(b"-", b"+").replace(b"_", b"/")
        words = sorted({word for candidate in {joined, plain} for word in _BASE64.findall(candidate)})
        for shift in range(4 if words else 0):
            # Characters before a word may have moved it, so each of the four ways to cut it is tried.
            yield "base64", b"\0".join(_from_base64(word[shift:]) for word in words)
        digits = _HEX.findall(joined)
        for shift in range(2 if digits else 0):
            yield "hex", b"\0".join(_from_hex(word[shift:]) for word in digits)
    if len(_PERCENT.findall(text)) >= _ENOUGH:
        yield "percent", unquote_to_bytes(text)
    if len(_ESCAPE.findall(text)) >= _ENOUGH:
        yield "escapes", _ESCAPE.sub(_unescaped, text)


def _from_base64(run: bytes) -> bytes:
    return base64.b64decode(run[: len(run) // 4 * 4] + _padded(run[len(run) // 4 * 4 :]))


def _padded(rest: bytes) -> bytes:
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def _from_hex(run: bytes) -> bytes:
    return bytes.fromhex(run[: len(run) // 2 * 2].decode())


def _unescaped(found: re.Match[bytes]) -> bytes:
    if number := found[1] or found[2]:
        return bytes([int(number, 16)])
    if found[3]:
        return bytes([int(found[3], 8) & 255])
    return bytes([_LETTERS.get(found[4], found[4][0])])
