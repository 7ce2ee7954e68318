"""NumPy arrays over verified maps: the ``.npy`` header is matched here, the data is never copied, nothing unpickled.

NumPy's own reader takes any Python literal for a header, and repairs some that are none. The builder writes one shape
of header only, so a pattern is enough, and nothing is ever evaluated.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    import mmap

_MAGIC = b"\x93NUMPY\x01\x00"
_PREFIX = len(_MAGIC) + 2
_HEADER = re.compile(
    rb"\{'descr': '(\|u1|<u2|<u4|<u8|<i4|<i8)', 'fortran_order': False, "
    rb"'shape': \(([0-9]{1,15}),(?: ([0-9]{1,15}))?\), \} *\n"
)


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
        raise _damaged(where)
    dtype = np.dtype(header[1].decode())
    shape = tuple(int(side) for side in header.groups()[1:] if side is not None)
    count = math.prod(shape)
    if len(data) != start + count * dtype.itemsize:
        raise _damaged(where)
    if not count:
        return np.empty(shape, dtype)
    return np.frombuffer(data, dtype, count, start).reshape(shape)


def _damaged(where: str) -> BlocklistError:
    return BlocklistError(f"{where} is not an array of this package; rebuild it: ingest-guard blocklist build")
