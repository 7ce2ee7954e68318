"""Whether our values of the imagehash family are imagehash's own, on this machine and with these library versions.

Lists hold what list makers computed with the imagehash package; crawls compare with what
:mod:`ingest_guard.hashing.perceptual` computes by other means. A new version of NumPy, SciPy, Pillow or imagehash that
moved either of them would make lists match less and less, and nothing would say so. So both are computed of twenty
generated pictures wherever a blocklist is built, and by ``ingest-guard doctor``.
"""

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest_guard.errors import BlocklistError

_ORACLES = {
    "phash": "phash",
    "phash_simple": "phash_simple",
    "dhash": "dhash",
    "dhash_vertical": "dhash_vertical",
    "ahash": "average_hash",
    "whash": "whash",
}

NAMES = tuple(_ORACLES)
"""The algorithms that are held to imagehash. ``colorhash`` is imagehash's; ``crop_resistant`` takes it seconds."""

_PICTURES = 20

_MOST_BITS = 4
"""Bits by which one value may differ: two numbers that are all but equal compare either way. The default threshold."""

_MOST_OF_ALL = 20
"""Bits by which all twenty values together may."""


def require_conformance(names: Iterable[str]) -> None:
    """Check some algorithms; those that are not of the family are left out. Computed once a process, in 0.2 s.

    Raises
    ------
    BlocklistError
        Values differ from imagehash's: the text names the algorithms.
    """
    deviating = sorted(name for name in set(names) & set(NAMES) if _deviates(name))
    if deviating:
        raise BlocklistError(
            f"{', '.join(deviating)}: the values computed here are not those of the imagehash package, so listed "
            "pictures would not be found; install the versions of numpy, scipy, Pillow and imagehash that "
            "ingest-guard was released with, and report the versions that you have"
        )


@cache
def _deviates(name: str) -> bool:
    # Late: half a second to import, and most lists need neither.
    import imagehash  # noqa: PLC0415

    from ingest_guard.hashing.perceptual import perceptual  # noqa: PLC0415

    oracle = getattr(imagehash, _ORACLES[name])
    apart = []
    for picture in _pictures():
        listed = np.packbits(oracle(picture).hash)
        computed = np.frombuffer(perceptual(name, picture), np.uint8)
        apart.append(int(np.bitwise_count(listed ^ computed).sum()))
    return max(apart) > _MOST_BITS or sum(apart) > _MOST_OF_ALL


@cache
def _pictures() -> tuple[Image.Image, ...]:
    """Return generated pictures in colour, of many shapes: waves, blocks and some noise."""
    rng = np.random.default_rng(20)
    return tuple(_picture(rng, *(int(side) for side in rng.integers(40, 240, 2))) for _ in range(_PICTURES))


def _picture(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = [np.sin(rng.uniform(2, 12) * x + rng.uniform(2, 12) * y + rng.uniform(0, 6)) for _ in range(3)]
    pixels: NDArray[np.float64] = np.stack(waves, axis=-1) * 90 + 120
    for _ in range(8):
        top, left = rng.integers(0, height), rng.integers(0, width)
        block = slice(top, top + rng.integers(8, height)), slice(left, left + rng.integers(8, width))
        pixels[block] = rng.uniform(0, 255, 3)
    # Parts of one grey alone would be ties, and what breaks a tie is rounding.
    pixels += rng.normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
