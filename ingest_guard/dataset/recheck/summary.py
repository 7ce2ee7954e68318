"""The summary of a recheck: counts, and what could not be found. Never a value, an address or a uid."""

from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ingest_guard.dataset.attestation.promises import numbered


@dataclass(slots=True)
class Report:
    """What a recheck did.

    Attributes
    ----------
    version, since
        Of the blocklist; the versions since which it was compared (empty: all of it).
    shards, changed
        Files; those that lost records.
    records, removed, kept
        Records before, those that went, those that are left.
    not_compared
        Records with no fingerprint that could be compared; they are among the removed ones only where that was asked
        for (``dropped``).
    lists, algorithms, actions
        How many of the removed records each list knows, by each algorithm, and what the policy says about them; a
        record may count for several.
    compared
        Algorithms (and ``url``) that were compared.
    near_entries
        Near algorithm -> entries of the lists that were compared with.
    unread
        Algorithm -> texts in the tables that are no value of it.
    all_views
        Records with the hashes of all frames and views; the others are compared by the native view of the first frame.
    further
        What else was removed, in words: neighbours of the records that the lists know.
    tombstones, manifest
        Where the tombstones are; whether there is a manifest of the records that are left.
    seconds
        How long the comparison took, and the writing.
    """

    version: str
    since: tuple[str, ...] = ()
    shards: int = 0
    changed: int = 0
    records: int = 0
    removed: int = 0
    not_compared: int = 0
    dropped: int = 0
    lists: Counter[str] = field(default_factory=Counter)
    algorithms: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    compared: tuple[str, ...] = ()
    near_entries: dict[str, int] = field(default_factory=dict)
    unread: Counter[str] = field(default_factory=Counter)
    all_views: int = 0
    further: list[str] = field(default_factory=list)
    tombstones: Path | None = None
    manifest: bool = False
    seconds: tuple[float, float] = (0.0, 0.0)

    @property
    def kept(self) -> int:
        """Records that are left."""
        return self.records - self.removed

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON takes it."""
        data = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "version"}
        path = None if self.tombstones is None else str(self.tombstones)
        compared = (self.records - self.not_compared) / self.records if self.compared and self.records else 0.0
        data["compared_share"] = compared
        return {"blocklist": self.version, **data, "kept": self.kept, "recall": self.recall(), "tombstones": path}

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        since = f", what it gained since {', '.join(each[:12] for each in self.since)}" if self.since else ""
        what = f"{numbered(self.records, 'record')} in {numbered(self.shards, 'shard')}"
        lines = [
            f"compared with version {self.version[:12]}{since}: {', '.join(self.compared) or 'nothing'}",
            f"{what}: {self.removed:,} removed, {self.kept:,} kept",
        ]
        lines += [f"  list {name}: {count:,}" for name, count in sorted(self.lists.items())]
        lines += [f"  by {name}: {count:,}" for name, count in sorted(self.algorithms.items())]
        if self.compared:
            compared = share(self.records - self.not_compared, self.records)
            lines.append(f"{compared} of the records could be compared")
        if self.not_compared:
            what = "removed" if self.dropped else "kept; --not-compared remove takes them out"
            lines.append(f"{self.not_compared:,} records have nothing that could be compared ({what})")
        lines += [f"{count:,} texts are no {name} value" for name, count in sorted(self.unread.items())]
        lines += self.further
        lines += self.recall()
        if self.tombstones is not None:
            lines.append(f"tombstones (sensitive, not for publication): {self.tombstones}")
        return lines

    def recall(self) -> list[str]:
        """Return what this comparison cannot have found, in words."""
        lines = []
        if self.near_entries and self.all_views < self.records:
            lines.append(
                f"{self.records - self.all_views:,} records have the fingerprint of their first frame's native view "
                "alone: turned, mirrored, inverted, framed and much reduced copies, and later frames, are not found by "
                "it (a crawl finds them; keep their fingerprints with records.record_hashes: all). docs/recheck.md has "
                "the figures"
            )
        if self.records and not self.near_entries:
            lines.append("no perceptual hash was compared: only files that are the same byte for byte are found")
        return lines


def share(part: int, whole: int) -> str:
    """Return a share in per cent, rounded down, so that 100 % is all; of nothing it is 100 %."""
    if not whole:
        return "100 %"
    tenths = part * 1000 // whole
    return f"{tenths // 10}.{tenths % 10} %" if tenths % 10 else f"{tenths // 10} %"
