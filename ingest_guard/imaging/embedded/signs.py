"""What a text has that the net must look at: its signs, found in one pass.

Most pages have none; a pass for each kind of sign would cost more than all else that the crawler does for a page.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from enum import Enum
from functools import cache
from typing import Final, NamedTuple

from ingest_guard.imaging.embedded import escapes, spellings
from ingest_guard.imaging.sniffing.patterns import linear

_STARTS: Final = (
    b"/9j",
    b"_9j_",
    b"iVBORw0KGgo",
    b"R0lGOD",
    b"UklGR",
    b"SUkqA",
    b"TU0AK",
    b"Z0eXB",
    b"ADGpQI",
    b"0//UQ",
    b"AAAAA",
)
"""Each run of base64 that begins like an image has one of these in its first bytes."""
_LONGEST_SCHEME: Final = len(b"data:")
_MOST: Final = 256
"""Runs of base64 that are listed; a text that has more may have them everywhere."""
_LONGEST_TAIL: Final = len("gif89a")
"""What of another sign may be the end of a run of base64; one of these follows then."""
_BEHIND_TAIL: Final = frozenset(b":%=\t\n\r")
_HEX: Final = linear(spellings.HEX_START)


class Sign(Enum):
    """The kinds of signs, each with the pattern for it."""

    URL = rb"(?i:data:)"
    SPLIT = (
        rb"(?i:d(?:[\t\n\r]+a[\t\n\r]*t[\t\n\r]*a[\t\n\r]*|a(?:[\t\n\r]+t[\t\n\r]*a[\t\n\r]*"
        rb"|t(?:[\t\n\r]+a[\t\n\r]*|a[\t\n\r]+))):)"
    )
    """A URL whose scheme has tabs or line breaks in it."""
    PERCENT = rb"(?i:data%3a|%2f9j%2f)"
    ESCAPE = escapes.SPELT
    SPELT = spellings.START
    BASE64 = b"(?:" + b"|".join(map(re.escape, _STARTS)) + rb")[A-Za-z0-9+/_-]*"


_ALL: Final = frozenset(Sign)
_OF_IMAGES: Final = frozenset({Sign.URL, Sign.SPLIT, Sign.BASE64})


class Signs(NamedTuple):
    """The signs of one text.

    Attributes
    ----------
    kinds
        Those that it has.
    runs
        Where runs of base64 begin and end that have such a sign, in their order; None where there are too many.
    """

    kinds: frozenset[Sign]
    runs: list[tuple[int, int]] | None

    @property
    def has_images(self) -> bool:
        """Whether there are URLs, or runs of base64, as they stand."""
        return not self.kinds.isdisjoint(_OF_IMAGES)

    def has_base64(self, start: int, stop: int) -> bool:
        """Return whether a part of the text may have base64 in it."""
        if self.runs is None:
            return True
        last = bisect_left(self.runs, (stop, stop)) - 1
        return last >= 0 and self.runs[last][1] > start


def find_signs(text: bytes) -> Signs:
    """Return the signs of a text: what is not among them, it does not have."""
    missing = set(Sign)
    runs: list[tuple[int, int]] = []
    at = 0
    while (match := _pattern(frozenset(missing)).search(text, at)) is not None:
        start, end = match.span()
        sign = _sign_of(text, start, end)
        if sign is not Sign.BASE64 or len(runs) >= _MOST:
            missing.discard(sign)
            at = start + 1  # one sign may begin in another one
            continue
        runs.append((start, end))
        if Sign.SPELT in missing and _HEX.search(text, start, end):
            missing.discard(Sign.SPELT)
        is_joined = end < len(text) and text[end] in _BEHIND_TAIL
        at = max(start + 1, end - _LONGEST_TAIL) if is_joined else end
    if Sign.BASE64 not in missing:
        return Signs(_ALL - missing, None)
    return Signs(_ALL - missing | {Sign.BASE64} if runs else _ALL - missing, runs)


def may_hold_images(text: bytes) -> bool:
    """Return whether a text has URLs, or runs of base64, as they stand."""
    return _pattern(_OF_IMAGES).search(text) is not None


@cache
def _pattern(kinds: frozenset[Sign]) -> re.Pattern[bytes]:
    return linear(b"|".join(sign.value for sign in Sign if sign in kinds) or rb"\z.")


def _sign_of(text: bytes, start: int, end: int) -> Sign:
    """Return the kind of a sign that was found: no two kinds of them begin and end alike."""
    first = text[start : start + 1]
    if first in b"dD" and text[end - 1 : end] == b":":
        return Sign.URL if end - start == _LONGEST_SCHEME else Sign.SPLIT
    if first in b"dD%":
        return Sign.PERCENT
    if first in b"&\\":
        return Sign.ESCAPE
    return Sign.BASE64 if text.startswith(_STARTS, start) else Sign.SPELT
