"""From a version's folder to opened filters and indexes: verified first, then only what the manifest describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist import algorithms, bloom
from ingest_guard.blocklist.algorithms import Kind
from ingest_guard.blocklist.arrays import array_over
from ingest_guard.blocklist.hamming import HammingIndex
from ingest_guard.blocklist.pointer import opened_version
from ingest_guard.blocklist.verify import REBUILD, verified
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Mapping
    from pathlib import Path

    from ingest_guard.blocklist.manifest import IndexEntry, ListEntry, Manifest


@dataclass(frozen=True, slots=True)
class NearIndex:
    """The near index of one algorithm.

    Attributes
    ----------
    index
        Over the entries of all lists.
    owners
        uint16[n]: the number of the list that each entry is from.
    size
        Bytes of a value.
    """

    index: HammingIndex
    owners: npt.NDArray[np.uint16]
    size: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """A verified version: ``filters`` by (list id, algorithm) in the lists' order, ``near`` by algorithm."""

    where: Path
    version: str
    manifest: Manifest
    filters: Mapping[tuple[str, str], bloom.Filter]
    near: Mapping[str, NearIndex]


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
    near = {name: _near_index(name, index, maps, manifest, where) for name, index in manifest.indexes.items()}
    return Loaded(where, version, manifest, filters, near)


def _check_list(entry: ListEntry, manifest: Manifest, where: Path) -> None:
    held = {name for name, count in entry.counts.items() if count}
    near = {name for name in held if algorithms.get(name).kind is Kind.NEAR}
    if set(entry.filters) != held - near or not near <= set(entry.thresholds) or not near <= set(manifest.indexes):
        raise _contradiction(where, f"list {entry.id}: counts, filters and thresholds do not fit each other")


def _near_index(
    name: str, entry: IndexEntry, maps: Mapping[str, mmap.mmap], manifest: Manifest, where: Path
) -> NearIndex:
    arrays = {part: array_over(maps[file], str(where / file)) for part, file in entry.arrays.items()}
    meta = entry.model_dump(include={"bytes", "entries", "max_distance", "widths"})
    index = HammingIndex.from_arrays(arrays, meta)
    owners = array_over(maps[entry.owners], str(where / entry.owners))
    if owners.dtype != np.dtype("<u2") or owners.shape != (entry.entries,) or entry.bytes != algorithms.get(name).size:
        raise _contradiction(where / entry.owners, "its size is not the index's")
    if _counts(owners, len(manifest.lists)) != [listed.counts.get(name, 0) for listed in manifest.lists]:
        raise _contradiction(where / entry.owners, "the manifest counts other values")
    largest = max(listed.thresholds.get(name, 0) for listed in manifest.lists)
    if largest > entry.max_distance:
        raise _contradiction(where, f"a threshold of {name} is larger than the index was built for")
    return NearIndex(index, owners.astype("<u2", copy=False), entry.bytes)


def _counts(owners: npt.NDArray[np.generic], lists: int) -> list[int]:
    """Return how many entries each list owns; a longer list than asked for where an owner does not exist."""
    total = np.zeros(1 << 16, np.int64)
    # Part by part: bincount makes a copy in 64-bit numbers, which for ten million entries is 80 MB.
    for start in range(0, len(owners), 1 << 18):
        total += np.bincount(owners[start : start + (1 << 18)].astype(np.intp), minlength=len(total))
    return [int(count) for count in total[: max(lists, len(np.trim_zeros(total, "b")))]]


def _contradiction(where: Path, why: str) -> BlocklistError:
    return BlocklistError(f"{where} contradicts its manifest or itself: {why}; {REBUILD}")
