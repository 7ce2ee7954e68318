"""The spider middleware nearest the spider, and the hold on its items where a list's action is ``drop_page``.

It refuses ``data:`` requests before anything can log, queue or store them, and notes the page of each item.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.utils.defer import deferred_from_coro, maybe_deferred_to_future

from ingest_guard.dataset.records.items import Target, clear, page_of, read_targets
from ingest_guard.dataset.records.record import carries_image
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.scrapy_plugin.check.fail_closed import fenced
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.urls.data_scheme import is_data_url
from ingest_guard.verdict import Action

logger = logging.getLogger(__name__)

# Of one page; the downloader and the budget of the workers have bounds of their own.
_AT_ONCE = 16


class LinkGuard:
    """Spider middleware: no ``data:`` URL becomes a request, and no page leaves in part.

    It has no synchronous method: where it has to wait for images, it must not be passed by. What would end the process,
    a callback's own exit too, latches the guard instead.
    """

    def __init__(self, crawler: Crawler) -> None:
        runtime = Runtime.of(crawler)
        self._state = runtime.state
        self._page_hold = PageHold(runtime) if self._state.policy.drops_pages else None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the middleware; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(crawler)

    @fenced
    async def process_start(self, start: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Look at what a spider starts with; it has no page to be held with."""
        async for each in start:
            if not self._is_refused(each):
                yield each

    @fenced
    async def process_spider_output(self, response: Response, result: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Look at what a callback gives."""
        passing = self._passing(response, result)
        async for each in passing if self._page_hold is None else self._page_hold.release(response, passing):
            if not isinstance(each, Request):
                self._state.item_pages.note(each, response.url)
            yield each

    async def _passing(self, response: Response, result: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for each in result:
            if self._is_refused(each):
                continue
            if self._page_hold is not None and isinstance(each, Request):
                self._state.dropped_pages.note_request(each.url, response.url)
            yield each

    def _is_refused(self, each: Any) -> bool:
        """Return whether this is a request whose URL is its own content, and count it."""
        if not isinstance(each, Request) or not is_data_url(each.url):
            return False
        self._state.count("refused/data_url")
        return True


class PageHold:
    """Hold the items of each callback until the images of their page have passed.

    Pages leave whole or not at all, for lists whose action is ``drop_page``. A callback's items are held until it has
    ended, all of their images are checked, and none of them drops the page; its requests go on at once. The images are
    fetched as the check pipeline would, and remembered, so that it finds the answers. The page is the response that the
    callback was given, and the page that an item names: both are dropped.

    As many items of a callback are held as ``records.page_items`` says. Those beyond are dropped and counted, as the
    images that would come after them are not looked at. Items that a spider starts with, or that an errback makes, have
    no page to be held with: they are dropped by themselves, and with what comes later of the page that they name.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._state = runtime.state
        self._opt_outs = runtime.opt_outs
        self._fetcher = runtime.fetcher
        self._fields = self._state.policy.records
        self._has_warned = False

    async def release(self, response: Response, result: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield a callback's requests, and then its items, but for those of dropped pages."""
        held: list[Any] = []
        trouble: Exception | None = None
        try:
            async for each in result:
                if isinstance(each, Request):
                    yield each
                elif len(held) < self._fields.page_items:
                    held.append(each)
                else:
                    self._drop_beyond(each)
        except Exception as error:  # noqa: BLE001 - it goes on below: what came before it is still to be looked at
            trouble = error
        origin = self._origin(response)
        # A page that has opted out makes no records: there is nothing to fetch for them.
        if not await self._opt_outs.of_page(response.url):
            await self._check(response.url, held, origin)
        for item in held:
            if self._state.dropped_pages.holds_any(self._pages(item, origin)):
                clear(item)
                self._state.count("page_dropped")
            else:
                yield item
        if trouble is not None:
            raise trouble

    async def _check(self, url: str, held: list[Any], origin: set[str]) -> None:
        """Have the images of all items checked, and drop their pages where one says so."""
        work = iter([(item, target) for item in held for target in self._targets(item, url)])
        searches = [deferred_from_coro(self._search(url, work, origin)) for _ in range(min(_AT_ONCE, len(held)))]
        for search in searches:
            await maybe_deferred_to_future(search)

    async def _search(self, url: str, work: Iterator[tuple[Any, Target]], origin: set[str]) -> None:
        for item, target in work:
            fetched = await self._fetcher.fetch(target.absolute_url, target.page_url, url)
            if fetched.action is Action.DROP_PAGE:
                self._state.dropped_pages.add(self._pages(item, origin))

    def _targets(self, item: Any, page: str) -> list[Target]:
        try:
            targets = read_targets(item, self._fields, page)
        except Exception:  # noqa: BLE001 - an item that cannot be read: the check pipeline drops and counts it
            return []
        # An item that carries an image in its text is dropped as a whole by the check pipeline.
        return [] if any(carries_image(target) for target in targets) else targets

    def _origin(self, response: Response) -> set[str]:
        """Return the pages that a response stands for: itself; of an image, where a spider asked for it, too."""
        is_image = sniff(response.body).kind is Kind.IMAGE
        return {response.url, *(self._state.dropped_pages.askers(response.url) if is_image else ())}

    def _pages(self, item: Any, origin: set[str]) -> set[str]:
        """Return the pages that an item belongs to: those that it was made from, and the one that it names."""
        try:
            named = page_of(item, self._fields)
        except Exception:  # noqa: BLE001 - see _targets
            named = None
        return origin | {named} if named else origin

    def _drop_beyond(self, item: Any) -> None:
        clear(item)
        self._state.count("items_dropped/page_too_long")
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "ingest_guard: a callback gave more than %d items, which are held until all of their images are "
                "checked (a list has the action drop_page); those beyond are dropped. Let callbacks give fewer, or "
                "raise records.page_items",
                self._fields.page_items,
            )
