"""JSON-LD: each ImageObject of a page, wherever it is nested, and what ``image`` properties name.

https://schema.org/ImageObject; https://www.w3.org/TR/json-ld11/#embedding-json-ld-in-html-documents. A thing may be
named by its ``@id`` and described elsewhere, in another block as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, Final, TypeAlias

from ingest_guard.pages.extract.json_text import read_json
from ingest_guard.pages.extract.social_cards import NamedImage
from ingest_guard.pages.extract.texts import clean

_Thing: TypeAlias = dict[str, Any]

_MOST_NODES: Final = 50_000
_MOST_OF_ONE: Final = 100
_DEEPEST_ADDRESS: Final = 4
_IMAGE_KEYS: Final = ("image", "photo", "primaryImageOfPage", "associatedMedia")
_ADDRESS_KEYS: Final = ("contentUrl", "contentURL", "url", "@id")
_OWN_TEXTS: Final = ("caption", "description", "name", "headline", "alternativeHeadline", "alternateName")
_PREFIX: Final = re.compile(r"https?://schema\.org/|schema:")
_SUBJECT_TEXTS: Final = ("name", "headline", "alternateName")


def read_json_ld(*blocks: str) -> list[NamedImage]:
    """Return the images that the blocks of one page name; none of a block that cannot be read."""
    things = list(_things([document for block in blocks for document in read_json(block)]))
    graph = _Graph(things)
    return [image for thing in things for image in graph.images_of(thing)]


def _things(documents: list[Any]) -> Iterator[_Thing]:
    """Yield each object once, in order, without recursion."""
    waiting: list[Any] = documents[::-1]
    left = _MOST_NODES
    while waiting and left > 0:
        node = waiting.pop()
        left -= 1
        if isinstance(node, list):
            waiting.extend(reversed(node[:_MOST_NODES]))
        elif isinstance(node, dict):
            _shorten(node)
            yield node
            waiting.extend(value for value in reversed(list(node.values())) if isinstance(value, dict | list))


def _shorten(node: _Thing) -> None:
    """Replace names with a prefix of schema.org's by short ones, and sets and lists with names by what they hold."""
    for key, value in list(node.items()):
        if isinstance(value, dict) and len(value) == 1 and (held := value.get("@set", value.get("@list"))) is not None:
            node[key] = held
        if prefix := _PREFIX.match(key):
            node.setdefault(key[prefix.end() :], node.pop(key))


class _Graph:
    """The things of a page, known by their ``@id``."""

    def __init__(self, things: list[_Thing]) -> None:
        # Of two names one may be relative to the page, and the other not.
        self._by_id: dict[str, _Thing] = {}
        for thing in things:
            name = thing.get("@id")
            if isinstance(name, str) and len(thing) > 1:
                self._by_id.setdefault(name, thing)
                fragment = name[name.find("#") :] if "#" in name else name
                self._by_id.setdefault(fragment, thing)

    def images_of(self, thing: _Thing) -> Iterator[NamedImage]:
        """Yield the image that a thing is, or those of a thing that is none: with their own texts, or else its name."""
        if _is_image(thing):
            yield from self._of_image(thing, "")
            return
        subject = _first_text(thing, _SUBJECT_TEXTS)
        for key in _IMAGE_KEYS:
            for each in _as_list(thing.get(key)):
                named = self._resolved(each)
                if isinstance(named, str):
                    yield NamedImage("json-ld", unescape(named), subject, language=_language(thing))
                elif isinstance(named, dict) and (key == "image" or _is_image(named)):
                    yield from self._of_image(named, subject)

    def _of_image(self, image: _Thing, subject: str) -> Iterator[NamedImage]:
        text = _first_text(image, _OWN_TEXTS) or subject
        width, height = (_pixels(image.get(name)) for name in ("width", "height"))
        for key in _ADDRESS_KEYS:
            addresses = self._addresses(image.get(key), is_name=key == "@id")
            for address in addresses:
                yield NamedImage("json-ld", unescape(address), text, width, height, _language(image))
            if addresses:
                return

    def _resolved(self, value: Any) -> Any:
        """Return the thing that a value refers to, or the value itself."""
        name = value if isinstance(value, str) else value.get("@id") if isinstance(value, dict) else None
        if not isinstance(name, str) or (isinstance(value, dict) and any(value.get(key) for key in _ADDRESS_KEYS[:3])):
            return value
        found = self._by_id.get(name)
        if found is None and not name.startswith("#") and "#" in name:
            found = self._by_id.get(name[name.find("#") :])
            # That of another page has an address of its own.
            found = found if found is not None and str(found["@id"]).startswith("#") else None
        return value if found is None else found

    def _addresses(self, value: Any, *, is_name: bool) -> list[str]:
        """Return the addresses that a property holds: as text, in lists, as a reference."""
        found: list[str] = []
        waiting: list[tuple[Any, int, bool]] = [(each, 0, is_name) for each in reversed(_as_list(value))]
        while waiting and len(found) < _MOST_OF_ONE:
            each, depth, is_reference = waiting.pop()
            if isinstance(each, str):
                # An @id is often no address but a name in the page.
                if each and not (is_reference and (each.startswith("_:") or "#" in each)):
                    found.append(each)
            elif isinstance(each, dict) and depth < _DEEPEST_ADDRESS:
                target = self._resolved(each)
                target = target if isinstance(target, dict) else each
                key = next((key for key in ("@value", *_ADDRESS_KEYS) if target.get(key)), None)
                inner = _as_list(target.get(key)) if key else []
                waiting.extend((one, depth + 1, key == "@id") for one in reversed(inner))
        return found


def _is_image(node: dict[str, Any]) -> bool:
    types = node.get("@type")
    named = types if isinstance(types, list) else [types]
    return any(isinstance(each, str) and each.rpartition("/")[2].rpartition(":")[2] == "ImageObject" for each in named)


def _as_list(value: Any) -> list[Any]:
    return value[:_MOST_OF_ONE] if isinstance(value, list) else [value]


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
