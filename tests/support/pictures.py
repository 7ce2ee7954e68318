"""Pictures for the tests: photographs that ship in wheels, and drawings made from a seed."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageDraw
from skimage import data as skimage_data
from sklearn.datasets import load_sample_image

_PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "rocket", "moon", "coins", "hubble_deep_field")


@cache
def photographs() -> dict[str, Image.Image]:
    """Name -> RGB photograph, about 300 to 1000 pixels a side; read from installed wheels, nothing is downloaded."""
    pictures = {name: Image.fromarray(getattr(skimage_data, name)()).convert("RGB") for name in _PHOTOGRAPHS}
    for name in ("china", "flower"):
        pictures[name] = Image.fromarray(load_sample_image(f"{name}.jpg"))
    return pictures


def drawn(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Return a drawing (gradient, shapes, some noise) that is the same for the same seed, and unlike other seeds'."""
    rng = np.random.default_rng(seed)
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    waves = [np.sin(rng.uniform(2, 9) * x + rng.uniform(2, 9) * y + rng.uniform(0, 6)) for _ in range(3)]
    base = np.stack([(wave + 1) * 110 for wave in waves], axis=-1) + rng.normal(0, 4, (height, width, 3))
    image = Image.fromarray(np.clip(base, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(14):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        box = (left, top, left + int(rng.integers(20, width // 2)), top + int(rng.integers(20, height // 2)))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)(box, fill=colour)
    return image


def encode(image: Image.Image, format: str = "JPEG", **options: object) -> bytes:  # noqa: A002 - Pillow's own word
    """Return the picture as a file in ``format``."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()
