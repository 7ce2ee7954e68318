"""Compacting a journal: the last line of each key stays, unless it is a withdrawal.

Two passes over the file. Of each line the first keeps sixteen bytes of its key's digest and a mark, so that ten million
lines take some hundred megabytes and not the gigabytes of a dictionary.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ingest_guard.lists.checkpoints import Mark
from ingest_guard.lists.journal import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_DIGEST = 16


def compact(path: Path, target: BinaryIO, length: int, since: int = 0) -> Mark:
    """Write the lines that still count to another file.

    Parameters
    ----------
    path
        The journal.
    target
        An empty file.
    length
        How many bytes of the journal count.
    since
        Where the first line begins that counts.

    Returns
    -------
    Mark
        Of what was written.
    """
    stays = survivors(path, length, since)
    hashed, written = hashlib.sha256(), 0
    for line, keep in zip(_lines(path, length, since), stays, strict=True):
        if keep:
            target.write(line)
            hashed.update(line)
            written += len(line)
    return Mark(written, hashed.hexdigest(), int(stays.sum()))


def survivors(path: Path, length: int, since: int = 0) -> NDArray[np.bool_]:
    """Return for each line whether it stays; bool, (lines,)."""
    digests, gone = bytearray(), bytearray()
    for line in _lines(path, length, since):
        try:
            record = parse(line)
        except ValueError:
            # Nothing that we write; what it meant nobody knows, so it stays, for the reader to reject and count.
            digests += hashlib.blake2b(line, digest_size=_DIGEST).digest()
            gone.append(0)
            continue
        digests += hashlib.blake2b(record.key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
        gone.append(record.deleted)
    keys = np.frombuffer(bytes(digests), np.uint64).reshape(-1, 2)
    # The sort is stable: equal keys stay in the order of the file, and the last of each run is the last in the file.
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = (ordered[1:] != ordered[:-1]).any(axis=1)
    stays: NDArray[np.bool_] = np.zeros(len(order), np.bool_)
    stays[order[is_last]] = True
    stays[np.frombuffer(bytes(gone), np.uint8) != 0] = False
    return stays


def _lines(path: Path, length: int, since: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(since)
        while since < length:
            line = file.readline()
            since += len(line)
            yield line
