"""Values that would drop half the web: what empty files, blank pictures and failed hashers leave behind in lists."""

from __future__ import annotations

from ingest_guard.blocklist.build.placeholders import digests
from ingest_guard.hashing.algorithms import Kind, built_in, find

# imagehash's hashes of any picture of one colour have no bit set, all of them, or phash's first one. What is within the
# default threshold of that would match them.
_BITS_64 = 64
_THRESHOLD_64 = 4
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
    known = find(algorithm)
    if known and known.kind is Kind.EXACT:
        return value in digests()
    if known and known.compared and len(value) > 1 and value in (bytes(len(value)), b"\xff" * len(value)):
        # What a hasher that failed leaves behind, or one that counts nothing. A single number may well be either.
        return True
    if known and known.kind is Kind.VECTOR:
        return False
    if len(value) == 8 and (known is None or built_in(algorithm)):  # noqa: PLR2004 - imagehash's: no digest is that short
        return not _THRESHOLD_64 < int.from_bytes(value, "big").bit_count() < _BITS_64 - _THRESHOLD_64
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
    if bits_set >= _PDQ_BITS_SET:
        return False
    return len({value[start : start + 2] for start in range(0, _PDQ_BYTES, 2)}) <= _PDQ_ROWS
