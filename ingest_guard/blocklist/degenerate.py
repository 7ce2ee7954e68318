"""Values that would drop half the web: what empty files, blank pictures and failed hashers leave behind in lists."""

from __future__ import annotations

import hashlib

from ingest_guard.blocklist.algorithms import Kind, find

_EMPTY_DIGESTS = frozenset(hashlib.new(name, b"", usedforsecurity=False).digest() for name in ("md5", "sha1", "sha256"))
# imagehash's phash of any picture of one colour is one of these two, dhash, average_hash and whash the first.
_BLANK_64 = frozenset({bytes(8), b"\xff" * 8, b"\x80" + bytes(7), b"\x7f" + b"\xff" * 7})
_PDQ_BYTES = 32
_PDQ_THRESHOLD = 31
_PDQ_BITS_SET = 100
_PDQ_ROWS = 9


def is_degenerate(algorithm: str, value: bytes) -> bool:
    """Tell whether a value says nothing about a picture.

    Parameters
    ----------
    algorithm
        What it is of.
    value
        The raw bytes.
    """
    if value in _EMPTY_DIGESTS:
        return True
    known = find(algorithm)
    if known and known.compared and len(value) > 1 and value in (bytes(len(value)), b"\xff" * len(value)):
        # What a hasher that failed leaves behind, or one that counts nothing. A single number may well be either.
        return True
    if known and known.kind is Kind.VECTOR:
        return False
    if len(value) == 8:  # noqa: PLR2004 - a 64-bit perceptual hash: no digest is that short
        return value in _BLANK_64
    return algorithm == "pdq" and _is_blank_pdq(value)


def _is_blank_pdq(value: bytes) -> bool:
    """Tell whether a PDQ value is that of a blank picture.

    A bit is set where a coefficient is above the median of all 256, so a real picture sets about 128. A blank one has
    coefficients that are zero but for rounding, hence ties, hence fewer bits; and as what remains is a product of two
    vectors of rounding errors, most of its 16 rows are alike (4 to 9 kinds in 420 blank pictures hashed with pdqhash).
    """
    bits_set = int.from_bytes(value, "big").bit_count()
    if not _PDQ_THRESHOLD < bits_set < 8 * _PDQ_BYTES - _PDQ_THRESHOLD:
        return True
    rows = {value[start : start + 2] for start in range(0, _PDQ_BYTES, 2)}
    return bits_set < _PDQ_BITS_SET and len(rows) <= _PDQ_ROWS
