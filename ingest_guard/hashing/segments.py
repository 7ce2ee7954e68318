"""The crop-resistant hash: one difference hash for each large bright or dark region of a picture.

A picture that was cropped keeps most of its regions whole, so some of their hashes survive where a hash of the whole
picture does not. The method is that of *Efficient Cropping-Resistant Robust Image Hashing* (Steinebach, Liu and
Yannikos, ARES 2014) as the imagehash package lays it down: the same regions in the same order, found by connected
components rather than pixel by pixel, which takes a hundredth of the time.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

_SIDE = 300
_THRESHOLD = 128
_SMALLEST = 500

SEGMENT_BYTES = 8
"""Length of one region's hash."""

SEGMENT_DISTANCE = 8
"""Bits of 64 within which two regions count as the same (imagehash's own 16 matches regions of unrelated pictures)."""

SEGMENTS_IN_COMMON = 2
"""Number of regions in common that makes a match: single regions are often as plain as a sky over a land."""


def regions(grey: Image.Image) -> list[tuple[int, int, int, int]]:
    """Return the boxes (left, top, right, bottom), in the picture's pixels, of its large bright and dark regions.

    Bright ones come first, each kind in reading order; the whole picture is the region of one that has none.
    """
    small = grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    small = small.filter(ImageFilter.GaussianBlur()).filter(ImageFilter.MedianFilter())
    bright = np.asarray(small) > _THRESHOLD
    boxes = []
    # imagehash stops as soon as it has seen as many pixels as the picture has, but it counts a frame of one pixel
    # around the picture in, and does not count regions of one pixel. Its last dark regions are therefore not there.
    seen = 4 * _SIDE
    for mask, limit in ((bright, None), (~bright, _SIDE * _SIDE)):
        for size, box in _components(mask):
            if limit and seen >= limit:
                break
            seen += size if size > 1 else 0
            if size > _SMALLEST:
                boxes.append(box)
    boxes = boxes or [(0, 0, _SIDE, _SIDE)]
    across, down = grey.width / _SIDE, grey.height / _SIDE
    return [
        (round(left * across), round(top * down), round(right * across), round(bottom * down))
        for left, top, right, bottom in boxes
    ]


def _components(mask: NDArray[np.bool_]) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Yield number of pixels and box of each of the mask's connected components, in reading order."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())[1:].tolist()
    for size, (rows, columns) in zip(sizes, ndimage.find_objects(labels), strict=True):
        yield size, (columns.start, rows.start, columns.stop, rows.stop)


def segments_in_common(first: bytes, second: bytes, *, distance: int = SEGMENT_DISTANCE) -> int:
    """Return how many regions of ``first`` have a counterpart in ``second``.

    Parameters
    ----------
    first, second
        Values of ``crop_resistant``: 8 bytes a region.
    distance
        Largest distance of a counterpart, in bits of 64.
    """
    a, b = (np.frombuffer(value, np.uint64) for value in (first, second))
    apart = np.bitwise_count(a[:, np.newaxis] ^ b)
    return int((apart <= distance).any(axis=1).sum()) if len(b) else 0
