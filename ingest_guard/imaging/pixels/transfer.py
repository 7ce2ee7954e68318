"""Colours to sRGB, by PNG's gAMA and by coding-independent code points (cICP in PNG, nclx in AVIF and HEIF).

The curves and primaries are those of ITU-T H.273 (2021), tables 2 and 3. High dynamic range (PQ, HLG) is cut off at
its reference white, as a browser does on an ordinary screen, give or take a tone curve.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image

from ingest_guard.imaging.pixels.colour import negligible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ingest_guard.imaging.pixels.colour import Conversion

_Curve: TypeAlias = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]

_SRGB_GAMMA = 45455
_ROWS = 1 << 20
_FINE = 4096


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
