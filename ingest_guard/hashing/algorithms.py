"""The one table of algorithms: how many bytes a value has, how it is compared, and which thresholds are sound.

Behind the table stand the hasher plug-ins that are installed (:mod:`ingest_guard.hashing.registry`): one is loaded when
its name is first asked for. Readers of list files, the builder and the policy's checks all look here, so that nothing
else needs to know a new name.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Literal

from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import registry

Distance = Literal["hamming", "l1", "l2"]

_NEAR_SIZES = (8, 32)
_TOO_MANY_BITS = "more than {}, beyond which unrelated pictures match"


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


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One kind of value that a list may hold.

    Attributes
    ----------
    name
        As written in lists, policies and verdicts.
    size
        Bytes of a value; for ``url`` and ``domain`` those of the digest that is stored.
    kind
        How values are compared.
    default_threshold
        Distance that still counts as a match where nobody says otherwise (0 where values are compared exactly).
    build_radius
        Bits that an index is built for at least, so that a policy can move the threshold without a rebuild. An index of
        vectors answers for every distance.
    distance
        ``hamming``: bits that differ; ``l1``, ``l2``: of vectors.
    """

    name: str
    size: int
    kind: Kind
    default_threshold: float = 0
    build_radius: int = 0
    distance: Distance = "hamming"

    @property
    def bits(self) -> int:
        """Bits of a value."""
        return self.size * 8

    @property
    def compared(self) -> bool:
        """Whether values are compared within a threshold at all."""
        return self.kind in (Kind.NEAR, Kind.VECTOR)

    @property
    def safe_threshold(self) -> float:
        """Largest threshold that needs no consent to false matches.

        An eighth of the bits (8 of 64). Of vectors nothing can be said in general, so it is what the plug-in's author
        chose as the default; and for bits, too, where that is more.
        """
        return self.default_threshold if self.kind is Kind.VECTOR else max(self.bits // 8, self.default_threshold)

    @property
    def max_threshold(self) -> float:
        """Largest threshold at all.

        A quarter of the bits, beyond which unrelated pictures match (or the default where that is more); of vectors
        anything below the largest distance there is, at which everything matches.
        """
        if self.kind is not Kind.VECTOR:
            return max(self.bits // 4, self.default_threshold)
        largest = 255.0 * (self.size if self.distance == "l1" else math.sqrt(self.size))
        return math.nextafter(largest, 0.0)

    def spoken(self, threshold: float) -> str:
        """Return a threshold with its unit, for error texts: ``40 of 256 bits``, ``an l1 distance of 900``."""
        if self.kind is Kind.VECTOR:
            return f"an {self.distance} distance of {threshold:.10g}"
        return f"{threshold} of {self.bits} bits"


def _near(name: str, size: int, threshold: int, radius: int) -> Algorithm:
    return Algorithm(name, size, Kind.NEAR, threshold, radius)


_TABLE: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("md5", 16, Kind.EXACT),
        Algorithm("sha1", 20, Kind.EXACT),
        Algorithm("sha256", 32, Kind.EXACT),
        # 31 of 256 is the threshold that PDQ's authors recommend.
        _near("pdq", 32, 31, 31),
        # 10 of 64 against a million entries is a false match in every hundredth picture; 4 is none in practice.
        _near("phash", 8, 4, 8),
        _near("dhash", 8, 4, 8),
        _near("ahash", 8, 4, 8),
        _near("whash", 8, 4, 8),
        Algorithm("url", 32, Kind.URL),
        Algorithm("domain", 32, Kind.URL),
    )
}


def names() -> tuple[str, ...]:
    """Return the names of the algorithms that need no plug-in, in the table's order."""
    return tuple(_TABLE)


def built_in(name: str) -> Algorithm | None:
    """Return the algorithm of that name if it needs no plug-in, else None."""
    return _TABLE.get(name)


def find(name: str) -> Algorithm | None:
    """Return the algorithm of that name, built in or of an installed plug-in, or None.

    Raises
    ------
    BlocklistError
        A plug-in of that name is installed, but cannot be loaded, or has values that lists cannot hold.
    """
    return _TABLE.get(name) or _installed(name)


def get(name: str) -> Algorithm:
    """Return the algorithm of that name.

    Raises
    ------
    BlocklistError
        Nothing of that name is known, or its plug-in is broken.
    """
    algorithm = find(name)
    if algorithm is None:
        raise BlocklistError(
            f"unknown algorithm {name!r}; known: {', '.join(_TABLE)}. If a hasher plug-in (entry point group "
            f"{registry.GROUP}) brings it, install that plug-in here too."
        )
    return algorithm


def _installed(name: str) -> Algorithm | None:
    """Look among the plug-ins; quickly, as each row of a list with an unknown name ends here."""
    path = tuple(sys.path)
    try:
        return _described(name, path) if name in _plugins(path) else None
    except registry.HasherError as error:
        raise BlocklistError(str(error)) from error


# What is installed can only change with the path, as far as a running process is concerned.
@lru_cache(maxsize=4)
def _plugins(path: tuple[str, ...]) -> frozenset[str]:
    del path
    # A hasher of our own that is not in the table is one that decides nothing by itself: lists cannot hold it.
    return frozenset(registry.installed()) - {point.name for point in registry.BUILT_IN} - set(_TABLE)


@lru_cache(maxsize=64)
def _described(name: str, path: tuple[str, ...]) -> Algorithm:
    del path
    (hasher,) = registry.load([name]).values()
    return described(hasher.algorithm)


def described(hashed: registry.Algorithm) -> Algorithm:
    """Return what lists need to know of a plug-in's algorithm.

    Raises
    ------
    BlocklistError
        Bits of another length than lists can hold.
    """
    if hashed.values == "bytes":
        return Algorithm(hashed.name, hashed.length, Kind.VECTOR, hashed.threshold, distance=hashed.distance)
    if hashed.length not in _NEAR_SIZES:
        raise BlocklistError(
            f"algorithm {hashed.name}: its plug-in makes values of {hashed.length} bytes that are compared bit by bit; "
            "lists can hold such values of 8 or 32 bytes, and byte vectors (l1, l2) of any length. Leave its rows out, "
            "or have the plug-in pad its values"
        )
    threshold = math.floor(hashed.threshold)
    return Algorithm(hashed.name, hashed.length, Kind.NEAR, threshold, max(threshold, hashed.length))


def check_threshold(
    name: str, value: float, *, accept_false_matches: bool = False, where: str = "threshold"
) -> int | float:
    """Return `value` if it is a sound threshold for `name`: bits, or for vectors any number.

    Raises
    ------
    BlocklistError
        Not an algorithm with a distance, below 0, or above what is allowed without or even with `accept_false_matches`.
    """
    algorithm = get(name)
    if not algorithm.compared:
        raise BlocklistError(f"{where}: {name} is compared exactly and takes no threshold; remove it")
    is_vector = algorithm.kind is Kind.VECTOR
    kinds = (int, float) if is_vector else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < math.inf:
        expected = "a number" if is_vector else "a whole number of bits"
        raise BlocklistError(f"{where}: expected {expected} from 0, got {value!r}")
    if value > algorithm.max_threshold:
        too_much = "not below {:.10g}, at which everything matches" if is_vector else _TOO_MANY_BITS
        raise BlocklistError(
            f"{where}: {algorithm.spoken(value)} is {too_much.format(algorithm.max_threshold)}; choose a smaller one"
        )
    if value > algorithm.safe_threshold and not accept_false_matches:
        raise BlocklistError(
            f"{where}: {algorithm.spoken(value)} will match unrelated pictures; choose at most "
            f"{algorithm.safe_threshold:.10g}, or set accept_false_matches"
        )
    return value
