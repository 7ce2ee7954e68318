"""Language tags: https://www.rfc-editor.org/info/bcp47, as far as pages need them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml.etree import _Element

_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,7}")
_FEW = 50


def tag(text: str | None) -> str | None:
    """Return a language tag in its usual form (``en_US`` and underscores are common); None for what is none."""
    cleaned = (text or "")[:100].strip().replace("_", "-")
    return cleaned if _TAG.fullmatch(cleaned) else None


def of_element(element: _Element) -> str | None:
    """Return what an element says of its language: a tag, '' for "unknown", or None where it says nothing."""
    said = element.get("lang")
    if said is None:
        said = element.get("xml:lang")
    if said is None:
        return None
    return tag(said) or ""


def page_language(root: _Element) -> str | None:
    """Return the language of a page as a whole: of ``html``, else of its ``meta http-equiv=content-language``."""
    said = of_element(root)
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
