"""The imagehash family, by name.

Values are those of the imagehash package, whose hex they print as; but for ``colorhash`` they are computed by faster
means (:mod:`~ingest_guard.hashing.lanczos`, :mod:`~ingest_guard.hashing.segments`) and may differ from it in a bit or
two, where two numbers that are compared are all but equal.

==================  =================================================================  ========================
name                what a bit says                                                    bits (default hash size)
==================  =================================================================  ========================
``phash``           a low frequency (2-D cosine transform) is above the median         64
``phash_simple``    the same of a transform along the rows alone, against the mean     64
``dhash``           a pixel of 8 x 9 is brighter than the one to its left              64
``dhash_vertical``  a pixel of 9 x 8 is brighter than the one above it                 64
``ahash``           a pixel of 8 x 8 is brighter than the mean                         64
``whash``           a part of 8 x 8 (Haar wavelet) is brighter than the median         64
``colorhash``       how much of the picture is black, grey, and of each of 12 colours  42 in 6 bytes
``crop_resistant``  ``dhash`` of each large bright or dark region                      64 a region
==================  =================================================================  ========================
"""

from collections.abc import Callable

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft

from ingest_guard.hashing import lanczos
from ingest_guard.hashing.segments import regions

_FREQUENCIES = 4
"""The picture is resized to this many times the hash size before its cosine transform."""


def _phash(luma: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    pixels = lanczos.resize(luma, size * _FREQUENCIES, size * _FREQUENCIES)
    low: NDArray[np.float64] = fft.dctn(pixels.astype(np.float64))[:size, :size]
    above: NDArray[np.bool_] = low > np.median(low)
    return above


def _phash_simple(luma: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    pixels = lanczos.resize(luma, size * _FREQUENCIES, size * _FREQUENCIES)
    low: NDArray[np.float64] = fft.dct(pixels[:size].astype(np.float64))[:, 1 : size + 1]
    above: NDArray[np.bool_] = low > low.mean()
    return above


def _dhash(luma: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    pixels = lanczos.resize(luma, size, size + 1)
    return pixels[:, 1:] > pixels[:, :-1]


def _dhash_vertical(luma: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    pixels = lanczos.resize(luma, size + 1, size)
    return pixels[1:] > pixels[:-1]


def _ahash(luma: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    pixels = lanczos.resize(luma, size, size)
    above: NDArray[np.bool_] = pixels > pixels.mean()
    return above


def _whash(luma: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    # imagehash resizes to the largest power of two that the shorter side holds, takes the mean out, and keeps the
    # Haar wavelet's low band of size x size. That band is the mean of each part; the overall mean shifts all alike.
    if size & (size - 1):
        raise ValueError(f"whash needs a hash size that is a power of two, not {size}")
    side = max(1 << (min(luma.shape).bit_length() - 1), size)
    means = lanczos.block_means(luma, side, size)
    above: NDArray[np.bool_] = means > np.median(means)
    return above


_OF_LUMA: dict[str, Callable[[NDArray[np.uint8], int], NDArray[np.bool_]]] = {
    "phash": _phash,
    "phash_simple": _phash_simple,
    "dhash": _dhash,
    "dhash_vertical": _dhash_vertical,
    "ahash": _ahash,
    "whash": _whash,
}

NAMES = (*_OF_LUMA, "colorhash", "crop_resistant")
"""The names that :func:`perceptual` knows."""

COLOUR_HASH_BYTES = 6
"""Length of ``colorhash`` at its usual size: 14 fractions of 3 bits."""

_COLOUR_BITS = 3
_SMALLEST = 2


def perceptual(name: str, picture: Image.Image | NDArray[np.uint8], hash_size: int | None = None) -> bytes:
    """Return one perceptual hash of a picture.

    Parameters
    ----------
    name
        One of :data:`NAMES`.
    picture
        A Pillow image of any mode, or its luma as uint8[height, width]. ``colorhash`` of a luma knows greys alone.
    hash_size
        8 if None: the hash has the square of it as bits (of ``crop_resistant``, each region's). Of ``colorhash``, the
        bits for each of its 14 fractions: 3 if None.

    Returns
    -------
    bytes
        ``bytes.fromhex`` of what imagehash prints, zeros added in front to whole bytes; ``crop_resistant``: 8 bytes
        for each region, in imagehash's order.

    Raises
    ------
    ValueError
        The name is unknown, or the size impossible.
    """
    if name not in NAMES:
        raise ValueError(f"unknown perceptual hash {name!r}; known: {', '.join(NAMES)}")
    if name == "colorhash":
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        return _packed(imagehash.colorhash(image.convert("RGB"), hash_size or _COLOUR_BITS).hash)
    size = 8 if hash_size is None else hash_size
    if size < _SMALLEST:
        raise ValueError(f"{name} needs a hash size of {_SMALLEST} or more, not {size}")
    if name == "crop_resistant":
        grey = picture.convert("L") if isinstance(picture, Image.Image) else Image.fromarray(picture)
        return b"".join(_packed(_dhash(np.asarray(grey.crop(box)), size)) for box in regions(grey))
    luma = np.asarray(picture.convert("L")) if isinstance(picture, Image.Image) else picture
    return _packed(_OF_LUMA[name](luma, size))


def _packed(bits: NDArray[np.bool_]) -> bytes:
    flat = bits.ravel()
    return np.packbits(np.pad(flat, (-len(flat) % 8, 0))).tobytes()
