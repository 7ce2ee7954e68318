"""Sorted tables of values: which row a value stands in, by binary search, one value or many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


def row_of(table: Values, value: bytes) -> int:
    """Return the row of `value` in a sorted uint8[n, size], or -1."""
    low, high = 0, len(table)
    while low < high:
        middle = (low + high) // 2
        if table[middle].tobytes() < value:
            low = middle + 1
        else:
            high = middle
    return low if low < len(table) and table[low].tobytes() == value else -1


def rows_of(table: Values, values: Values) -> Numbers:
    """Return the row of each of `values`, uint8[m, size], in a sorted uint8[n, size]; -1 where there is none."""
    if not len(table) or not len(values):
        return np.full(len(values), -1, np.int64)
    # As byte strings: NumPy compares them in place, so that nothing is copied of a table of any size. It drops zeros
    # at their ends, which changes nothing between strings of one length.
    kind = f"S{table.shape[1]}"
    rows = np.searchsorted(table.view(kind)[:, 0], np.ascontiguousarray(values).view(kind)[:, 0])
    rows[rows == len(table)] = 0
    same = (table[rows] == values).all(axis=1)
    return np.where(same, rows, -1).astype(np.int64)


def among(numbers: Numbers, ordered: Numbers) -> npt.NDArray[np.bool_]:
    """Tell which of `numbers` stand in `ordered`, sorted int64[n]."""
    if not len(ordered):
        return np.zeros(len(numbers), bool)
    at = np.searchsorted(ordered, numbers)
    at[at == len(ordered)] = 0
    return np.asarray(ordered[at] == numbers)


def among_keys(keys: Keys, ordered: Keys) -> npt.NDArray[np.bool_]:
    """Tell which keys stand in `ordered`, sorted uint64[n]."""
    if not len(ordered):
        return np.zeros(len(keys), bool)
    at = np.searchsorted(ordered, keys)
    at[at == len(ordered)] = 0
    return np.asarray(ordered[at] == keys)


def distinct_pairs(keys: Keys, rows: Numbers) -> Keys:
    """Return the different (key, row) as uint64[m, 2], sorted."""
    pairs = np.stack([keys, rows.astype(np.uint64)], axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    keep = np.ones(len(pairs), bool)
    keep[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[keep]


def sort_order(values: Values) -> Numbers:
    """Return the order that sorts uint8[n, size] as byte strings."""
    pad = -values.shape[1] % 8
    words = np.pad(values, ((0, 0), (0, pad))) if pad else values
    # The first eight bytes tell nearly all values apart, and one key sorts several times as fast as all of them.
    columns = np.ascontiguousarray(words).view(">u8").astype(np.uint64)
    order = np.argsort(columns[:, 0], kind="stable")
    first = columns[order, 0]
    if (first[1:] == first[:-1]).any():
        order = np.lexsort(columns.T[::-1])
    return order.astype(np.int64, copy=False)


def different(values: Values) -> Values:
    """Return the different rows of uint8[n, size], sorted as byte strings."""
    if not len(values):
        return values
    ordered = values[sort_order(values)]
    return ordered[_first_of_each(ordered)]


def different_rows(values: Values) -> tuple[Values, Numbers]:
    """Return the different rows, sorted, and which of them each row of `values` is."""
    if not len(values):
        return values, np.empty(0, np.int64)
    order = sort_order(values)
    ordered = values[order]
    keep = _first_of_each(ordered)
    rows = np.empty(len(values), np.int64)
    rows[order] = np.cumsum(keep) - 1
    return ordered[keep], rows


def _first_of_each(ordered: Values) -> npt.NDArray[np.bool_]:
    keep = np.ones(len(ordered), bool)
    keep[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return keep
