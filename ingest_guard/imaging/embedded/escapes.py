"""The ways in which a text can spell a character, undone all at once.

HTML entities, JSON and JavaScript escapes, CSS escapes, percent signs. A text inside a text (a style sheet in a page, a
page in an attribute, JSON in a script) may use several of them; for finding images it does not matter whose turn it is,
so one pass undoes every kind, and is repeated while it changes anything. A text is worked on in pieces, so that what it
costs in memory does not depend on what is in it.
"""

import re
from collections.abc import Iterator
from typing import Final

_ROUNDS: Final = 4
_PIECE: Final = 1 << 14
_LONGEST: Final = 16
"""Bytes that an escape may have."""
_NAMED: Final = {
    b"amp": b"&",
    b"lt": b"<",
    b"gt": b">",
    b"quot": b'"',
    b"apos": b"'",
    b"colon": b":",
    b"sol": b"/",
    b"plus": b"+",
    b"equals": b"=",
    b"comma": b",",
    b"semi": b";",
    b"percnt": b"%",
    b"lpar": b"(",
    b"rpar": b")",
    b"num": b"#",
    b"lowbar": b"_",
    b"hyphen": b"-",
    b"period": b".",
    b"tab": b"\t",
    b"newline": b"\n",
    b"nbsp": b" ",
}
_ESCAPE: Final = re.compile(
    rb"&#[xX](?P<hex>[0-9a-fA-F]{1,8});?"
    rb"|&#(?P<decimal>[0-9]{1,9});?"
    rb"|&(?P<name>[A-Za-z]{2,8});"
    rb"|\\u\{(?P<wide>[0-9a-fA-F]{1,8})\}"
    rb"|\\u(?P<four>[0-9a-fA-F]{4})"
    rb"|\\x(?P<two>[0-9a-fA-F]{2})"
    rb"|\\(?P<css>[0-9a-fA-F]{1,6})[ \t\r\n\f]?"
    rb"|\\(?P<plain>[^0-9a-fA-Fux])",
    re.DOTALL,
)
_CUT: Final = re.compile(b"(" + re.sub(rb"\?P<\w+>", b"?:", _ESCAPE.pattern) + b")", re.DOTALL)
"""The same, as one group."""
_CONTROL: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"", b"\n": b"", b"\r": b""}
_LATIN: Final = 256

SPELT: Final = (
    rb"&(?:amp;)*#(?:[xX]0*(?:2[bBfF]|3[0-9aAdD]|[46][1-9a-fA-F]|[57][0-9aA])"
    rb"|0*(?:43|4[789]|5[0-8]|61|6[5-9]|[78]\d|90|9[789]|1[01]\d|12[012]))(?:[^0-9a-fA-F]|$)"
    rb"|&(?:colon|sol|plus|equals|comma|semi|Tab|NewLine);"
    rb"|\\(?:u00|x|u\{0*)(?:2[bBfF]|3[0-9aAdD]|[46][1-9a-fA-F]|[57][0-9aA])"
    rb"|\\0{0,4}(?:[46][1-9a-fA-F]|[57][0-9aA])[ \t]?"
)
"""The pattern of a letter, a digit or one of ``+ / : =`` that is spelt by number: ordinary texts have no reason to."""


def unescape(text: bytes) -> bytes:
    """Return a text with every escape undone, and those that come out of that.

    Characters beyond Latin-1 become a space: no base64 and no URL has them. A run of backslashes counts as one: that
    is what comes out of it, however often texts were put into texts.
    """
    for _ in range(_ROUNDS):
        text = _single_backslashes(text)
        if b"&" not in text and b"\\" not in text:
            break
        plain = b"".join(map(_spelt_out, _pieces(text)))
        if plain == text:
            break
        text = plain
    return text


def _single_backslashes(text: bytes) -> bytes:
    # In pieces: the whole of a large text at once would hold the interpreter for tens of milliseconds.
    while b"\\\\" in text:
        pieces = (text[start : start + _PIECE] for start in range(0, len(text), _PIECE))
        shorter = b"".join(piece.replace(b"\\\\", b"\\") for piece in pieces)
        # What is left then are the few pairs that lie across two pieces.
        text = shorter if len(shorter) < len(text) else text.replace(b"\\\\", b"\\")
    return text


def _pieces(text: bytes) -> Iterator[bytes]:
    """Cut a text where no escape is cut."""
    start = 0
    while start < len(text):
        stop = min(start + _PIECE, len(text))
        if stop < len(text):
            begin = max(text.rfind(b"&", stop - _LONGEST, stop), text.rfind(b"\\", stop - _LONGEST, stop))
            stop = begin if begin > start else stop
        yield text[start:stop]
        start = stop


class _Spellings(dict[bytes, bytes]):
    """Escape -> what it stands for; a text has few different ones, and many of each."""

    def __missing__(self, escape: bytes) -> bytes:
        match = _ESCAPE.fullmatch(escape)
        if match is None:
            return escape
        if len(self) >= _MOST_SPELLINGS:
            self.clear()
        self[escape] = character = _character(match)
        return character


_MOST_SPELLINGS: Final = 1 << 14
_spellings: Final = _Spellings()


def _spelt_out(piece: bytes) -> bytes:
    # Cutting and joining takes half as long as a substitution by a function.
    parts = _CUT.split(piece)
    parts[1::2] = map(_spellings.__getitem__, parts[1::2])
    return b"".join(parts)


def _character(match: re.Match[bytes]) -> bytes:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    if kind == "name":
        return _NAMED.get(value.lower(), match[0])
    if kind == "plain":
        return _CONTROL.get(value, value)
    number = int(value, 10 if kind == "decimal" else 16)
    return bytes([number]) if number < _LATIN else b" "
