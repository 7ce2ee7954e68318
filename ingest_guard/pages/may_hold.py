r"""Whether a text can hold an inline body at all: one linear pass, so that ordinary pages cost next to nothing.

A ``no`` is never wrong for what the readers of this package read; a ``yes`` often is. ``data:`` may stand there as it
is, with line breaks, comments or backslashes in it, or with a letter spelt by an escape: a character reference
(``&#100;``), an escape of a script (``\x64``, ``\u0064``, ``\144``) or of a style sheet (``\64``), through several
documents (``&amp;#100;``, ``\u0026#100;``). Ordinary texts have no reason to spell letters, digits or what escapes are
made of; one that does is read in full. What a script puts together while it runs is out of reach.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from ingest_guard.imaging.sniffing.patterns import linear

_CODE: Final = r"(?:u00|x|u\{{0*|0{{0,4}}){0}\}}?"
_AND: Final = r"(?:&|\\+" + _CODE.format("26") + r" ?|\\+046|&#0*38;?|&#[xX]0*26;?)(?:(?i:amp);?|#0*38;?|#[xX]0*26;?)*"
r"""An ampersand as a reference begins with it: ``&``, ``\u0026``, ``&#038;``, and ``&amp;`` any number of times."""

_LETTERS: Final = (
    _AND + r"#0*(?:35|4[89]|5[0-79]|6[5-9]|[78][0-9]|9[02-9]|1[01][0-9]|12[0-35])(?:[^0-9]|\z)",
    _AND + r"#[xX]0*(?:2[35]|3[0-9bB]|[46][1-9a-fA-F]|[57][0-9a-cA-C]|7[dD])(?:[^0-9a-fA-F]|\z)",
    _AND + r"(?:#0*42|#[xX]0*2[aA]|ast);",  # an asterisk, of a comment between two literals
    _AND + r"(?:num|semi|bsol|lcub|lbrace|rcub|rbrace|fjlig);",
    r"\\u00(?:2[35]|3[0-9bB]|[46][1-9a-fA-F]|[57][0-9a-cA-C]|7[dD])",
    r"\\x(?:2[35]|3[0-9bB]|[46][1-9a-fA-F]|[57][0-9a-cA-C]|7[dD])",
    r"\\u\{0*(?:2[35]|3[0-9bB]|[46][1-9a-fA-F]|[57][0-9a-cA-C]|7[dD])\}",
    r"\\0{0,4}(?:2[35]|3[0-9bB]|[46][1-9a-fA-F]|[57][0-9a-cA-C]|7[dD])(?:[^0-9a-fA-F]|\z)",
    r"\\0000(?:2[35]|3[0-9bB]|[46][1-9a-fA-F]|[57][0-9a-cA-C]|7[dD])",  # six digits need no end
    r"\\(?:043|0?[67][0-7]|1[0-7][0-7])",
)
"""A letter, a digit or a sign that escapes are made of, spelt by an escape. Not ``&``, quotes, brackets and slashes."""

_BREAK: Final = "|".join(
    (
        r"[\t\n\r\f ]",
        r"\\+(?:[tnrfbv\n\r]|u000[9aAdDcC]|u\{0*[9aAdD]\}|x0[9aAdDcC]|0{0,5}[9aAdDcC] ?|0?1[1245])?",
        _AND + r"#(?:0*(?:9|10|12|13)|[xX]0*[9aAcCdD]);?",
        _AND + r"(?:Tab|NewLine);",
        r"\xe2\x80[\xa8\xa9]",
        r"<!--(?:[^-]|-+[^->])*-+->",
        r"<[^>]*>",
        r"\]\]>|<!\[CDATA\[",
        r"%0[9aAdD]",
        # What joins two literals of a script.
        r"[\"'`+]",
        _AND + r"(?:#(?:0*(?:3[249]|43|96)|[xX]0*(?:2[027bB]|60))|(?i:quot)|apos|plus|grave);?",
        r"\\+(?:" + _CODE.format("(?:2[27bB]|60)") + r"|0?(?:42|47|53)|140)",
        r"/\*(?:[^*]|\*+[^*/])*\*+/",
        r"(?:/|" + _AND + r"(?:#0*47|#[xX]0*2[fF]|sol);?){2}[^\n]*(?:\n|" + _AND + r"(?:#0*10|#[xX]0*[aA]|NewLine);?)",
    )
)
_COLON: Final = (
    r"(?::|" + _AND + r"(?:#0*58|#[xX]0*3[aA]|colon);?|\\+(?:" + _CODE.format("3[aA]") + r"|072)|%3[aA]|%253[aA])"
)
_SPLIT: Final = (
    "(?i:d)(?:" + f")*(?i:a)(?:{_BREAK})*(?i:t)(?:{_BREAK})*(?i:a)(?:{_BREAK})*".join((_BREAK, "")) + _COLON
).encode("latin-1")
"""``data:`` with or without something between its letters."""
_SPELT: Final = "|".join(_LETTERS).encode("latin-1")
_GAP: Final = r"[\t\n\r]*"
_ENTITY: Final = f"(?i:{_GAP.join('<!entity')})".encode("latin-1")
_ANY_SCRIPT: Final = f"(?i:{_GAP.join('javascript:')})".encode("latin-1")
_SCRIPT_URL: Final = linear(_ANY_SCRIPT)
_IDLE_URL: Final = linear(rb"(?i)javascript:(?:void ?\(?0\)?)?;?[\"'\s>]")
_PERCENT: Final = linear(rb"%(?:25)*(?:2[27bB]|3[0-9aA]|[46][1-9a-fA-F]|[57][0-9aA])")
PICTURES: Final = (
    rb"(?:/9j\\?/|_9j_|iVBORw0KGgo|R0lGOD[ld]h|UklGR|SUkqA|TU0AK"
    rb"|AAAA(?:[A-Za-z0-9+]|\\?/){2}Z0eXB(?:hdm|oZW|oZX|tW|tc)"
    rb"|AAAADGpQIC|/0\\?/\\?/UQ|Qk[0-3](?:[A-Za-z0-9+_-]|\\?/){5}AAAAA|PHN2Zy|PD94bWwg)"
)
r"""The beginnings of pictures in base64, also where a slash is written as ``\/``."""
_BASE64: Final = PICTURES + rb"(?:[A-Za-z0-9+_-]|\\?/){8}"
_BUFFER: Final = rb"\"Buffer\""
"""How Node.js writes bytes in JSON: as a list of numbers."""

_CERTAIN: Final = b"|".join((_SPLIT, _ENTITY, _SPELT))
_URL: Final = linear(_CERTAIN)
_URL_OR_SCRIPT: Final = linear(_CERTAIN + b"|" + _ANY_SCRIPT)
_BODY: Final = linear(b"|".join((_CERTAIN, _BASE64, _BUFFER)))
_BODY_OR_SCRIPT: Final = linear(b"|".join((_CERTAIN, _BASE64, _BUFFER, _ANY_SCRIPT)))


def may_hold(text: str | bytes) -> bool:
    """Return whether a text can hold a ``data:`` URL, however it is spelt."""
    return _has(text, _URL, _URL_OR_SCRIPT)


def may_hold_body(text: str | bytes) -> bool:
    """Return whether a text can hold an inline body: a ``data:`` URL, a picture in base64, or bytes as numbers."""
    return _has(text, _BODY, _BODY_OR_SCRIPT)


def which_may_hold(texts: Sequence[str]) -> Iterator[int]:
    """Yield the numbers of those texts that can hold an inline body, and of some others, in their order.

    All of them are gone through in one pass, with a character between them that no sign of a body has.
    """
    coded = [text.encode("utf-8", "surrogatepass") for text in texts]
    starts = list(accumulate((len(each) + 1 for each in coded), initial=0))
    data = b"\x01".join(coded)
    found = _BODY_OR_SCRIPT.search(data)
    while found is not None:
        number = bisect_right(starts, found.start()) - 1
        yield number
        found = _BODY_OR_SCRIPT.search(data, starts[number + 1])


def _has(text: str | bytes, certain: re.Pattern[bytes], any_sign: re.Pattern[bytes]) -> bool:
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    found = any_sign.search(data)
    if found is None:
        return False
    if data[found.start()] not in b"jJ":
        return True
    # A URL of a script counts where letters are spelt in it; what is certain may stand behind it.
    return certain.search(data, found.start()) is not None or (_PERCENT.search(data) is not None and _has_script(data))


def _has_script(data: bytes) -> bool:
    return len(_SCRIPT_URL.findall(data)) > len(_IDLE_URL.findall(data))
