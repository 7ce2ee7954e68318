from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from support.pictures import drawn, photographs

from ingest_guard.hashing.pdq import pdq
from ingest_guard.imaging.views import centre_crop, normalise_contrast, quadrants


def luma(picture: Image.Image) -> np.ndarray:
    """Return a picture's brightness."""
    return np.asarray(picture.convert("L"))


def bits_apart(first: np.ndarray, second: np.ndarray) -> int:
    """Return the PDQ distance of two pictures."""
    a, b = (np.frombuffer(pdq(part)[0], np.uint8) for part in (first, second))
    return int(np.bitwise_count(a ^ b).sum())


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Return a photograph without a border of its own."""
    return photographs()["chelsea"].resize((400, 300))


@pytest.mark.parametrize("share", [0.5, 0.3, 0.1])
def test_a_faded_picture_gets_its_quality_back(picture: Image.Image, share: float) -> None:
    """After normalisation PDQ's quality is high again and its bits are those of the full picture."""
    full = luma(picture)
    faded = (128 + (full.astype(float) - 128) * share).astype(np.uint8)
    normal = normalise_contrast(faded)
    assert pdq(normal)[1] >= 80
    assert bits_apart(normal, full) <= 16
    if share < 0.5:
        assert pdq(faded)[1] < pdq(normal)[1]


def test_normalising_uses_the_full_range() -> None:
    """The darkest pixels become black, the brightest white, and their order stays."""
    slope = np.tile(np.linspace(60, 140, 200).astype(np.uint8), (50, 1))
    normal = normalise_contrast(slope)
    assert (normal.min(), normal.max(), normal.dtype) == (0, 255, np.uint8)
    assert (np.diff(normal[0].astype(int)) >= 0).all()


def test_a_nearly_blank_picture_stays_blank() -> None:
    """Noise of a few levels is not blown up into a picture."""
    noise = np.random.default_rng(0).integers(100, 108, (64, 64), dtype=np.uint8)
    assert normalise_contrast(noise) is noise
    assert pdq(normalise_contrast(np.full((64, 64), 9, np.uint8)))[1] == 0


def test_quadrants_are_the_four_quarters_in_reading_order() -> None:
    """Put together again they are the picture, odd sides too; nothing is copied."""
    whole = luma(drawn(1, (101, 75)))
    parts = quadrants(whole)
    assert np.array_equal(np.block([[parts[0], parts[1]], [parts[2], parts[3]]]), whole)
    assert all(np.shares_memory(part, whole) for part in parts)


@pytest.mark.parametrize(("share", "size"), [(0.5, (50, 100)), (0.8, (80, 160)), (1.0, (100, 200))])
def test_centre_crop_is_the_middle(share: float, size: tuple[int, int]) -> None:
    """The share of either side, as much cut off at both ends; nothing is copied."""
    whole = luma(drawn(2, (200, 100)))
    part = centre_crop(whole, share)
    assert part.shape == size
    top, left = (100 - size[0]) // 2, (200 - size[1]) // 2
    assert np.array_equal(part, whole[top : top + size[0], left : left + size[1]])
    assert np.shares_memory(part, whole)
