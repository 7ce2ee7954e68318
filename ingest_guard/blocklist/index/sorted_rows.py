"""Arrays of values: read from ``.npy`` files over verified maps, sorted, and searched for one value or many.

NumPy's own reader of ``.npy`` headers takes any Python literal, and repairs some that are none. The builder writes one
shape of header only, so a pattern is enough: the data is never copied, and nothing is ever evaluated or unpickled.
"""

import math
import mmap
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest_guard.errors import BlocklistError
from ingest_guard.files.safe import REBUILD

Values = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

_MAGIC = b"\x93NUMPY\x01\x00"
_PREFIX = len(_MAGIC) + 2
_HEADER = re.compile(
    rb"\{'descr': '(\|u1|<u2|<u4|<u8|<i4|<i8)', 'fortran_order': False, "
    rb"'shape': \(([0-9]{1,15}),(?: ([0-9]{1,15}))?\), \} *\n"
)


@dataclass(frozen=True, slots=True)
class ListValues:
    """Values of one algorithm in a list that is being read.

    Attributes
    ----------
    values
        uint8[n, size], different, sorted, as they are stored.
    keys
        uint64[m, 2], sorted: digest of a record's key (0: it has none), row of one of its values. None where the
        source has no keys at all.
    """

    values: Values
    keys: Keys | None = None


def array_over(data: mmap.mmap, where: str) -> npt.NDArray[np.generic]:
    """Return the array that a ``.npy`` file holds, as a read-only view of its map.

    Raises
    ------
    BlocklistError
        Not a ``.npy`` file of format 1.0, in C order, of one or two dimensions, of a plain little-endian whole-number
        type, and of exactly this size.
    """
    start = _PREFIX + int.from_bytes(data[len(_MAGIC) : _PREFIX], "little")
    header = _HEADER.fullmatch(data[_PREFIX:start])
    if data[: len(_MAGIC)] != _MAGIC or header is None:
        raise BlocklistError(f"{where} is not an array of this package; {REBUILD}")
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(side) for side in header.groups()[1:] if side is not None)
    count = math.prod(shape)
    if len(data) != start + count * dtype.itemsize:
        raise BlocklistError(f"{where} is not an array of this package; {REBUILD}")
    if not count:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype, count, start).reshape(shape)


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


def among(numbers: Numbers | Keys, ordered: Numbers | Keys) -> npt.NDArray[np.bool_]:
    """Tell which of `numbers` stand in `ordered`, sorted; both int64 or both uint64."""
    if not len(ordered):
        return np.zeros(len(numbers), bool)
    at = np.searchsorted(ordered, numbers)
    at[at == len(ordered)] = 0
    return np.asarray(ordered[at] == numbers)


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
