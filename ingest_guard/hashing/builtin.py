"""The hashers that ship with this package, in the shape that plug-ins have."""

from dataclasses import dataclass

from ingest_guard.hashing.algorithms import get
from ingest_guard.hashing.pdq import SMALLEST_SIDE
from ingest_guard.hashing.pdq import pdq as pdq_of
from ingest_guard.hashing.perceptual import COLOUR_HASH_BYTES, perceptual
from ingest_guard.hashing.registry import Algorithm, FrameSource
from ingest_guard.hashing.segments import SEGMENT_BYTES, SEGMENT_DISTANCE


class Pdq:
    """PDQ of a frame as it is; none for frames that are too small for it."""

    algorithm = get("pdq")

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


pdq = Pdq()
phash = Perceptual(get("phash"))
phash_simple = Perceptual(Algorithm("phash_simple", 8, "bits", threshold=4))
dhash = Perceptual(get("dhash"))
dhash_vertical = Perceptual(Algorithm("dhash_vertical", 8, "bits", threshold=4))
ahash = Perceptual(get("ahash"))
whash = Perceptual(get("whash"))
# Pictures of like colours have equal values: it can narrow a search, not decide.
colorhash = Perceptual(Algorithm("colorhash", COLOUR_HASH_BYTES, "bits"))
crop_resistant = Perceptual(Algorithm("crop_resistant", SEGMENT_BYTES, "bits", threshold=SEGMENT_DISTANCE))
