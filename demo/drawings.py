"""Generated graphics: posters and charts, the same for the same seed and unlike those of any other seed."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

_SHAPES = 16
_BARS = 9


def poster(seed: int, size: tuple[int, int] = (420, 300)) -> Image.Image:
    """Return overlapping shapes on a rippled background, RGB."""
    rng = np.random.default_rng(seed)
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    ripples = [np.sin(rng.uniform(3, 11) * x + rng.uniform(3, 11) * y + rng.uniform(0, 6)) for _ in range(3)]
    noise = rng.normal(0, 3, (height, width, 1))
    ground = np.stack([128 + 100 * ripple for ripple in ripples], axis=-1) + noise
    picture = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for _ in range(_SHAPES):
        left, top = int(rng.integers(-40, width)), int(rng.integers(-40, height))
        right, bottom = left + int(rng.integers(30, width // 2)), top + int(rng.integers(30, height // 2))
        box = ((left, top), (right, bottom))
        shape, colour = int(rng.integers(3)), _colour(rng)
        if shape == 0:
            pen.ellipse(box, fill=colour)
        elif shape == 1:
            pen.rectangle(box, fill=colour)
        else:
            pen.chord(box, int(rng.integers(360)), int(rng.integers(360)) + 400, fill=colour)
    return picture


def chart(seed: int, size: tuple[int, int] = (400, 280)) -> Image.Image:
    """Return a bar chart over a heat map, RGB."""
    rng = np.random.default_rng(seed)
    width, height = size
    tiles = rng.integers(60, 256, (7, 10, 3)).astype(np.uint8)
    picture = Image.fromarray(tiles).resize(size, Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(picture)
    step = width // _BARS
    for bar in range(_BARS):
        tall = int(rng.integers(height // 8, height))
        pen.rectangle(((bar * step + 6, height - tall), ((bar + 1) * step - 6, height)), fill=_colour(rng))
    return picture


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in rng.integers(0, 256, 3))
    return red, green, blue
