"""Placeholder values, which would drop half the web: of empty files, blank pictures, spacers, and from failed hashers.

A list that holds the digest of a spacer of one pixel would drop pages without number. The files are the ones that
tracking pixels and templates have used for decades, written out here, so that their digests can be recomputed rather
than believed.
"""

import base64
import hashlib
import io
from functools import lru_cache

from PIL import Image

from ingest_guard.hashing.algorithms import Kind, built_in, find

# imagehash's hashes of any picture of one colour have no bit set, all of them, or phash's first one. What is within the
# default threshold of that would match them.
_BITS_64 = 64
_THRESHOLD_64 = 4
_PDQ_BYTES = 32
_PDQ_THRESHOLD = 31
_PDQ_BITS_SET = 100
_PDQ_ROWS = 9
_ALGORITHMS = ("md5", "sha1", "sha256")

# The spacers that servers and scripts carry about as Base64.
_SPACERS = (
    "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    "R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==",
    "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAEALAAAAAABAAEAAAIBTAA7",
    "R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==",
    "R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=",
    "R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=",
    "R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==",
    "R0lGODlhAQABAAAAACwAAAAAAQABAAA=",
    "R0lGODlhAQABAAAAACw=",
    "R0lGODlhAQABAAD/ACwAAAAAAQABAAACADs=",
    "R0lGODlhAQABAIAAAAAAAAAAACH5BAAAAAAALAAAAAABAAEAAAICTAEAOw==",
    "R0lGODlhAQABAPAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==",
    "R0lGODlhAQABAJAAAP8AAAAAACH5BAUQAAAALAAAAAABAAEAAAICBAEAOw==",
    "R0lGODlhAQABAIAAAP7//wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==",
    "R0lGODlhAQABAIABAP///wAAACwAAAAAAQABAAACAkQBADs=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVQIW2NkAAIAAAoAAggA9GkAAAAASUVORK5CYII=",
)
_MODES = {
    "1": ("black", "white"),
    "L": ("black", "white"),
    "RGB": ("black", "white"),
    "RGBA": ("#00000000", "#ffffff00"),
}


def is_placeholder(algorithm: str, value: bytes) -> bool:
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
        return value in _digests()
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


@lru_cache(maxsize=1)
def _digests() -> frozenset[bytes]:
    """Return the digests of all these files, and of the empty one."""
    files = {b"", *(base64.b64decode(text) for text in _SPACERS), *_write_pictures()}
    return frozenset(hashlib.new(name, data, usedforsecurity=False).digest() for name in _ALGORITHMS for data in files)


def _write_pictures() -> set[bytes]:
    """Return pictures of one pixel, black, white and transparent, as Pillow writes them: as many scripts do."""
    files = set()
    for mode, colours in _MODES.items():
        for colour in colours:
            picture = Image.new(mode, (1, 1), colour)
            for form in ("GIF", "PNG", "BMP", *(("JPEG",) if mode != "RGBA" else ())):
                out = io.BytesIO()
                picture.save(out, form)
                files.add(out.getvalue())
    return files
