"""Any of Pillow's modes -> luma and alpha, 8 bits each, as a browser would scale them.

All modes of one picture end within a level or two of each other. Where a mode has no fixed white (I, F), the range
of the values says what they are: 0 to 1, 8, 12 or 16 bits, or else whatever is the brightest.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest_guard.imaging.pixels.colour import lab_to_rgb

_WIDE = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})
_PLAIN = {
    "1": "L",
    "L": "L",
    "P": "RGB",
    "RGB": "RGB",
    "RGBX": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}
_BYTE = 8


def flatten_mode(image: Image.Image, depth: int = 16) -> tuple[Image.Image, Image.Image | None]:
    """Return a picture as RGB or L, and its alpha.

    Parameters
    ----------
    image
        Decoded; any mode.
    depth
        Bits a sample of modes ``I;16*``.

    Returns
    -------
    opaque
        Mode ``RGB`` or ``L``, transparency ignored.
    alpha
        Mode ``L``; None where the mode has none or every pixel is opaque.
    """
    mode = image.mode
    clear = image.has_transparency_data
    if mode in _PLAIN and not clear:
        return (image if mode in {"RGB", "L"} else image.convert(_PLAIN[mode])), None
    if mode in _WIDE:
        return Image.fromarray(_narrow(image, depth)), None
    if mode == "LAB":
        return lab_to_rgb(image), None
    if mode in {"LA", "La"}:
        image = image.convert("LA")
        return image.getchannel("L"), _translucent(image.getchannel("A"))
    full = image.convert("RGBA")
    return full.convert("RGB"), _translucent(full.getchannel("A"))


def _translucent(alpha: Image.Image) -> Image.Image | None:
    return None if alpha.getcolors(1) == [(alpha.width * alpha.height, 255)] else alpha


def _narrow(image: Image.Image, depth: int) -> NDArray[np.uint8]:
    """Return the eight highest bits in use."""
    if image.mode == "F":
        return _from_floats(np.asarray(image))
    values = np.asarray(image)
    if image.mode == "I":
        low, high = int(values.min()), int(values.max())
        if low < 0:
            return _spread(values.astype(np.float64))
        return _shifted(values, max(_BYTE, _used_bits(high)) if high < 1 << 16 else high.bit_length())
    return _shifted(values, depth)


def _shifted(values: NDArray[np.int32] | NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    return (values >> max(0, bits - _BYTE)).clip(0, 255).astype(np.uint8)


def _used_bits(highest: int) -> int:
    """Return the depth, 8, 12 or 16 bits, that the highest value speaks of."""
    return next(bits for bits in (_BYTE, 12, 16) if highest < 1 << bits)


def _from_floats(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    if low < 0 or high > 65535:  # noqa: PLR2004 - nothing that a 16-bit sample could be
        return _spread(finite.astype(np.float64))
    scale = 255.0 if high <= 1 else 1.0 if high <= 255 else 255 / 65535  # noqa: PLR2004 - see the module's docstring
    return (finite * scale + 0.5).clip(0, 255).astype(np.uint8)


def _spread(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    return ((values - low) * (255 / (high - low or 1)) + 0.5).clip(0, 255).astype(np.uint8)


def stretched(image: Image.Image) -> Image.Image | None:
    """Return 16-bit samples scaled by the bits that they use; None where they use all of them.

    Eight bits stored in sixteen are black in a browser and a picture in many a viewer.
    """
    if not image.mode.startswith("I;16"):
        return None
    values = np.asarray(image)
    bits = _used_bits(int(values.max()))
    return Image.fromarray(_shifted(values, bits)) if bits < 16 else None  # noqa: PLR2004 - all
