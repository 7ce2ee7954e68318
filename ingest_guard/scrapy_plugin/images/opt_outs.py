"""Opt-outs of a crawl: what pages said when they came in, and what an image's own responses say.

What counts is what this process has seen in responses, those from an HTTP cache included. Nothing is read from a
request: its meta says what somebody wrote into it. An opt-out keeps an image out of the records and does nothing else:
what was fetched is checked as ever, and counted as what it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from scrapy.http import TextResponse

from ingest_guard.dataset.optouts.agents import agent_names
from ingest_guard.dataset.optouts.signals import NONE, of_headers, of_markup
from ingest_guard.scrapy_plugin.core.condemned import key_of
from ingest_guard.scrapy_plugin.core.recent import Recent
from ingest_guard.scrapy_plugin.images.tdm_files import TdmFiles
from ingest_guard.urls.private import is_private

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy.http import Response

    from ingest_guard.dataset.optouts.signals import Signals
    from ingest_guard.scrapy_plugin.core.tickets import Hop
    from ingest_guard.scrapy_plugin.runtime import Runtime

_PAGES = 1 << 16
_FILE = "tdm_file"


class OptOuts:
    """What was said, and what of it the policy heeds.

    The last 65,536 pages that said anything are remembered, each with what it said when it was last fetched.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._crawler = runtime.crawler
        self._policy = runtime.policy.opt_outs
        self._files = TdmFiles(runtime)
        self._pages: Recent[Signals] = Recent(_PAGES)
        self._are_any = False

    @cached_property
    def names(self) -> frozenset[str]:
        """The names by which this crawler is addressed, in lower case."""
        settings, spider = self._crawler.settings, getattr(self._crawler, "spider", None)
        sent = (settings.get("USER_AGENT"), settings.get("ROBOTSTXT_USER_AGENT"), getattr(spider, "user_agent", None))
        return agent_names((value for value in sent if isinstance(value, str)), self._policy.agents)

    def hear(self, response: Response) -> Signals:
        """Return what the headers of a response say."""
        robots = response.headers.getlist("X-Robots-Tag")
        tdm = response.headers.getlist("Tdm-Reservation")
        return of_headers(robots, tdm, self.names, _now()) if robots or tdm else NONE

    def note_page(self, response: Response) -> None:
        """Remember what a response, as the spider gets it, says of itself."""
        signals = self.hear(response)
        if isinstance(response, TextResponse):
            signals = signals.and_then(of_markup(response.body, self.names, _now()))
        if signals != NONE:
            self._are_any = True
            self._pages.put(key_of(response.url), signals)
        elif self._are_any and (key := key_of(response.url)) in self._pages:
            self._pages.put(key, NONE)

    async def of_page(self, page: str | None, named: Iterable[str | None] = ()) -> str | None:
        """Return why the images of a page are not to be recorded; None where nothing is against it.

        Parameters
        ----------
        page
            The response that an item was made from. Its host is asked for its ``tdmrep.json``.
        named
            Pages that the item names. What they said when they were fetched counts; their hosts are not asked.
        """
        if page is not None:
            said = self._said(page)
            if reason := said.reason(self._policy) or await self._by_file(page, said, is_inside=is_private(page)):
                return reason
        for each in named:
            if each is not None and each != page:
                said = self._said(each)
                reserved = self.asks_for_files(said) and self._files.known(each)
                if reason := said.reason(self._policy) or (_FILE if reserved else None):
                    return reason
        return None

    async def of_image(self, hops: Iterable[Hop], *, is_inside: bool) -> str | None:
        """Return why an image is not to be recorded, by what each response on the way to it said."""
        for hop in hops:
            reason = hop.said.reason(self._policy) or await self._by_file(hop.url, hop.said, is_inside=is_inside)
            if reason is not None:
                return reason
        return None

    async def before_fetching(self, url: str, *, is_inside: bool) -> str | None:
        """Return why an image is not even to be asked for."""
        return await self._by_file(url, NONE, is_inside=is_inside)

    def at_once(self, said: Signals) -> str | None:
        """Return why what a response says keeps it out, without asking for its host's file."""
        return said.reason(self._policy)

    def asks_for_files(self, said: Signals) -> bool:
        """Tell whether a host's file has a say beside what a response has said."""
        return self._policy.tdm_file and said.tdm is None

    async def _by_file(self, url: str, said: Signals, *, is_inside: bool) -> str | None:
        """Return the reason that a host's file gives; what a response has said of itself goes before it."""
        if not self.asks_for_files(said):
            return None
        return _FILE if await self._files.reserved(url, is_inside=is_inside) else None

    def _said(self, page: str) -> Signals:
        return (self._pages.get(key_of(page)) if self._are_any else None) or NONE


def _now() -> datetime:
    return datetime.now(UTC)
