"""The allow-list: values that an operator has looked at and found harmless, so that what lists them never matches.

It is the operator's own, and takes entries out of every list. So it is read strictly, announced at the start of a
crawl, named in each record's attestation, and counted per list (:mod:`ingest_guard.guard.audit`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest_guard.errors import ListFormatError, PolicyError
from ingest_guard.hashing import algorithms
from ingest_guard.lists import Entry, reader
from ingest_guard.policy.policy import Policy
from ingest_guard.urls.normalise import domain_key, url_key

_MOST_ROWS_NAMED = 5
# An allowed value is looked up in every list, in every worker: this is for findings, not for another list.
_MOST_VALUES = 100_000


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AllowList:
    """Allowed values.

    Attributes
    ----------
    values
        Algorithm -> uint8[n, size], different and sorted.
    distances
        Near algorithm -> bits (of byte vectors: distance) within which an entry is taken out.
    """

    values: Mapping[str, NDArray[np.uint8]] = field(default_factory=_nothing, repr=False)
    distances: Mapping[str, int] = field(default_factory=_nothing)

    @property
    def count(self) -> int:
        """Number of values."""
        return sum(len(values) for values in self.values.values())

    @property
    def digest(self) -> str:
        """SHA-256 over all values and distances: two allow-lists with one digest take out the same."""
        digest = hashlib.sha256()
        for name, values in sorted(self.values.items()):
            digest.update(f"{name} {len(values)} {self.distances.get(name, 0)}\n".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Return this for another process of the same crawl."""
        return {
            "values": {name: [values.shape[1], values.tobytes().hex()] for name, values in self.values.items()},
            "distances": dict(self.distances),
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> AllowList:
        """Read what :meth:`to_json` returned."""
        values = {
            name: np.frombuffer(bytes.fromhex(text), np.uint8).reshape(-1, size)
            for name, (size, text) in read["values"].items()
        }
        return cls(values, read["distances"])

    @classmethod
    def read(cls, policy: Policy) -> AllowList:
        """Read the files that a policy names.

        Raises
        ------
        PolicyError
            A file is missing or has a row that cannot be used, a distance is of no algorithm that has one, or too
            large.
        """
        distances = dict(policy.allow.distances)
        for name, distance in distances.items():
            _check_distance(name, distance)
        raw: dict[str, set[bytes]] = {}
        for file in policy.allow.files:
            for entry in _entries(file):
                raw.setdefault(entry.algorithm, set()).add(_value(entry, file))
        allowed = cls({name: _array(name, values) for name, values in sorted(raw.items())}, distances)
        if allowed.count > _MOST_VALUES:
            raise PolicyError(
                f"policy: key allow.files: {allowed.count} values, more than the {_MOST_VALUES} that an allow-list may "
                "have; lists that match so much are better left out with the keys of lists.ID"
            )
        return allowed


def _entries(file: Path) -> Iterator[Entry]:
    """Yield the values of an allow-list; a row that cannot be used is an error, as its absence would not show."""
    bad: list[int] = []
    try:
        for row in reader("plain")(file):
            if isinstance(row, Entry):
                yield row
            else:
                bad.append(row.row)
    except (OSError, ListFormatError) as error:
        raise PolicyError(f"policy: key allow.files: {file} cannot be read ({error})") from None
    if bad:
        named = ", ".join(str(row) for row in bad[:_MOST_ROWS_NAMED]) + (", ..." if len(bad) > _MOST_ROWS_NAMED else "")
        raise PolicyError(
            f"policy: key allow.files: {file}: {len(bad)} rows cannot be used (line {named}); write one "
            "'algorithm value' a line, as in lists of the plain format"
        )


def _value(entry: Entry, file: Path) -> bytes:
    if isinstance(entry.value, bytes):
        return entry.value
    try:
        return bytes.fromhex((domain_key if entry.algorithm == "domain" else url_key)(entry.value))
    except ValueError:
        raise PolicyError(f"policy: key allow.files: {file}: line {entry.row}: not an address with a host") from None


def _array(name: str, values: set[bytes]) -> NDArray[np.uint8]:
    array = np.frombuffer(b"".join(sorted(values)), np.uint8)
    return array.reshape(-1, algorithms.get(name).length)


def _check_distance(name: str, distance: int) -> None:
    algorithm = algorithms.find(name)
    if algorithm is None or not algorithm.compared:
        raise PolicyError(
            f"policy: key allow.distances names {name}, which is no algorithm that compares by distance; digests are "
            "allowed where they are equal"
        )
    most = max(algorithm.threshold, algorithm.build_radius)
    if distance > most:
        raise PolicyError(
            f"policy: key allow.distances.{name}: {distance} would take out entries of other pictures; use at most "
            f"{most:.10g}"
        )
