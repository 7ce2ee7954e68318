"""The copies of one image that an element offers: ``srcset``, ``src``, and the attributes that lazy loading uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest_guard.dataset.extract.srcset import Candidate, choose, parse_srcset
from ingest_guard.urls.join import is_placeholder, looks_like_address, names_picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxml.etree import _Element

    from ingest_guard.policy.records import Extract
    from ingest_guard.urls.join import Addresses

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
