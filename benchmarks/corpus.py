"""The benchmarks' pictures: photographs inside the wheels of scikit-image and scikit-learn, generated ones, and crops.

Nothing is downloaded. There are nineteen photographs, so crops of them stand in for more; where pictures must be
distinct, crops of one and the same photograph are never held against each other.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ingest_guard.testing import draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SKIMAGE = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png"),
    *("coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png"),
    *("page.png", "retina.jpg", "rocket.jpg"),
)
_SKLEARN = ("china.jpg", "flower.jpg")

GRAIN = 3.0
"""Standard deviation of the sensor noise that enlarged crops get, in grey levels: without it they are so smooth that
their files are half as large as a photograph's, and quicker to decode."""


@dataclass(frozen=True)
class Crop:
    """A part of a photograph."""

    photograph: str
    picture: Image.Image


@cache
def photographs() -> dict[str, Image.Image]:
    """Return all photographs as RGB, by name."""
    found = {}
    for package, names in (("skimage.data", _SKIMAGE), ("sklearn.datasets.images", _SKLEARN)):
        for name in names:
            with resources.files(package).joinpath(name).open("rb") as file:
                found[name.partition(".")[0]] = Image.open(file).convert("RGB")
    return found


def generated(number: int) -> dict[str, Image.Image]:
    """Return pictures of soft shapes, by name; the same each time."""
    return {f"generated {seed}": draw(seed, 1000, 700) for seed in range(number)}


def in_folder(folder: Path) -> dict[str, Image.Image]:
    """Return the JPEG and PNG photographs below a folder as RGB, by path: Debian's wallpaper packages, say."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in {".jpg", ".jpeg", ".png"}:
            picture = Image.open(path).convert("RGB")
            picture.thumbnail((2000, 2000), Image.Resampling.LANCZOS)
            found[str(path.relative_to(folder))] = picture
    return found


def crops(
    number: int, *, share: tuple[float, float], seed: int, pictures: Mapping[str, Image.Image] | None = None
) -> Iterator[Crop]:
    """Yield crops of pictures, by default the photographs, in turn.

    Each side is a share of the picture's, between two bounds.
    """
    rng = np.random.default_rng(seed)
    everything = list((pictures or photographs()).items())
    for index in range(number):
        name, picture = everything[index % len(everything)]
        width, height = (max(16, round(side * rng.uniform(*share))) for side in picture.size)
        left, top = rng.integers(0, picture.width - width + 1), rng.integers(0, picture.height - height + 1)
        yield Crop(name, picture.crop((int(left), int(top), int(left) + width, int(top) + height)))


def sized(picture: Image.Image, longest: int, *, seed: int = 0) -> Image.Image:
    """Return the picture with its longest side set; grain is added where it had to be enlarged."""
    factor = longest / max(picture.size)
    width, height = (max(1, round(side * factor)) for side in picture.size)
    resized = picture.resize((width, height), Image.Resampling.LANCZOS)
    if factor <= 1:
        return resized
    noise = np.random.default_rng(seed).normal(0, GRAIN, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(resized) + noise, 0, 255).astype(np.uint8))


def encode(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the picture as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
