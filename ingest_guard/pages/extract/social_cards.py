"""``og:image`` and ``twitter:image``: the picture that a page shows for itself elsewhere, with its text.

https://ogp.me/#structured: what follows an ``og:image`` belongs to it until the next one.
"""

from dataclasses import dataclass

_MOST = 100
_ROOTS = {
    "og:image": "og",
    "og:image:url": "og",
    "og:image:secure_url": "og",
    "twitter:image": "twitter",
    "twitter:image:src": "twitter",
}
_BARE = frozenset({"og:image", "twitter:image"})
_LONGEST_NUMBER = 6


@dataclass(slots=True)
class NamedImage:
    """One image that a page names without showing it: in a card, or in structured data."""

    source: str
    url: str
    text: str = ""
    width: int | None = None
    height: int | None = None
    language: str | None = None


class Cards:
    """Collects the pictures of a page's cards from its ``meta`` elements, in order."""

    def __init__(self) -> None:
        self.found: list[NamedImage] = []
        self._texts_before: dict[str, str] = {}

    def note(self, name: str, content: str) -> None:
        """Look at one ``meta`` element."""
        name = name.strip().lower()
        source = _ROOTS.get(name)
        if source is not None:
            self._root(source, name, content)
            return
        kind, _, detail = name.rpartition(":")
        source = _ROOTS.get(kind)
        if source is None:
            return
        current = self._current(source)
        if detail == "alt" and current is None:
            # Some pages say the text before they say the picture.
            self._texts_before.setdefault(source, content)
        elif detail == "alt" and current is not None:
            current.text = current.text or content
        elif detail in {"width", "height"} and current is not None:
            number = content.strip()
            if number.isdecimal() and len(number) <= _LONGEST_NUMBER:
                setattr(current, detail, int(number) or None)

    def _root(self, source: str, name: str, content: str) -> None:
        current = self._current(source)
        if name not in _BARE and current is not None:
            return  # og:image:url and og:image:secure_url after og:image: the same picture once more
        if len(self.found) < _MOST:
            self.found.append(NamedImage(source, content, self._texts_before.pop(source, "")))

    def _current(self, source: str) -> NamedImage | None:
        return next((card for card in reversed(self.found) if card.source == source), None)
