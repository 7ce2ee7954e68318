"""The one table of algorithms: how many bytes a value has, how it is compared, and which thresholds are sound.

A hasher plug-in adds its own with :func:`register`; readers of list files, the builder and the opened blocklist all
look here, so that nothing else needs to know a new name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from ingest_guard.errors import BlocklistError

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
_NEAR_SIZES = (8, 32)


class Kind(str, Enum):
    """How values of an algorithm are compared."""

    EXACT = "exact"
    """Digests of bytes: equal or not."""
    NEAR = "near"
    """Perceptual hashes: a Hamming distance within a threshold."""
    URL = "url"
    """Addresses: normalised, then compared as a digest."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One kind of value that a list may hold.

    Attributes
    ----------
    name
        As written in lists, policies and verdicts.
    size
        Bytes of a value; for ``url`` those of the digest that is stored.
    kind
        How values are compared.
    default_threshold
        Bits apart that still count as a match where nobody says otherwise (near only, else 0).
    build_radius
        Distance that an index is built for at least, so that a policy can move the threshold without a rebuild.
    """

    name: str
    size: int
    kind: Kind
    default_threshold: int = 0
    build_radius: int = 0

    @property
    def bits(self) -> int:
        """Bits of a value."""
        return self.size * 8

    @property
    def safe_threshold(self) -> int:
        """Largest threshold that needs no consent to false matches: an eighth of the bits (8 of 64)."""
        return self.bits // 8

    @property
    def max_threshold(self) -> int:
        """Largest threshold at all: a quarter of the bits. Beyond it unrelated pictures match."""
        return self.bits // 4


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
    )
}


def names() -> tuple[str, ...]:
    """Return the names of all known algorithms, in the table's order."""
    return tuple(_TABLE)


def find(name: str) -> Algorithm | None:
    """Return the algorithm of that name, or None."""
    return _TABLE.get(name)


def get(name: str) -> Algorithm:
    """Return the algorithm of that name.

    Raises
    ------
    BlocklistError
        Nothing of that name is known.
    """
    algorithm = _TABLE.get(name)
    if algorithm is None:
        raise BlocklistError(
            f"unknown algorithm {name!r}; known: {', '.join(_TABLE)}. "
            "If a hasher plug-in brings it, install that plug-in here too."
        )
    return algorithm


def register(algorithm: Algorithm) -> None:
    """Add a plug-in's algorithm to the table; adding the same one twice is harmless.

    Raises
    ------
    ValueError
        The name is malformed or taken by something else, or the sizes or thresholds make no sense.
    """
    if not _NAME.fullmatch(algorithm.name):
        raise ValueError(f"algorithm name {algorithm.name!r}: expected lower-case letters, digits and underscores")
    if _TABLE.get(algorithm.name, algorithm) != algorithm:
        raise ValueError(f"algorithm {algorithm.name!r} is already registered with other properties")
    if algorithm.kind is Kind.URL or not 1 <= algorithm.size <= 64:  # noqa: PLR2004 - 512 bits, the longest digest
        raise ValueError(f"algorithm {algorithm.name!r}: expected kind exact or near, and a size of 1 to 64 bytes")
    if algorithm.kind is Kind.NEAR:
        if algorithm.size not in _NEAR_SIZES:
            raise ValueError(f"algorithm {algorithm.name!r}: near values have 8 or 32 bytes, not {algorithm.size}")
        if not 0 <= algorithm.default_threshold <= algorithm.build_radius <= algorithm.safe_threshold:
            raise ValueError(
                f"algorithm {algorithm.name!r}: expected 0 <= default_threshold <= build_radius <= "
                f"{algorithm.safe_threshold} (an eighth of the bits)"
            )
    _TABLE[algorithm.name] = algorithm


def check_threshold(name: str, value: int, *, accept_false_matches: bool = False, where: str = "threshold") -> int:
    """Return `value` if it is a sound threshold for the near algorithm `name`.

    Raises
    ------
    BlocklistError
        Not a near algorithm, below 0, or above what is allowed without or even with `accept_false_matches`.
    """
    algorithm = get(name)
    if algorithm.kind is not Kind.NEAR:
        raise BlocklistError(f"{where}: {name} is compared exactly and takes no threshold; remove it")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BlocklistError(f"{where}: expected a whole number of bits from 0, got {value!r}")
    if value > algorithm.max_threshold:
        raise BlocklistError(
            f"{where}: {value} of {algorithm.bits} bits is more than {algorithm.max_threshold}, beyond which unrelated "
            "pictures match; choose a smaller one"
        )
    if value > algorithm.safe_threshold and not accept_false_matches:
        raise BlocklistError(
            f"{where}: {value} of {algorithm.bits} bits will match unrelated pictures; choose at most "
            f"{algorithm.safe_threshold}, or set accept_false_matches"
        )
    return value
