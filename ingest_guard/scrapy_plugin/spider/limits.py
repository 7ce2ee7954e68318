"""The limits of a broad crawl: hosts that it may ask, pages of one host, requests that wait."""

import asyncio
from collections.abc import Iterable

from cachetools import LRUCache
from scrapy import Request, signals
from scrapy.crawler import Crawler

from ingest_guard.errors import SetupError
from ingest_guard.urls import hosts

ANYWHERE = "*"
_REMEMBERED_HOSTS = 100_000


class Hosts:
    """The hosts that a crawl may ask for pages, and how many pages of each it has asked for.

    Parameters
    ----------
    allowed
        Domains, as a list of domains has them; a host below one of them is allowed, too. ``*`` for all hosts.
    pages
        Most pages of one host; 0: no bound. It holds for the 100,000 hosts that were asked most recently.

    Raises
    ------
    SetupError
        What is allowed is no domain, so that no page would ever be of it.
    """

    def __init__(self, allowed: Iterable[str], pages: int) -> None:
        self.domains = frozenset(_without_www(domain) for domain in allowed)
        self._pages = pages
        self._asked: LRUCache[str, int] = LRUCache(_REMEMBERED_HOSTS)

    def allows(self, url: str) -> bool:
        """Return whether the host of a URL is one of them."""
        host = host_of(url)
        return host is not None and (ANYWHERE in self.domains or hosts.is_within(host, self.domains))

    def has_room(self, url: str) -> bool:
        """Return whether one more page of a URL's host may be asked for, and count it."""
        if not self._pages:
            return True
        host = host_of(url) or ""
        asked = self._asked.get(host, 0)
        self._asked[host] = min(asked + 1, self._pages)
        return asked < self._pages


def host_of(url: str) -> str | None:
    """Return the host of an http or https URL in its one spelling; None for anything else."""
    return hosts.host_of(url, {"http", "https"}) or None


def can_be_asked(url: str) -> bool:
    """Return whether Scrapy makes a request of an address; its error would end the seeds or the sitemap."""
    try:
        Request(url)
    except ValueError:
        return False
    return True


def _without_www(domain: str) -> str:
    """Drop ``www.``: with and without it, it is one site as a rule, and one redirects to the other."""
    if domain.strip() == ANYWHERE:
        return ANYWHERE
    try:
        return hosts.listed_host(domain).removeprefix("www.")
    except ValueError:
        raise SetupError(
            f"ingest_guard: {domain[:100]!r} is no domain, so no page could be fetched there; write a host such as "
            "example.org, or * for anywhere"
        ) from None


class PendingLimit:
    """How many requests may wait in the scheduler, as its statistics count them, and a way to wait for room.

    Parameters
    ----------
    most
        Requests that may wait; 0: no bound.
    """

    def __init__(self, crawler: Crawler, most: int) -> None:
        self._stats = crawler.stats
        self._most = most
        self._changed = asyncio.Event()
        # Most requests leave the scheduler for the downloader; those that a middleware ends before that do not.
        for signal in (signals.request_left_downloader, signals.scheduler_empty):
            crawler.signals.connect(self._changed.set, signal=signal, weak=False)

    def is_full(self) -> bool:
        """Return whether as many requests wait as may."""
        taken, left = (self._stats.get_value(f"scheduler/{what}", 0) for what in ("enqueued", "dequeued"))
        return bool(0 < self._most <= taken - left)

    async def wait_for_room(self) -> None:
        """Wait until fewer requests wait than may."""
        while self.is_full():
            self._changed.clear()
            await self._changed.wait()
