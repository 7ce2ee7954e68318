"""Texts on a page: clean them, gather them from elements within bounds, know those that only repeat a file's name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lxml import etree

if TYPE_CHECKING:
    from lxml.etree import _Element

_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_NOT_READ = frozenset({"script", "style", "noscript", "template"})
_LONGEST = 2000
_LONGEST_NAME = 300
_MOST_VISITS = 300_000
_MOST_VISITS_OF_ONE = 10_000
_FILE_NAME = re.compile(r"\S+\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|svg)", re.IGNORECASE)
_CODED = re.compile(r"[\d_-]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)


def clean(text: str | None) -> str:
    """Return a text with its blanks collapsed, and without control characters."""
    return " ".join(_UNPRINTABLE.sub("", text).split()) if text else ""


def is_weak(text: str, url: str) -> bool:
    """Tell whether a text says no more than the file's name does: any other text is better."""
    if len(text) > _LONGEST_NAME:
        return False
    if _FILE_NAME.fullmatch(text) or _ADDRESS.fullmatch(text):
        return True
    stem = unquote(url.partition("?")[0].rpartition("/")[2]).rpartition(".")[0]
    # "cat" beside cat.jpg says something, "DSC_0001" does not.
    return text.lower() == stem.lower() and _CODED.search(stem) is not None


class Reader:
    """Gathers the text inside elements of one page.

    However a page is nested, all readings together visit a bounded number of elements; each element is read once.
    """

    def __init__(self) -> None:
        self._left = _MOST_VISITS
        self._known: dict[_Element, str] = {}

    def inside(self, element: _Element) -> str:
        """Return the text inside an element; nothing where it is too long to be the text of one image."""
        if element not in self._known:
            self._known[element] = self._read(element)
        return self._known[element]

    def _read(self, element: _Element) -> str:
        parts: list[str] = []
        length = 0
        for visits, (event, node) in enumerate(etree.iterwalk(element, events=("start", "end"))):
            self._left -= 1
            if visits > _MOST_VISITS_OF_ONE or self._left < 0 or length > _LONGEST * 4:
                return ""
            if event == "start":
                part = node.text if node.tag not in _NOT_READ else None
            else:
                part = node.tail if node is not element else None
            if part:
                parts.append(part)
                length += len(part)
        text = clean("".join(parts))
        return text if len(text) <= _LONGEST else ""


_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,7}")
_FEW = 50


def tag(text: str | None) -> str | None:
    """Return a language tag in its usual form (``en_US`` and underscores are common); None for what is none."""
    cleaned = (text or "")[:100].strip().replace("_", "-")
    return cleaned if _TAG.fullmatch(cleaned) else None


def language_of(element: _Element) -> str | None:
    """Return what an element says of its language: a tag, '' for "unknown", or None where it says nothing."""
    said = element.get("lang")
    if said is None:
        said = element.get("xml:lang")
    if said is None:
        return None
    return tag(said) or ""


def page_language(root: _Element) -> str | None:
    """Return the language of a page as a whole: of ``html``, else of its ``meta http-equiv=content-language``."""
    said = language_of(root)
    if said is not None:
        return said or None
    for number, meta in enumerate(root.iter("meta")):
        if number == _FEW:
            break
        if (meta.get("http-equiv") or "").strip().lower() == "content-language":
            return tag(meta.get("content"))
    return None


def is_among(language: str, allowed: Iterable[str]) -> bool:
    """Tell whether a tag is one of those allowed, or a more special one: ``en-GB`` is among ``en``."""
    spoken = f"{language.lower()}-"
    return any(spoken.startswith(f"{each.lower()}-") for each in allowed)
