"""A slot: the values of one algorithm in one part of a list, while an update changes them.

The base is never touched. What goes from it is remembered by row, what comes is kept beside it. A value that the source
gave in several records goes when the last of them goes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np

from ingest_guard.blocklist.index.sorted_rows import (
    Keys,
    ListValues,
    Numbers,
    Values,
    among,
    different,
    distinct_pairs,
    rows_of,
)
from ingest_guard.blocklist.parts.contents import References, StoredValues, no_values, references, stored_values
from ingest_guard.blocklist.parts.load import Loaded


@dataclass(slots=True)
class Slot:
    """What is held now, what was held before, and which records it is from.

    Attributes
    ----------
    before, now
        What is held.
    refs
        Which records it is from, now.
    keyed
        Whether records are kept track of.
    refs_changed
        Whether they are other ones than before.
    """

    before: StoredValues
    now: StoredValues
    refs: References
    keyed: bool
    refs_changed: bool = field(default=False)

    @classmethod
    def of(cls, loaded: Loaded, number: int, name: str, size: int) -> Slot | None:
        """Return the slot of an algorithm in a part; None where a filter is all there is of it."""
        found = stored_values(loaded, number, name, size)
        if found is None:
            return None
        refs = references(loaded, number, name, found)
        return cls(found, found, refs, refs.any)

    @classmethod
    def empty(cls, size: int) -> Slot:
        """Return the slot of an algorithm that a part does not hold yet."""
        none = np.empty(0, np.uint64)
        return cls(
            no_values(size), no_values(size), References(None, none, none, np.empty((0, size), np.uint8)), keyed=False
        )

    @property
    def added_changed(self) -> bool:
        """Whether other values came since the base than before."""
        return self.now.added is not self.before.added

    @property
    def gone_changed(self) -> bool:
        """Whether other rows of the base are gone than before."""
        return self.now.gone is not self.before.gone

    def void(self, touched: Keys) -> None:
        """Take out the records with these keys, and the values that no other record has."""
        if not len(touched) or not self.refs.any:
            return
        base = self.refs.base
        from_base = np.empty(0, np.int64)
        voided = self.refs.voided
        if base is not None:
            wanted = touched[~among(touched, voided)]
            column = np.ascontiguousarray(base[:, 0])
            first, last = np.searchsorted(column, wanted, "left"), np.searchsorted(column, wanted, "right")
            positions = _ranges(first, last)
            from_base = np.unique(base[positions, 1].astype(np.int64))
            voided = np.union1d(voided, wanted[last > first])
        from_delta = among(self.refs.keys, touched)
        candidates = different(np.concatenate([self.now.base[from_base], self.refs.values[from_delta]]))
        if not len(candidates) and len(voided) == len(self.refs.voided):
            return
        self.refs = References(base, voided, self.refs.keys[~from_delta], self.refs.values[~from_delta])
        self.refs_changed = True
        self.take_out(candidates[~self._referred_to(candidates)])

    def _referred_to(self, values: Values) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Tell which values some record still has."""
        kept = rows_of(different(self.refs.values), values) >= 0
        rows = rows_of(self.now.base, values)
        if self.refs.base is None:
            # The base came without keys: what it holds, it holds by itself.
            return kept | ((rows >= 0) & ~among(rows, self.now.gone))
        inside = np.unique(rows[rows >= 0])
        hits = np.flatnonzero(np.isin(self.refs.base[:, 1], inside.astype(np.uint64)))
        live = hits[~among(self.refs.base[hits, 0], self.refs.voided)]
        return kept | among(rows, np.unique(self.refs.base[live, 1].astype(np.int64)))

    def take_out(self, values: Values) -> None:
        """Take values out, whatever records they are from; those that are not held do not matter."""
        rows = rows_of(self.now.base, values)
        gone = np.union1d(self.now.gone, rows[rows >= 0])
        added = self.now.added
        doomed = rows_of(added, values)
        doomed = doomed[doomed >= 0]
        self._change(gone, np.delete(added, doomed, axis=0) if len(doomed) else added)

    def put_in(self, new: ListValues, *, keyed: bool) -> int:
        """Put values in, and the records that they are from; return how many were there already."""
        there = self.now.has(new.values)
        rows = rows_of(self.now.base, new.values)
        gone = np.setdiff1d(self.now.gone, rows[rows >= 0])
        fresh = new.values[~there & (rows < 0)]
        self._change(gone, different(np.concatenate([self.now.added, fresh])) if len(fresh) else self.now.added)
        if keyed and (self.refs.any or new.keys is not None):
            self._refer(new)
        return int(np.count_nonzero(there))

    def _refer(self, new: ListValues) -> None:
        keys = np.zeros(len(new.values), np.uint64) if new.keys is None else new.keys[:, 0]
        values = new.values if new.keys is None else new.values[new.keys[:, 1].astype(np.int64)]
        if self.refs.base is None and not self.refs.any and len(self.now.added):
            # Values that came before the first keys did: they stay when a record goes.
            rest = self.before.added
            keys, values = np.concatenate([keys, np.zeros(len(rest), np.uint64)]), np.concatenate([values, rest])
        every, all_values = np.concatenate([self.refs.keys, keys]), np.concatenate([self.refs.values, values])
        self.refs = References(self.refs.base, self.refs.voided, every, all_values)
        self.refs_changed = True
        self.keyed = True

    def _change(self, gone: Numbers, added: Values) -> None:
        if len(gone) == len(self.now.gone) and (gone == self.now.gone).all():
            gone = self.now.gone
        self.now = StoredValues(self.now.base, gone, added)

    def pairs(self) -> Keys:
        """Return the records that came since, uint64[j, 2]: key, and row among the base's and then the added values."""
        rows = rows_of(self.now.base, self.refs.values)
        added = rows_of(self.now.added, self.refs.values)
        rows = np.where(rows >= 0, rows, np.where(added >= 0, added + len(self.now.base), -1))
        return distinct_pairs(self.refs.keys[rows >= 0], rows[rows >= 0])

    def difference(self) -> tuple[Values, Values]:
        """Return the values that came and those that went, both sorted."""
        came = self.before.base[np.setdiff1d(self.before.gone, self.now.gone)]
        went = self.before.base[np.setdiff1d(self.now.gone, self.before.gone)]
        if not self.added_changed:
            return came, went
        fresh = self.now.added[rows_of(self.before.added, self.now.added) < 0]
        lost = self.before.added[rows_of(self.now.added, self.before.added) < 0]
        return different(np.concatenate([came, fresh])), different(np.concatenate([went, lost]))


def version_after(version: str, changes: dict[str, tuple[Values, Values]]) -> str:
    """Return the version of a part after changes: algorithm -> what came, what went; the same if nothing did."""
    if not any(len(values) for pair in changes.values() for values in pair):
        return version
    digest = hashlib.sha256(f"{version}\n".encode())
    for name, pair in sorted(changes.items()):
        for values in pair:
            digest.update(f"{name} {len(values)}\n".encode())
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _ranges(first: Numbers, last: Numbers) -> Numbers:
    """Return all positions from each `first` up to its `last`, which is not included."""
    lengths = last - first
    ends = np.cumsum(lengths)
    positions: Numbers = np.arange(int(lengths.sum())) + np.repeat(first - (ends - lengths), lengths)
    return positions
