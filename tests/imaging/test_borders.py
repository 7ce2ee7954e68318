from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from support.pictures import drawn, photographs

from ingest_guard.hashing.pdq import pdq
from ingest_guard.imaging.borders import trim_borders

if TYPE_CHECKING:
    from collections.abc import Callable


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
    trimmed = trim_borders(luma(framed))[0]
    assert abs(trimmed.shape[0] - 300) <= 8
    assert abs(trimmed.shape[1] - 400) <= 8
    assert bits_apart(trimmed, luma(picture)) <= 24


def test_bars_of_two_colours_go(picture: Image.Image) -> None:
    """Each side may have a colour of its own."""
    framed = ImageOps.expand(ImageOps.expand(picture, (0, 30, 0, 0), "white"), (0, 0, 0, 30), "black")
    trimmed = trim_borders(luma(framed))[0]
    assert np.array_equal(trimmed, luma(picture))


@pytest.mark.parametrize("lines", [1, 2])
def test_captions_in_a_bar_go_with_it(picture: Image.Image, lines: int) -> None:
    """Words on a bar above the picture are no part of it."""
    bar = 40 * lines
    framed = ImageOps.expand(picture, (0, bar, 0, 0), "white")
    for line in range(lines):
        ImageDraw.Draw(framed).text((60, 8 + 40 * line), "WHEN IT IS MONDAY", fill="black", font_size=26)
    trimmed = trim_borders(luma(as_jpeg(framed, 80)))[0]
    assert abs(trimmed.shape[0] - 300) <= 3


def test_plain_sides_of_the_picture_itself_stay(picture: Image.Image) -> None:
    """Under black bars, a grey wall at the picture's side is the picture's own."""
    walled = ImageOps.expand(picture, (60, 0, 60, 0), "#808080")
    trimmed = trim_borders(luma(ImageOps.expand(walled, (0, 40, 0, 40), "black")))[0]
    assert np.array_equal(trimmed, luma(walled))


@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut", "china", "flower", "coins"])
def test_pictures_without_a_border_have_none(name: str) -> None:
    """A photograph that reaches its edges is left alone."""
    assert trim_borders(luma(photographs()[name])) == []


@pytest.mark.parametrize(
    "blank",
    [np.zeros((200, 300), np.uint8), np.full((90, 50), 255, np.uint8), np.zeros((5, 400), np.uint8)],
)
def test_blank_and_tiny_pictures_have_no_border(blank: np.ndarray) -> None:
    """Where nothing would be left, or nothing was there, nothing is cut."""
    assert trim_borders(blank) == []


def test_a_speck_on_a_wall_is_no_picture_in_a_frame() -> None:
    """A small thing on a plain ground keeps its ground, whether it is low, narrow or both."""
    for height, width in ((20, 20), (10, 300), (250, 20)):
        wall = np.full((300, 400), 200, np.uint8)
        wall[20 : 20 + height, 30 : 30 + width] = np.arange(width) % 251
        assert trim_borders(wall) == []


def test_a_border_of_a_pixel_is_not_worth_a_view(picture: Image.Image) -> None:
    """What hardly changes a hash is not hashed again."""
    assert trim_borders(luma(ImageOps.expand(picture, (0, 0, 1, 0), "black"))) == []


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 80), st.integers(1, 80)), elements=st.sampled_from([0, 5, 200])))
def test_whatever_the_picture_trimming_is_a_part_of_it(values: np.ndarray) -> None:
    """The result is at most two smaller views of the same memory, never empty, and never the same twice."""
    trimmed = trim_borders(values)
    assert len(trimmed) <= 2
    for each in trimmed:
        assert np.shares_memory(each, values)
        assert 0 < each.size < values.size


def blurred_sides(picture: Image.Image) -> Image.Image:
    """Return the picture between its own sides, enlarged and blurred, as phones' editors put it."""
    width, height = picture.size
    page = picture.resize((width * 3 // 2, height * 3 // 2)).filter(ImageFilter.GaussianBlur(14))
    page = page.crop((0, height // 4, width * 3 // 2, height * 5 // 4))
    page.paste(picture, (width // 4, 0))
    return page


def blurred_bars(picture: Image.Image) -> Image.Image:
    """Return the picture between blurred bars above and below it."""
    turned = blurred_sides(picture.transpose(Image.Transpose.TRANSPOSE))
    return turned.transpose(Image.Transpose.TRANSPOSE)


def on_ground(picture: Image.Image, ground: np.ndarray) -> Image.Image:
    """Return the picture in the middle of a ground, its brightness or its three colours."""
    page = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8)).convert("RGB")
    page.paste(picture, ((page.width - picture.width) // 2, (page.height - picture.height) // 2))
    return page


def gradient(picture: Image.Image) -> Image.Image:
    """Return the picture in a frame that goes from black to white, left to right."""
    width, height = picture.width + 40, picture.height + 40
    return on_ground(picture, np.tile(np.linspace(0, 255, width), (height, 1)))


def slope(picture: Image.Image) -> Image.Image:
    """Return the picture in a frame that goes from grey to white, top to bottom."""
    width, height = picture.width + 50, picture.height + 50
    return on_ground(picture, np.tile(np.linspace(100, 255, height), (width, 1)).T)


def noise(sigma: float) -> Callable[[Image.Image], Image.Image]:
    """Return what puts the picture in a frame of coloured noise."""

    def framed(picture: Image.Image) -> Image.Image:
        rng = np.random.default_rng(3)
        return on_ground(picture, rng.normal(128, sigma, (picture.height + 40, picture.width + 40, 3)))

    return framed


TEXTURED = {
    "blurred sides": blurred_sides,
    "blurred bars": blurred_bars,
    "gradient": gradient,
    "slope": slope,
    "noise 6": noise(6),
    "noise 12": noise(12),
}


@pytest.mark.parametrize("border", TEXTURED)
@pytest.mark.parametrize("name", ["chelsea", "coffee", "astronaut", "flower", "drawn"])
@pytest.mark.parametrize("side", [400, 800])
def test_borders_that_are_not_plain_go(border: str, name: str, side: int) -> None:
    """Blurred sides, gradients and noise end in straight lines, by which the picture inside is found again."""
    picture = drawn(5, (400, 300)) if name == "drawn" else photographs()[name].resize((side, side * 3 // 4))
    framed = as_jpeg(TEXTURED[border](picture), 80)
    found = trim_borders(luma(framed))
    assert found
    assert min(bits_apart(each, luma(picture)) for each in found) <= 24


def test_a_reduced_border_line_goes_with_the_border(picture: Image.Image) -> None:
    """Where a picture was made smaller, lines that are half border, half picture are cut off."""
    large = blurred_sides(photographs()["chelsea"].resize((802, 602)))
    smaller = large.resize((large.width // 3, large.height // 3), Image.Resampling.BOX)
    (trimmed,) = trim_borders(luma(as_jpeg(smaller, 90)))
    assert bits_apart(trimmed, luma(picture)) <= 24


def test_a_seam_on_one_side_alone_is_no_border(picture: Image.Image) -> None:
    """A picture whose left third alone is blurred has no border: it is something else."""
    page = blurred_sides(picture)
    assert trim_borders(luma(page.crop((0, 0, page.width - picture.width // 4, page.height)))) == []


def test_a_plain_frame_is_one_border(picture: Image.Image) -> None:
    """Found by its colour and by its seams, it is one picture all the same."""
    assert len(trim_borders(luma(as_jpeg(ImageOps.expand(picture, 20, "black"), 85)))) == 1


def test_a_plain_bar_and_blurred_sides_are_two_answers(picture: Image.Image) -> None:
    """Plain lines above the picture may be its own: both ways to cut are tried."""
    walled = ImageOps.expand(picture, (0, 40, 0, 0), "#707070")
    assert any(bits_apart(each, luma(walled)) <= 24 for each in trim_borders(luma(as_jpeg(blurred_sides(walled), 85))))


@pytest.mark.parametrize("size", [(60, 50), (300, 420), (60, 6000), (6000, 60), (5000, 4500)])
@pytest.mark.parametrize("side", range(4))
def test_one_plain_side_with_as_many_strays_as_it_may_have_is_a_border(size: tuple[int, int], side: int) -> None:
    """A sample of the outermost pixels rules pictures out: never one with a border, wherever its strays are."""
    rng = np.random.default_rng(side)
    luma = rng.integers(0, 256, size, dtype=np.uint8)
    turned = np.rot90(luma, side)
    depth = max(2, len(turned) // 20)
    turned[:depth] = 100 + rng.integers(-9, 10, turned[:depth].shape)
    strays = int(0.03 * turned.shape[1])
    turned[:depth, rng.permutation(turned.shape[1])[:strays]] = 255
    turned[:depth, :1] = 100
    assert [part.shape for part in trim_borders(luma)] == [np.rot90(turned[depth:], -side).shape]
