from __future__ import annotations

import imagehash
import numpy as np
import pytest
from PIL import Image
from support.pictures import drawn, photographs

from ingest_guard.hashing.perceptual import perceptual
from ingest_guard.hashing.segments import SEGMENTS_IN_COMMON, regions, segments_in_common


@pytest.mark.parametrize("name", ["chelsea", "coffee", "camera"])
def test_regions_are_imagehashs_in_its_order(name: str) -> None:
    """The value is the hex of imagehash's crop_resistant_hash without its commas, to a bit a region."""
    picture = photographs()[name]
    expected = str(imagehash.crop_resistant_hash(picture)).replace(",", "")
    value = perceptual("crop_resistant", picture)
    assert len(value) * 2 == len(expected)
    assert (int(value.hex(), 16) ^ int(expected, 16)).bit_count() <= len(value) // 8


def test_a_picture_without_regions_is_one_region() -> None:
    """Fine noise has no bright or dark part of 500 pixels, a blank picture is one: each has one hash."""
    for luma in (np.zeros((50, 60), np.uint8), np.full((300, 300), 200, np.uint8)):
        assert regions(Image.fromarray(luma)) == [(0, 0, luma.shape[1], luma.shape[0])]
    dots = np.kron(np.indices((75, 75)).sum(axis=0) % 2 * 255, np.ones((4, 4))).astype(np.uint8)
    assert regions(Image.fromarray(dots)) == [(0, 0, 300, 300)]


def test_a_crop_has_regions_in_common_with_its_original() -> None:
    """A twentieth cut off leaves regions that match; another photograph has none."""
    picture = photographs()["coins"]
    width, height = picture.size
    crop = picture.crop((round(width * 0.05), round(height * 0.05), width, height))
    original = perceptual("crop_resistant", picture)
    assert segments_in_common(original, perceptual("crop_resistant", crop)) >= SEGMENTS_IN_COMMON
    assert segments_in_common(original, perceptual("crop_resistant", photographs()["coffee"])) < SEGMENTS_IN_COMMON


def test_regions_are_counted_within_the_distance() -> None:
    """Each region of the first value counts once if any of the second's is near enough."""
    first = bytes(8) + b"\xff" * 8
    second = bytes(7) + b"\x07" + bytes(7) + b"\x01"
    assert segments_in_common(first, second, distance=0) == 0
    assert segments_in_common(first, second, distance=1) == 1
    assert segments_in_common(first, second, distance=64) == 2
    assert segments_in_common(first, b"") == segments_in_common(b"", first) == 0


def test_hash_size_is_each_regions() -> None:
    """A larger hash size makes each region's hash larger, not the number of regions."""
    picture = drawn(2)
    assert len(perceptual("crop_resistant", picture, 16)) == 4 * len(perceptual("crop_resistant", picture))
