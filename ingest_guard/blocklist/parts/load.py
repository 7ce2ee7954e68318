"""From a version's folder to opened filters and indexes: verified first, then only what the manifest describes."""

import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index.sorted_rows import array_over
from ingest_guard.blocklist.parts import bloom, near
from ingest_guard.blocklist.parts.exact import NOTHING_GONE, ExactValues, Layer
from ingest_guard.blocklist.store.manifest import ExactEntry, IndexEntry, ListEntry, Manifest, VectorEntry
from ingest_guard.blocklist.store.verify import verify
from ingest_guard.blocklist.store.versions import opened_version
from ingest_guard.errors import BlocklistError
from ingest_guard.files.safe import REBUILD
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Kind

_EVERY_OWNER = 1 << 16


@dataclass(frozen=True, slots=True)
class Loaded:
    """A verified version.

    Attributes
    ----------
    where, version, manifest
        Which, and what it says of itself.
    exact
        (position in the manifest's lists, algorithm) -> exact values.
    near
        Algorithm -> near values.
    maps
        File name -> its map.
    """

    where: Path
    version: str
    manifest: Manifest
    exact: Mapping[tuple[int, str], ExactValues]
    near: Mapping[str, near.NearLayers]
    maps: Mapping[str, mmap.mmap]

    def array(self, file: str) -> npt.NDArray[np.generic]:
        """Return the array that a file of the version holds."""
        return array_over(self.maps[file], str(self.where / file))


def load(folder: Path | str, *, unchecked: Callable[[str], bool] | None = None) -> Loaded:
    """Verify and open the current version of a store, or a version's own folder; its key is not asked for.

    Parameters
    ----------
    folder
        The store or the version.
    unchecked
        Whether the caller has checked the digest of a file elsewhere, or will.

    Raises
    ------
    BlocklistError
        Missing, damaged, changed, or writable by others.
    """
    with opened_version(folder) as (descriptor, where, version):
        manifest, maps = verify(descriptor, where, version, unchecked=unchecked)
    exact: dict[tuple[int, str], ExactValues] = {}
    for number, entry in enumerate(manifest.lists):
        _check_list(entry, manifest, where)
        for name, held in entry.exact.items():
            exact[number, name] = opened = _exact_values(held, maps, where)
            if len(opened) != entry.counts[name]:
                raise _contradiction(where / held.layers[0].file, "the manifest counts other values")
    indexes: dict[str, list[IndexEntry] | list[VectorEntry]] = {**manifest.indexes, **manifest.vectors}
    if len(indexes) < len(manifest.indexes) + len(manifest.vectors):
        raise _contradiction(where, f"{min(set(manifest.indexes) & set(manifest.vectors))} has two indexes")
    opened_near = {name: _near_layers(name, layers, maps, manifest, where) for name, layers in indexes.items()}
    return Loaded(where, version, manifest, exact, opened_near, maps)


def _check_list(entry: ListEntry, manifest: Manifest, where: Path) -> None:
    compared = {name for name, count in entry.counts.items() if count and name not in entry.exact}
    known = {name for name in entry.exact if (built_in := algorithms.built_in(name)) and not built_in.compared}
    indexed = {*manifest.indexes, *manifest.vectors}
    fits = compared <= indexed and compared <= set(entry.thresholds) and known == set(entry.exact)
    if not fits or not known <= set(entry.counts):
        raise _contradiction(where, f"list {entry.id}: counts, filters and thresholds do not fit each other")


def _exact_values(entry: ExactEntry, maps: Mapping[str, mmap.mmap], where: Path) -> ExactValues:
    layers = []
    for layer in entry.layers:
        opened = bloom.open_filter(maps[layer.file], str(where / layer.file))
        table = None
        if layer.values is not None:
            array = array_over(maps[layer.values], str(where / layer.values))
            if array.dtype != np.uint8 or array.shape[:1] != (layer.count,) or array.ndim == 1:
                raise _contradiction(where / layer.values, "its size is not the filter's")
            table = array.astype(np.uint8, copy=False)
        if opened.count != layer.count:
            raise _contradiction(where / layer.file, "the manifest counts other values")
        layers.append(Layer(opened, table))
    if entry.gone is None:
        return ExactValues(tuple(layers), NOTHING_GONE)
    if layers[0].table is None:
        raise _contradiction(where / entry.gone, "rows of a table are gone that there is not")
    return ExactValues(tuple(layers), _gone(entry.gone, len(layers[0]), maps, where))


def _gone(file: str | None, count: int, maps: Mapping[str, mmap.mmap], where: Path) -> npt.NDArray[np.int64]:
    """Return the numbers of what is gone among `count` rows or entries."""
    if file is None:
        return NOTHING_GONE
    array = array_over(maps[file], str(where / file))
    if array.dtype != np.dtype("<i8") or array.ndim != 1 or not len(array):
        raise _contradiction(where / file, "it is no list of rows")
    numbers = array.astype(np.int64, copy=False)
    if numbers[0] < 0 or numbers[-1] >= count or (numbers[1:] <= numbers[:-1]).any():
        raise _contradiction(where / file, "it names rows that there are not")
    return numbers


def _near_layers(
    name: str,
    entries: list[IndexEntry] | list[VectorEntry],
    maps: Mapping[str, mmap.mmap],
    manifest: Manifest,
    where: Path,
) -> near.NearLayers:
    layers: list[near.BitLists | near.VectorLists] = []
    held = np.zeros(len(manifest.lists), np.int64)
    for entry in entries:
        _check_name(name, entry, manifest, where)
        arrays = {part: array_over(maps[file], str(where / file)) for part, file in entry.arrays.items()}
        origins, counts = _origins(entry, maps, len(manifest.lists), where)
        np.add.at(held, origins.parts, counts)
        np.subtract.at(held, origins.of(origins.gone), 1)
        if isinstance(entry, VectorEntry):
            layers.append(near.VectorLists.open(entry, arrays, origins))
        else:
            layers.append(near.BitLists.open(entry, arrays, origins))
    if held.tolist() != [listed.counts.get(name, 0) for listed in manifest.lists]:
        raise _contradiction(where / entries[0].owners, "the manifest counts other values")
    if len({(layer.size, layer.distance) for layer in layers}) > 1:
        raise _contradiction(where, f"{name} has indexes of two kinds")
    return near.NearLayers(tuple(layers))


def _origins(
    entry: IndexEntry | VectorEntry, maps: Mapping[str, mmap.mmap], lists: int, where: Path
) -> tuple[near.Origins, list[int]]:
    """Return where an index's entries are from, and how many from each part, those that are gone included."""
    owners = array_over(maps[entry.owners], str(where / entry.owners))
    if owners.dtype != np.dtype("<u2") or owners.shape != (entry.entries,):
        raise _contradiction(where / entry.owners, "its size is not the index's")
    parts = np.array(entry.parts, np.int64)
    if not len(parts) or parts.max() >= lists or len(set(entry.parts)) < len(parts):
        raise _contradiction(where / entry.owners, "its entries are of lists that there are not")
    counts = _counts(owners, len(parts))
    if len(counts) > len(parts):
        raise _contradiction(where / entry.owners, "an entry is of no list")
    gone = _gone(entry.gone, entry.entries, maps, where)
    return near.Origins(owners.astype("<u2", copy=False), parts, gone), counts


def _check_name(name: str, entry: IndexEntry | VectorEntry, manifest: Manifest, where: Path) -> None:
    """Hold an algorithm of our own to what it is; what a plug-in's is, only the manifest says until a guard asks."""
    known = algorithms.built_in(name)
    if known and (known.kind is not Kind.NEAR or isinstance(entry, VectorEntry) or entry.bytes != known.length):
        raise _contradiction(where, f"{name} has another size or kind")
    thresholds = [listed.thresholds[name] for listed in manifest.lists if listed.counts.get(name)]
    if isinstance(entry, IndexEntry) and any(isinstance(value, float) for value in thresholds):
        raise _contradiction(where, f"a threshold of {name} is no number of bits")
    if isinstance(entry, IndexEntry) and thresholds and max(thresholds) > entry.max_distance:
        raise _contradiction(where, f"a threshold of {name} is larger than the index was built for")


def _counts(owners: npt.NDArray[np.generic], parts: int) -> list[int]:
    """Return how many entries each part owns; a longer list than asked for where an owner does not exist."""
    total = np.zeros(_EVERY_OWNER, np.int64)
    # Piece by piece: bincount makes a copy in 64-bit numbers, which for ten million entries is 80 MB.
    for start in range(0, len(owners), 1 << 18):
        total += np.bincount(owners[start : start + (1 << 18)].astype(np.intp), minlength=len(total))
    return [int(count) for count in total[: max(parts, len(np.trim_zeros(total, "b")))]]


def _contradiction(where: Path, why: str) -> BlocklistError:
    return BlocklistError(f"{where} contradicts its manifest or itself: {why}; {REBUILD}")
