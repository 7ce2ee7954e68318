"""Exact values: pybloom-live filters in pybloom-live's own file format, opened over a buffer without a copy.

Keys are lower-case hex ``str``. Each filter that :func:`write` makes also holds one planted key. pybloom-live's file
does not say how keys were hashed; if another release, or another build of its hash functions, ever placed keys
elsewhere, every look-up would answer "not there", and nothing would be blocked. So the planted key is looked up at
opening.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil, expm1, log, log2
from typing import BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from bitarray import bitarray
from pybloom_live import BloomFilter
from typing_extensions import Buffer

from ingest_guard.errors import BlocklistError

Header: TypeAlias = tuple[float, int, int, int, int]

PLANTED_KEY = "ingest-guard planted key"
DEFAULT_ERROR_RATE = 1e-9
LARGEST_ERROR_RATE = 1e-3
"""More than one false hit in a thousand images would make the guard useless."""

_HEADER = struct.Struct("<dQQQQ")
# Fewer keys than this take no less room: in a filter of a few cells the share of set bits strays far from one half.
_LEAST_CAPACITY = 1024
# The real rate strays from the expected one by some percent in small filters.
_MARGIN = 0.9
_CHUNK = 1 << 14
_SELF_CHECKS = 64


@dataclass(frozen=True, slots=True)
class Filter:
    """An opened filter; answers ``key in filter``."""

    bloom: BloomFilter
    count: int
    """Keys of the list (the planted one is not counted)."""
    error_rate: float
    """Chance that a value which is not on the list is taken for one that is."""

    def __contains__(self, key: str) -> bool:
        return key in self.bloom


def open_filter(buffer: Buffer, where: str) -> Filter:
    """Open a filter over the bytes of its file, without copying them.

    Parameters
    ----------
    buffer
        The whole file, as a map or bytes.
    where
        The file's name, for error texts.

    Raises
    ------
    BlocklistError
        Not a filter that :func:`write` made, or pybloom-live hashes keys in another way than when it was made.
    """
    view = memoryview(buffer)
    if len(view) < _HEADER.size:
        raise _damaged(where, "it is too short")
    header: Header = _HEADER.unpack_from(view)
    error_rate, slices, cells, capacity, count = header
    if not 0 < error_rate <= LARGEST_ERROR_RATE:
        raise _damaged(where, f"its error rate is not between 0 and {LARGEST_ERROR_RATE}")
    if not 0 < count <= capacity:
        raise _damaged(where, "it holds more keys than it has room for, or none")
    expected_slices, expected_cells = _geometry(capacity, error_rate)
    if slices != expected_slices or abs(cells - expected_cells) > 1:
        raise _damaged(where, "its dimensions do not follow from capacity and error rate")
    if len(view) != _HEADER.size + (slices * cells + 7) // 8:
        raise _damaged(where, "its size does not fit its header")
    bloom = BloomFilter.__new__(BloomFilter)
    bloom._setup(*header)  # noqa: SLF001 - pybloom-live's fromfile() does this; it has no way in without a copy
    bloom.bitarray = bitarray(buffer=view[_HEADER.size :], endian="little")
    if PLANTED_KEY not in bloom:
        raise BlocklistError(
            f"{where}: the planted key is not found, so pybloom-live hashes keys in another way than it did when the "
            "filter was made; rebuild it with this installation: ingest-guard blocklist build"
        )
    return Filter(bloom, count - 1, error_rate)


def write(file: BinaryIO, keys: Iterable[str], count: int, error_rate: float = DEFAULT_ERROR_RATE) -> float:
    """Write a filter file.

    Parameters
    ----------
    file
        Open for writing in binary.
    keys
        `count` different keys.
    count
        How many.
    error_rate
        Chance of a false hit at most.

    Returns
    -------
    float
        The real chance of a false hit, from the bits that are set.

    Raises
    ------
    ValueError
        An error rate out of bounds, or another number of keys than announced.
    """
    if not 0 < error_rate <= LARGEST_ERROR_RATE:
        raise ValueError(f"error_rate: expected more than 0 and at most {LARGEST_ERROR_RATE}, got {error_rate}")
    bloom = BloomFilter(_capacity(count + 1, error_rate), error_rate)
    bits = np.zeros((bloom.num_bits + 7) // 8, np.uint8)
    checks: list[str] = []
    for chunk in _chunks(keys):
        _set(bits, bloom, chunk)
        bloom.count += len(chunk)
        checks = checks or chunk[:_SELF_CHECKS]
    if bloom.count != count + 1:
        raise ValueError(f"expected {count} keys, got {bloom.count - 1}")
    bloom.bitarray = bitarray(buffer=bits.data, endian="little")
    if not all(key in bloom for key in checks):
        raise BlocklistError(
            "this release of pybloom-live hashes keys in another way than ingest_guard does; install one that "
            "pyproject.toml names"
        )
    file.write(_HEADER.pack(bloom.error_rate, bloom.num_slices, bloom.bits_per_slice, bloom.capacity, bloom.count))
    file.write(bits.data)
    return _measure(bloom)


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    chunk = [PLANTED_KEY]
    for key in keys:
        chunk.append(key)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _set(bits: npt.NDArray[np.uint8], bloom: BloomFilter, keys: list[str]) -> None:
    """Set the bits of some keys: what ``bloom.add`` does one by one, at a tenth of the time."""
    dtype = cell_dtype(bloom.bits_per_slice)
    hashfn = bloom.hashfn
    need = -(-bloom.num_slices // (hashfn().digest_size // dtype.itemsize))
    salts = [hashfn(hashfn(struct.pack("I", number)).digest()) for number in range(need)]
    digests: list[bytes] = []
    for key in keys:
        encoded = key.encode()
        for salt in salts:
            state = salt.copy()
            state.update(encoded)
            digests.append(state.digest())
    numbers = np.frombuffer(b"".join(digests), dtype).reshape(len(keys), -1)[:, : bloom.num_slices]
    cells = numbers.astype(np.int64) % bloom.bits_per_slice
    cells += np.arange(bloom.num_slices) * bloom.bits_per_slice
    flat = cells.ravel()
    np.bitwise_or.at(bits, flat >> 3, (1 << (flat & 7)).astype(np.uint8))


def cell_dtype(cells: int) -> np.dtype[np.unsignedinteger]:
    """Return the type of number that pybloom-live takes out of a digest for a slice of so many cells."""
    if cells >= 1 << 31:
        return np.dtype(np.uint64)
    return np.dtype(np.uint32 if cells >= 1 << 15 else np.uint16)


def _geometry(capacity: int, error_rate: float) -> tuple[int, float]:
    """Return the slices, and (before rounding) the cells a slice, that the theory of Bloom filters asks for."""
    slices = ceil(log2(1 / error_rate))
    return slices, capacity * -log(error_rate) / (slices * log(2) ** 2)


def _shares(cells: int) -> tuple[int, float, float]:
    """Return how pybloom-live spreads keys over a slice: (first cells, chance of each of them, of each of the others).

    It takes a 16, 32 or 64-bit number modulo the cells, so that the first ones are hit more often.
    """
    span = 1 << (8 * cell_dtype(cells).itemsize)
    least, first = divmod(span, cells)
    return first, (least + 1) / span, least / span


def _capacity(count: int, error_rate: float) -> int:
    """Return the capacity at which the real error rate stays below the one asked for."""
    capacity = max(count, _LEAST_CAPACITY)
    while _expected(count, capacity, error_rate) > error_rate * _MARGIN:
        capacity += max(1, capacity // 200)
    return capacity


def _expected(count: int, capacity: int, error_rate: float) -> float:
    slices, exact = _geometry(capacity, error_rate)
    cells = ceil(exact)
    first, often, seldom = _shares(cells)
    a_slice = first * often * -expm1(-count * often) + (cells - first) * seldom * -expm1(-count * seldom)
    return float(a_slice**slices)


def _measure(bloom: BloomFilter) -> float:
    """Return the chance of a false hit, from the bits that are set in each slice."""
    first, often, seldom = _shares(bloom.bits_per_slice)
    rate = 1.0
    for number in range(bloom.num_slices):
        start = number * bloom.bits_per_slice
        middle, end = start + first, start + bloom.bits_per_slice
        rate *= bloom.bitarray.count(1, start, middle) * often + bloom.bitarray.count(1, middle, end) * seldom
    return rate


def _damaged(where: str, why: str) -> BlocklistError:
    return BlocklistError(f"{where} is no filter of this package: {why}; rebuild it: ingest-guard blocklist build")
