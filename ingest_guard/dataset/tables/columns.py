"""Which columns of a table hold fingerprints, addresses and the names of records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ingest_guard.errors import PolicyError

# The names in our three outfits, in LAION's tables and img2dataset's; compared without regard to case.
_ROLES = {
    "uid": ("uid",),
    "url": ("url",),
    "alt": ("alt", "text", "caption"),
    "final_url": ("final_url",),
    "page_url": ("page_url",),
    "pdq_quality": ("pdq_quality",),
    "hashes": ("hashes",),
    "attestation": ("attestation",),
}
_ADDRESSES = ("url", "final_url", "page_url")
GIVEN = tuple(role for role in _ROLES if role not in ("hashes", "attestation"))
"""What ``--columns`` may name beside algorithms."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of the columns that count.

    Attributes
    ----------
    prints
        Algorithm -> column.
    roles
        ``uid``, ``url``, ``alt``, ``final_url``, ``page_url``, ``pdq_quality``, ``hashes`` -> column, if there is one.
    """

    prints: Mapping[str, str]
    roles: Mapping[str, str]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Columns of addresses."""
        return tuple(self.roles[role] for role in _ADDRESSES if role in self.roles)

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that are read."""
        return tuple(dict.fromkeys([*self.prints.values(), *self.roles.values()]))

    @property
    def has_any(self) -> bool:
        """Whether there is anything to compare: a column of fingerprints, of addresses, or of all frames and views."""
        return bool(self.prints or self.addresses or "hashes" in self.roles)

    def only(self, algorithms: Collection[str], *, addresses: bool, hashes: bool) -> Columns:
        """Return what is needed to compare these algorithms, with or without addresses and all frames and views."""
        wanted = {"hashes", "pdq_quality"} if hashes else set()
        wanted |= set(_ADDRESSES) if addresses else set()
        prints = {name: column for name, column in self.prints.items() if name in algorithms}
        return replace(self, prints=prints, roles={r: c for r, c in self.roles.items() if r in wanted})


def find_columns(present: Sequence[str], algorithms: Collection[str], given: Mapping[str, str], where: str) -> Columns:
    """Find the columns of a table.

    Parameters
    ----------
    present
        Names of its columns.
    algorithms
        What lists may hold.
    given
        What an operator says: algorithm or role -> column.
    where
        The table, for error texts.

    Raises
    ------
    PolicyError
        A column that was named is not there.
    """
    for name, column in given.items():
        if column not in present:
            raise PolicyError(
                f"--columns {name}={column}: {where} has no column of that name; it has {', '.join(present) or 'none'}"
            )
    folded: dict[str, str] = {}
    for column in present:
        folded.setdefault(column.lower(), column)
    prints = {name: given.get(name) or folded[name] for name in sorted(algorithms) if name in given or name in folded}
    roles = {}
    for role, names in _ROLES.items():
        found = given.get(role) or next((folded[name] for name in names if name in folded), None)
        if found is not None:
            roles[role] = found
    return Columns(prints, roles)


def read_given(text: str, algorithms: Collection[str]) -> dict[str, str]:
    """Read ``md5=MD5,pdq=pdq_hash``.

    Raises
    ------
    PolicyError
        Not spelt like that, or of something that is neither an algorithm nor a role.
    """
    given: dict[str, str] = {}
    for part in text.split(",") if text else ():
        name, equals, column = part.partition("=")
        if not (name.strip() and equals and column.strip()):
            raise PolicyError(f"--columns: {part[:80]!r} is not NAME=COLUMN, as in md5=MD5,pdq=pdq_hash")
        if name.strip() not in algorithms and name.strip() not in GIVEN:
            raise PolicyError(
                f"--columns: {name.strip()[:80]!r} is neither an algorithm of the lists nor one of {', '.join(GIVEN)}"
            )
        given[name.strip()] = column.strip()
    return given
