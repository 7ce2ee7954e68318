"""The one table of algorithms: how many bytes a value has, how it is compared, and which thresholds are sound.

Behind the table stand the hasher plug-ins that are installed (:mod:`ingest_guard.hashing.registry`): one is loaded when
its name is first asked for. Readers of list files, the builder and the policy's checks all look here, so that nothing
else needs to know a new name.
"""

import math
import sys
from dataclasses import replace
from functools import lru_cache

from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import registry
from ingest_guard.hashing.registry import Algorithm, Distance, Kind

__all__ = ["Algorithm", "Distance", "Kind", "built_in", "check_threshold", "find", "get", "names", "require_listable"]

_NEAR_SIZES = (8, 32)
_TOO_MANY_BITS = "more than {}, beyond which unrelated pictures match"

_TABLE: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("md5", 16, "digest"),
        Algorithm("sha1", 20, "digest"),
        Algorithm("sha256", 32, "digest"),
        # 31 of 256 is the threshold that PDQ's authors recommend.
        Algorithm("pdq", 32, "bits", threshold=31),
        # 10 of 64 against a million entries is a false match in every hundredth picture; 4 is none in practice.
        *(Algorithm(name, 8, "bits", threshold=4) for name in ("phash", "dhash", "ahash", "whash")),
        Algorithm("url", 32, "address"),
        Algorithm("domain", 32, "address"),
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
    if name in registry.described():
        return registry.described()[name].algorithm
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
        return _load(name, path) if name in _plugins(path) else None
    except registry.HasherError as error:
        raise BlocklistError(str(error)) from error


# What is installed can only change with the path, as far as a running process is concerned.
@lru_cache(maxsize=4)
def _plugins(path: tuple[str, ...]) -> frozenset[str]:
    del path
    # A hasher of our own that is not in the table decides nothing by itself: lists cannot hold its values.
    return frozenset(registry.installed()) - {point.name for point in registry.BUILT_IN} - set(_TABLE)


@lru_cache(maxsize=64)
def _load(name: str, path: tuple[str, ...]) -> Algorithm:
    del path
    (hasher,) = registry.load([name]).values()
    return require_listable(hasher.algorithm)


def require_listable(algorithm: Algorithm) -> Algorithm:
    """Return a plug-in's algorithm as lists hold it: the threshold of bits is a whole number.

    Raises
    ------
    BlocklistError
        Bits of another length than lists can hold.
    """
    if algorithm.values == "bytes":
        return algorithm
    if algorithm.length not in _NEAR_SIZES:
        raise BlocklistError(
            f"algorithm {algorithm.name}: its plug-in makes values of {algorithm.length} bytes that are compared bit "
            "by bit; lists can hold such values of 8 or 32 bytes, and byte vectors (l1, l2) of any length. Leave its "
            "rows out, or have the plug-in pad its values"
        )
    return replace(algorithm, threshold=math.floor(algorithm.threshold))


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
            f"{where}: {algorithm.format_threshold(value)} is {too_much.format(algorithm.max_threshold)}; "
            "choose a smaller one"
        )
    if value > algorithm.safe_threshold and not accept_false_matches:
        raise BlocklistError(
            f"{where}: {algorithm.format_threshold(value)} will match unrelated pictures; choose at most "
            f"{algorithm.safe_threshold:.10g}, or set accept_false_matches"
        )
    return value
