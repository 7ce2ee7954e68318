"""The copies of one image that an element offers: ``srcset``, ``src``, and the attributes where lazy images wait.

A ``srcset`` is read by the algorithm of "parsing a srcset attribute" in
https://html.spec.whatwg.org/multipage/images.html: commas may stand inside addresses, descriptors are ``w``, ``x`` and
``h``, and a candidate with a wrong one is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ingest_guard.pages.extract.placeholders import lazy_addresses, lazy_sets, other_addresses, stands_in
from ingest_guard.policy.records import Extract
from ingest_guard.urls.join import Addresses, is_placeholder, names_picture

_TYPE = re.compile(r"\s*image/(?:p?jpe?g|a?png|gif|webp|avif|(?:x-ms-)?bmp|tiff|x-icon|vnd\.microsoft\.icon|jp2)\b")
# After blanks and commas.
_ADDRESS = re.compile(r"[^\t\n\f\r ,][^\t\n\f\r ]*")
# Descriptors end at the next comma outside of parentheses; these are for extensions of the standard to come.
_DESCRIPTORS = re.compile(r"(?:[^(,]|\([^)]*(?:\)|$))*")
_INTEGER = re.compile(r"[0-9]{1,9}")
_FLOAT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_LONGEST_SET = 1 << 16
_MOST_CANDIDATES = 64


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


class Offer(NamedTuple):
    """What an element offers.

    Attributes
    ----------
    url
        The chosen copy, absolute; None where there is none that can be fetched.
    in_set
        Those of its set of copies.
    everything
        All of them.
    width
        Pixels that the chosen one is said to have.
    stands_in
        True where the chosen one only stands in for a picture that is not to be had.
    """

    url: str | None
    in_set: list[str]
    everything: list[str]
    width: int | None
    stands_in: bool = False


def is_scannable_type(declared: str | None) -> bool:
    """Tell whether a ``source`` of this type can become a record: SVG, HEIC and JPEG XL cannot."""
    return not declared or _TYPE.match(declared.lower()) is not None


class Copies:
    """Chooses among the copies of each image of a page."""

    def __init__(self, policy: Extract, addresses: Addresses) -> None:
        self._policy = policy
        self._addresses = addresses

    def set_of(self, attributes: Mapping[str, str]) -> list[Candidate]:
        """Return the candidates of an element's set of copies: of a lazy one's rather than of what stands in for it."""
        waiting = lazy_sets(attributes) if self._policy.lazy else ()
        return self._first_set(waiting) or self._first_set(_plain_sets(attributes), with_stand_ins=False)

    def of(self, attributes: Mapping[str, str], sources: list[Candidate], shown_width: int | None) -> Offer:
        """Choose a copy.

        Parameters
        ----------
        attributes
            Of the element.
        sources
            The candidates of the ``source`` that holds, for an ``img`` in a ``picture``.
        shown_width
            Pixels.
        """
        lazy = self._policy.lazy
        offered = sources or self.set_of(attributes)
        own = attributes.get("src", "")
        own = "" if is_placeholder(own) else own
        is_stand_in = lazy and (stands_in(own) or _is_pixel(attributes))
        waiting = list(lazy_addresses(attributes, is_shown=not is_stand_in and names_picture(own))) if lazy else []
        singles = self._known((*waiting, own))
        if is_stand_in and not offered and singles in ([], self._known([own])):
            sets, more = _others(attributes)
            offered = self._first_set(sets)
            singles = [*self._known(more), *singles]
        if not offered and not singles:
            offered = self._first_set(_plain_sets(attributes))
        known = [(each, url) for each in offered if (url := self._addresses.absolute(each.url))]
        in_set = list(dict.fromkeys(url for _, url in known))
        if singles and not sources and known and not any(each.width or each.density == 1 for each, _ in known):
            known.append((Candidate(singles[0]), singles[0]))
        everything = list(dict.fromkeys([*(url for _, url in known), *singles]))
        if not known:
            has_lazy = lazy and any(name.startswith("data-") for name in attributes)
            is_left = is_stand_in and bool(own) and singles[:1] == self._known([own])
            # What was to be filled in is not to be had, nor is what stands in for it a picture.
            url = None if is_left and len(self._known(waiting)) < len(waiting) else next(iter(singles), None)
            return Offer(url, [], everything[:1] if has_lazy else everything, None, is_left)
        chosen = choose([each for each, _ in known], self._policy, shown_width)
        return Offer(next(url for each, url in known if each is chosen), in_set, everything, chosen.width)

    def _known(self, addresses: Iterable[str]) -> list[str]:
        # Nothing that only stands for an address has an absolute one.
        return [url for each in addresses if (url := self._addresses.absolute(each))]

    def _first_set(self, values: Iterable[str], *, with_stand_ins: bool = True) -> list[Candidate]:
        """Return the first set in which there is something that can be fetched."""
        for value in values:
            found = [each for each in parse_srcset(value) if self._known([each.url])]
            if self._policy.lazy and not with_stand_ins:
                found = [each for each in found if not stands_in(each.url)]
            if found:
                return found
        return []


def _is_pixel(attributes: Mapping[str, str]) -> bool:
    return {attributes.get(side, "").strip() for side in ("width", "height")} <= {"0", "1"}


def _plain_sets(attributes: Mapping[str, str]) -> tuple[str, str]:
    return attributes.get("srcset", ""), attributes.get("imagesrcset", "")


def _others(attributes: Mapping[str, str]) -> tuple[list[str], list[str]]:
    found = list(other_addresses(attributes))
    return [value for value, is_set in found if is_set], [value for value, is_set in found if not is_set]


def parse_srcset(text: str) -> list[Candidate]:
    """Return the candidates in a ``srcset`` attribute, in order; none of one that is longer than any in use."""
    candidates: list[Candidate] = []
    if len(text) > _LONGEST_SET:
        return candidates
    at = 0
    while len(candidates) < _MOST_CANDIDATES:
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
        if candidate := _describe(url, descriptors):
            candidates.append(candidate)
    return candidates


def _describe(url: str, text: str) -> Candidate | None:
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
