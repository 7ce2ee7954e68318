"""JSON-LD: each ImageObject of a page, wherever it is nested, and what ``image`` properties name.

https://schema.org/ImageObject; https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents
"""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from ingest_guard.pages.extract.social_cards import NamedImage
from ingest_guard.pages.extract.texts import clean

_MOST_CHARACTERS = 4 << 20
_MOST_NODES = 50_000
_IMAGE_KEYS = ("image", "photo", "primaryImageOfPage", "associatedMedia")
_ADDRESS_KEYS = ("contentUrl", "contentURL", "url", "@id")
_OWN_TEXTS = ("caption", "description", "name", "headline", "alternativeHeadline", "alternateName")
_SUBJECT_TEXTS = ("name", "headline", "alternateName")
_DIGITS = 9


def read_json_ld(source: str) -> list[NamedImage]:
    """Return the images that one block of JSON-LD names; none of one that cannot be read."""
    if len(source) > _MOST_CHARACTERS:
        return []
    try:
        # No number here is worth the time that Python takes for one of a million digits.
        document = json.loads(_unwrapped(source), strict=False, parse_int=_small, parse_float=_nothing)
    except (ValueError, RecursionError, MemoryError):
        return []
    return list(_walk(document))


def _unwrapped(source: str) -> str:
    """Take off the comments and CDATA marks that templates put around a script."""
    stripped = source.strip()
    for start in ("<!--", "//<![CDATA[", "// <![CDATA[", "/*<![CDATA[*/", "/* <![CDATA[ */", "<![CDATA["):
        stripped = stripped.removeprefix(start).lstrip()
    for end in ("-->", "//]]>", "// ]]>", "/*]]>*/", "/* ]]> */", "]]>", ";"):
        stripped = stripped.removesuffix(end).rstrip()
    return stripped


def _walk(document: Any) -> Iterator[NamedImage]:
    """Look at each object once, in order, without recursion."""
    waiting: list[Any] = [document]
    left = _MOST_NODES
    while waiting and left > 0:
        node = waiting.pop()
        left -= 1
        if isinstance(node, list):
            waiting.extend(reversed(node[:_MOST_NODES]))
        elif isinstance(node, dict):
            if _is_image(node):
                yield from _of_object(node, "")
            else:
                yield from _of_properties(node)
            waiting.extend(value for value in reversed(list(node.values())) if isinstance(value, dict | list))


def _is_image(node: dict[str, Any]) -> bool:
    types = node.get("@type")
    named = types if isinstance(types, list) else [types]
    return any(isinstance(each, str) and each.rpartition("/")[2].rpartition(":")[2] == "ImageObject" for each in named)


def _of_properties(node: dict[str, Any]) -> Iterator[NamedImage]:
    """Yield the images of a thing that is no image itself: with their own texts, else with its name."""
    subject = _first_text(node, _SUBJECT_TEXTS)
    for key in _IMAGE_KEYS:
        value = node.get(key)
        for each in value[:_MOST_NODES] if isinstance(value, list) else [value]:
            if isinstance(each, str):
                yield NamedImage("json-ld", unescape(each), subject, language=_language(node))
            elif isinstance(each, dict) and (key == "image" or _is_image(each)):
                yield from _of_object(each, subject)


def _of_object(node: dict[str, Any], subject: str) -> Iterator[NamedImage]:
    for key in _ADDRESS_KEYS:
        address = node.get(key)
        if isinstance(address, str) and not address.startswith(("#", "_:")) and "#" not in address:
            text = _first_text(node, _OWN_TEXTS) or subject
            width, height = (_pixels(node.get(name)) for name in ("width", "height"))
            yield NamedImage("json-ld", unescape(address), text, width, height, _language(node))
            return


def _first_text(node: dict[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = node.get(key)
        if isinstance(value, dict):
            value = value.get("@value", value.get("name"))
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and (text := clean(unescape(value))):
            return text
    return ""


def _language(node: dict[str, Any]) -> str | None:
    value = node.get("inLanguage")
    return value if isinstance(value, str) else None


def _pixels(value: Any) -> int | None:
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, int):
        return value if value > 0 else None
    digits = re.match(r"\s*([0-9]{1,6})(?:\s*px)?\s*$", value) if isinstance(value, str) else None
    return int(digits[1]) or None if digits else None


def _small(digits: str) -> int:
    return int(digits) if len(digits) <= _DIGITS else 0


def _nothing(digits: str) -> None:
    del digits
