from __future__ import annotations

import gc

import numpy as np
import pytest
from PIL import Image

from ingest_guard.imaging.pixels.pillow import borrowed


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (641, 479), (3, 4096), (5000, 3600)])
def test_samples_are_those_of_the_picture(size: tuple[int, int]) -> None:
    """Odd widths, single pixels, and pictures that lie in several blocks of memory."""
    values = np.random.default_rng(1).integers(0, 256, size[::-1], dtype=np.uint8)
    luma = borrowed(Image.fromarray(values).copy())
    gc.collect()
    others = [Image.new("L", size, 7) for _ in range(3)]
    assert len(others) == 3
    assert np.array_equal(luma, values)
    assert not luma.flags.writeable


def test_borrowed_memory_is_not_lent_on() -> None:
    """A picture made from an array does not own its samples; older versions of Pillow crash when asked for them."""
    values = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert Image.fromarray(values).readonly
    assert np.array_equal(borrowed(Image.fromarray(values)), values)


@pytest.mark.parametrize("error", [AttributeError, ValueError])
def test_pictures_that_cannot_be_lent_are_copied(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """An older Pillow, or memory in pieces."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "__arrow_c_array__", fail)
    picture = Image.linear_gradient("L")
    assert not picture.readonly
    assert np.array_equal(borrowed(picture), np.asarray(picture))


def test_memory_of_another_shape_is_not_borrowed() -> None:
    """What Arrow says of it must fit."""
    picture = Image.linear_gradient("L").convert("RGB")
    with pytest.raises(ValueError, match="reshape"):
        borrowed(picture)
