"""The demo's pictures: photographs in the public domain, generated graphics, and either as files.

The photographs ship inside scikit-image's wheel and are read from there, never downloaded. Each entry names its licence
as scikit-image's own documentation states it (``help(skimage.data.coffee)`` and so on). Its pictures whose
documentation states none (``moon``, ``motorcycle``, ``page``) are left out, and so are scikit-learn's two, which are
under CC BY. The graphics are the same for the same seed, and unlike those of any other seed.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import brotli
import numpy as np
from PIL import Image, ImageDraw

from ingest_guard.errors import IngestGuardError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

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
_SHAPES = 16
_BARS = 9


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph: where it is, what it shows, who made it free.

    Attributes
    ----------
    file
        Its file in ``skimage/data``.
    shows
        What it shows, as the middle of a sentence.
    licence
        Its licence and source.
    """

    file: str
    shows: str
    licence: str


PHOTOGRAPHS = {
    "astronaut": Photograph("astronaut.png", "an astronaut in an orange suit", "public domain (NASA)"),
    "brick": Photograph("brick.png", "a brick wall in grey light", "CC0 (CC0Textures)"),
    "camera": Photograph("camera.png", "a photographer behind a tripod", "CC0 (Lav Varshney)"),
    "cell": Photograph("cell.png", "a cell floating in saline", "CC0 (Paul Müller and others)"),
    "chelsea": Photograph("chelsea.png", "a tabby cat called Chelsea", "CC0 (Stefan van der Walt)"),
    "clock": Photograph("clock_motion.png", "a wall clock, blurred", "public domain (Stefan van der Walt)"),
    "coffee": Photograph("coffee.png", "a cup of coffee on a wooden table", "CC0 (Rachel Michetti)"),
    "coins": Photograph("coins.png", "Greek coins from Pompeii", "no known restrictions (Brooklyn Museum)"),
    "grass": Photograph("grass.png", "grass seen from above", "CC0 (DeviantArt: linolafett)"),
    "gravel": Photograph("gravel.png", "gravel on a path", "CC0 (CC0Textures)"),
    "hubble": Photograph("hubble_deep_field.jpg", "galaxies in deep space", "public domain (NASA)"),
    "retina": Photograph("retina.jpg", "the retina of an eye", "CC0 (Mikael Häggström)"),
    "rocket": Photograph("rocket.jpg", "a rocket at its launch", "public domain (SpaceX)"),
    "tissue": Photograph("ihc.png", "stained tissue under a microscope", "no known restrictions (CMMI)"),
}


@cache
def photograph(name: str) -> Image.Image:
    """Return the photograph as RGB, at the size in which it ships.

    Raises
    ------
    IngestGuardError
        scikit-image is not installed, or ships without its pictures.
    """
    try:
        file = resources.files("skimage") / "data" / PHOTOGRAPHS[name].file
        with file.open("rb") as stream:
            return Image.open(stream).convert("RGB")
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise IngestGuardError(
            "The demo's photographs ship with scikit-image, which is not installed here. "
            "Install it with: make demo (or: pip install scikit-image)"
        ) from error


def crop(name: str, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return a part of a photograph.

    Parameters
    ----------
    name
        A key of ``PHOTOGRAPHS``.
    box
        Left, top, right and bottom as fractions of the photograph.
    side
        The longer side of the result, in pixels.
    """
    whole = photograph(name)
    left, top, right, bottom = box
    part = whole.crop(
        (round(left * whole.width), round(top * whole.height), round(right * whole.width), round(bottom * whole.height))
    )
    scale = side / max(part.size)
    return part.resize(
        (max(1, round(part.width * scale)), max(1, round(part.height * scale))), Image.Resampling.LANCZOS
    )


def poster(seed: int, size: tuple[int, int] = (420, 300)) -> Image.Image:
    """Return overlapping shapes on a rippled background, RGB."""
    rng = np.random.default_rng(seed)
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    ripples = [np.sin(rng.uniform(3, 11) * x + rng.uniform(3, 11) * y + rng.uniform(0, 6)) for _ in range(3)]
    noise = rng.normal(0, 3, (height, width, 1))
    ground = np.stack([128 + 100 * ripple for ripple in ripples], axis=-1) + noise
    picture = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(_SHAPES):
        left, top = int(rng.integers(-40, width)), int(rng.integers(-40, height))
        right, bottom = left + int(rng.integers(30, width // 2)), top + int(rng.integers(30, height // 2))
        box = ((left, top), (right, bottom))
        shape, colour = int(rng.integers(3)), _colour(rng)
        if shape == 0:
            pen.ellipse(box, fill=colour)
        elif shape == 1:
            pen.rectangle(box, fill=colour)
        else:
            pen.chord(box, int(rng.integers(360)), int(rng.integers(360)) + 400, fill=colour)
    return picture


def chart(seed: int, size: tuple[int, int] = (400, 280)) -> Image.Image:
    """Return a bar chart over a heat map, RGB."""
    rng = np.random.default_rng(seed)
    width, height = size
    tiles = rng.integers(60, 256, (7, 10, 3)).astype(np.uint8)
    picture = Image.fromarray(tiles).resize(size, Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(picture)
    step = width // _BARS
    for bar in range(_BARS):
        tall = int(rng.integers(height // 8, height))
        pen.rectangle(((bar * step + 6, height - tall), ((bar + 1) * step - 6, height)), fill=_colour(rng))
    return picture


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in rng.integers(0, 256, 3))
    return red, green, blue


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the picture as a file of ``kind``, a key of ``CONTENT_TYPES``; ``options`` are Pillow's."""
    stream = io.BytesIO()
    picture.save(stream, kind, **{**_OPTIONS[kind], **options})
    return stream.getvalue()


def content_encoded(data: bytes, coding: str) -> bytes:
    """Return ``data`` in a content coding: ``gzip``, ``deflate``, ``br`` or ``zstd``."""
    if coding == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if coding == "deflate":
        return zlib.compress(data, 6)
    if coding == "br":
        return bytes(brotli.compress(data, quality=5))
    if coding == "zstd":
        return zstd.compress(data)
    raise ValueError(f"unknown content coding {coding!r}")
