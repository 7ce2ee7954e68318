"""The ways in which a text can spell a character, undone all at once.

HTML entities, JSON and JavaScript escapes, CSS escapes. A text inside a text (a style sheet in a page, a page in an
attribute, JSON in a script) may use several of them; for finding images it does not matter whose turn it is, so one
pass undoes every kind, and is repeated while it changes anything.
"""

from __future__ import annotations

import re
from typing import Final

_ROUNDS: Final = 4
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
ESCAPE: Final = re.compile(
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
_CONTROL: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"", b"\n": b"", b"\r": b""}
_LATIN: Final = 256

_SPELT: Final = re.compile(
    rb"&(?:amp;)*#(?:[xX]0*(?:2[bBfF]|3[0-9aAdD]|[46][1-9a-fA-F]|[57][0-9aA])"
    rb"|0*(?:43|4[789]|5[0-8]|61|6[5-9]|[78]\d|90|9[789]|1[01]\d|12[012]))(?![0-9a-fA-F])"
    rb"|&(?:colon|sol|plus|equals|comma|semi|Tab|NewLine);"
)
_SPELT_IN_CODE: Final = re.compile(
    rb"\\(?:u00|x|u\{0*)(?:2[bBfF]|3[0-9aAdD]|[46][1-9a-fA-F]|[57][0-9aA])"
    rb"|\\0{0,4}(?:[46][1-9a-fA-F]|[57][0-9aA])[ \t]?"
)


def is_disguised(text: bytes) -> bool:
    """Return whether the text spells letters, digits or ``+ / : =`` by number: nobody does without a reason."""
    return (b"&" in text and _SPELT.search(text) is not None) or (
        b"\\" in text and _SPELT_IN_CODE.search(text) is not None
    )


def undisguised(text: bytes) -> bytes:
    """Return a text with every escape undone, and those that come out of that.

    Characters beyond Latin-1 become a space: no base64 and no URL has them.
    """
    for _ in range(_ROUNDS):
        if b"&" not in text and b"\\" not in text:
            break
        plain = ESCAPE.sub(_character, text)
        if plain == text:
            break
        text = plain
    return text


def _character(match: re.Match[bytes]) -> bytes:
    kind, value = match.lastgroup, match[match.lastgroup or 0]
    if kind == "name":
        return _NAMED.get(value.lower(), match[0])
    if kind == "plain":
        return _CONTROL.get(value, value)
    number = int(value, 10 if kind == "decimal" else 16)
    return bytes([number]) if number < _LATIN else b" "
