"""What an update does to each part of each list: records replaced and withdrawn, values taken out and put in."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from ingest_guard.blocklist.build.collect import CollectedList, version_of
from ingest_guard.blocklist.build.layers import Layering, Part
from ingest_guard.blocklist.build.report import NO_SEVERITY, Change, ListReport
from ingest_guard.blocklist.build.slots import Slot, version_after
from ingest_guard.blocklist.build.write import follow
from ingest_guard.blocklist.index.sorted_rows import ListValues
from ingest_guard.blocklist.parts.contents import is_near
from ingest_guard.blocklist.parts.load import Loaded
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.draft import VersionDraft
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms
from ingest_guard.urls.normalise import ADDRESS_FORMAT

_ADVICE = "build the blocklist again from whole lists, best with --confirm, which keeps what that takes"


class Changes:
    """A version and what is to become of it.

    Parameters
    ----------
    loaded
        The version.
    sealer
        Its own.
    accept
        Let withdrawn records be that cannot be found.
    """

    def __init__(self, loaded: Loaded, sealer: Sealer, *, accept: bool) -> None:
        self._loaded = loaded
        self._sealer = sealer
        self._accept = accept
        self._parts = [Part(entry) for entry in loaded.manifest.lists]

    def apply(self, came: Mapping[str, CollectedList], went: Mapping[str, CollectedList]) -> list[ListReport]:
        """Apply what came and what went, by list id; return a report a list."""
        return [self._apply(list_id, came.get(list_id), went.get(list_id)) for list_id in sorted({*came, *went})]

    def _apply(self, list_id: str, came: CollectedList | None, went: CollectedList | None) -> ListReport:
        mine = [number for number, part in enumerate(self._parts) if part.entry.id == list_id]
        duplicates: Counter[str] = Counter()
        if came:
            self._void(mine, came)
        if went:
            for held in went.parts.values():
                for name, values in held.items():
                    self._take_out(mine, name, values)
        for severity, held in came.parts.items() if came else ():
            number = self._part(list_id, severity) if held else -1
            for name, values in held.items():
                duplicates[name] += self._put_in(number, name, values)
        given = came or went
        if given is None:
            raise ValueError("neither came anything nor went anything")
        self._tell(given.report, duplicates)
        return given.report

    def _part(self, list_id: str, severity: str | None) -> int:
        """Return the part of a list that has a severity; a new one if there is none yet."""
        siblings = [(number, part.entry) for number, part in enumerate(self._parts) if part.entry.id == list_id]
        for number, entry in siblings:
            if entry.severity == severity:
                return number
        fresh: dict[str, object] = {
            "severity": severity,
            "version": version_of({}),
            "counts": {},
            "exact": {},
            "keys": {},
        }
        self._parts.append(Part(siblings[0][1].model_copy(update=fresh)))
        return len(self._parts) - 1

    def _slot(self, number: int, name: str) -> Slot | None:
        """Return the slot of an algorithm in a part; None where values are not followed one by one."""
        part = self._parts[number]
        if name not in part.slots:
            if not self._near(name) and not self._loaded.manifest.confirm:
                return None
            size = self._sealer.stored_size(name)
            is_old = number < len(self._loaded.manifest.lists)
            slot = Slot.of(self._loaded, number, name, size) if is_old else Slot.empty(size)
            if slot is None:
                return None
            part.slots[name] = slot
        return part.slots[name]

    def _near(self, name: str) -> bool:
        # What is there already says so without its plug-in.
        return name in self._loaded.near or is_near(name)

    def _void(self, mine: list[int], came: CollectedList) -> None:
        if not len(came.touched):
            return
        keyed = [(number, name) for number in mine for name in self._parts[number].entry.keys]
        if not keyed and came.report.removed and not self._accept:
            raise BlocklistError(
                f"list {came.source.list_id}: {came.report.removed} records were withdrawn, and the blocklist does not "
                f"know which values they had; {_ADVICE}. To leave their values listed, give --accept"
            )
        for number, name in keyed:
            slot = self._slot(number, name)
            if slot is not None:
                slot.void(came.touched)

    def _take_out(self, mine: list[int], name: str, values: ListValues) -> None:
        for number in mine:
            if name not in self._parts[number].entry.counts:
                continue
            slot = self._slot(number, name)
            if slot is None:
                raise BlocklistError(
                    f"list {self._parts[number].entry.id}: {name} values cannot be taken out of a filter; {_ADVICE}"
                )
            slot.take_out(values.values)

    def _put_in(self, number: int, name: str, values: ListValues) -> int:
        """Put values into a part; return how many were there already."""
        slot = self._slot(number, name)
        if slot is not None:
            return slot.put_in(values, keyed=self._loaded.manifest.confirm)
        held = self._loaded.exact.get((number, name))
        new = np.array([held is None or row.tobytes() not in held for row in values.values], bool)
        self._parts[number].fresh[name] = values.values[new]
        return int(np.count_nonzero(~new))

    def _tell(self, report: ListReport, duplicates: Counter[str]) -> None:
        """Make a report of a reading one of what changed."""
        before: Counter[str] = Counter()
        came: Counter[str] = Counter()
        went: Counter[str] = Counter()
        report.severities = {}
        for part in self._parts:
            if part.entry.id != report.list_id:
                continue
            before.update(part.entry.counts)
            new: Counter[str] = Counter({name: len(values) for name, values in part.fresh.items()})
            for name, slot in part.slots.items():
                added, lost = slot.difference()
                new[name] += len(added)
                went[name] += len(lost)
            came += new
            if +new:
                report.severities[part.entry.severity or NO_SEVERITY] = +new
        report.accepted = +came
        report.duplicates = +(report.duplicates + duplicates)
        report.superseded = +(report.superseded + went)
        report.changes = {
            name: Change(before[name], before[name] + came[name] - went[name], before[name] - went[name])
            for name in sorted({*before, *came})
        }

    def write(self, draft: VersionDraft) -> manifests.Manifest:
        """Write the files of the new version and return its manifest."""
        layering = Layering(self._loaded, draft)
        entries = [self._entry(number, part, layering) for number, part in enumerate(self._parts)]
        names = sorted({*self._loaded.near, *(name for part in self._parts for name in part.slots if self._near(name))})
        indexes = {name: layering.index(name, self._parts, self._radius(name, entries)) for name in names}
        # Only lists whose addresses are made in this way, or that have none, are changed.
        return follow(self._loaded.manifest, draft, entries, indexes).model_copy(update={"addresses": ADDRESS_FORMAT})

    def _radius(self, name: str, entries: list[manifests.ListEntry]) -> int:
        if name in self._loaded.near:
            return 0  # that of the base
        return max(algorithms.get(name).build_radius, *(int(entry.thresholds.get(name, 0)) for entry in entries), 0)

    def _entry(self, number: int, part: Part, layering: Layering) -> manifests.ListEntry:
        old = part.entry
        names = sorted({*old.counts, *part.slots, *part.fresh})
        exact = {name: entry for name in names if not self._near(name) if (entry := layering.filters(part, name))}
        keys = {
            name: known
            for name in names
            if (known := layering.keys(part, name, promoted=name not in old.exact and name not in self._loaded.near))
        }
        within = {
            name: algorithms.get(name).threshold
            for name in part.slots
            if self._near(name) and name not in old.thresholds
        }
        if number < len(self._loaded.manifest.lists):
            changes = {name: slot.difference() for name, slot in part.slots.items()}
            changes.update({name: (values, values[:0]) for name, values in part.fresh.items()})
            version = version_after(old.version, changes)
        else:
            held = {name: slot.now.all() for name, slot in part.slots.items()}
            version = version_of({**held, **part.fresh})
        counts = {name: part.count(name) for name in names}
        update = {"version": version, "counts": counts, "exact": exact, "keys": keys}
        return old.model_copy(update={**update, "thresholds": {**old.thresholds, **within}})
