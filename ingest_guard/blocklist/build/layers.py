"""From changed slots to the files of a new version: what did not change is taken over, the rest written beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest_guard.blocklist.build.slots import Slot
from ingest_guard.blocklist.build.write import IndexEntry, stem, write_filter, write_rows
from ingest_guard.blocklist.index.sorted_rows import Values
from ingest_guard.blocklist.parts import near
from ingest_guard.blocklist.parts.contents import of_part, stored_values
from ingest_guard.blocklist.parts.load import Loaded
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.draft import VersionDraft
from ingest_guard.errors import BlocklistError

DELTA = ".delta."
"""Part of the name of each file that an update writes."""

MAX_FILTERS = 32
"""Filters of one algorithm in one part. Without tables of values they cannot be merged, and each costs a look-up."""


def is_of_base(file: str) -> bool:
    """Return whether a file's digest is checked once, where the file ends up: in the new version."""
    return DELTA not in file


@dataclass(slots=True)
class Part:
    """A part of a list while it changes.

    Attributes
    ----------
    entry
        What the manifest said of it, or would say if it were empty.
    slots
        Algorithm -> values that are followed one by one.
    fresh
        Algorithm -> new values where a filter is all there is of the old ones.
    """

    entry: manifests.ListEntry
    slots: dict[str, Slot] = field(default_factory=dict)
    fresh: dict[str, Values] = field(default_factory=dict)

    def count(self, name: str) -> int:
        """Return how many values of an algorithm it holds now."""
        if name in self.slots:
            return len(self.slots[name].now)
        return self.entry.counts.get(name, 0) + len(self.fresh.get(name, ()))


@dataclass(frozen=True, slots=True)
class Layering:
    """Writes the files of a version that follows another one."""

    loaded: Loaded
    draft: VersionDraft

    def adopt(self, file: str) -> str:
        """Take a file over as it is; return its name in the new version."""
        return self.draft.adopt(self.loaded.where, file, self.loaded.manifest.files[file])

    def _adopted(self, file: str | None) -> str | None:
        return None if file is None else self.adopt(file)

    def filters(self, part: Part, name: str) -> manifests.ExactEntry | None:
        """Write what is new of the exact values of an algorithm; None where nothing is or was held of it."""
        old = part.entry.exact.get(name)
        layers = [] if old is None else [self.taken_over(layer) for layer in old.layers[:1]]
        slot, manifest = part.slots.get(name), self.loaded.manifest
        beginning = f"{stem(part.entry.id, part.entry.severity, name)}"
        delta = beginning + DELTA.rstrip(".") if layers else beginning
        if slot is None:
            layers += [] if old is None else [self.taken_over(layer) for layer in old.layers[1:]]
            fresh = part.fresh.get(name)
            if fresh is not None and len(fresh):
                if len(layers) >= MAX_FILTERS:
                    raise BlocklistError(
                        f"list {part.entry.id} was updated {MAX_FILTERS} times since it was built, and its filters "
                        "cannot be merged without tables of values; build it again, best with --confirm"
                    )
                layers.append(write_filter(self.draft, delta, fresh, manifest.error_rate, confirm=False)[0])
            gone = None if old is None else self._adopted(old.gone)
            return manifests.ExactEntry(layers=layers, gone=gone) if layers else None
        if not slot.added_changed:
            layers += [] if old is None else [self.taken_over(layer) for layer in old.layers[1:]]
        elif len(slot.now.added):
            layers.append(write_filter(self.draft, delta, slot.now.added, manifest.error_rate, confirm=True)[0])
        if not layers:
            return None
        return manifests.ExactEntry(layers=layers, gone=self._gone(slot, None if old is None else old.gone, beginning))

    def taken_over(self, layer: manifests.FilterEntry) -> manifests.FilterEntry:
        """Take a filter over, and its table."""
        return manifests.FilterEntry(file=self.adopt(layer.file), count=layer.count, values=self._adopted(layer.values))

    def _gone(self, slot: Slot, old: str | None, beginning: str) -> str | None:
        if not slot.gone_changed:
            return self._adopted(old)
        return write_rows(self.draft, beginning, "delta.gone", slot.now.gone) if len(slot.now.gone) else None

    def keys(self, part: Part, name: str, *, promoted: bool) -> manifests.KeysEntry | None:
        """Write the records that values are from; `promoted`: what came is the base of the new version."""
        old = part.entry.keys.get(name, manifests.KeysEntry())
        slot = part.slots.get(name)
        if slot is None or not (slot.refs_changed or (slot.keyed and slot.added_changed)):
            entry = manifests.KeysEntry(
                base=self._adopted(old.base), delta=self._adopted(old.delta), voided=self._adopted(old.voided)
            )
            return entry if name in part.entry.keys else None
        beginning = stem(part.entry.id, part.entry.severity, name)
        pairs = slot.pairs()
        if promoted:
            return manifests.KeysEntry(base=write_rows(self.draft, beginning, "keys", pairs)) if len(pairs) else None
        voided = slot.refs.voided
        return manifests.KeysEntry(
            base=self._adopted(old.base),
            delta=write_rows(self.draft, beginning, "delta.keys", pairs) if len(pairs) else None,
            voided=write_rows(self.draft, beginning, "delta.voided", voided) if len(voided) else None,
        )

    def index(self, name: str, parts: Sequence[Part], largest: int) -> list[IndexEntry]:
        """Write what is new of the near values of an algorithm, of all parts; the delta index anew if any part's is."""
        manifest = self.loaded.manifest
        old: list[IndexEntry] = [*manifest.indexes.get(name, []), *manifest.vectors.get(name, [])]
        slots = {number: part.slots[name] for number, part in enumerate(parts) if name in part.slots}
        base = [self.index_taken_over(old[0], self._index_gone(name, old[0], slots))] if old else []
        if not any(slot.added_changed for slot in slots.values()):
            return base + [self.index_taken_over(entry, None) for entry in old[1:]]
        added = self._added(name, slots)
        if not added:
            return base
        radius = old[0].max_distance if old and isinstance(old[0], manifests.IndexEntry) else largest
        beginning = name + DELTA.rstrip(".") if base else name
        return [*base, near.write(name, added, radius, self.draft.write_array, beginning)]

    def _added(self, name: str, slots: Mapping[int, Slot]) -> dict[int, Values]:
        """Return what came since the base in each part: as the slots say, and elsewhere as it was."""
        added = {number: slot.now.added for number, slot in slots.items()}
        for number, entry in enumerate(self.loaded.manifest.lists):
            if number not in added and name in entry.counts and name in self.loaded.near:
                found = stored_values(self.loaded, number, name, self.loaded.near[name].size)
                added[number] = found.added if found else np.empty((0, 1), np.uint8)
        return {number: values for number, values in sorted(added.items()) if len(values)}

    def _index_gone(self, name: str, old: IndexEntry, slots: Mapping[int, Slot]) -> str | None:
        """Return the file of the base's entries that are gone now."""
        if not any(slot.gone_changed for slot in slots.values()):
            return self._adopted(old.gone)
        layer = self.loaded.near[name].layers[0]
        gone = layer.origins.gone
        for number, slot in slots.items():
            start, values = of_part(layer, number)
            gone = gone[(gone < start) | (gone >= start + len(values))]
            gone = np.union1d(gone, slot.now.gone + start)
        return write_rows(self.draft, name, "delta.gone", gone.astype(np.int64)) if len(gone) else None

    def index_taken_over(self, entry: IndexEntry, gone: str | None) -> IndexEntry:
        """Take an index over; `gone` is the new version's file of what of it counts no more."""
        arrays = {part: self.adopt(file) for part, file in entry.arrays.items()}
        return entry.model_copy(update={"arrays": arrays, "owners": self.adopt(entry.owners), "gone": gone})
