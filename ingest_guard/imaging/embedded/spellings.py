r"""Pictures in a text that are spelt neither as a ``data:`` URL nor as plain base64: hex, and quoted-printable.

No browser shows them; databases write the one (``\xFFD8...``), mails the other.
"""

import binascii
from collections.abc import Iterator
from typing import Final

from ingest_guard.imaging.sniffing.patterns import linear

_MOST: Final = 1000
_HEX_STARTS: Final = (b"ffd8ff", b"89504e470d0a", b"4749463837", b"4749463839", b"52494646", b"49492a00", b"4d4d002a")
_HEX: Final = linear(b"(?i)(?:" + b"|".join(_HEX_STARTS) + rb")[0-9a-f]{40,}")
_PRINTABLE_STARTS: Final = (b"=ff=d8=ff", b"=89png", b"gif8[79]a=")
_PRINTABLE: Final = linear(
    b"(?i)(?:" + b"|".join(_PRINTABLE_STARTS) + rb")(?:=[0-9a-f]{2}|=[\t ]*\r?\n|\r?\n|[\t -<>-~])*"
)
HEX_START: Final = b"(?i:(?:" + b"|".join(_HEX_STARTS) + rb")[0-9a-f]{40})"
START: Final = HEX_START + b"|(?i:" + b"|".join(_PRINTABLE_STARTS) + b")"
"""The pattern of what each of :func:`spelt_pictures` begins with."""


def spelt_pictures(text: bytes) -> Iterator[bytes]:
    """Yield what may be pictures, a thousand of each kind at most."""
    for run, _ in zip(_HEX.finditer(text), range(_MOST), strict=False):
        yield bytes.fromhex(run[0][: len(run[0]) & ~1].decode("ascii"))
    for run, _ in zip(_PRINTABLE.finditer(text), range(_MOST), strict=False):
        yield binascii.a2b_qp(run[0])
