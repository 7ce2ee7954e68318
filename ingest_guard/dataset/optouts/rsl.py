"""Whether something names an RSL licence: Really Simple Licensing 1.0 (https://rslstandard.org/rsl), December 2025.

A licence is named by ``License:`` in robots.txt, by a ``Link`` header, and by a page's ``link`` or ``script`` element.
The licence itself is not fetched: who publishes one wants to be asked, or paid, for some use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from ingest_guard.dataset.optouts.said import Signal, quote_words
from ingest_guard.dataset.optouts.usage import INFORMAL
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.pages.licenses import is_rsl_link

RSL: Final = "rsl_license"
_MOST_HEADERS: Final = 32
_LONGEST: Final = 1 << 16
# RFC 8288, 3: an address, and parameters whose values are tokens or quoted strings.
_LINK: Final = linear(
    rb"<([^>]*)>((?:[ \t]*;[ \t]*[^\s\"=;,<]*(?:[ \t]*=[ \t]*(?:\"(?:[^\"\\]|\\.)*\"|[^\s\"=;,<]*))?)*)"
)
_PARAMETER: Final = linear(rb";[ \t]*([^\s\"=;,<]+)[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s\"=;,<]*))")
_ABSOLUTE: Final = (b"http://", b"https://")


def read_robots_license(value: bytes, digest: str) -> Signal | None:
    """Return the signal of a ``License:`` in robots.txt; None where it names nothing.

    An address that is not absolute is none by the specification; it counts as meant all the same.

    Parameters
    ----------
    value
        Of the line.
    digest
        SHA-256 of the file.
    """
    if not value:
        return None
    name = RSL if value.lower().startswith(_ABSOLUTE) else INFORMAL
    return Signal("robots.txt", name, quote_words(value), "no", digest)


def read_links(values: Iterable[bytes]) -> Iterator[Signal]:
    """Yield the signals of ``Link`` headers: those with the relation ``license`` and RSL's media type."""
    for value in islice((each for each in values if b"rsl" in each.lower()), _MOST_HEADERS):
        for link in _LINK.finditer(value[:_LONGEST]):
            parameters: dict[bytes, bytes] = {}
            for found in _PARAMETER.finditer(link[2] or b""):
                # Of several equal ones the first counts (RFC 8288, 3.3 and 3.4.1).
                parameters.setdefault(found[1].lower(), found[2] if found[2] is not None else found[3] or b"")
            if is_rsl_link(
                parameters.get(b"rel", b"").decode("latin-1"), parameters.get(b"type", b"").decode("latin-1")
            ):
                yield Signal("header", RSL, quote_words(link[0]), "no")
