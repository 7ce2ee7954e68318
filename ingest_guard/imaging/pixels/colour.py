"""Colours to sRGB: by an embedded ICC profile, PNG's gAMA, or coding-independent code points.

A file can hold anything at all in its samples as long as its profile says how to undo it: a picture stored with
x^(1/6) and a matching profile looks the same in every browser and is 40 PDQ bits away. So the converted picture is a
view of its own, beside the raw samples that most hash lists were made from. Profiles that hardly change luma (sRGB
itself, above all) are recognised once and then cost nothing.

Code points (cICP in PNG, nclx in AVIF and HEIF) name curves and primaries of ITU-T H.273 (2021), tables 2 and 3. High
dynamic range (PQ, HLG) is cut off at its reference white, as a browser does on an ordinary screen, give or take a tone
curve.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import TypeAlias, cast

import numpy as np
from cachetools import FIFOCache
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ingest_guard.imaging.pixels.model import Conversion, NotScannable
from ingest_guard.imaging.pixels.pillow import decoding

MAX_PROFILE = 4 * 2**20
_GREY_STEP = 2.0
_COLOUR_STEP = 24.0
"""Levels of luma, of 255, that greys change on average and any colour changes at most. Up to these (sRGB's many
relatives, a plain gamma of 2.2) photographs move by 2 bits of PDQ on average and by 4 at most; Display P3 is beyond."""

_Curve: TypeAlias = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]

_SRGB_GAMMA = 45455
_ROWS = 1 << 20
_FINE = 4096

_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_cache: FIFOCache[tuple[bytes, str], Conversion | None] = FIFOCache(64)
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
    converted: Image.Image | None = ImageCms.applyTransform(image, _lab_transform())
    return cast("Image.Image", converted)  # None only where it works in place


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


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


def _srgb_encode(light: NDArray[np.float64]) -> NDArray[np.float64]:
    encoded = 1.055 * np.power(np.maximum(light, 0.0031308), 1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, encoded)  # noqa: PLR2004 - IEC 61966-2-1


def _srgb_decode(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(signal <= 0.04045, signal / 12.92, np.power((signal + 0.055) / 1.055, 2.4))  # noqa: PLR2004 - same


def _pq_decode(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084, with 203 cd/m2 (the reference white of ITU-R BT.2408) as 1."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    root = np.power(signal, 1 / m2)
    return np.power(np.maximum(root - c1, 0) / (c2 - c3 * root), 1 / m1) * 10000 / 203


def _hlg_decode(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100, scene light, with the signal 0.75 (its reference white) as 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.where(signal <= 0.5, signal * signal / 3, (np.exp((signal - c) / a) + b) / 12)  # noqa: PLR2004 - same
    return np.power(light / 0.2645, 1.2)


def _power(exponent: float) -> _Curve:
    return lambda signal: np.power(signal, exponent)


_CURVES: dict[int, _Curve] = {
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1.0),
    13: _srgb_decode,
    16: _pq_decode,
    17: _power(2.6),
    18: _hlg_decode,
}
"""Others (BT.709 and its kin) are shown by browsers as if they were sRGB."""

_SRGB_PRIMARIES = 1
_TO_XYZ = {
    1: ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)),
    9: ((0.6370, 0.1446, 0.1689), (0.2627, 0.6780, 0.0593), (0.0000, 0.0281, 1.0610)),
    12: ((0.4866, 0.2657, 0.1982), (0.2290, 0.6917, 0.0793), (0.0000, 0.0451, 1.0439)),
}


def from_gamma(value: int) -> Conversion | None:
    """Return the conversion that a gAMA chunk asks for.

    Parameters
    ----------
    value
        As stored: 100,000 times the encoding exponent; 45455 is that of sRGB.

    Returns
    -------
    Conversion | None
        Takes and returns mode RGB; None where nothing is to do.
    """
    if value <= 0 or abs(value - _SRGB_GAMMA) < 1500:  # noqa: PLR2004 - within the rounding of 1/2.2 and of 0.45
        return None
    return _conversion(_power(min(100_000 / value, 50.0)), np.eye(3))


@lru_cache(maxsize=64)
def from_cicp(primaries: int, transfer: int) -> Conversion | None:
    """Return the conversion that code points of H.273 ask for; it takes and returns mode RGB. None: nothing to do."""
    curve = _CURVES.get(transfer, _srgb_decode)
    to_xyz = np.array(_TO_XYZ.get(primaries, _TO_XYZ[_SRGB_PRIMARIES]))
    matrix = np.linalg.inv(np.array(_TO_XYZ[_SRGB_PRIMARIES])) @ to_xyz
    conversion = _conversion(curve, matrix)
    return None if negligible(conversion, "RGB") else conversion


def _conversion(curve: _Curve, matrix: NDArray[np.float64]) -> Conversion:
    """Return curve, matrix and sRGB's own curve as one conversion of 8-bit pictures."""
    light = curve(np.arange(256) / 255.0).clip(0, 1)
    if np.allclose(matrix, np.eye(3), atol=1e-3):
        table = (_srgb_encode(light) * 255).round().astype(int).tolist()
        return lambda image: image.convert("RGB").point(table * 3)
    encode = (_srgb_encode(np.arange(_FINE) / (_FINE - 1)) * 255).round().astype(np.uint8)
    linear, mix = light.astype(np.float32), matrix.T.astype(np.float32)

    def convert(image: Image.Image) -> Image.Image:
        stored = np.asarray(image.convert("RGB"))
        out = np.empty_like(stored)
        rows = max(1, _ROWS // max(1, stored.shape[1]))
        for top in range(0, len(stored), rows):  # floats are twelve times the size of the picture: a strip at a time
            mixed = (linear[stored[top : top + rows]] @ mix).clip(0, 1)
            out[top : top + rows] = encode[(mixed * (_FINE - 1)).astype(np.uint16)]
        return Image.fromarray(out)

    return convert
