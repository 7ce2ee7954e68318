"""What a version holds, value by value, for those who make the next one of it: updates, compaction, comparisons."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index.sorted_rows import Keys, Numbers, Values, among, different, rows_of
from ingest_guard.blocklist.parts.load import Loaded
from ingest_guard.blocklist.parts.near import BitLists, VectorLists
from ingest_guard.blocklist.store.manifest import KeysEntry
from ingest_guard.errors import BlocklistError
from ingest_guard.files.safe import REBUILD
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Kind


@dataclass(frozen=True, slots=True)
class StoredValues:
    """The values of one algorithm in one part.

    Attributes
    ----------
    base
        uint8[n, size], sorted: those of the base, as a view of its file where that is possible.
    gone
        int64[k], sorted: rows of `base` that count no more.
    added
        uint8[m, size], sorted: those that came since; none of them in `base`.
    """

    base: Values
    gone: Numbers
    added: Values

    def __len__(self) -> int:
        return len(self.base) - len(self.gone) + len(self.added)

    def has(self, values: Values) -> npt.NDArray[np.bool_]:
        """Tell which of some values are held."""
        rows = rows_of(self.base, values)
        there: npt.NDArray[np.bool_] = (rows >= 0) & ~among(rows, self.gone)
        return there | (rows_of(self.added, values) >= 0)

    def all(self) -> Values:
        """Return all values, sorted."""
        if not len(self.gone) and not len(self.added):
            return self.base
        keep = np.ones(len(self.base), bool)
        keep[self.gone] = False
        return different(np.concatenate([self.base[keep], self.added]))


def no_values(size: int) -> StoredValues:
    """Return what is held where there is nothing, of values of `size` bytes."""
    empty = np.empty((0, size), np.uint8)
    return StoredValues(empty, np.empty(0, np.int64), empty)


def stored_values(loaded: Loaded, number: int, name: str, size: int) -> StoredValues | None:
    """Return the values of an algorithm, `size` bytes each, in a part; None where a filter is all there is of them."""
    if (number, name) in loaded.exact:
        exact = loaded.exact[number, name]
        tables = [layer.table for layer in exact.layers if layer.table is not None]
        if len(tables) < len(exact.layers):
            return None
        base, *since = tables
        return StoredValues(base, exact.gone, since[0] if since else base[:0])
    if name not in loaded.near:
        return no_values(size)
    base_layer, *later = loaded.near[name].layers
    start, base = of_part(base_layer, number)
    gone = base_layer.origins.gone
    inside = gone[(gone >= start) & (gone < start + len(base))] - start
    return StoredValues(base, inside, of_part(later[0], number)[1] if later else base[:0])


def of_part(layer: BitLists | VectorLists, number: int) -> tuple[int, Values]:
    """Return the first entry of a part in an index, and its values; builds put the entries of a part together."""
    found = np.flatnonzero(layer.origins.parts == number)
    if not len(found):
        return 0, layer.values()[:0]
    start, stop = np.searchsorted(layer.origins.owners, [found[0], found[0] + 1])
    return int(start), layer.values()[start:stop]


def is_near(name: str) -> bool:
    """Tell whether values of an algorithm are in an index, rather than in filters."""
    return algorithms.get(name).kind in (Kind.NEAR, Kind.VECTOR)


@dataclass(frozen=True, slots=True)
class References:
    """Which records of the source the values of one algorithm in one part are from.

    Attributes
    ----------
    base
        uint64[m, 2], sorted: digest of a record's key (0: it has none), row of a value in the base; None where the
        base came without keys.
    voided
        uint64[k], sorted: records in `base` that were replaced or withdrawn.
    keys, values
        uint64[j] and uint8[j, size]: the records that came since, and their values.
    """

    base: Keys | None
    voided: Keys
    keys: Keys
    values: Values

    @property
    def any(self) -> bool:
        """Whether any keys are known."""
        return self.base is not None or bool(len(self.keys))


def references(loaded: Loaded, number: int, name: str, of: StoredValues) -> References:
    """Return the references to what is held of an algorithm in a part.

    Raises
    ------
    BlocklistError
        A file of theirs is none.
    """
    none = np.empty(0, np.uint64)
    size = of.base.shape[1]
    entry = loaded.manifest.lists[number].keys.get(name, KeysEntry())
    base = None if entry.base is None else _pairs(loaded, entry.base, len(of.base))
    voided = none if entry.voided is None else _numbers(loaded, entry.voided)
    if entry.delta is None:
        return References(base, voided, none, np.empty((0, size), np.uint8))
    pairs = _pairs(loaded, entry.delta, len(of.base) + len(of.added))
    rows = pairs[:, 1].astype(np.int64)
    values = np.empty((len(rows), size), np.uint8)
    old = rows < len(of.base)
    values[old] = of.base[rows[old]]
    values[~old] = of.added[rows[~old] - len(of.base)]
    return References(base, voided, pairs[:, 0].copy(), values)


def _pairs(loaded: Loaded, file: str, rows: int) -> Keys:
    array = loaded.array(file)
    if array.dtype != np.dtype("<u8") or array.ndim != 2 or array.shape[1] != 2:  # noqa: PLR2004 - key, row
        raise BlocklistError(f"{loaded.where / file} holds no keys of records; {REBUILD}")
    pairs = array.astype(np.uint64, copy=False)
    if len(pairs) and pairs[:, 1].max() >= rows:
        raise BlocklistError(f"{loaded.where / file} names rows that there are not; {REBUILD}")
    return pairs


def _numbers(loaded: Loaded, file: str) -> Keys:
    array = loaded.array(file)
    if array.dtype != np.dtype("<u8") or array.ndim != 1:
        raise BlocklistError(f"{loaded.where / file} holds no keys of records; {REBUILD}")
    return array.astype(np.uint64, copy=False)
