"""What a build changes: each list held against the current version, and the brake on lists that shrink."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ingest_guard.blocklist.build.report import Change
from ingest_guard.blocklist.parts.contents import held
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store.manifest import ADDRESSES
from ingest_guard.errors import BlocklistError
from ingest_guard.urls.normalise import ADDRESS_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ingest_guard.blocklist.build.collect import Collected
    from ingest_guard.blocklist.build.report import ListReport
    from ingest_guard.blocklist.parts.load import Loaded
    from ingest_guard.blocklist.parts.seal import Sealer

MAX_SHRINK = 0.2
"""Share of its entries that a list may lose from one version to the next without consent."""


class _Everything:
    """Contains anything."""

    def __contains__(self, name: object) -> bool:
        return True


def previous_version(folder: Path) -> Loaded | None:
    """Return the current version of a store, its files' digests unchecked; None where there is none that opens.

    A damaged version is what a build is there to replace, so it must not stop one. What is taken from it is the salt,
    from a manifest whose digest is the version's name, and counts for a report.
    """
    try:
        return load(folder, later=_Everything())
    except BlocklistError:
        return None


def compare_with(previous: Loaded, lists: Sequence[Collected], sealer: Sealer) -> Counter[str]:
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


def _kept(previous: Loaded, now: Collected, name: str) -> int | None:
    """Count the values in both; one whose severity changed went and came."""
    kept = 0
    for number, entry in enumerate(previous.manifest.lists):
        values = now.parts.get(entry.severity, {}).get(name) if entry.id == now.source.list_id else None
        if values is None or name not in entry.counts:
            continue
        old = held(previous, number, name, values.values.shape[1])
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
