from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw, ImageOps
from support.pictures import drawn, photographs

from ingest_guard.hashing.pdq import pdq
from ingest_guard.imaging.views import centre_crop, normalise_contrast, quadrants, trim_border


def luma(picture: Image.Image) -> np.ndarray:
    """Return a picture's brightness."""
    return np.asarray(picture.convert("L"))


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Return the picture as it comes out of a JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def bits_apart(first: np.ndarray, second: np.ndarray) -> int:
    """Return the PDQ distance of two pictures."""
    a, b = (np.frombuffer(pdq(part)[0], np.uint8) for part in (first, second))
    return int(np.bitwise_count(a ^ b).sum())


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Return a photograph without a border of its own."""
    return photographs()["chelsea"].resize((400, 300))


BORDERS = {
    "letterbox": (0, 45, 0, 45),
    "pillarbox": (80, 0, 80, 0),
    "frame": (20, 20, 20, 20),
    "thin frame": (4, 4, 4, 4),
    "bar below": (0, 0, 0, 60),
    "uneven": (10, 0, 35, 50),
}


@pytest.mark.parametrize("fill", ["black", "white", "#506070"])
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("quality", [95, 30])
def test_plain_borders_go(picture: Image.Image, border: str, fill: str, quality: int) -> None:
    """Bars and frames of any colour are cut off again, through JPEG noise, so that PDQ finds the picture."""
    framed = as_jpeg(ImageOps.expand(picture, BORDERS[border], fill), quality)
    trimmed = trim_border(luma(framed))
    assert trimmed is not None
    assert abs(trimmed.shape[0] - 300) <= 8
    assert abs(trimmed.shape[1] - 400) <= 8
    assert bits_apart(trimmed, luma(picture)) <= 24


def test_bars_of_two_colours_go(picture: Image.Image) -> None:
    """Each side may have a colour of its own."""
    framed = ImageOps.expand(ImageOps.expand(picture, (0, 30, 0, 0), "white"), (0, 0, 0, 30), "black")
    trimmed = trim_border(luma(framed))
    assert trimmed is not None
    assert np.array_equal(trimmed, luma(picture))


@pytest.mark.parametrize("lines", [1, 2])
def test_captions_in_a_bar_go_with_it(picture: Image.Image, lines: int) -> None:
    """Words on a bar above the picture are no part of it."""
    bar = 40 * lines
    framed = ImageOps.expand(picture, (0, bar, 0, 0), "white")
    for line in range(lines):
        ImageDraw.Draw(framed).text((60, 8 + 40 * line), "WHEN IT IS MONDAY", fill="black", font_size=26)
    trimmed = trim_border(luma(as_jpeg(framed, 80)))
    assert trimmed is not None
    assert abs(trimmed.shape[0] - 300) <= 3


def test_plain_sides_of_the_picture_itself_stay(picture: Image.Image) -> None:
    """Under black bars, a grey wall at the picture's side is the picture's own."""
    walled = ImageOps.expand(picture, (60, 0, 60, 0), "#808080")
    trimmed = trim_border(luma(ImageOps.expand(walled, (0, 40, 0, 40), "black")))
    assert trimmed is not None
    assert np.array_equal(trimmed, luma(walled))


@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut", "china", "flower", "coins"])
def test_pictures_without_a_border_have_none(name: str) -> None:
    """A photograph that reaches its edges is left alone."""
    assert trim_border(luma(photographs()[name])) is None


@pytest.mark.parametrize(
    "blank",
    [np.zeros((200, 300), np.uint8), np.full((90, 50), 255, np.uint8), np.zeros((5, 400), np.uint8)],
)
def test_blank_and_tiny_pictures_have_no_border(blank: np.ndarray) -> None:
    """Where nothing would be left, or nothing was there, nothing is cut."""
    assert trim_border(blank) is None


def test_a_speck_on_a_wall_is_no_picture_in_a_frame() -> None:
    """A small thing on a plain ground keeps its ground, whether it is low, narrow or both."""
    for height, width in ((20, 20), (10, 300), (250, 20)):
        wall = np.full((300, 400), 200, np.uint8)
        wall[20 : 20 + height, 30 : 30 + width] = np.arange(width) % 251
        assert trim_border(wall) is None


def test_a_border_of_a_pixel_is_not_worth_a_view(picture: Image.Image) -> None:
    """What hardly changes a hash is not hashed again."""
    assert trim_border(luma(ImageOps.expand(picture, (0, 0, 1, 0), "black"))) is None


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 80), st.integers(1, 80)), elements=st.sampled_from([0, 5, 200])))
def test_whatever_the_picture_trimming_is_a_part_of_it(values: np.ndarray) -> None:
    """The result is None or a smaller view of the same memory, never empty."""
    trimmed = trim_border(values)
    if trimmed is not None:
        assert np.shares_memory(trimmed, values)
        assert 0 < trimmed.size < values.size


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
