"""Two versions held against each other: :func:`compare`. Counts only, never a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest_guard.blocklist.build.report import NO_SEVERITY, Change, spoken_change
from ingest_guard.blocklist.parts.contents import held
from ingest_guard.blocklist.parts.load import Loaded, load
from ingest_guard.blocklist.store.manifest import ADDRESSES, CANARY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two versions.

    Attributes
    ----------
    a, b
        The versions.
    changes
        (list id, severity, algorithm) -> how many values A and B hold and, where both keep tables of them, how many are
        in both.
    """

    a: str
    b: str
    changes: Mapping[tuple[str, str | None, str], Change]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        changes = [
            {"list": list_id, "severity": severity, "algorithm": name, **change.to_json()}
            for (list_id, severity, name), change in self.changes.items()
        ]
        return {"a": self.a, "b": self.b, "changes": changes}

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        out = [f"A {self.a}", f"B {self.b}"]
        for (list_id, severity, name), change in self.changes.items():
            out.append(f"{list_id}, {severity or NO_SEVERITY}, {name}: {spoken_change(change)}")
        return out


def compare(a: Path | str, b: Path | str) -> Comparison:
    """Compare two versions, or the current versions of two stores. The key of a sealed one is not needed.

    Parameters
    ----------
    a, b
        Folders of stores or of versions.

    Raises
    ------
    BlocklistError
        Missing, damaged, changed, or writable by others.
    """
    before, after = load(a), load(b)
    first, second = _parts(before), _parts(after)
    changes = {key: _change(before, after, first.get(key), second.get(key), key[2]) for key in first.keys() | second}
    order = sorted(changes, key=lambda key: (key[0], key[1] or "", key[2]))
    return Comparison(before.version, after.version, {key: changes[key] for key in order})


def _parts(loaded: Loaded) -> dict[tuple[str, str | None, str], int]:
    """Return the position of each part that holds an algorithm."""
    return {
        (entry.id, entry.severity, name): number
        for number, entry in enumerate(loaded.manifest.lists)
        if entry.id != CANARY
        for name in entry.counts
    }


def _change(a: Loaded, b: Loaded, first: int | None, second: int | None, name: str) -> Change:
    before = 0 if first is None else a.manifest.lists[first].counts[name]
    after = 0 if second is None else b.manifest.lists[second].counts[name]
    if first is None or second is None or not before or not after:
        return Change(before, after, 0)
    if not _comparable(a, b, name):
        return Change(before, after)
    one, other = held(a, first, name, 0), held(b, second, name, 0)
    if one is None or other is None or one.base.shape[1] != other.base.shape[1]:
        return Change(before, after)
    return Change(before, after, int(one.has(other.all()).sum()))


def _comparable(a: Loaded, b: Loaded, name: str) -> bool:
    """Tell whether equal values are stored alike: nothing is keyed, or both by the same key."""
    if a.manifest.sealed != b.manifest.sealed:
        return False
    if name in ADDRESSES and a.manifest.addresses != b.manifest.addresses:
        return False
    plain = a.manifest.sealed is None and name not in ADDRESSES
    return plain or a.manifest.salt == b.manifest.salt
