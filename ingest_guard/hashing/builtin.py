"""The hashers that ship with this package, in the shape that plug-ins have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_guard.hashing.pdq import HASH_BYTES, SMALLEST_SIDE
from ingest_guard.hashing.pdq import pdq as pdq_of
from ingest_guard.hashing.perceptual import COLOUR_HASH_BYTES, perceptual
from ingest_guard.hashing.registry import Algorithm
from ingest_guard.hashing.segments import SEGMENT_BYTES, SEGMENT_DISTANCE

if TYPE_CHECKING:
    from ingest_guard.hashing.registry import FrameSource


class Pdq:
    """PDQ of a frame as it is; none for frames that are too small for it."""

    algorithm = Algorithm("pdq", HASH_BYTES, "bits", "hamming", threshold=31)

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return one value, or none."""
        if min(source.luma.shape) < SMALLEST_SIDE:
            return []
        return [pdq_of(source.luma)[0]]


@dataclass(frozen=True)
class Perceptual:
    """One of the imagehash family at its usual size."""

    algorithm: Algorithm

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return one value; of ``crop_resistant`` one a region."""
        name, length = self.algorithm.name, self.algorithm.length
        coloured = name == "colorhash" and source.colour is not None
        value = perceptual(name, source.colour() if coloured and source.colour else source.luma)
        return [value[start : start + length] for start in range(0, len(value), length)]


def _bits(name: str, length: int = 8, threshold: int = 4) -> Perceptual:
    return Perceptual(Algorithm(name, length, "bits", "hamming", threshold))


pdq = Pdq()
phash = _bits("phash")
phash_simple = _bits("phash_simple")
dhash = _bits("dhash")
dhash_vertical = _bits("dhash_vertical")
ahash = _bits("ahash")
whash = _bits("whash")
# Pictures of like colours have equal values: it can narrow a search, not decide.
colorhash = _bits("colorhash", COLOUR_HASH_BYTES, 0)
crop_resistant = _bits("crop_resistant", SEGMENT_BYTES, SEGMENT_DISTANCE)
