"""``srcset``: parsed as the HTML standard says, and the choice among its candidates.

The algorithm is that of "parsing a srcset attribute" in https://html.spec.whatwg.org/multipage/images.html: commas may
stand inside addresses, descriptors are ``w``, ``x`` and ``h``, and a candidate with a wrong one is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest_guard.policy.records import Extract

# After blanks and commas.
_ADDRESS = re.compile(r"[^\t\n\f\r ,][^\t\n\f\r ]*")
# Descriptors end at the next comma outside of parentheses; these are for extensions of the standard to come.
_DESCRIPTORS = re.compile(r"(?:[^(,]|\([^)]*(?:\)|$))*")
_INTEGER = re.compile(r"[0-9]{1,9}")
_FLOAT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST = 1 << 16
_MOST = 64


@dataclass(frozen=True, slots=True)
class Candidate:
    """One copy of an image.

    Attributes
    ----------
    url
        As written in the attribute.
    width
        Pixels, where the descriptor is one of width.
    density
        Pixels of the file for one of the page; 1 where nothing is said.
    """

    url: str
    width: int | None = None
    density: float = 1.0


def parse_srcset(text: str) -> list[Candidate]:
    """Return the candidates in a ``srcset`` attribute, in order; none of one that is longer than any in use."""
    candidates: list[Candidate] = []
    if len(text) > _LONGEST:
        return candidates
    at = 0
    while len(candidates) < _MOST:
        address = _ADDRESS.search(text, at)
        if address is None:
            break
        url, at = address[0], address.end()
        descriptors = ""
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            described = _DESCRIPTORS.match(text, at)
            descriptors = described[0] if described else ""
            at += len(descriptors)
        if candidate := _described(url, descriptors):
            candidates.append(candidate)
    return candidates


def _described(url: str, text: str) -> Candidate | None:
    """Return a candidate, or None where its descriptors contradict the standard."""
    width = density = height = None
    for word in text.split():
        number, unit = word[:-1], word[-1]
        if unit == "w" and width is None and density is None and _INTEGER.fullmatch(number) and int(number):
            width = int(number)
        elif unit == "x" and width is density is height is None and _FLOAT.fullmatch(number) and float(number) >= 0:
            density = float(number)
        elif unit == "h" and height is None and density is None and _INTEGER.fullmatch(number) and int(number):
            height = int(number)
        else:
            return None
    if height is not None and width is None:
        return None
    return Candidate(url, width, 1.0 if density is None else density)


def choose(candidates: Sequence[Candidate], policy: Extract, shown_width: int | None = None) -> Candidate:
    """Return the candidate that the policy wants; of equal ones the first.

    Parameters
    ----------
    candidates
        At least one.
    policy
        ``largest``, or ``nearest`` to its ``width``.
    shown_width
        The width at which the page shows the image, pixels: what densities count from. Where it is not known, the
        density nearest to 1 is the nearest.
    """
    # Those with a width are comparable; where some have one, the others are fallbacks.
    sized = [candidate for candidate in candidates if candidate.width] or candidates
    if policy.choose == "largest":
        return max(sized, key=lambda each: (each.width or 0, each.density))
    return min(sized, key=lambda each: (_off(each, policy.width, shown_width), -(each.width or 0)))


def _off(candidate: Candidate, wanted: int, shown_width: int | None) -> float:
    if candidate.width:
        return abs(candidate.width - wanted)
    if shown_width:
        return abs(candidate.density * shown_width - wanted)
    return abs(candidate.density - 1)
