"""Load all that scanning loads lazily, while files may still be opened; and a picture whose answer is known."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ingest_guard.hashing.pdq import pdq
from ingest_guard.imaging.decode import Limits, open_picture

if TYPE_CHECKING:
    from ingest_guard.guard.scanner import Scanner

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "ICO", "TIFF", "JPEG2000")


def picture(seed: int = 0, side: int = 160) -> Image.Image:
    """Return a generated picture with enough structure for every hash."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def canary() -> bytes:
    """Return an image that every worker must decode to the same fingerprints."""
    buffer = io.BytesIO()
    picture(20).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def fingerprint(data: bytes) -> str:
    """Return the PDQ hash of an image of our own, in hex."""
    frame = next(open_picture(data, Limits()).frames())
    return pdq(frame.luma)[0].hex()


def run(scanner: Scanner) -> None:
    """Scan one small image of each format that this Pillow writes, in the modes that take other paths."""
    for name in _FORMATS:
        for mode in ("RGB", "P", "LA", "CMYK"):
            buffer = io.BytesIO()
            try:
                picture().convert("RGB").convert(mode).save(buffer, name)
            except (OSError, KeyError, ValueError):
                continue  # the format has no such mode, or this Pillow was built without it
            scanner.scan(buffer.getvalue())
    scanner.scan(b"\xff\xd8\xff\xe0 not a JPEG")
