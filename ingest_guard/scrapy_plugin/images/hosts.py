"""Let the first fetch from a host return before the others go: it brings the host's robots.txt.

Scrapy fetches robots.txt when the first request for a host comes by, and has the requests that come meanwhile wait for
it; of those, Scrapy 2.19 lets all but two pass unchecked. A page's images on another host come all at once.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.core.recent import Recent
from ingest_guard.workers.eventloop import promise

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ingest_guard.workers.eventloop import Promise

_REMEMBERED_HOSTS = 10_000


class FirstComers:
    """Which hosts have been asked before, and who waits for the first answer of which."""

    def __init__(self) -> None:
        self._known: Recent[bool] = Recent(_REMEMBERED_HOSTS)
        self._waiting: dict[str, list[Promise]] = {}

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """Hold a fetch while the first one from the same host is under way."""
        origin = "/".join(url.split("/", 3)[:3]).lower()
        if origin in self._waiting:
            first = promise()
            self._waiting[origin].append(first)
            await first.awaitable()
        elif self._known.get(origin) is None:
            self._waiting[origin] = []
            try:
                yield
            finally:
                self._known.put(origin, True)  # noqa: FBT003 - a mapping used as a set
                for held in self._waiting.pop(origin):
                    held.keep(None)
            return
        yield
