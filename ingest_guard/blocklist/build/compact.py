"""Base and delta -> a new base: :func:`compact`, for when updates have piled up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest_guard.blocklist.build.activate import DEFAULT_KEEP, activate
from ingest_guard.blocklist.build.layers import Layering, is_of_base
from ingest_guard.blocklist.build.report import BuildReport
from ingest_guard.blocklist.build.write import IndexEntry, follow, stem, write_filter, write_rows
from ingest_guard.blocklist.index.sorted_rows import Keys, Values, among, distinct_pairs, rows_of
from ingest_guard.blocklist.parts import near
from ingest_guard.blocklist.parts.contents import StoredValues, references, stored_values
from ingest_guard.blocklist.parts.load import Loaded, load
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.draft import VersionDraft, building
from ingest_guard.blocklist.store.manifest import ListEntry

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def compact(
    folder: Path | str, *, keep: int = DEFAULT_KEEP, signing_key: Ed25519PrivateKey | None = None
) -> BuildReport:
    """Make one base of the current version's base and what came and went since, and make that the current version.

    Nothing is listed afterwards that was not before, and the other way round; the key of a keyed blocklist is not
    needed. Filters without tables of their values stay beside each other as they are.

    Parameters
    ----------
    folder
        The store.
    keep
        How many versions to retain, the new one included.
    signing_key
        Sign the version with it before it becomes the current one.

    Raises
    ------
    BlocklistError
        No store there, it is damaged, or another build is at work.
    """
    folder = Path(folder)
    with building(folder):
        loaded = load(folder, unchecked=is_of_base)
        draft = VersionDraft(folder)
        manifest = _Compaction(loaded, draft).write()
        version, removed = activate(folder, draft, manifest.to_bytes(), keep, signing_key=signing_key)
    return BuildReport(str(folder), version, manifest.created, [], removed, loaded.version)


class _Compaction:
    def __init__(self, loaded: Loaded, draft: VersionDraft) -> None:
        self._loaded = loaded
        self._draft = draft
        self._layering = Layering(loaded, draft)
        # Old position -> new one, without the parts that are empty now; but one part of each list stays.
        kept: dict[int, int] = {}
        lists = loaded.manifest.lists
        for number, entry in enumerate(lists):
            siblings = [other for other, each in enumerate(lists) if each.id == entry.id]
            is_last = number == siblings[0] and not any(sum(lists[other].counts.values()) for other in siblings)
            if sum(entry.counts.values()) or is_last:
                kept[number] = len(kept)
        self._kept = kept

    def write(self) -> manifests.Manifest:
        old = self._loaded.manifest
        lists = [self._entry(number, old.lists[number]) for number in self._kept]
        held = {name for entry in old.lists for name, count in entry.counts.items() if count}
        indexes = {name: self._index(name) for name in sorted(held & set(self._loaded.near))}
        return follow(old, self._draft, lists, indexes)

    def _entry(self, number: int, old: ListEntry) -> ListEntry:
        counts = {name: count for name, count in old.counts.items() if count}
        exact: dict[str, manifests.ExactEntry] = {}
        keys: dict[str, manifests.KeysEntry] = {}
        for name in counts:
            beginning = stem(old.id, old.severity, name)
            found = stored_values(self._loaded, number, name, 0)
            values = None
            if found is not None and (len(found.gone) or len(found.added)):
                values = found.all()
            if name in old.exact:
                exact[name] = self._exact(old.exact[name], beginning, values)
            if found is not None and name in old.keys:
                keys[name] = self._keys(number, name, beginning, found, values)
        return old.model_copy(update={"counts": counts, "exact": exact, "keys": keys})

    def _exact(self, old: manifests.ExactEntry, beginning: str, values: Values | None) -> manifests.ExactEntry:
        if values is None:
            return manifests.ExactEntry(layers=[self._layering.taken_over(layer) for layer in old.layers])
        rate = self._loaded.manifest.error_rate
        return manifests.ExactEntry(layers=[write_filter(self._draft, beginning, values, rate, confirm=True)[0]])

    def _keys(
        self, number: int, name: str, beginning: str, found: StoredValues, values: Values | None
    ) -> manifests.KeysEntry:
        old = self._loaded.manifest.lists[number].keys[name]
        if values is None and old.base and not (old.delta or old.voided):
            return manifests.KeysEntry(base=self._layering.adopt(old.base))
        pairs = self._pairs(number, name, found, found.base if values is None else values)
        return manifests.KeysEntry(base=write_rows(self._draft, beginning, "keys", pairs))

    def _pairs(self, number: int, name: str, found: StoredValues, values: Values) -> Keys:
        """Return the records that the values of the new base are from."""
        refs = references(self._loaded, number, name, found)
        if refs.base is None:
            # The base came without keys, so what it holds stays whatever record goes.
            rows = np.arange(len(found.base), dtype=np.int64)
            keys = np.zeros(len(rows), np.uint64)
        else:
            live = ~among(np.ascontiguousarray(refs.base[:, 0]), refs.voided)
            keys, rows = refs.base[live, 0], refs.base[live, 1].astype(np.int64)
        there = ~among(rows, found.gone)
        keys, rows = keys[there], rows_of(values, found.base[rows[there]])
        later = rows_of(values, refs.values)
        return distinct_pairs(np.concatenate([keys, refs.keys[later >= 0]]), np.concatenate([rows, later[later >= 0]]))

    def _index(self, name: str) -> list[IndexEntry]:
        manifest = self._loaded.manifest
        old: list[IndexEntry] = [*manifest.indexes.get(name, []), *manifest.vectors.get(name, [])]
        if len(old) == 1 and old[0].gone is None and set(old[0].parts) <= set(self._kept):
            entry = self._layering.index_taken_over(old[0], None)
            return [entry.model_copy(update={"parts": [self._kept[number] for number in entry.parts]})]
        values: dict[int, Values] = {}
        for number, position in self._kept.items():
            if manifest.lists[number].counts.get(name):
                found = stored_values(self._loaded, number, name, 0)
                if found is not None:
                    values[position] = found.all()
        radius = old[0].max_distance if isinstance(old[0], manifests.IndexEntry) else 0
        return [near.write(name, values, radius, self._draft.write_array)]
