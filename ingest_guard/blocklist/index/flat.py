"""The flat scan: a query compared with every entry. Best for small lists, and the bound for hopeless queries."""

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index.words import Words, distances

# Entries compared at a time: 128 KiB of PDQ values, so that block and intermediate results stay in the L2 cache.
_BLOCK = 1 << 12


def scan(
    words: Words, queries: Words, limits: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int16]]:
    """Return every (query, entry, distance) within the query's limit, in no particular order.

    Parameters
    ----------
    words
        uint64[n, w]: the entries.
    queries
        uint64[m, w].
    limits
        int64[m]: largest distance of each query.

    Returns
    -------
    query int64[k], entry int64[k], distance int16[k]
    """
    found: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int16]]] = []
    for number in range(len(queries)):
        # Repeated, not broadcast: NumPy's inner loop would be as short as a value, four words.
        repeated = np.tile(queries[number : number + 1], (min(_BLOCK, len(words)), 1))
        for start in range(0, len(words), _BLOCK):
            block = words[start : start + _BLOCK]
            apart = distances(block, repeated[: len(block)])
            near = np.flatnonzero(apart <= limits[number])
            if near.size:
                found.append((np.full(near.size, number), near + start, apart[near].astype(np.int16)))
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16)
    query, entry, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    return query, entry, distance
