"""HTML as a browser reads it: which attributes, styles, scripts and documents a page has.

turbohtml builds the tree that the standard asks for, in linear time. A page is parsed twice, with scripting and
without: ``<noscript>`` holds text in the one case and elements in the other, and pages can hide pictures in either.
Templates are opened, those of shadow roots too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import turbohtml

from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.pages.data_urls import is_data_url
from ingest_guard.pages.findings import Kind, Piece
from ingest_guard.pages.may_hold import may_hold
from ingest_guard.pages.strings import may_hold_base64, split_srcset, split_string

_TALKING: Final = frozenset(
    {"alt", "aria-description", "aria-label", "label", "placeholder", "summary", "title", "data-clipboard-text"}
)
"""Attributes whose values are for people to read."""
_JSON_TYPE: Final = re.compile(r"(?:json|importmap|speculationrules)[\t\n\r ]*(?:;|$)", re.IGNORECASE)
_SCRIPT_TYPE: Final = re.compile(r"[\t\n\r ]*(?:$|module|.*(?:java|ecma|live|j)script)", re.IGNORECASE)
_SCRIPT_URL: Final = re.compile(r"[\x00-\x20]*j[\t\n\r]*a[\t\n\r]*v[\t\n\r]*a[\t\n\r]*s[\t\n\r]*c", re.IGNORECASE)
_REFRESH: Final = re.compile(r"[^,;=]*[,;][\t\n\r ]*url[\t\n\r ]*=[\t\n\r ]*[\"']?", re.IGNORECASE)
_READ_ELSEWHERE: Final = frozenset({"style", "script", "noscript"})
_CLOSERS: Final = ('">', "'>", ">")
_NOSCRIPT: Final = re.compile(r"<noscript", re.IGNORECASE)
_SIGNS: Final = ":&\\%"
"""One of these is in every ``data:`` URL, however it is spelt."""
_SHORTEST_BASE64: Final = 12
_LONGEST_TYPE: Final = 256


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
    if _NOSCRIPT.search(text):
        pieces.update(dict.fromkeys(_read_page(parse_page(text, scripting=False), is_shown=is_shown)))
    yield from pieces
    # A tag that the end of the page cuts off is dropped by browsers; what it announced was there all the same.
    if text.rstrip().endswith(">"):
        return
    for closer in _CLOSERS:
        for piece in _read_page(parse_page(text + closer, scripting=True), is_shown=is_shown, has_texts=False):
            if piece not in pieces:
                pieces[piece] = None
                yield piece._replace(is_cut=True)


def parse_page(text: str, *, scripting: bool) -> turbohtml.Document:
    """Return the tree of a page; what is inside templates is in it, those of shadow roots included."""
    return turbohtml.parse(text, positions=False, scripting=scripting, allow_declarative_shadow_roots=False)


def _read_page(page: turbohtml.Document, *, is_shown: bool, has_texts: bool = True) -> Iterator[Piece]:
    for node in page.descendants:
        if isinstance(node, turbohtml.Element):
            yield from _read_attributes(node, is_shown=is_shown)
            if has_texts:
                yield from _read_text(node, is_shown=is_shown)
        elif has_texts and (markup := _markup_in(node)):
            yield Piece(Kind.HTML, markup, is_shown=False, is_document=True)


def _markup_in(node: turbohtml.Node) -> str:
    """Return a comment, or a text that a script may put on the page, as that of a ``textarea``; else nothing."""
    if isinstance(node, turbohtml.Text):
        parent = node.parent
        is_read = isinstance(parent, turbohtml.Element) and parent.tag in _READ_ELSEWHERE
        return node.data if not is_read and "<" in node.data and may_hold(node.data) else ""
    return node.data if isinstance(node, turbohtml.Comment) and may_hold(node.data) else ""


def _read_attributes(element: turbohtml.Element, *, is_shown: bool) -> Iterator[Piece]:
    attributes = element.attrs
    if attributes:
        for name, value in attributes.items():
            if value and name != "class":
                yield from read_attribute(name, value if isinstance(value, str) else " ".join(value), is_shown=is_shown)


def _read_text(element: turbohtml.Element, *, is_shown: bool) -> Iterable[Piece]:
    if element.tag == "style":
        return _if_held(Kind.CSS, element.text, is_shown=is_shown)
    if element.tag == "script":
        return read_script_element(str(element.attr("type") or ""), element.text, is_shown=is_shown)
    return ()


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
    if len(value) < len("data:,"):
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
