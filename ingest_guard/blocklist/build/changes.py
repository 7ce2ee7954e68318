"""What changes from one version to another, in counts: in a build, which may not shrink a list, and between any two.

No value is ever shown.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest_guard.blocklist.build.collect import CollectedList
from ingest_guard.blocklist.build.report import NO_SEVERITY, Change, ListReport, format_change
from ingest_guard.blocklist.parts.contents import stored_values
from ingest_guard.blocklist.parts.load import Loaded, load
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.blocklist.store.manifest import ADDRESSES, CANARY
from ingest_guard.errors import BlocklistError
from ingest_guard.urls.normalise import ADDRESS_FORMAT

MAX_SHRINK = 0.2
"""Share of its entries that a list may lose from one version to the next without consent."""


def previous_version(folder: Path) -> Loaded | None:
    """Return the current version of a store, its files' digests unchecked; None where there is none that opens.

    A damaged version is what a build is there to replace, so it must not stop one. What is taken from it is the salt,
    from a manifest whose digest is the version's name, and counts for a report.
    """
    try:
        return load(folder, unchecked=lambda _: True)
    except BlocklistError:
        return None


def note_changes(previous: Loaded, lists: Sequence[CollectedList], sealer: Sealer) -> Counter[str]:
    """Note in each list's report what changed; return the ids of lists that are gone, with their entries."""
    comparable = previous.manifest.sealed == sealer.check
    before: dict[str, Counter[str]] = {}
    for entry in previous.manifest.operators_lists:
        before.setdefault(entry.id, Counter()).update(entry.counts)
    for each in lists:
        list_id = each.source.list_id
        if list_id not in before:
            continue
        after = each.report.accepted
        for name in sorted({*before[list_id], *after}):
            alike = name not in ADDRESSES or previous.manifest.addresses == ADDRESS_FORMAT
            kept = _kept(previous, each, name) if comparable and alike else None
            each.report.changes[name] = Change(before[list_id][name], after[name], kept)
    named = {each.source.list_id for each in lists}
    return Counter({list_id: counts.total() for list_id, counts in before.items() if list_id not in named})


def _kept(previous: Loaded, now: CollectedList, name: str) -> int | None:
    """Count the values in both; one whose severity changed went and came."""
    kept = 0
    for number, entry in enumerate(previous.manifest.lists):
        values = now.parts.get(entry.severity, {}).get(name) if entry.id == now.source.list_id else None
        if values is None or name not in entry.counts:
            continue
        old = stored_values(previous, number, name, values.values.shape[1])
        if old is None:
            return None
        if old.base.shape[1] == values.values.shape[1]:
            kept += int(old.has(values.values).sum())
    return kept


def refuse_shrunk(reports: Sequence[ListReport], gone: Counter[str], max_shrink: float) -> None:
    """Refuse lists that lost more than a share of their entries, or are not there any more.

    Raises
    ------
    BlocklistError
        Names the first such list, and what to do.
    """
    consent = "check that its file is whole; or, if that is meant, give --accept"
    for report in reports:
        if report.shrinkage > max_shrink:
            before = sum(change.before for change in report.changes.values())
            after = sum(change.after for change in report.changes.values())
            raise BlocklistError(
                f"list {report.list_id}: {after} entries, where the current version holds {before}: more than "
                f"{max_shrink:.0%} would go; {consent}"
            )
    for list_id, count in sorted(gone.items()):
        if count and max_shrink < 1:
            raise BlocklistError(
                f"list {list_id} is not in this build, and the current version holds {count} entries of it; name it "
                "with --list; or, if it is to go, give --accept"
            )


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
            out.append(f"{list_id}, {severity or NO_SEVERITY}, {name}: {format_change(change)}")
        return out


def compare(a: Path | str, b: Path | str) -> Comparison:
    """Compare two versions, or the current versions of two stores. The key of a keyed one is not needed.

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
    one, other = stored_values(a, first, name, 0), stored_values(b, second, name, 0)
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
