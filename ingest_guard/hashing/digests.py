"""The cryptographic digests that exact lists are made of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

DIGESTS = ("md5", "sha1", "sha256")
"""The algorithms of :func:`digests`, in its order."""


def digests(data: Buffer) -> dict[str, str]:
    """Return the digests of a body, as lists write them.

    Parameters
    ----------
    data
        Any contiguous buffer: bytes, bytearray, memoryview. It is read in place, never copied.

    Returns
    -------
    dict
        ``md5``, ``sha1`` and ``sha256`` to lower-case hex.
    """
    # They name a file here and protect nothing, so a FIPS build of OpenSSL may hand out MD5 and SHA-1.
    return {name: hashlib.new(name, data, usedforsecurity=False).hexdigest() for name in DIGESTS}
