"""Pictures and ways to look for them in a page."""

from __future__ import annotations

import base64
import struct
import zlib
from functools import cache

from support.pictures import drawn, encode

from ingest_guard.pages.findings import InlineBody, PageLimits
from ingest_guard.pages.reader import read_page
from ingest_guard.pages.reading import PageReading

HTML = "text/html; charset=utf-8"


@cache
def jpeg(seed: int = 1) -> bytes:
    """Return a small photograph-like file."""
    return encode(drawn(seed, (96, 64)), "JPEG", quality=60)


@cache
def png() -> bytes:
    """Return a small file with letters, blanks and quotes in it."""
    plain = encode(drawn(2, (48, 44)).resize((24, 16)), "PNG")
    body = b"Comment\0it's a b"
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    return plain[:33] + chunk + plain[33:]


def b64(data: bytes) -> str:
    """Return base64 as text."""
    return base64.b64encode(data).decode()


def percent(data: bytes) -> str:
    """Return each byte with a percent sign."""
    return "".join(f"%{byte:02X}" for byte in data)


def url(data: bytes | None = None, kind: str = "image/jpeg") -> str:
    """Return a data: URL in base64."""
    return f"data:{kind};base64,{b64(jpeg() if data is None else data)}"


def read(text: str | bytes, declared: str | None = HTML, limits: PageLimits | None = None) -> PageReading:
    """Read a page."""
    body = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return read_page(body, declared=declared, limits=limits or PageLimits())


def found(reading: PageReading, data: bytes | None = None) -> InlineBody | None:
    """Return the body of a reading that is the picture."""
    return next((body for body in reading.bodies if body.data == (jpeg() if data is None else data)), None)
