"""Pages that go with their images: which are condemned, and which page a spider asked for an image from.

Nothing of this is read from a request: its Referer and its meta say what somebody wrote into them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.core.recent import Recent
from ingest_guard.urls.normalise import url_key

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAGES = 1 << 16
_ASKED = 1 << 14
_MOST_ASKERS = 16


class Condemned:
    """The pages of a run that were condemned, as far as they are remembered.

    The last 65,536 pages are. Of the requests that a spider made from a page, the last 16,384 URLs, with the last 16
    pages of each.
    """

    def __init__(self) -> None:
        self._pages: Recent[bool] = Recent(_PAGES)
        self._askers: Recent[tuple[str, ...]] = Recent(_ASKED)

    def add(self, pages: Iterable[str | None]) -> None:
        """Condemn pages."""
        for page in pages:
            if page:
                self._pages.put(key_of(page), True)  # noqa: FBT003 - a mapping used as a set

    def holds_any(self, pages: Iterable[str | None]) -> bool:
        """Tell whether one of these pages is condemned."""
        return any(page is not None and self._pages.get(key_of(page)) is not None for page in pages)

    def note_request(self, url: str, page: str) -> None:
        """Remember from which page a spider asks for something."""
        self._add_askers(url, (page,))

    def note_redirect(self, url: str, target: str) -> None:
        """Remember that what a page asked for is elsewhere."""
        if askers := self.askers(url):
            self._add_askers(target, askers)

    def askers(self, url: str) -> tuple[str, ...]:
        """Return the pages from which a spider has asked for something."""
        return self._askers.get(key_of(url)) or ()

    def _add_askers(self, url: str, pages: tuple[str, ...]) -> None:
        key = key_of(url)
        known = self._askers.get(key) or ()
        self._askers.put(key, tuple(dict.fromkeys((*known, *pages)))[-_MOST_ASKERS:])


def key_of(url: str) -> str:
    """Return one key for all spellings of an address."""
    try:
        return url_key(url)
    except ValueError:
        return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
