"""Pictures as files, and files inside HTTP content codings."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import sys
import zlib
from typing import TYPE_CHECKING, Any

from ingest_guard.errors import IngestGuardError

if TYPE_CHECKING:
    from PIL import Image

CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
}
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 88},
    "PNG": {"compress_level": 6},
    "WEBP": {"quality": 85, "method": 2},
    "GIF": {},
    "AVIF": {"quality": 80, "speed": 9, "max_threads": 1},
}


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the picture as a file of ``kind``, a key of ``CONTENT_TYPES``; ``options`` are Pillow's."""
    stream = io.BytesIO()
    picture.save(stream, kind, **{**_OPTIONS[kind], **options})
    return stream.getvalue()


def brotli() -> Any:
    """Return the module that does Brotli here, or raise IngestGuardError."""
    return _first("br", "brotli", "brotlicffi")


def zstd() -> Any:
    """Return the module that does Zstandard here, or raise IngestGuardError."""
    standard = ("compression.zstd",) if sys.version_info >= (3, 14) else ()
    return _first("zstd", *standard, "backports.zstd", "zstandard")


def _first(coding: str, *names: str) -> Any:
    for name in names:
        with contextlib.suppress(ImportError):
            return importlib.import_module(name)
    raise IngestGuardError(
        f"The demo needs the content coding {coding}, which none of {', '.join(names)} provides here. "
        "Install it with: pip install 'ingest-guard[demo]'"
    )


def content_encoded(data: bytes, coding: str) -> bytes:
    """Return ``data`` in a content coding: ``gzip``, ``deflate``, ``br`` or ``zstd``."""
    if coding == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if coding == "deflate":
        return zlib.compress(data, 6)
    if coding == "br":
        return bytes(brotli().compress(data, quality=5))
    if coding == "zstd":
        return bytes(zstd().compress(data))
    raise ValueError(f"unknown content coding {coding!r}")
