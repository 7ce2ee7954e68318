"""What an algorithm and a hasher are: how one that we do not ship (a licensed one, say) takes part in every check.

A package brings one by an entry point in the group ``ingest_guard.hashers``, whose name is the algorithm's::

    [project.entry-points."ingest_guard.hashers"]
    photodna = "our_photodna:PhotoDna"

The entry point names a :class:`Hasher`, or a class or function that makes one when called without arguments. What
ships with this package stands in the same table (:data:`BUILT_IN`) and is loaded through the same door.
:mod:`ingest_guard.testing` has the tests that a hasher must pass.

A hasher runs inside a scan worker: no files, no network, a limit on memory and time. It loads what it needs when it is
made, before any image is seen. Its name, and only that, may appear in logs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ingest_guard.errors import IngestGuardError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Distance = Literal["hamming", "l1", "l2"]

GROUP = "ingest_guard.hashers"
"""The entry point group."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_LONGEST = 4096


class HasherError(IngestGuardError):
    """A hasher cannot be loaded, is not what it must be, or failed on an image.

    An image on which it failed is ``not_scannable(hasher_failed)``. The text names the hasher and the kind of error,
    never what the hasher said: that might hold a part of the image.
    """


class Kind(StrEnum):
    """How values of an algorithm are compared."""

    EXACT = "exact"
    """Digests of bytes: equal or not."""
    NEAR = "near"
    """Perceptual hashes of bits: a Hamming distance within a threshold."""
    VECTOR = "vector"
    """Perceptual hashes of bytes, each a number: an L1 or L2 distance within a threshold."""
    URL = "url"
    """Addresses, and hosts with all that lies below them: normalised, then compared as digests."""


_KINDS = {"bits": Kind.NEAR, "bytes": Kind.VECTOR, "digest": Kind.EXACT, "address": Kind.URL}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """What values are, and when two of them count as near.

    Attributes
    ----------
    name
        As written in lists, policies and verdicts: lower-case letters, digits, underscores.
    length
        Bytes of one value; for ``url`` and ``domain`` those of the digest that is stored.
    values
        ``bits``: each bit counts for itself. ``bytes``: each byte is a number from 0 to 255. Values that no hasher
        makes are ``digest`` or ``address``.
    distance
        ``hamming`` for bits; ``l1`` (sum of differences) or ``l2`` (root of the sum of their squares) for bytes.
    threshold
        Largest distance that still is a match where neither list nor policy says otherwise.
    source
        ``frames``: the hasher gets each frame of an image, decoded. ``bytes``: the file as it is.
    """

    name: str
    length: int
    values: Literal["bits", "bytes", "digest", "address"]
    distance: Distance = "hamming"
    threshold: float = 0
    source: Literal["frames", "bytes"] = "frames"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError("an algorithm's name has 1 to 32 lower-case letters, digits and underscores")
        if not 1 <= self.length <= _LONGEST:
            raise ValueError(f"algorithm {self.name}: length is 1 to {_LONGEST} bytes, not {self.length}")
        if self.values not in _KINDS:
            raise ValueError(f"algorithm {self.name}: values are 'bits' or 'bytes'")
        allowed = ("l1", "l2") if self.values == "bytes" else ("hamming",)
        if self.distance not in allowed:
            raise ValueError(f"algorithm {self.name}: {self.values} need the distance {' or '.join(allowed)}")
        if not 0 <= self.threshold < self.largest_distance:
            raise ValueError(
                f"algorithm {self.name}: threshold must be at least 0 and below {self.largest_distance:g}, "
                "at which everything matches"
            )
        if self.source not in ("frames", "bytes"):
            raise ValueError(f"algorithm {self.name}: source is 'frames' or 'bytes'")

    @property
    def kind(self) -> Kind:
        """How values are compared."""
        return _KINDS[self.values]

    @property
    def bits(self) -> int:
        """Bits of a value."""
        return self.length * 8

    @property
    def compared(self) -> bool:
        """Whether values are compared within a threshold at all."""
        return self.values in ("bits", "bytes")

    @property
    def largest_distance(self) -> float:
        """Distance of two values that have nothing in common."""
        if self.distance == "hamming":
            return 8.0 * self.length
        return 255.0 * (self.length if self.distance == "l1" else math.sqrt(self.length))

    @property
    def build_radius(self) -> int:
        """Bits that an index is built for at least, so that a policy can move the threshold without a rebuild.

        An index of vectors answers for every distance.
        """
        if self.values != "bits":
            return 0
        # An eighth of the bits; of PDQ, what its authors recommend.
        return max(int(self.threshold), 31 if self.name == "pdq" else self.length)

    @property
    def safe_threshold(self) -> float:
        """Largest threshold that needs no consent to false matches.

        An eighth of the bits (8 of 64). Of vectors nothing can be said in general, so it is what the plug-in's author
        chose as the default; and for bits, too, where that is more.
        """
        return self.threshold if self.values == "bytes" else max(self.bits // 8, self.threshold)

    @property
    def max_threshold(self) -> float:
        """Largest threshold at all.

        A quarter of the bits, beyond which unrelated pictures match (or the default where that is more); of vectors
        anything below the largest distance there is, at which everything matches.
        """
        if self.values == "bytes":
            return math.nextafter(self.largest_distance, 0.0)
        return max(self.bits // 4, self.threshold)

    def format_threshold(self, threshold: float) -> str:
        """Return a threshold with its unit, for error texts: ``40 of 256 bits``, ``an l1 distance of 900``."""
        if self.values == "bytes":
            return f"an {self.distance} distance of {threshold:.10g}"
        return f"{threshold} of {self.bits} bits"


class FrameSource(Protocol):
    """What a hasher gets where its algorithm's source is ``frames``."""

    @property
    def luma(self) -> NDArray[np.uint8]:
        """uint8[height, width]: brightness as displayed. Must not be written to."""

    @property
    def colour(self) -> Callable[[], Image.Image] | None:
        """Returns the frame as an RGB picture; None where there is only the luma."""


@runtime_checkable
class Hasher(Protocol):
    """Computes the values of an algorithm that takes part in every check."""

    @property
    def algorithm(self) -> Algorithm:
        """What its values are. The same at every call."""

    def hash(self, source: Any, /) -> Sequence[bytes]:
        """Return the values of one frame or file: none if it has none (too small, say), else one or more.

        ``source`` is a :class:`FrameSource` or, where the algorithm's source is ``bytes``, the file as ``bytes``.
        Anything raised makes the image ``not_scannable(hasher_failed)``. What takes long and is needed once may be in a
        method ``prepare()``, which is called before workers are forked.
        """


_SHIPPED = "ingest_guard.hashing.builtin"

BUILT_IN = tuple(
    EntryPoint(name, f"{_SHIPPED}:{name}", GROUP)
    for name in (
        "pdq",
        "phash",
        "phash_simple",
        "dhash",
        "dhash_vertical",
        "ahash",
        "whash",
        "colorhash",
        "crop_resistant",
    )
)
"""The hashers that ship with this package."""


_DESCRIBED: dict[str, Hasher] = {}


def described() -> Mapping[str, Hasher]:
    """Return the hashers that are not installed but made in this process, by what a policy says of them."""
    return _DESCRIBED


def describe(hasher: Hasher) -> None:
    """Make a hasher known in this process by its algorithm's name. Scanners that there are keep what they have."""
    _DESCRIBED[hasher.algorithm.name] = hasher


def installed() -> dict[str, EntryPoint]:
    """Return the entry points of all hashers, ours first; loads none of them.

    Raises
    ------
    HasherError
        Two of them have the same name.
    """
    found: dict[str, EntryPoint] = {point.name: point for point in BUILT_IN}
    for point in entry_points(group=GROUP):
        if found.setdefault(point.name, point).value != point.value:
            raise HasherError(
                f"two hashers are called {point.name}: {found[point.name].value} and {point.value}; "
                "uninstall one of the packages, or rename its entry point"
            )
    return found


def load(names: Iterable[str]) -> dict[str, Hasher]:
    """Return hashers by name.

    Raises
    ------
    HasherError
        A name is unknown, or what stands behind it cannot be loaded or is no hasher.
    """
    points = installed()
    loaded = {}
    for name in names:
        if name not in points and name not in _DESCRIBED:
            raise HasherError(f"unknown hasher {name!r}; installed: {', '.join(points)}")
        loaded[name] = _made(points[name]) if name in points else _DESCRIBED[name]
    return loaded


@lru_cache(maxsize=64)
def _made(point: EntryPoint) -> Hasher:
    try:
        made = point.load()
        if isinstance(made, type) or not isinstance(made, Hasher):
            made = made()
        sound = isinstance(made, Hasher) and isinstance(made.algorithm, Algorithm) and made.algorithm.compared
        hasher: Hasher | None = made if sound else None
    except Exception as error:
        raise HasherError(
            f"hasher {point.name} ({point.value}) cannot be loaded: {type(error).__name__}; "
            "try to import it by hand, or uninstall its package"
        ) from error
    if hasher is None:
        raise HasherError(f"hasher {point.name} ({point.value}) has no algorithm and hash(); see ingest_guard.testing")
    if hasher.algorithm.name != point.name:
        raise HasherError(f"entry point {point.name} leads to a hasher called {hasher.algorithm.name}; rename either")
    return hasher


def prepare(hasher: Hasher) -> None:
    """Let a hasher that has a method ``prepare`` make what it makes once; PolicyError (an encoder), or HasherError."""
    make: Callable[[], object] | None = getattr(hasher, "prepare", None)
    try:
        if make is not None:
            make()
    except IngestGuardError:
        raise
    except Exception as error:
        raise HasherError(f"hasher {hasher.algorithm.name} cannot be prepared: {type(error).__name__}") from error


def run(hasher: Hasher, source: FrameSource | bytes) -> list[bytes]:
    """Return a hasher's values for one frame or file.

    Raises
    ------
    HasherError
        It raised, or returned something that is no sequence of values of its own length. The caller turns this into
        ``not_scannable(hasher_failed)``.
    """
    algorithm = hasher.algorithm
    try:
        values = list(hasher.hash(source))
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it may raise, the gate stays shut
        # Without its text and its traceback: either may show a part of the image.
        raise HasherError(f"hasher {algorithm.name} raised {type(error).__name__}") from None
    for value in values:
        if type(value) is not bytes or len(value) != algorithm.length:
            raise HasherError(
                f"hasher {algorithm.name} returned something else than bytes of length {algorithm.length}"
            )
    return values
