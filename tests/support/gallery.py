"""A gallery of some hundred real pictures, part of them listed, and what must become of each."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import imagehash
import numpy as np
import pdqhash
from PIL import Image, ImageFilter

from support.pictures import drawn, encode, photographs

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIDE = 256
# Below this, PDQ says little, and its distances are held against a smaller radius.
_GOOD_QUALITY = 90
_FORMATS = {"jpg": ("JPEG", {"quality": 85}), "png": ("PNG", {}), "webp": ("WEBP", {"quality": 85})}
EXACT = ("md5", "sha1", "sha256")
NEAR = ("pdq", "phash")


@dataclass(frozen=True)
class Picture:
    """A file of the gallery.

    Attributes
    ----------
    name
        Of the file; its alt text is ``picture NAME``.
    listed
        The algorithm by whose list it must be found; None for a picture that must pass.
    """

    name: str
    body: bytes = field(repr=False)
    listed: str | None


@cache
def gallery() -> tuple[list[Picture], dict[str, list[str]]]:
    """Return the files, and the lists: id -> lines in the plain format."""
    files: list[Picture] = []
    lists: dict[str, list[str]] = {"exact": [], "near": []}
    for number, (name, picture) in enumerate(_subjects()):
        algorithm = _listed(number, picture)
        if algorithm in NEAR:
            lists["near"].append(f"{algorithm} {_near_value(algorithm, picture)}")
        for suffix, body in _files(picture, copies=algorithm in NEAR):
            exact = algorithm in EXACT and suffix == "a.png"
            if exact:
                lists["exact"].append(f"{algorithm} {hashlib.new(str(algorithm), body).hexdigest()}")
            listed = algorithm if exact or algorithm in NEAR else None
            files.append(Picture(f"{name}-{suffix}", body, listed))
    return files, lists


def _subjects() -> Iterator[tuple[str, Image.Image]]:
    """Yield pictures that have nothing in common: quarters of photographs, and drawings."""
    for name, photograph in photographs().items():
        width, height = photograph.size[0] // 2, photograph.size[1] // 2
        for quarter, (x, y) in enumerate(((0, 0), (width, 0), (0, height), (width, height))):
            picture = photograph.crop((x, y, x + width, y + height))
            picture.thumbnail((_SIDE, _SIDE))
            yield f"{name}{quarter}", picture
    for seed in range(40):
        yield f"drawing{seed}", drawn(seed, (_SIDE, 180 + seed))


def _listed(number: int, picture: Image.Image) -> str | None:
    """Choose every third picture, by turns for each algorithm."""
    if number % 3:
        return None
    algorithm = (EXACT + NEAR + NEAR)[number // 3 % 7]
    good = pdqhash.compute(np.asarray(picture))[1] >= _GOOD_QUALITY
    return algorithm if good or algorithm in EXACT else None


def _near_value(algorithm: str | None, picture: Image.Image) -> str:
    """Return a perceptual hash as other people's tools compute it."""
    if algorithm == "pdq":
        return np.packbits(pdqhash.compute(np.asarray(picture))[0]).tobytes().hex()
    return str(imagehash.phash(picture))


def _files(picture: Image.Image, *, copies: bool) -> Iterator[tuple[str, bytes]]:
    """Yield a picture as files: as it is, and re-encoded; resized and touched up too where that is asked for."""
    yield "a.png", encode(picture, "PNG", compress_level=3)
    yield "b.jpg", encode(picture, "JPEG", quality=85)
    yield "c.webp", encode(picture, "WEBP", quality=80, method=2)
    if copies:
        width, height = picture.size
        yield "d.jpg", encode(picture.resize((width * 2 // 3, height * 2 // 3)), "JPEG", quality=70)
        yield "e.png", encode(picture.resize((width * 5 // 4, height * 5 // 4)), "PNG", compress_level=3)
        yield "f.webp", encode(picture.filter(ImageFilter.GaussianBlur(0.6)), "WEBP", quality=60, method=2)


def facts(body: bytes) -> dict[str, object]:
    """Return what a record must say of an image, computed by others' means."""
    with Image.open(io.BytesIO(body)) as image:
        return {
            "width": image.width,
            "height": image.height,
            "format": image.format,
            "md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
            "sha1": hashlib.sha1(body, usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(body).hexdigest(),
        }


def pdq_distance(value: str, body: bytes) -> int:
    """Return how many bits a PDQ hash in hex is from that of Meta's implementation."""
    with Image.open(io.BytesIO(body)) as image:
        bits = pdqhash.compute(np.asarray(image.convert("RGB")))[0]
    return int(np.count_nonzero(np.unpackbits(np.frombuffer(bytes.fromhex(value), np.uint8)) != bits))
