"""MurmurHash3, the 128-bit variant for 64-bit machines: the key by which LAION's tables are joined.

After Austin Appleby's description (https://github.com/aappleby/smhasher/wiki/MurmurHash3), which is in the public
domain. It is not cryptographic, and nothing here relies on it: it is what others' tables have.
"""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1
_C1, _C2 = 0x87C37B91114253D5, 0x4CF5AD432745937F
_BLOCK = struct.Struct("<QQ")
_SIGN = 1 << 63


def murmur3_64(data: bytes) -> int:
    """Return the first 64 bits of MurmurHash3 x64 128 with seed 0, as a signed number: ``mmh3.hash64(data)[0]``."""
    h1 = h2 = 0
    whole = len(data) // 16 * 16
    for k1, k2 in _BLOCK.iter_unpack(data[:whole]):
        h1 ^= _scrambled(k1, _C1, 31, _C2)
        h1 = ((_rotated(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _scrambled(k2, _C2, 33, _C1)
        h2 = ((_rotated(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK
    k1, k2 = _BLOCK.unpack(data[whole:].ljust(16, b"\0"))
    h2 ^= _scrambled(k2, _C2, 33, _C1) ^ len(data)
    h1 ^= _scrambled(k1, _C1, 31, _C2) ^ len(data)
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    first = (_mixed(h1) + _mixed(h2)) & _MASK
    return first - (1 << 64) if first & _SIGN else first


def _scrambled(k: int, first: int, turn: int, second: int) -> int:
    return _rotated(k * first & _MASK, turn) * second & _MASK


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & _MASK


def _mixed(k: int) -> int:
    k = (k ^ k >> 33) * 0xFF51AFD7ED558CCD & _MASK
    k = (k ^ k >> 33) * 0xC4CEB9FE1A85EC53 & _MASK
    return k ^ k >> 33
