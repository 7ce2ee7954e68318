"""The copies of one image that an element offers: ``srcset``, ``src``, and the attributes that lazy loading uses.

A ``srcset`` is read by the algorithm of "parsing a srcset attribute" in
https://html.spec.whatwg.org/multipage/images.html: commas may stand inside addresses, descriptors are ``w``, ``x`` and
``h``, and a candidate with a wrong one is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest_guard.policy.records import Extract
from ingest_guard.urls.join import Addresses, is_placeholder, looks_like_address, names_picture

if TYPE_CHECKING:
    from lxml.etree import _Element

# In the order in which they count. What scripts copy into src and srcset when an image comes into view.
_LAZY_SETS = ("data-srcset", "data-lazy-srcset", "data-lazyload-srcset", "data-original-set", "data-src-set")
_LAZY = (
    "data-src",
    "data-lazy-src",
    "data-original",
    "data-lazyload",
    "data-lazy",
    "data-actualsrc",
    "data-cfsrc",
    "data-echo",
    "data-ll-src",
    "data-pagespeed-lazy-src",
    "data-defer-src",
)
# These hold other things as well: they count where they name a picture.
_SOMETIMES = (
    "data-original-src",
    "data-full-src",
    "data-hi-res-src",
    "data-image-src",
    "data-img-src",
    "data-orig-file",
    "data-large-file",
    "data-image",
    "data-url",
)
_PLAIN = ("src", "srcset", "imagesrcset", "href", "xlink:href", "width", "height", "style")
_TEXTS = ("alt", "title", "aria-label", "aria-labelledby")
_KNOWN = frozenset((*_PLAIN, *_TEXTS, *_LAZY_SETS, *_LAZY, *_SOMETIMES))
_MOST_ATTRIBUTES = 60
_OTHER_LAZY = re.compile(r"data-lazy[\w-]*")
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


def attributes_of(element: _Element) -> dict[str, str]:
    """Return those attributes of an element that extraction knows.

    lxml looks for each value from the first attribute on: of all of an element that would take too long.
    """
    names = [name for name in element.attrib if name in _KNOWN or name.startswith("data-lazy")]
    return {name: element.get(name) or "" for name in names[:_MOST_ATTRIBUTES]}


def is_scannable_type(declared: str | None) -> bool:
    """Tell whether a ``source`` of this type can become a record: SVG, HEIC and JPEG XL cannot."""
    return not declared or _TYPE.match(declared.lower()) is not None


def set_of(attributes: Mapping[str, str], *, lazy: bool) -> list[Candidate]:
    """Return the candidates of an element's set of copies; of a lazy one's rather than of what stands in for it."""
    for name in (*(_LAZY_SETS if lazy else ()), "srcset", "imagesrcset"):
        found = [each for each in parse_srcset(attributes.get(name, "")) if not is_placeholder(each.url)]
        if found:
            return found
    return []


def singles_of(attributes: Mapping[str, str], *, lazy: bool) -> list[str]:
    """Return single addresses, in the order in which they count: of lazy attributes, then ``src``."""
    found = [attributes.get("src", "")]
    if lazy:
        named = [name for name in attributes if _OTHER_LAZY.fullmatch(name) and name not in _LAZY_SETS]
        values = [attributes[name] for name in dict.fromkeys((*_LAZY, *sorted(named))) if name in attributes]
        values += [value for name in _SOMETIMES if names_picture(value := attributes.get(name, ""))]
        found[:0] = [value.strip() for value in values if looks_like_address(value.strip())]
    return [value for value in found if not is_placeholder(value)]


class Copies:
    """Chooses among the copies of each image of a page."""

    def __init__(self, policy: Extract, addresses: Addresses) -> None:
        self._policy = policy
        self._addresses = addresses

    def of(
        self, attributes: Mapping[str, str], sources: list[Candidate], shown_width: int | None
    ) -> tuple[str | None, list[str], list[str], int | None]:
        """Return the chosen address, those of its set, all of them, and the width that the chosen one is said to have.

        ``sources`` are the candidates of the ``source`` that holds, for an ``img`` in a ``picture``.
        """
        lazy = self._policy.lazy and any(name.startswith("data-") for name in attributes)
        offered = sources or set_of(attributes, lazy=lazy)
        singles = singles_of(attributes, lazy=lazy)
        known = [(each, url) for each in offered if (url := self._addresses.absolute(each.url))]
        in_set = list(dict.fromkeys(url for _, url in known))
        plain = [url for single in singles if (url := self._addresses.absolute(single))]
        if plain and not sources and known and not any(each.width or each.density == 1 for each, _ in known):
            known.append((Candidate(plain[0]), plain[0]))
        everything = list(dict.fromkeys([*(url for _, url in known), *plain]))
        if not known:
            return (plain[0] if plain else None), [], everything[:1] if lazy else everything, None
        chosen = choose([each for each, _ in known], self._policy, shown_width)
        return next(url for each, url in known if each is chosen), in_set, everything, chosen.width


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
