"""Colours to sRGB, by an embedded ICC profile.

A file can hold anything at all in its samples as long as its profile says how to undo it: a picture stored with
x^(1/6) and a matching profile looks the same in every browser and is 40 PDQ bits away. So the converted picture is a
view of its own, beside the raw samples that most hash lists were made from. Profiles that hardly change luma (sRGB
itself, above all) are recognised once and then cost nothing.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from PIL import Image, ImageCms

from ingest_guard.imaging.pixels.model import NotScannable
from ingest_guard.imaging.pixels.pillow import decoding

if TYPE_CHECKING:
    from numpy.typing import NDArray

Conversion: TypeAlias = Callable[[Image.Image], Image.Image]
"""Takes a picture in the mode that it was made for, returns it in sRGB, mode RGB."""

MAX_PROFILE = 4 * 2**20
_CACHED = 64
_GREY_STEP = 2.0
_COLOUR_STEP = 24.0
"""Levels of luma, of 255, that greys change on average and any colour changes at most. Up to these (sRGB's many
relatives, a plain gamma of 2.2) photographs move by 2 bits of PDQ on average and by 4 at most; Display P3 is beyond."""

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_cache: dict[tuple[bytes, str], Conversion | None] = {}
_lock = threading.Lock()


def from_icc(profile: bytes, mode: str) -> Conversion | None:
    """Return the conversion that an ICC profile asks for.

    Parameters
    ----------
    profile
        As embedded.
    mode
        Of the picture that is to be converted: ``RGB``, ``L`` or ``CMYK``.

    Returns
    -------
    Conversion | None
        None: the profile is broken, does not fit the picture (browsers ignore it then), or changes next to nothing.
    """
    if not 128 < len(profile) <= MAX_PROFILE:  # noqa: PLR2004 - the length of a profile's header
        return None
    key = sha256(profile).digest(), mode
    with _lock:
        if key in _cache:
            return _cache[key]
    conversion = _build(profile, mode)
    with _lock:
        while len(_cache) >= _CACHED:
            del _cache[next(iter(_cache))]
        _cache[key] = conversion
    return conversion


def _build(profile: bytes, mode: str) -> Conversion | None:
    space = profile[16:20].decode("latin-1")
    source = mode if _SPACES.get(mode) == space else "RGB" if (mode, space) == ("L", "RGB ") else None
    if source is None:
        return None
    try:
        with decoding():
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB"), source, "RGB"
            )

            def convert(image: Image.Image) -> Image.Image:
                converted: Image.Image | None = ImageCms.applyTransform(image.convert(source), transform)
                return cast("Image.Image", converted)  # None only where it works in place

            return None if negligible(convert, mode) else convert
    except NotScannable:
        return None


def lab_to_rgb(image: Image.Image) -> Image.Image:
    """Return a picture in CIE L*a*b* as sRGB."""
    return _lab()(image)


def _lab() -> Conversion:
    with _lock:
        known = _cache.get((b"", "LAB"))
    if known is not None:
        return known
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")

    def convert(image: Image.Image) -> Image.Image:
        converted: Image.Image | None = ImageCms.applyTransform(image, transform)
        return cast("Image.Image", converted)  # None only where it works in place

    with _lock:
        _cache[b"", "LAB"] = convert
    return convert


def negligible(conversion: Conversion, mode: str) -> bool:
    """Return whether a conversion leaves luma as good as alone, tried on greys and on a cube of colours."""
    if mode not in {"RGB", "L"}:
        return False
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    if _shifts(conversion, ramp, mode).mean() > _GREY_STEP:
        return False
    return mode == "L" or bool(_shifts(conversion, cube, mode).max() <= _COLOUR_STEP)


def _shifts(conversion: Conversion, colours: NDArray[np.uint8], mode: str) -> NDArray[np.int16]:
    """Return by how much the luma of each of these colours changes."""
    probe = Image.fromarray(np.ascontiguousarray(colours[None]))
    before = np.asarray(probe.convert("L"), dtype=np.int16)
    after = np.asarray(conversion(probe.convert(mode)).convert("L"), dtype=np.int16)
    shifts: NDArray[np.int16] = np.abs(after - before)
    return shifts
