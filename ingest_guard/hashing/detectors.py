"""What a detector is: a network that scores what a picture shows, for a column of the records or a bound on them.

A package brings one by an entry point in the group ``ingest_guard.detectors``, whose name is the detector's::

    [project.entry-points."ingest_guard.detectors"]
    our_scores = "our_package:OurScores"

The entry point names a :class:`Detector`, or a class or function that makes one when called without arguments.
:class:`ingest_guard.testing.DetectorContract` has the tests that it must pass. A detector runs inside a scan worker, as
hashers do. It matches nothing and clears nothing: a score is an opinion about a picture that the lists do not know.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from ingest_guard.errors import IngestGuardError, PolicyError
from ingest_guard.hashing.registry import FrameSource
from ingest_guard.policy.networks import DetectorPolicy

GROUP = "ingest_guard.detectors"
"""The entry point group."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class DetectorError(IngestGuardError):
    """A detector cannot be loaded, is not what it must be, or failed on an image.

    An image on which it failed is ``not_scannable(detector_failed)``. The text names the detector and the kind of
    error, never what the detector said: that might hold a part of the image.
    """


@runtime_checkable
class Detector(Protocol):
    """Scores pictures."""

    @property
    def name(self) -> str:
        """Of the entry point: lower-case letters, digits, underscores."""

    @property
    def model(self) -> str:
        """Short name and version of its network, of the same characters; another network has another one."""

    @property
    def digest(self) -> str:
        """SHA-256 of the network's file, 64 lower-case hex digits: part of what each record was checked by."""

    def score(self, source: FrameSource, /) -> float:
        """Return the score of one frame, from 0 to 1.

        Anything raised makes the image ``not_scannable(detector_failed)``. What takes long and is needed once may be in
        a method ``prepare()``, which is called before workers are forked.
        """


BUILT_IN = (EntryPoint("open_nsfw", "ingest_guard.hashing.open_nsfw:OpenNsfw", GROUP),)
"""The detectors that ship with this package."""


def column_of(detector: Detector) -> str:
    """Return the name of the column that holds a detector's scores."""
    return f"score_{detector.name}_{detector.model}"


def is_name(text: str) -> bool:
    """Return whether a detector or a model may have this name."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Return whether a text is a SHA-256 as detectors write it."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def installed() -> dict[str, EntryPoint]:
    """Return the entry points of all detectors, ours first; loads none of them.

    Raises
    ------
    DetectorError
        Two of them have the same name.
    """
    found = {point.name: point for point in BUILT_IN}
    for point in entry_points(group=GROUP):
        if found.setdefault(point.name, point).value != point.value:
            raise DetectorError(
                f"two detectors are called {point.name}: {found[point.name].value} and {point.value}; "
                "uninstall one of the packages, or rename its entry point"
            )
    return found


def load(names: Iterable[str]) -> dict[str, Detector]:
    """Return detectors by name.

    Raises
    ------
    PolicyError
        A name is unknown.
    DetectorError
        What stands behind a name cannot be loaded, or is no detector.
    """
    loaded = {}
    for name in names:
        points = installed()
        if name not in points:
            raise PolicyError(f"policy: key detectors.{name}: unknown; installed are {', '.join(sorted(points))}")
        loaded[name] = _made(points[name])
    return loaded


@lru_cache(maxsize=16)
def _made(point: EntryPoint) -> Detector:
    try:
        made = point.load()
        if isinstance(made, type) or not isinstance(made, Detector):
            made = made()
        detector: Detector | None = made if isinstance(made, Detector) else None
        sound = detector is not None and is_name(detector.model) and is_digest(detector.digest)
    except IngestGuardError:
        raise
    except Exception as error:
        raise DetectorError(
            f"detector {point.name} ({point.value}) cannot be loaded: {type(error).__name__}; "
            "try to import it by hand, or uninstall its package"
        ) from error
    if detector is None or not sound or detector.name != point.name:
        raise DetectorError(
            f"detector {point.name} ({point.value}) needs this name, a model, a digest and score(); "
            "see ingest_guard.testing"
        )
    return detector


def bounds_of(policies: Mapping[str, DetectorPolicy]) -> dict[str, tuple[str, float]]:
    """Return column -> name and bound, for the detectors that have one."""
    return {
        column_of(detector): (name, bound)
        for name, detector in load(policies).items()
        if (bound := policies[name].bound) is not None
    }


def prepare(detector: Detector) -> None:
    """Let a detector that has a method ``prepare`` make what it makes once.

    Raises
    ------
    DetectorError
        It failed.
    """
    make: Callable[[], object] | None = getattr(detector, "prepare", None)
    try:
        if make is not None:
            make()
    except IngestGuardError:
        raise
    except Exception as error:
        raise DetectorError(f"detector {detector.name} cannot be prepared: {type(error).__name__}") from error


def run(detector: Detector, source: FrameSource) -> float:
    """Return a detector's score of one frame, rounded to four digits.

    Raises
    ------
    DetectorError
        It raised, or returned something else than a number from 0 to 1.
    """
    try:
        score = float(detector.score(source))
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it may raise, the gate stays shut
        # Without its text and its traceback: either may show a part of the image.
        raise DetectorError(f"detector {detector.name} raised {type(error).__name__}") from None
    if not (math.isfinite(score) and 0 <= score <= 1):
        raise DetectorError(f"detector {detector.name} returned something else than a number from 0 to 1")
    return round(score, 4)
