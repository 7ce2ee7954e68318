"""From a version's folder to opened filters and indexes: verified first, then only what the manifest describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist import algorithms, bloom, near
from ingest_guard.blocklist.algorithms import Kind
from ingest_guard.blocklist.arrays import array_over
from ingest_guard.blocklist.manifest import IndexEntry, VectorEntry
from ingest_guard.blocklist.pointer import opened_version
from ingest_guard.blocklist.verify import REBUILD, verified
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping
    from pathlib import Path

    from ingest_guard.blocklist.manifest import ListEntry, Manifest


@dataclass(frozen=True, slots=True)
class Loaded:
    """A verified version: ``filters`` by (list id, algorithm) in the lists' order, ``near`` by algorithm."""

    where: Path
    version: str
    manifest: Manifest
    filters: Mapping[tuple[str, str], bloom.Filter]
    near: Mapping[str, near.NearIndex]


def load(folder: Path | str) -> Loaded:
    """Verify and open the current version of a store, or a version's own folder.

    Raises
    ------
    BlocklistError
        Missing, damaged, changed, or writable by others.
    """
    with opened_version(folder) as (descriptor, where, version):
        manifest, maps = verified(descriptor, where, version)
    filters: dict[tuple[str, str], bloom.Filter] = {}
    for entry in manifest.lists:
        _check_list(entry, manifest, where)
        for name, file in entry.filters.items():
            opened = bloom.open_filter(maps[file], str(where / file))
            if opened.count != entry.counts[name]:
                raise _contradiction(where / file, "the manifest counts other values")
            filters[entry.id, name] = opened
    opened_near: dict[str, near.NearIndex] = {}
    indexes: list[tuple[str, IndexEntry | VectorEntry]] = [*manifest.indexes.items(), *manifest.vectors.items()]
    for name, index in indexes:
        opened_near[name] = _near_index(name, index, maps, manifest, where)
    return Loaded(where, version, manifest, filters, opened_near)


def _check_list(entry: ListEntry, manifest: Manifest, where: Path) -> None:
    held = {name for name, count in entry.counts.items() if count}
    compared = held & {*manifest.indexes, *manifest.vectors}
    exact = {name for name in entry.filters if (known := algorithms.built_in(name)) and not known.compared}
    if set(entry.filters) != held - compared or set(entry.filters) != exact or not compared <= set(entry.thresholds):
        raise _contradiction(where, f"list {entry.id}: counts, filters and thresholds do not fit each other")


def _near_index(
    name: str, entry: IndexEntry | VectorEntry, maps: Mapping[str, mmap.mmap], manifest: Manifest, where: Path
) -> near.NearIndex:
    _check_name(name, entry, manifest, where)
    arrays = {part: array_over(maps[file], str(where / file)) for part, file in entry.arrays.items()}
    owners = array_over(maps[entry.owners], str(where / entry.owners))
    if owners.dtype != np.dtype("<u2") or owners.shape != (entry.entries,):
        raise _contradiction(where / entry.owners, "its size is not the index's")
    if _counts(owners, len(manifest.lists)) != [listed.counts.get(name, 0) for listed in manifest.lists]:
        raise _contradiction(where / entry.owners, "the manifest counts other values")
    if isinstance(entry, VectorEntry):
        return near.VectorLists.open(entry, arrays, owners)
    return near.BitLists.open(entry, arrays, owners)


def _check_name(name: str, entry: IndexEntry | VectorEntry, manifest: Manifest, where: Path) -> None:
    """Hold an algorithm of our own to what it is; what a plug-in's is, only the manifest says until a guard asks."""
    known = algorithms.built_in(name)
    if known and (known.kind is not Kind.NEAR or isinstance(entry, VectorEntry) or entry.bytes != known.size):
        raise _contradiction(where, f"{name} has another size or kind")
    if name in manifest.indexes and name in manifest.vectors:
        raise _contradiction(where, f"{name} has two indexes")
    thresholds = [listed.thresholds[name] for listed in manifest.lists if listed.counts.get(name)]
    if not thresholds:
        raise _contradiction(where, f"no list holds any {name}")
    if isinstance(entry, IndexEntry) and any(isinstance(value, float) for value in thresholds):
        raise _contradiction(where, f"a threshold of {name} is no number of bits")
    if isinstance(entry, IndexEntry) and max(thresholds) > entry.max_distance:
        raise _contradiction(where, f"a threshold of {name} is larger than the index was built for")


def _counts(owners: npt.NDArray[np.generic], lists: int) -> list[int]:
    """Return how many entries each list owns; a longer list than asked for where an owner does not exist."""
    total = np.zeros(1 << 16, np.int64)
    # Part by part: bincount makes a copy in 64-bit numbers, which for ten million entries is 80 MB.
    for start in range(0, len(owners), 1 << 18):
        total += np.bincount(owners[start : start + (1 << 18)].astype(np.intp), minlength=len(total))
    return [int(count) for count in total[: max(lists, len(np.trim_zeros(total, "b")))]]


def _contradiction(where: Path, why: str) -> BlocklistError:
    return BlocklistError(f"{where} contradicts its manifest or itself: {why}; {REBUILD}")
