"""What stands in ``src`` until a script puts the picture there, and the attribute where that picture waits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ingest_guard.urls.join import is_placeholder, looks_like_address, names_picture

_LAZY: Final = (
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
_SOMETIMES: Final = (
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
"""These hold other things as well: they count where they name a picture."""
_LAZY_SETS: Final = ("data-srcset", "data-lazy-srcset", "data-lazyload-srcset", "data-original-set", "data-src-set")
_OTHER_LAZY: Final = re.compile(r"data-lazy[\w-]*")
_SET_NAME: Final = re.compile(r"(?:srcset|src-set|original-set)$")
_SET: Final = re.compile(r"[^\s,]\S*\s+[0-9.]{1,9}[wx](?:\s*,|\s*$)")
_NO_PICTURE: Final = re.compile(r"\.(?:html?|php|aspx?|js|json|css|xml|txt|pdf|mp4|webm|mp3|vtt)$", re.IGNORECASE)
_OF_PICTURES: Final = re.compile(r"\?|im(?:age|g)|photo|picture|media|upload|cdn|asset", re.IGNORECASE)
_NO_OTHERS: Final = re.compile(
    r"src|srcset|imagesrcset|href|xlink:href|alt|title|id|class|style|name|lang|usemap|longdesc|cite|aria-.*|on.*|"
    r".*(?:placeholder|fallback|blur|error|lqip|low|tiny|thumb|preview|default|icon|avatar|poster|hover|spinner).*"
)
"""Attributes that hold no picture, or a worse or another one."""
_MOST_OTHERS: Final = 60
_LONGEST_SET: Final = 1 << 16
_STAND_INS: Final = frozenset(
    "placeholder placeholders blank spacer lazy lazyload lazyloader loading loader ajax spinner preload "  # noqa: SIM905
    "preloader grey gray transparent trans pixel dummy empty clear noimage nophoto fallback lqip default white".split()
)
_FILLERS: Final = frozenset("image img picture photo pic bg background product no icon small large".split())  # noqa: SIM905
_SIZE: Final = re.compile(r"[0-9]{1,5}(?:x[0-9]{1,5}|px)?")
_WORDS: Final = re.compile(r"[^\W_]+")
_PIXEL_SIZE: Final = re.compile(r"(?:^|[-_.])1(?:x1|px)(?:[-_.]|$)")


def stands_in(url: str) -> bool:
    """Return whether the name of a file says that it stands for a picture to come: ``blank.gif``, ``grey-300.png``.

    A name with any other word in it is that of a picture: ``grey-heron.jpg``.
    """
    if is_placeholder(url):
        return True
    name = url.partition("#")[0].partition("?")[0].rpartition("/")[2].lower()[:200]
    words = _WORDS.findall(name.rpartition(".")[0])
    known = [word for word in words if word in _STAND_INS]
    others = [word for word in words if word not in _STAND_INS and word not in _FILLERS and not _SIZE.fullmatch(word)]
    return not others and (bool(known) or _PIXEL_SIZE.search(name) is not None)


def lazy_addresses(attributes: Mapping[str, str], *, is_shown: bool) -> Iterator[str]:
    """Yield the addresses that lazy loading puts before ``src``, in the order in which they count.

    Parameters
    ----------
    attributes
        Of the element.
    is_shown
        Whether ``src`` names a picture of its own: then an address must look more like that of a picture.
    """
    named = sorted(name for name in attributes if _OTHER_LAZY.fullmatch(name) and not _SET_NAME.search(name))
    for name in dict.fromkeys((*_LAZY, *named)):
        value = attributes.get(name, "").strip()
        if not looks_like_address(value) or _NO_PICTURE.search(value.partition("?")[0]):
            continue
        if not is_shown or names_picture(value) or _OF_PICTURES.search(value):
            yield value
    for name in _SOMETIMES:
        value = attributes.get(name, "").strip()
        if looks_like_address(value) and names_picture(value):
            yield value


def lazy_sets(attributes: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of attributes that lazy loading copies into ``srcset``."""
    named = [name for name in attributes if _SET_NAME.search(name) and name not in {"srcset", "imagesrcset"}]
    for name in dict.fromkeys((*_LAZY_SETS, *named)):
        if attributes.get(name):
            yield attributes[name]


def other_addresses(attributes: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Yield values of attributes of any other name that read as a picture's address, or (True) as a ``srcset``."""
    others = [(name, value) for name, value in attributes.items() if not _NO_OTHERS.fullmatch(name)]
    for _, value in others[:_MOST_OTHERS]:
        stripped = value.strip()
        if len(value) <= _LONGEST_SET and _SET.match(stripped) and not stripped.startswith(("{", "[")):
            yield stripped, True
        elif looks_like_address(stripped) and names_picture(stripped):
            yield stripped, False
