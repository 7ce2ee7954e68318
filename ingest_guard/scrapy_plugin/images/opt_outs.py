"""Opt-outs of a crawl: what pages said when they came in, and what an image's own responses say.

What counts is what this process has seen in responses, those from an HTTP cache included. Nothing is read from a
request: its meta says what others wrote into it. An opt-out keeps an image out of the records and does nothing else:
what was fetched is checked as ever, and counted as what it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cachetools import LRUCache
from scrapy.http import TextResponse

from ingest_guard.dataset.optouts.said import Signal
from ingest_guard.dataset.optouts.signals import NONE, Signals
from ingest_guard.scrapy_plugin.core.page_verdicts import key_of
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import Hop
from ingest_guard.scrapy_plugin.images.tdm_files import AiFiles, TdmFiles
from ingest_guard.urls.private import is_private

if TYPE_CHECKING:
    from scrapy.http import Response

# What some 100,000 pages say.
_MOST_BYTES = 64 << 20


class OptOuts:
    """What was said, and what of it the policy heeds.

    The last pages that said anything are remembered, 64 MiB of what they said when they were last fetched.
    """

    def __init__(self, state: GuardState) -> None:
        self._policy = state.policy.opt_outs
        self._reader = state.signals
        self._readings = state.readings
        self._files = TdmFiles(state)
        self._ai_files = AiFiles(state)
        self._pages: LRUCache[str, Signals] = LRUCache(_MOST_BYTES, getsizeof=_weight)
        self._are_any = False

    async def note_page(self, response: Response, headers: Signals | None, digest: str | None = None) -> None:
        """Remember what a response, as the spider gets it, says of itself.

        Parameters
        ----------
        response
            With its body and its headers.
        headers
            What its headers and robots.txt say, where they were read before.
        digest
            SHA-256 of the body, where it is known.
        """
        if headers is None:
            headers = self._reader.read_response(response)
        signals = headers
        if isinstance(response, TextResponse):
            signals = self._reader.add_markup(headers, await self._readings.of(response, digest=digest))
        if signals != NONE:
            self._are_any = True
            self._pages[key_of(response.url)] = signals
        elif self._are_any and (key := key_of(response.url)) in self._pages:
            self._pages[key] = NONE

    async def of_page(self, page: str | None, named: Iterable[str | None] = ()) -> Signal | None:
        """Return what keeps the images of a page out of the records; None where nothing does.

        Parameters
        ----------
        page
            The response that an item was made from. Its host is asked for its ``tdmrep.json``.
        named
            Pages that the item names. What they said when they were fetched counts, and what is known of their hosts'
            files; nothing is asked for.
        """
        if page is not None:
            signals = self.signals_of(page)
            decisive = signals.decide(self._policy)
            if decisive := decisive or await self._by_file(page, signals, is_inside=is_private(page)):
                return decisive
        for each in named:
            if each is not None and each != page:
                signals = self._reader.read_robots(each).and_then(self.signals_of(each))
                by_file = self._files.known(each) if self._asks_for_tdm_file(signals) else None
                if decisive := signals.decide(self._policy) or by_file:
                    return decisive
        return None

    async def of_image(self, hops: Iterable[Hop], *, is_inside: bool) -> Signal | None:
        """Return what keeps an image out of the records, of all that the responses on the way to it say."""
        for hop in hops:
            decisive = hop.signals.decide(self._policy)
            decisive = decisive or await self._by_file(hop.url, hop.signals, is_inside=is_inside)
            if decisive := decisive or await self._by_ai_file(hop.url, is_inside=is_inside):
                return decisive
        return None

    async def before_fetching(self, url: str, *, is_inside: bool, signals: Signals = NONE) -> Signal | None:
        """Return why an image is not even to be asked for, beside what is known of it."""
        by_file = await self._by_file(url, signals, is_inside=is_inside)
        return by_file or await self._by_ai_file(url, is_inside=is_inside)

    def at_once(self, signals: Signals) -> Signal | None:
        """Return what keeps a response out of the records, without asking for its host's file."""
        return signals.decide(self._policy)

    def signals_of(self, page: str) -> Signals:
        """Return what a page said when it was last fetched."""
        return self._pages.get(key_of(page), NONE) if self._are_any else NONE

    def asks_for_files(self, signals: Signals) -> bool:
        """Return whether a host's file counts beside what a response of an image says."""
        return self._policy.ai_txt or self._asks_for_tdm_file(signals)

    def _asks_for_tdm_file(self, signals: Signals) -> bool:
        return self._policy.tdm_file and signals.tdm is None

    async def _by_file(self, url: str, signals: Signals, *, is_inside: bool) -> Signal | None:
        """Return the reservation of a host's file; what a response has said of itself goes before it."""
        if not self._asks_for_tdm_file(signals):
            return None
        return await self._files.reserved(url, is_inside=is_inside)

    async def _by_ai_file(self, url: str, *, is_inside: bool) -> Signal | None:
        """Return what the ai.txt of an image's host says against it."""
        return await self._ai_files.reserved(url, is_inside=is_inside) if self._policy.ai_txt else None


def _weight(signals: Signals) -> int:
    return signals.weight
