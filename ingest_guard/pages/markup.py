"""HTML as a browser reads it: which attributes, styles, scripts and documents a page has.

turbohtml builds the tree that the standard asks for, in linear time. A page with ``<noscript>`` is parsed twice, with
scripting and without: it holds text in the one case and elements in the other, and pages can hide pictures in either.
Templates are opened, those of shadow roots too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, TypeVar, cast

import turbohtml

from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.pages.data_urls import is_data_url
from ingest_guard.pages.findings import Kind, Piece
from ingest_guard.pages.may_hold import may_hold, which_may_hold
from ingest_guard.pages.strings import may_hold_base64, split_srcset, split_string

_TALKING: Final = frozenset(
    {"alt", "aria-description", "aria-label", "label", "placeholder", "summary", "title", "data-clipboard-text"}
)
"""Attributes whose values are for people to read."""
_JSON_TYPE: Final = re.compile(r"(?:json|importmap|speculationrules)[\t\n\r ]*(?:;|$)", re.IGNORECASE)
_SCRIPT_TYPE: Final = re.compile(r"[\t\n\r ]*(?:$|module|.*(?:java|ecma|live|j)script)", re.IGNORECASE)
_SCRIPT_URL: Final = re.compile(r"[\x00-\x20]*j[\t\n\r]*a[\t\n\r]*v[\t\n\r]*a[\t\n\r]*s[\t\n\r]*c", re.IGNORECASE)
_REFRESH: Final = re.compile(r"[^,;=]*[,;][\t\n\r ]*url[\t\n\r ]*=[\t\n\r ]*[\"']?", re.IGNORECASE)
_WITH_CODE: Final = ("style", "script")
_READ_ELSEWHERE: Final = frozenset({"style", "script", "noscript"})
_CLOSERS: Final = ('">', "'>", ">")
_NOSCRIPT: Final = re.compile(r"<noscript", re.IGNORECASE)
_SIGNS: Final = ":&\\%"
"""One of these is in every ``data:`` URL, however it is spelt."""
_SHORTEST_BASE64: Final = 12
_LONGEST_TYPE: Final = 256
_SHORTEST: Final = len("data:,")
_LONGEST_REMEMBERED: Final = 1 << 19
"""Characters of a page whose tree is remembered: it takes some 20 times as much."""

_T = TypeVar("_T")


def read_markup(text: str, *, is_shown: bool = True) -> Iterator[Piece]:
    """Yield the pieces of an HTML document that can hold an inline body.

    Parameters
    ----------
    text
        A document, or a part of one.
    is_shown
        False where no browser takes the text for HTML.
    """
    pieces = dict.fromkeys(_read_page(parse_page(text, scripting=True), is_shown=is_shown))
    if has_noscript(text):
        pieces.update(dict.fromkeys(_read_page(parse_page(text, scripting=False), is_shown=is_shown)))
    yield from pieces
    # A tag that the end of the page cuts off is dropped by browsers; what it announced was there all the same.
    if text.rstrip().endswith(">"):
        return
    for closer in _CLOSERS:
        for piece in _read_page(_parse(text + closer, scripting=True), is_shown=is_shown, has_texts=False):
            if piece not in pieces:
                pieces[piece] = None
                yield piece._replace(is_cut=True)


def has_noscript(text: str) -> bool:
    """Return whether it can make a difference to the tree of a page that scripts run."""
    return _has_noscript(text) if len(text) <= _LONGEST_REMEMBERED else _NOSCRIPT.search(text) is not None


def parse_page(text: str, *, scripting: bool) -> turbohtml.Document:
    """Return the tree of a page; what is inside templates is in it, those of shadow roots included.

    The tree of the last page is remembered until :func:`forget_pages`, and is not to be changed.
    """
    if len(text) > _LONGEST_REMEMBERED:
        return _parse(text, scripting=scripting)
    return _remembered(text, scripting=scripting and has_noscript(text))


def forget_pages() -> None:
    """Let the trees of pages go."""
    _remembered.cache_clear()
    _has_noscript.cache_clear()


@lru_cache(maxsize=4)
def _has_noscript(text: str) -> bool:
    return _NOSCRIPT.search(text) is not None


def _parse(text: str, *, scripting: bool) -> turbohtml.Document:
    return turbohtml.parse(text, positions=False, scripting=scripting, allow_declarative_shadow_roots=False)


_remembered = lru_cache(maxsize=4)(_parse)


def _read_page(page: turbohtml.Document, *, is_shown: bool, has_texts: bool = True) -> Iterator[Piece]:
    if _any_holds(_strings(page, "//@*")):
        for value, name in _holders(list(_attributes(page))):
            yield from read_attribute(name, value, is_shown=is_shown)
    if not has_texts:
        return
    code = [(element.text, element) for element in page.find_all(list(_WITH_CODE))]
    for text, element in _holders(code):
        yield from _read_code(element, text, is_shown=is_shown)
    read = {text for text, _ in code}
    if _any_holds([text for text in _strings(page, "//text()") if "<" in text and text not in read]):
        yield from _markup(_texts(page))
    comments = cast("list[turbohtml.Comment]", page.xpath("//comment()"))
    yield from _markup((comment.data, comment) for comment in comments)


def _any_holds(texts: list[str]) -> bool:
    return next(which_may_hold(texts), None) is not None


def _strings(page: turbohtml.Document, path: str) -> list[str]:
    """Return what a path leads to: all of it in one call takes a tenth of the time of a walk over the tree."""
    return cast("list[str]", page.xpath(path))


def _attributes(page: turbohtml.Document) -> Iterator[tuple[str, str]]:
    """Yield value and name of each attribute that is long enough to hold something."""
    for element in page.find_all():
        for name, value in element.attrs.items():
            if value and name != "class":
                text = value if isinstance(value, str) else " ".join(value)
                if len(text) >= _SHORTEST:
                    yield text, name


def _texts(page: turbohtml.Document) -> Iterator[tuple[str, turbohtml.Text]]:
    """Yield the texts that a script may put on the page as markup, as that of a ``textarea``."""
    for node in page.descendants:
        if isinstance(node, turbohtml.Text) and "<" in node.data:
            parent = node.parent
            if not (isinstance(parent, turbohtml.Element) and parent.tag in _READ_ELSEWHERE):
                yield node.data, node


def _markup(parts: Iterable[tuple[str, turbohtml.Node]]) -> Iterator[Piece]:
    for text, _ in _holders(list(parts)):
        if may_hold(text):
            yield Piece(Kind.HTML, text, is_shown=False, is_document=True)


def _holders(parts: list[tuple[str, _T]]) -> Iterator[tuple[str, _T]]:
    """Yield the parts that can hold a body: few can."""
    return map(parts.__getitem__, which_may_hold([text for text, _ in parts]))


def _read_code(element: turbohtml.Element, text: str, *, is_shown: bool) -> Iterable[Piece]:
    if element.tag == "style":
        return _if_held(Kind.CSS, text, is_shown=is_shown)
    return read_script_element(str(element.attr("type") or ""), text, is_shown=is_shown)


def _if_held(kind: Kind, text: str, *, is_shown: bool) -> Iterable[Piece]:
    return (Piece(kind, text, is_shown=is_shown),) if may_hold(text) or may_hold_base64(text) else ()


def read_script_element(media_type: str, text: str, *, is_shown: bool = True) -> Iterable[Piece]:
    """Return what a ``script`` element holds: data, a template, or a program."""
    if not text:
        return ()
    media_type = media_type[:_LONGEST_TYPE]
    if _JSON_TYPE.search(media_type):
        return _if_held(Kind.JSON, text, is_shown=is_shown)
    if _SCRIPT_TYPE.match(media_type):
        return _if_held(Kind.SCRIPT, text, is_shown=is_shown)
    # A template of some library, or a language that is made into JavaScript.
    return (*_if_held(Kind.STRING, text, is_shown=is_shown), *_if_held(Kind.SCRIPT, text, is_shown=False))


def read_attribute(name: str, value: str, *, is_shown: bool = True) -> Iterator[Piece]:
    """Yield what an attribute's value holds.

    Parameters
    ----------
    name
        In lower case, as ``xlink:href`` where it has a prefix.
    """
    if len(value) < _SHORTEST:
        return
    if not any(sign in value for sign in _SIGNS):
        if len(value) >= _SHORTEST_BASE64 and may_hold_base64(value):
            yield from split_string(value, is_shown=False)
        return
    name = name.lower()
    local = name.rpartition(":")[2]
    if local.endswith("srcset"):
        yield from split_srcset(value, is_shown=is_shown)
        return
    if is_data_url(value):
        yield Piece(Kind.URL, value, is_shown=is_shown and name not in _TALKING)
        if local == "values":
            yield from _split_values(value, is_shown=is_shown)
        return
    if may_hold(value):
        yield from _read_value(local, value, is_shown=is_shown and name not in _TALKING)
    elif may_hold_base64(value):
        yield from split_string(value, is_shown=False)


def _read_value(name: str, value: str, *, is_shown: bool) -> Iterator[Piece]:
    """Yield what a value holds that is no URL by itself and can hold one."""
    if name == "srcdoc":
        yield Piece(Kind.HTML, value, is_shown=is_shown, is_document=True)
    elif name == "style":
        yield Piece(Kind.CSS, value, is_shown=is_shown)
    elif name.startswith("on"):
        yield Piece(Kind.SCRIPT, value, is_shown=is_shown)
    elif _SCRIPT_URL.match(value):
        source = percent_decode(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
        yield Piece(Kind.SCRIPT, source, is_shown=is_shown)
    else:
        if name == "values":
            yield from _split_values(value, is_shown=is_shown)
        refresh = _REFRESH.match(value) if name == "content" else None
        if refresh and is_data_url(value[refresh.end() :]):
            yield Piece(Kind.URL, value[refresh.end() :].rstrip("\"' "), is_shown=is_shown)
        yield from split_string(value, is_shown=is_shown)


def _split_values(value: str, *, is_shown: bool) -> Iterator[Piece]:
    """Yield the URLs of an animation's ``values``."""
    return (Piece(Kind.URL, part, is_shown=is_shown) for part in value.split(";") if is_data_url(part))
