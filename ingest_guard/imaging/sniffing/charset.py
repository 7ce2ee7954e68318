"""Whether bytes that no text format accounts for are writing, in some charset of the web.

Samples of a picture can all be printable: every byte of 128 or more is a letter in one charset or another. Writing has
letters of one script and the usual punctuation, though; most samples have signs, fractions and box drawings as well.
Formats without a signature are known by their header alone (:mod:`ingest_guard.imaging.sniffing.rasters`).
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_SLICE: Final = 1 << 20
_A_FEW: Final = 8
_STRAY: Final = 0.002
_MULTI_BYTE: Final = ("gb18030", "cp932", "euc_jp", "big5hkscs", "cp949")
_MOST_ERRORS: Final = 0.02
_SINGLE_BYTE: Final = (
    *(f"cp{number}" for number in (*range(1250, 1259), 437, 737, 775, 850, 852, 855, 857, 862, 864, 866, 874)),
    *(f"iso8859_{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
    *("koi8_r", "koi8_u", "mac_roman", "mac_cyrillic"),
)
_RARE_LETTERS: Final = frozenset({"cp1251", "cp1253", "cp1255", "cp1256", "cp1258"})
"""Charsets whose letters below 160 are those of few languages, and rare in them."""
_RUSSIAN: Final = frozenset("\u0401\u0451\u0404\u0454\u0407\u0457") | frozenset(map(chr, range(0x410, 0x450)))
_MOST_ODD: Final = 0.1
_PUNCTUATION: Final = frozenset(
    "\xa0\xad\u2011\u2013\u2014\u2015\u2018\u2019\u201a\u201c\u201d\u201e\xab\xbb\u2039\u203a\u2026\xb7\u2022\xb0\xa7\xa9"
    "\xae\u2122\u20ac\xa3\xa5\u2116\xa1\xbf\xb4`\u2020\u2021\u3001\u3002\u200b\u200c\u200d\u200e\u200f\u060c\u061b\u061f"
    "\u066a\u0e3f\u20aa"
)
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]+")
_MEANINGLESS: Final = re.compile("[\ufffd\ue000-\uf8ff]")


def has_charset(data: bytes) -> bool:
    """Return whether a body can be writing: in UTF-8 but for a few bytes, or in a charset that has a word for them."""
    if data.isascii():
        return True
    stray = b"".join(_not_utf8(data))
    if len(stray) <= max(_A_FEW, len(data) * _STRAY):
        return True
    return _is_single_byte(stray) or any(_is_multi_byte(data, name) for name in _MULTI_BYTE)


def _not_utf8(data: bytes) -> Iterator[bytes]:
    """Yield the bytes that are no UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for at in range(0, len(data), _SLICE):
        text = decoder.decode(data[at : at + _SLICE], final=at + _SLICE >= len(data))
        yield "".join(_NOT_UTF8.findall(text)).encode("utf-8", "surrogateescape")


def _is_multi_byte(data: bytes, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)("replace")
    errors = characters = 0
    for at in range(0, len(data), _SLICE):
        text = decoder.decode(data[at : at + _SLICE], final=at + _SLICE >= len(data))
        errors += len(_MEANINGLESS.findall(text))
        characters += len(text) - len(text.encode("ascii", "ignore"))
    return errors <= _A_FEW + _MOST_ERRORS * characters


def _is_single_byte(stray: bytes) -> bool:
    return any(len(stray.translate(None, meaning)) <= _MOST_ODD * len(stray) for meaning in _MEANINGS)


def _meaning(name: str) -> bytes:
    """Return the bytes of 128 and more that are usual in writing in a charset."""
    characters = ((code, bytes([code]).decode(name, "ignore")) for code in range(128, 256))
    return bytes(code for code, letter in characters if letter and _is_usual(name, code, letter))


def _is_usual(name: str, code: int, letter: str) -> bool:
    if letter in _PUNCTUATION:
        return True
    if name == "mac_cyrillic":
        return letter in _RUSSIAN
    if name == "cp437" and "\u2500" <= letter <= "\u259f":  # boxes and blocks: old texts are full of them
        return True
    return unicodedata.category(letter)[0] in "LM" and not (code < 160 and name in _RARE_LETTERS)  # noqa: PLR2004 - the second control range


_MEANINGS: Final = tuple(sorted({_meaning(name) for name in _SINGLE_BYTE}))
