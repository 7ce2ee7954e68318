"""Fonts: whether one has tables that hold pictures. Text is full of inline fonts, and hardly one of them has any.

The containers are those of https://learn.microsoft.com/typography/opentype/spec/otff, https://www.w3.org/TR/WOFF/,
https://www.w3.org/TR/WOFF2/ and https://www.w3.org/submissions/EOT/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

PICTURE_TABLES: Final = frozenset({b"SVG ", b"CBDT", b"EBDT", b"bdat", b"sbix", b"COLR"})

_SFNT: Final = (b"\0\1\0\0", b"OTTO", b"true", b"typ1")
_MOST_FONTS: Final = 256
# The tags that WOFF2 writes as a number, in its order (https://www.w3.org/TR/WOFF2/#table_dir_format).
_WOFF2_NAMES: Final = (
    "cmap head hhea hmtx maxp name OS/2 post cvt fpgm glyf loca prep CFF VORG EBDT EBLC gasp hdmx kern LTSH PCLT VDMX "
    "vhea vmtx BASE GDEF GPOS GSUB EBSC JSTF MATH CBDT CBLC COLR CPAL SVG sbix acnt avar bdat bloc bsln cvar fdsc feat "
    "fmtx fvar gvar hsty just lcar mort morx opbd prop trak Zapf Silf Glat Gloc Feat Sill"
)
_WOFF2_TAGS: Final = tuple(name.encode().ljust(4) for name in _WOFF2_NAMES.split())
_WOFF2_OWN_TAG: Final = 63
_EOT_MAGIC: Final = b"LP"
_EOT_HEADER: Final = 82
_EOT_HIDDEN: Final = 0x4 | 0x10000000
"""Compressed, or XORed."""


def is_font(data: bytes) -> bool:
    """Return whether a body begins as a font does."""
    return data.startswith((*_SFNT, b"ttcf", b"wOFF", b"wOF2")) or _is_eot(data)


def has_no_pictures(data: bytes) -> bool:
    """Return whether a body is a font, and none of its tables holds pictures; False where that cannot be seen."""
    try:
        return is_font(data) and PICTURE_TABLES.isdisjoint(_tags(data))
    except (struct.error, IndexError, ValueError):
        return False


def _is_eot(data: bytes) -> bool:
    return len(data) > _EOT_HEADER and data[34:36] == _EOT_MAGIC and int.from_bytes(data[:4], "little") == len(data)


def _tags(data: bytes) -> Iterator[bytes]:
    """Yield the tags of all tables; ValueError, IndexError or struct.error where the directory is not whole."""
    if data.startswith(b"ttcf"):
        (count,) = struct.unpack_from(">I", data, 8)
        if not 0 < count <= _MOST_FONTS:
            raise ValueError
        for start in struct.unpack_from(f">{count}I", data, 12):
            yield from _records(data, start)
    elif data.startswith(b"wOFF"):
        (count,) = struct.unpack_from(">H", data, 12)
        yield from _read_tags(data, 44, count, 20)
    elif data.startswith(b"wOF2"):
        yield from _woff2_tags(data)
    elif _is_eot(data):
        size, _, flags = struct.unpack_from("<III", data, 4)
        if flags & _EOT_HIDDEN or not 0 < size < len(data):
            raise ValueError
        font = data[len(data) - size :]
        if not font.startswith(_SFNT):
            raise ValueError
        yield from _records(font, 0)
    else:
        yield from _records(data, 0)


def _records(data: bytes, start: int) -> Iterator[bytes]:
    (count,) = struct.unpack_from(">H", data, start + 4)
    return _read_tags(data, start + 12, count, 16)


def _read_tags(data: bytes, start: int, count: int, size: int) -> Iterator[bytes]:
    if not count or start + count * size > len(data):
        raise ValueError
    return (data[at : at + 4] for at in range(start, start + count * size, size))


def _woff2_tags(data: bytes) -> Iterator[bytes]:
    (count,) = struct.unpack_from(">H", data, 12)
    if not count:
        raise ValueError
    at = 48
    for _ in range(count):
        flags = data[at]
        at += 1
        if flags & 63 == _WOFF2_OWN_TAG:
            tag = data[at : at + 4]
            at += 4
        else:
            tag = _WOFF2_TAGS[flags & 63]
        yield tag
        at = _skip_number(data, at)
        version = flags >> 6
        if version != 3 if tag in {b"glyf", b"loca"} else version != 0:  # noqa: PLR2004 - the null transform
            at = _skip_number(data, at)


def _skip_number(data: bytes, at: int) -> int:
    """Return where a UIntBase128 ends."""
    for stop in range(at, at + 5):
        if data[stop] < 128:  # noqa: PLR2004 - the last byte
            return stop + 1
    raise ValueError
