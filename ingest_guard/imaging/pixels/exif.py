"""The one EXIF value that changes what a browser shows: the orientation.

Read by hand from the first directory: Pillow's EXIF reader parses every tag, warns, and falls back to XMP, which
browsers ignore.
"""

import struct

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_MAX_ENTRIES = 1000


def orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that an EXIF block asks for.

    Parameters
    ----------
    exif
        A TIFF header and what follows, with or without the six bytes before it that say ``Exif``.

    Returns
    -------
    int
        As in EXIF 2.32, tag 0x0112; 1 (as stored) where there is none or it makes no sense.
    """
    if exif.startswith(b"Exif\0"):
        exif = exif[6:]
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        for entry in range(min(count, _MAX_ENTRIES)):
            tag, kind, _ = struct.unpack_from(order + "HHI", exif, first + 2 + 12 * entry)
            if tag == _ORIENTATION and kind in {_SHORT, _LONG}:
                (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), exif, first + 10 + 12 * entry)
                return int(value) if 1 <= value <= 8 else 1  # noqa: PLR2004 - the eight that EXIF knows
    except struct.error:
        pass
    return 1
