"""Where a broad crawl may go, and how far: hosts, depth, pages of one host, requests that wait."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from scrapy import Request, signals

from ingest_guard.errors import SetupError
from ingest_guard.urls import hosts
from ingest_guard.workers.eventloop import promise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy.crawler import Crawler

    from ingest_guard.workers.eventloop import Promise

ANYWHERE = "*"
_REMEMBERED_HOSTS = 100_000


class Hosts:
    """The hosts that a crawl may ask for pages, and how many pages of each it has asked for.

    Parameters
    ----------
    allowed
        Domains, as a list of domains has them; a host below one of them is allowed, too. ``*`` for all hosts.
    pages
        Most pages of one host; 0: no bound. It holds for the 100,000 hosts that were asked last.

    Raises
    ------
    SetupError
        What is allowed is no domain, so that no page would ever be of it.
    """

    def __init__(self, allowed: Iterable[str], pages: int) -> None:
        self.domains = frozenset(_bare(domain) for domain in allowed)
        self._pages = pages
        self._asked: OrderedDict[str, int] = OrderedDict()

    def allows(self, url: str) -> bool:
        """Tell whether the host of a URL is one of them."""
        host = host_of(url)
        return host is not None and (ANYWHERE in self.domains or hosts.is_within(host, self.domains))

    def has_room(self, url: str) -> bool:
        """Tell whether one more page of a URL's host may be asked for, and count it."""
        if not self._pages:
            return True
        host = host_of(url) or ""
        asked = self._asked.pop(host, 0)
        self._asked[host] = min(asked + 1, self._pages)
        if len(self._asked) > _REMEMBERED_HOSTS:
            self._asked.popitem(last=False)
        return asked < self._pages


def host_of(url: str) -> str | None:
    """Return the host of an http or https URL in its one spelling; None of anything else."""
    return hosts.host_of(url, {"http", "https"}) or None


def can_be_asked(url: str) -> bool:
    """Tell whether a request can be made of an address; one that cannot would end the seeds or the sitemap it is in."""
    try:
        Request(url)
    except ValueError:
        return False
    return True


def _bare(domain: str) -> str:
    """``www.example.org`` and ``example.org`` are one site as a rule, and the one redirects to the other."""
    if domain.strip() == ANYWHERE:
        return ANYWHERE
    try:
        return hosts.listed_host(domain).removeprefix("www.")
    except ValueError:
        raise SetupError(
            f"ingest_guard: {domain[:100]!r} is no domain, so no page could be fetched there; write a host such as "
            "example.org, or * for anywhere"
        ) from None


class Backlog:
    """How many requests wait, as the scheduler counts them, and a way to wait until they are fewer.

    Parameters
    ----------
    most
        That may wait before nothing more is taken up; 0: no bound.
    """

    def __init__(self, crawler: Crawler, most: int) -> None:
        self._stats = crawler.stats
        self._most = most
        self._waiting: Promise | None = None
        # Requests leave the scheduler for the downloader as a rule; those that a middleware ends before that do not.
        for signal in (signals.request_left_downloader, signals.scheduler_empty):
            crawler.signals.connect(self._wake, signal=signal)

    def is_full(self) -> bool:
        """Tell whether as many requests wait as may."""
        taken, left = (self._stats.get_value(f"scheduler/{what}", 0) for what in ("enqueued", "dequeued"))
        return bool(0 < self._most <= taken - left)

    async def room(self) -> None:
        """Wait until there is room."""
        while self.is_full():
            self._waiting = promise()
            await self._waiting.awaitable()

    def _wake(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.keep(None)
