"""What a page is asked for, and what its reading gives: bodies, and the document as its readers need it.

The rows of images and links are kept as lines of JSON and looked at when they are asked for: a page may have tens of
thousands, and the reader of a row cannot rely on the process that wrote it.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, NamedTuple

from ingest_guard.pages.extract.found import PageImage
from ingest_guard.pages.findings import InlineBody

MOST_IMAGES: Final = 10_000
MOST_LINKS: Final = 20_000
MOST_METAS: Final = 2_000
MOST_ROWS: Final = 4 << 20
"""Bytes of all images, and of all links, of one page."""
LONGEST_META: Final = 1 << 14
"""Characters of a ``meta`` element's content."""
MOST_META_TEXT: Final = 1 << 18
"""Characters of all ``meta`` elements together."""
_LONGEST_ROW: Final = 1 << 17
_LONGEST_TEXT: Final = 1 << 16
_MOST_CANDIDATES: Final = 200
_MOST_PIXELS: Final = 10**9
_ROW: Final = attrgetter(*PageImage.__slots__)
_URL: Final = re.compile(r"https?://[\x21-\x7e]{1,8192}")
_WORD: Final = re.compile(r"[a-z-]{1,20}")
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9-]{1,100}")


class PageQuestion(NamedTuple):
    """What is wanted of a page beside its inline bodies.

    Attributes
    ----------
    url
        Of the response: what relative addresses count from.
    wants_images
        False where the ``meta`` elements are enough; else images and links are wanted, too.
    """

    url: str
    wants_images: bool = True


class PageLink(NamedTuple):
    """A link of a page: absolute, without a fragment."""

    url: str
    nofollow: bool = False


@dataclass(frozen=True, slots=True)
class PageDocument:
    """What a page says, beside its inline bodies.

    Attributes
    ----------
    metas
        Name, or ``http-equiv``, in lower case, and content of each ``meta`` element, each pair once: of all ways in
        which a reader may take the page.
    metas_cut, images_cut, links_cut
        How many were left out because a page may not have that many, or none that long.
    image_rows, link_rows
        Lines of JSON; None where images and links were not asked for.
    is_guess
        True where the page has letters beyond ASCII, and there is no evidence for their encoding. It has no images
        then: their texts would be wrong.
    """

    metas: tuple[tuple[str, str], ...] = ()
    metas_cut: int = 0
    image_rows: bytes | None = field(default=None, repr=False)
    images_cut: int = 0
    link_rows: bytes | None = field(default=None, repr=False)
    links_cut: int = 0
    is_guess: bool = False

    @property
    def has_images(self) -> bool:
        """Whether images and links were asked for."""
        return self.image_rows is not None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        metas = sum(len(name) + len(content) for name, content in self.metas)
        return 1000 + metas + len(self.image_rows or b"") + len(self.link_rows or b"")

    def images(self) -> Iterator[PageImage]:
        """Yield the images; ValueError or TypeError where a row is none."""
        return map(_check_image, _read_rows(self.image_rows, MOST_IMAGES))

    def links(self) -> Iterator[PageLink]:
        """Yield the links, each address once; ValueError or TypeError where a row is none."""
        return map(_check_link, _read_rows(self.link_rows, MOST_LINKS))


@dataclass(frozen=True, slots=True)
class PageReading:
    """What a page holds.

    Attributes
    ----------
    bodies
        Each once, of any type, those of nested documents included.
    doubt
        None, or why the page may hold more: ``nesting`` or ``embedded``.
    text
        The page as a browser decodes it; None where it was not decoded.
    encoding
        WHATWG name; None where it is neither declared nor certain.
    document
        None where it was not asked for, or could not be read.
    """

    bodies: list[InlineBody]
    doubt: str | None
    text: str | None
    encoding: str | None
    document: PageDocument | None = None


def pack_images(images: Iterable[PageImage]) -> tuple[bytes, int]:
    """Return rows, and how many images were left out."""
    return _pack_rows(map(_ROW, images), MOST_IMAGES, _is_image)


def pack_links(links: Iterable[PageLink]) -> tuple[bytes, int]:
    """Return rows, and how many links were left out."""
    return _pack_rows(links, MOST_LINKS, _is_link)


def _pack_rows(rows: Iterable[tuple[Any, ...]], most: int, is_row: Callable[[Any], bool]) -> tuple[bytes, int]:
    out = io.BytesIO()
    count = cut = 0
    for row in rows:
        line = json.dumps(row).encode() + b"\n"
        if count >= most or len(line) > _LONGEST_ROW or out.tell() + len(line) > MOST_ROWS or not is_row(list(row)):
            cut += 1
            continue
        out.write(line)
        count += 1
    return out.getvalue(), cut


def _read_rows(rows: bytes | None, most: int) -> Iterator[Any]:
    for number, line in enumerate(io.BytesIO(rows or b"")):
        if number >= most or len(line) > _LONGEST_ROW:
            raise ValueError("rows without measure")
        yield json.loads(line)


def _check_image(row: Any) -> PageImage:
    if type(row) is not list or not _is_image(row):
        raise TypeError("an image that is none")
    url, alt, alt_source, language, width, height, place, candidates = row
    return PageImage(url, alt, alt_source, language, width, height, place, tuple(candidates))


def _is_image(row: list[Any]) -> bool:
    if len(row) != len(PageImage.__slots__):
        return False
    url, alt, alt_source, language, width, height, place, candidates = row
    return (
        _is_text(url, _URL)
        and type(alt) is str
        and len(alt) <= _LONGEST_TEXT
        and (alt_source is None or _is_text(alt_source, _WORD))
        and (language is None or _is_text(language, _LANGUAGE))
        and all(side is None or (type(side) is int and 0 <= side < _MOST_PIXELS) for side in (width, height))
        and _is_text(place, _WORD)
        and type(candidates) in {list, tuple}
        and len(candidates) <= _MOST_CANDIDATES
        and all(_is_text(each, _URL) for each in candidates)
    )


def _check_link(row: Any) -> PageLink:
    if type(row) is not list or not _is_link(row):
        raise TypeError("a link that is none")
    return PageLink(*row)


def _is_link(row: list[Any]) -> bool:
    return len(row) == len(PageLink._fields) and _is_text(row[0], _URL) and type(row[1]) is bool


def _is_text(value: Any, pattern: re.Pattern[str]) -> bool:
    return type(value) is str and pattern.fullmatch(value) is not None
