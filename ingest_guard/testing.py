"""For those who write a plug-in, a hasher or a detector: the tests that it must pass.

In the plug-in's own test suite, with pytest::

    from ingest_guard.testing import HasherContract

    class TestPhotoDna(HasherContract):
        def make(self):
            return PhotoDna()

Each method whose name starts with ``test_`` states one rule in its docstring and fails with a text that says what broke
it. Without pytest, :func:`check_hasher` runs them all. :class:`DetectorContract` and :func:`check_detector` are the
same for detectors. The pictures are drawn, from nothing but numbers; no value of a
hasher is ever printed.
"""

from __future__ import annotations

import copy
import io
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest_guard.hashing import detectors
from ingest_guard.hashing.detectors import Detector
from ingest_guard.hashing.registry import Algorithm, Hasher, installed, run

__all__ = ["DetectorContract", "DrawnFrame", "HasherContract", "check_detector", "check_hasher", "distance", "draw"]

_DISTINCT = 12
_MOST_FALSE_MATCHES = 0.02


@dataclass(frozen=True, eq=False)
class DrawnFrame:
    """A frame as hashers get it."""

    luma: NDArray[np.uint8]
    colour: Callable[[], Image.Image] | None = None

    @classmethod
    def of(cls, picture: Image.Image) -> DrawnFrame:
        """Return the frame that shows a picture."""
        luma = np.asarray(picture.convert("L"))
        luma.flags.writeable = False
        return cls(luma, lambda: picture.convert("RGB"))


@lru_cache(maxsize=64)
def draw(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Return an RGB picture of soft shapes: the same for the same numbers, and unlike other seeds'."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    canvas = np.zeros((height, width, 3))
    for _ in range(24):
        centre_x, centre_y, turn = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0, math.pi)
        along = (x - centre_x) * math.cos(turn) + (y - centre_y) * math.sin(turn)
        across = (y - centre_y) * math.cos(turn) - (x - centre_x) * math.sin(turn)
        blob = np.exp(-((along / rng.uniform(0.03, 0.4)) ** 2) - (across / rng.uniform(0.03, 0.2)) ** 2)
        canvas += blob[..., np.newaxis] * rng.uniform(-160, 160, 3)
    return Image.fromarray(np.clip(canvas + 128, 0, 255).astype(np.uint8))


def distance(algorithm: Algorithm, first: bytes, second: bytes) -> float:
    """Return how far two values of an algorithm are apart, in its own distance."""
    a, b = (np.frombuffer(value, np.uint8) for value in (first, second))
    if algorithm.distance == "hamming":
        return float(np.bitwise_count(a ^ b).sum())
    apart = np.abs(a.astype(np.float64) - b)
    return float(apart.sum() if algorithm.distance == "l1" else np.sqrt((apart**2).sum()))


class HasherContract(ABC):
    """The rules for a hasher; derive from it and say how yours is made."""

    @abstractmethod
    def make(self) -> Hasher:
        """Return a new hasher, as the entry point would."""

    def values_of(self, picture: Image.Image, *, quality: int = 95) -> list[bytes]:
        """Return the values of a picture: of its frame, or of its JPEG file, as the algorithm wants it."""
        hasher = self.make()
        if hasher.algorithm.source == "frames":
            return run(hasher, DrawnFrame.of(picture))
        return run(hasher, _jpeg(picture, quality))

    def test_algorithm_is_named_and_described(self) -> None:
        """It says what its values are, and says the same each time."""
        hasher = self.make()
        _require(isinstance(hasher, Hasher), "it needs an attribute algorithm and a method hash")
        _require(isinstance(hasher.algorithm, Algorithm), "algorithm must be an ingest_guard.hashers.Algorithm")
        _require(hasher.algorithm == hasher.algorithm == self.make().algorithm, "algorithm must not change")

    def test_a_picture_has_a_value_of_the_right_length(self) -> None:
        """An ordinary picture has at least one value, each of the announced length."""
        _require(self.values_of(draw(1)), "an ordinary picture of 320 x 240 pixels has no value")

    def test_the_same_picture_has_the_same_value(self) -> None:
        """Its values depend on nothing but the picture: not on what it saw before, nor on the instance."""
        hasher, other = self.make(), self.make()
        source, disturbance = self._source(draw(1)), self._source(draw(2))
        first = run(hasher, source)
        run(hasher, disturbance)
        _require(run(hasher, source) == first == run(other, source), "two runs on one picture gave different values")

    def test_the_source_is_left_as_it_is(self) -> None:
        """It does not write into the pixels that it was given."""
        frame = DrawnFrame.of(draw(1))
        luma = frame.luma.copy()
        if self.make().algorithm.source == "frames":
            run(self.make(), DrawnFrame(luma, frame.colour))
        _require(np.array_equal(luma, frame.luma), "it changed the picture that it was given")

    def test_a_recompressed_copy_is_near(self) -> None:
        """A copy saved again as a JPEG of quality 80 is within the default threshold."""
        algorithm, original = self.make().algorithm, draw(3)
        copied = Image.open(io.BytesIO(_jpeg(original, 80))).convert("RGB")
        _require(
            _nearest(algorithm, self.values_of(original), self.values_of(copied)) <= algorithm.threshold,
            "a recompressed copy is beyond the default threshold; perceptual values must survive that",
        )

    def test_different_pictures_are_apart(self) -> None:
        """Different pictures are beyond the default threshold, all but a few."""
        algorithm = self.make().algorithm
        values = [self.values_of(draw(100 + seed)) for seed in range(_DISTINCT)]
        pairs = [(a, b) for index, a in enumerate(values) for b in values[:index]]
        near = sum(_nearest(algorithm, a, b) <= algorithm.threshold for a, b in pairs)
        _require(near <= _MOST_FALSE_MATCHES * len(pairs), f"{near} of {len(pairs)} pairs of different pictures match")

    def test_odd_pictures_do_not_break_it(self) -> None:
        """Tiny, narrow and blank pictures have values or none, but are no error."""
        for width, height in ((1, 1), (1, 300), (300, 1), (5, 5), (31, 33)):
            self.values_of(draw(4, width, height))
        for shade in ("black", "white", "#808080"):
            self.values_of(Image.new("RGB", (64, 48), shade))

    def test_it_can_be_copied_for_another_worker(self) -> None:
        """A copy of it works as it does."""
        source = self._source(draw(5))
        hasher = self.make()
        _require(run(copy.copy(hasher), source) == run(hasher, source), "a copy gave other values")

    def _source(self, picture: Image.Image) -> DrawnFrame | bytes:
        return DrawnFrame.of(picture) if self.make().algorithm.source == "frames" else _jpeg(picture, 95)


class DetectorContract(ABC):
    """The rules for a detector; derive from it and say how yours is made."""

    @abstractmethod
    def make(self) -> Detector:
        """Return a new detector, as the entry point would."""

    def score_of(self, picture: Image.Image) -> float:
        """Return the score of a picture."""
        return detectors.run(self.make(), DrawnFrame.of(picture))

    def test_it_says_what_it_is(self) -> None:
        """Name, model and digest are there, in the characters that columns have, and do not change."""
        detector, other = self.make(), self.make()
        _require(isinstance(detector, Detector), "it needs name, model, digest and a method score")
        is_named = all(detectors.is_name(each) for each in (detector.name, detector.model))
        _require(is_named, "name and model have 1 to 32 lower-case letters, digits and underscores")
        _require(detectors.is_digest(detector.digest), "digest is the SHA-256 of its network, 64 lower-case hex digits")
        said = (detector.name, detector.model, detector.digest)
        _require(said == (other.name, other.model, other.digest), "name, model or digest changed")

    def test_scores_are_from_0_to_1(self) -> None:
        """Of ordinary pictures, of tiny, narrow and blank ones, in colour and with brightness alone."""
        for width, height in ((320, 240), (1, 1), (1, 300), (300, 1)):
            self.score_of(draw(4, width, height))
        for shade in ("black", "white", "#808080"):
            self.score_of(Image.new("RGB", (64, 48), shade))
        detectors.run(self.make(), DrawnFrame(np.full((48, 64), 99, np.uint8)))

    def test_the_same_picture_has_the_same_score(self) -> None:
        """It depends on nothing but the picture: not on what it saw before, nor on the instance."""
        detector, frame = self.make(), DrawnFrame.of(draw(1))
        first = detectors.run(detector, frame)
        detectors.run(detector, DrawnFrame.of(draw(2)))
        same = detectors.run(detector, frame) == first == detectors.run(self.make(), frame)
        _require(same, "two runs on one picture gave different scores")

    def test_the_source_is_left_as_it_is(self) -> None:
        """It does not write into the pixels that it was given."""
        frame = DrawnFrame.of(draw(1))
        luma = frame.luma.copy()
        detectors.run(self.make(), DrawnFrame(luma, frame.colour))
        _require(np.array_equal(luma, frame.luma), "it changed the picture that it was given")


def check_detector(make: Callable[[], Detector] | str) -> None:
    """Run every rule of :class:`DetectorContract`; AssertionError or DetectorError for the first that is broken.

    Parameters
    ----------
    make
        Something that makes the detector, or the name of an entry point in the group ``ingest_guard.detectors``.
    """

    class Rules(DetectorContract):
        def make(self) -> Detector:
            return detectors.load([make])[make] if isinstance(make, str) else make()

    for rule in _rules(Rules(), DetectorContract):
        rule()


def check_hasher(make: Callable[[], Hasher] | str) -> None:
    """Run every rule of :class:`HasherContract`; AssertionError or HasherError for the first that is broken.

    Parameters
    ----------
    make
        Something that makes the hasher, or the name of an entry point in the group ``ingest_guard.hashers``.
    """
    maker = _loader(make) if isinstance(make, str) else make

    class Rules(HasherContract):
        def make(self) -> Hasher:
            return maker()

    for rule in _rules(Rules(), HasherContract):
        rule()


def _loader(name: str) -> Callable[[], Hasher]:
    points = installed()
    _require(name in points, f"no entry point {name!r} in the group; is the plug-in installed in this environment?")

    def make() -> Hasher:
        loaded = points[name].load()
        made: Hasher = loaded if isinstance(loaded, Hasher) and not isinstance(loaded, type) else loaded()
        return made

    return make


def _rules(contract: HasherContract | DetectorContract, rules: type) -> Iterator[Callable[[], None]]:
    for name in vars(rules):  # in the order in which they stand there: the plainest first
        if name.startswith("test_"):
            yield getattr(contract, name)


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _nearest(algorithm: Algorithm, first: list[bytes], second: list[bytes]) -> float:
    return min((distance(algorithm, a, b) for a in first for b in second), default=math.inf)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
