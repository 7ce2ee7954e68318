"""Which algorithms a table's columns may be of, by the names that lists have for them."""

from __future__ import annotations

import re
from functools import lru_cache

from ingest_guard.hashing.algorithms import Algorithm, Kind, find

PHOTODNA = ("photodna", "pdna")
"""What hasher plug-ins for PhotoDNA may be called; without one its values are not compared."""

_BETWEEN = re.compile(r"[\s_-]+")


def is_known(name: str) -> bool:
    """Tell whether a description may name an algorithm.

    Raises
    ------
    BlocklistError
        It is that of a hasher plug-in which is broken.
    """
    return name in PHOTODNA or find(name) is not None


def target(name: str) -> Algorithm | None:
    """Return the algorithm of that name; None for PhotoDNA where no hasher plug-in makes it.

    Raises
    ------
    BlocklistError
        The hasher plug-in is broken.
    """
    if name not in PHOTODNA:
        return find(name)
    return next((found for known in (name, *PHOTODNA) if (found := find(known))), None)


@lru_cache(maxsize=1024)
def named(cell: str) -> str | None:
    """Return the algorithm that a cell of a table names: ``SHA-1`` is sha1; None if it is no known one."""
    plain = _BETWEEN.sub("", cell.strip().lower())
    return plain if len(plain) <= 64 and is_known(plain) else None  # noqa: PLR2004 - no name is as long


def is_text(algorithm: Algorithm) -> bool:
    """Tell whether values are addresses or hosts."""
    return algorithm.kind is Kind.URL
