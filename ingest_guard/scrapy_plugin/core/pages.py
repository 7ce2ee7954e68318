"""Which page an item came from: pipelines are not told, so the spider middleware notes it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

_MOST = 1 << 14


class Pages:
    """The page of each item that is on its way through the pipelines.

    Items are told apart by identity, and held until they are taken, so that no other object can come to have the same
    identity meanwhile. An item that a pipeline drops is let go when newer ones push it out.
    """

    def __init__(self) -> None:
        self._pages: OrderedDict[int, tuple[Any, str]] = OrderedDict()

    def note(self, item: Any, url: str) -> None:
        """Remember the page of an item."""
        self._pages[id(item)] = (item, url)
        if len(self._pages) > _MOST:
            self._pages.popitem(last=False)

    def get(self, item: Any) -> str | None:
        """Return the page of an item, if it is known."""
        held = self._pages.get(id(item))
        return held[1] if held is not None else None

    def forget(self, item: Any) -> None:
        """Let an item go."""
        self._pages.pop(id(item), None)
