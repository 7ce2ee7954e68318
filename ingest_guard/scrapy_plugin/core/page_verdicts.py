"""Pages in one crawl: which page an item came from, which page asked for an image, and which pages are dropped.

Nothing of this is read from a request: its Referer and its meta say what others wrote into them.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

from cachetools import FIFOCache, LRUCache

from ingest_guard.urls.normalise import url_key

_MOST_ITEMS = 1 << 14
_MOST_PAGES = 1 << 16
_MOST_ASKED = 1 << 14
_MOST_ASKERS = 16


class ItemPages:
    """The page of each item that is on its way through the pipelines, as the spider middleware has noted it.

    Items are told apart by identity, and held until they are taken, so that no other object can come to have the same
    identity meanwhile. An item that a pipeline drops is let go when newer ones push it out.
    """

    def __init__(self) -> None:
        self._pages: FIFOCache[int, tuple[Any, str]] = FIFOCache(_MOST_ITEMS)

    def note(self, item: Any, url: str) -> None:
        """Remember the page of an item."""
        self._pages[id(item)] = (item, url)

    def get(self, item: Any) -> str | None:
        """Return the page of an item, if it is known."""
        held = self._pages.get(id(item))
        return held[1] if held is not None else None

    def forget(self, item: Any) -> None:
        """Let an item go."""
        self._pages.pop(id(item), None)


class DroppedPages:
    """The pages of a run that are dropped with their images, as far as they are remembered.

    The last 65,536 pages are. Of the requests that a spider made from a page, the last 16,384 URLs, with the last 16
    pages of each.
    """

    def __init__(self) -> None:
        self._pages: LRUCache[str, bool] = LRUCache(_MOST_PAGES)
        self._askers: LRUCache[str, tuple[str, ...]] = LRUCache(_MOST_ASKED)

    def add(self, pages: Iterable[str | None]) -> None:
        """Drop pages."""
        for page in pages:
            if page:
                self._pages[key_of(page)] = True

    def holds_any(self, pages: Iterable[str | None]) -> bool:
        """Return whether one of these pages is dropped."""
        return any(page is not None and self._pages.get(key_of(page), False) for page in pages)

    def note_request(self, url: str, *pages: str) -> None:
        """Remember from which pages a spider asks for something."""
        key = key_of(url)
        self._askers[key] = tuple(dict.fromkeys((*self._askers.get(key, ()), *pages)))[-_MOST_ASKERS:]

    def note_redirect(self, url: str, target: str) -> None:
        """Remember that what a page asked for is elsewhere."""
        if askers := self.askers(url):
            self.note_request(target, *askers)

    def askers(self, url: str) -> tuple[str, ...]:
        """Return the pages from which a spider has asked for something."""
        return self._askers.get(key_of(url), ())


def key_of(url: str) -> str:
    """Return one key for all spellings of an address."""
    try:
        return url_key(url)
    except ValueError:
        return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
