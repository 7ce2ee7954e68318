"""The canary: a generated picture that every blocklist knows, so that a running guard can be asked whether it works.

A build plants its fingerprints as a list of its own. Its bytes are the same on every machine and with every version of
every library (no encoder makes them), so that a list built on one machine knows the canary of another.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Iterable

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.index.sorted_rows import ListValues, different
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.hashing import algorithms, registry
from ingest_guard.hashing.algorithms import Kind
from ingest_guard.hashing.digests import digests
from ingest_guard.imaging.decode import Limits, open_picture

MOST = 1 << 24
"""How many variants of it there are."""

_SIDE = 96
_CELL = 8
# One look-up an image more is enough to know that there are look-ups.
_EXACT = ("sha256", "sha1", "md5")


def canary(seed: bytes, number: int = 0) -> bytes:
    """Return the picture as a BMP file.

    Parameters
    ----------
    seed
        Of the blocklist (:attr:`~ingest_guard.blocklist.parts.seal.Sealer.canary_seed`). That of a sealed one is a
        secret: a picture that everybody knows beside what its key made of it would help to work the key's exchange out.
    number
        0 is the one whose digests are listed; any other looks the same and has other digests, so that only its
        perceptual hash gives it away, and no memory of an earlier one answers for it.

    Raises
    ------
    ValueError
        Outside 0 to 16,777,215.
    """
    if not 0 <= number < MOST:
        raise ValueError(f"number: expected 0 to {MOST - 1}, got {number}")
    cells = _SIDE // _CELL
    noise = hashlib.shake_256(seed).digest(cells * cells * 3)
    pixels = np.frombuffer(noise, np.uint8).reshape(cells, cells, 3).repeat(_CELL, axis=0).repeat(_CELL, axis=1)
    # One corner pixel out of nine thousand: no perceptual hash sees it.
    pixels[0, 0] = tuple(number.to_bytes(3, "little"))
    return _bmp(pixels)


def plant(sealer: Sealer, names: Collection[str]) -> dict[str, ListValues]:
    """Return what a blocklist is to know of its canary, as it is stored.

    Parameters
    ----------
    sealer
        Of the blocklist.
    names
        The algorithms that its lists hold. A near value is planted for each of them that ships with this package, so
        that nothing is computed for the canary's sake, and one digest in any case.
    """
    data = canary(sealer.canary_seed)
    exact = next((name for name in _EXACT if name in names), _EXACT[0])
    values = {exact: [bytes.fromhex(digests(data)[exact])]}
    values |= _near_values(data, sorted(name for name in names if _is_ours(name)))
    return {name: ListValues(different(sealer.seal(name, _rows(each)))) for name, each in values.items() if each}


def _is_ours(name: str) -> bool:
    known = algorithms.built_in(name)
    return known is not None and known.kind is Kind.NEAR


def _near_values(data: bytes, names: Iterable[str]) -> dict[str, list[bytes]]:
    (frame,) = open_picture(data, Limits()).frames()
    return {name: list(registry.run(hasher, frame)) for name, hasher in registry.load(names).items()}


def _rows(values: Iterable[bytes]) -> npt.NDArray[np.uint8]:
    return np.stack([np.frombuffer(value, np.uint8) for value in values])


def _bmp(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return an uncompressed 24-bit BMP; its rows are a multiple of four bytes long."""
    height, width, _ = pixels.shape
    body = pixels.tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(body), 2835, 2835, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 14 + len(header) + len(body), 0, 0, 14 + len(header)) + header + body
