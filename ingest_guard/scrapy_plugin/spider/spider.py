"""A spider for broad crawls: follows links from seeds, and yields each image of each page with its text.

Run as it is, by ``ingest-guard crawl --seeds urls.txt -o out/``, or subclassed in a project::

    class Ours(ImageTextSpider):
        name = "ours"

        def image_item(self, image, response):
            return {**super().image_item(image, response), "licence": "..."}

Pages are read by the workers of the guard, never here: a page may be made to cost its reader minutes. A callback of
your own takes the images of a page by ``async for item in self.images(response)``.
Listed page URLs and hosts are never fetched: the gate refuses each request that leads to one.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import HtmlResponse, Response
from scrapy.linkextractors import IGNORED_EXTENSIONS
from scrapy.settings import BaseSettings
from scrapy.spiders import SitemapSpider
from scrapy.utils.asyncio import run_in_thread
from scrapy.utils.url import url_has_any_extension

from ingest_guard._version import __version__
from ingest_guard.dataset.records.filters import Filters
from ingest_guard.errors import SetupError
from ingest_guard.pages.extract.found import PageImage
from ingest_guard.pages.reading import PageDocument, PageLink
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.spider import no_pages, sitemaps
from ingest_guard.scrapy_plugin.spider.limits import ANYWHERE, Hosts, PendingLimit, can_be_asked
from ingest_guard.scrapy_plugin.spider.seeds import Seeds
from ingest_guard.urls.hosts import with_host_spelled

logger = logging.getLogger(__name__)

USER_AGENT = f"ingest_guard/{__version__}"
DEFAULTS: dict[str, Any] = {
    # Polite: few requests at a time to one host, and fewer to a slow one.
    "ROBOTSTXT_OBEY": True,
    "USER_AGENT": USER_AGENT,
    "AUTOTHROTTLE_ENABLED": True,
    "AUTOTHROTTLE_START_DELAY": 1.0,
    "AUTOTHROTTLE_MAX_DELAY": 30.0,
    "AUTOTHROTTLE_TARGET_CONCURRENCY": 2.0,
    "CONCURRENT_REQUESTS_PER_DOMAIN": 4,
    "CONCURRENT_REQUESTS": 64,
    "COOKIES_ENABLED": False,
    "DOWNLOAD_TIMEOUT": 60,
    "RETRY_TIMES": 1,
    # Many hosts side by side, the pages near the seeds first.
    "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.DownloaderAwarePriorityQueue",
    "DEPTH_PRIORITY": 1,
    "SCHEDULER_DISK_QUEUE": "scrapy.squeues.PickleFifoDiskQueue",
    "SCHEDULER_MEMORY_QUEUE": "scrapy.squeues.FifoMemoryQueue",
    "LOG_LEVEL": "INFO",
}
"""Defaults of this spider; the project's settings override them."""

_HOPS = "ingest_guard_hops"
_PAGES = "ingest_guard/spider/pages"
_FINISHED = "finished"
_NOT_PAGES = frozenset(f".{extension}" for extension in IGNORED_EXTENSIONS)
_TURN = 100
"""Rows that are looked at before the event loop gets its turn."""
_NO_FOLLOW = re.compile(r"(?i)\b(?:nofollow|none)\b")
_MOST_OFFSITE_DOMAINS = 1000
_FALSE = frozenset({"", "0", "no", "false", "off"})
_Row = TypeVar("_Row")


class ImageTextSpider(SitemapSpider):
    """Crawls from seeds and yields an item for each image with a text; each can be given as ``-a NAME=VALUE``.

    Parameters
    ----------
    seeds
        A file with one address in each line, or addresses: see :class:`~ingest_guard.scrapy_plugin.spider.seeds.Seeds`.
    domains
        Where pages may be fetched, subdomains included: names with blanks or commas between them, or a list; ``*``
        for anywhere. By default, the seeds' hosts. Images are fetched from any host.
    depth
        Links to follow from a seed, or from a page of a sitemap; 0: the seeds alone.
    sitemap
        Whether to follow the sitemaps of the seeds' hosts, too.
    pages_per_host
        Most pages asked of one host; 0: no bound.
    """

    name = "image-text"
    allowed_domains: Sequence[str] | None = None
    depth = 3
    sitemap = False
    pages_per_host = 10_000
    waiting_requests = 50_000
    """Most links that wait in memory; further ones are left out and counted. With a JOBDIR, links wait on disk."""
    waiting_seeds = 2_000
    """Most requests that may wait when the next seed is requested."""

    def __init__(
        self,
        seeds: str | Path | Iterable[str] = (),
        domains: str | Iterable[str] | None = None,
        depth: str | int | None = None,
        sitemap: str | bool | None = None,  # noqa: FBT001 - what -a gives
        pages_per_host: str | int | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self.seeds = Seeds(seeds or getattr(self, "start_urls", ()))
        self._domains = domains if domains is not None else self.allowed_domains
        self.depth = self.depth if depth is None else int(depth)
        self.sitemap = self.sitemap if sitemap is None else str(sitemap).lower() not in _FALSE
        self.pages_per_host = self.pages_per_host if pages_per_host is None else int(pages_per_host)

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **arguments: Any) -> Self:
        """Make the spider; Scrapy's own off-site rules get its domains, because they know redirects, too."""
        spider = super().from_crawler(crawler, *args, **arguments)
        spider.require_seeds()
        domains = spider.hosts.domains
        # They are slow with many domains; then only the spider itself checks each page.
        are_few = len(domains) <= _MOST_OFFSITE_DOMAINS and ANYWHERE not in domains
        spider.allowed_domains = sorted(domains) if are_few else []
        return spider

    def require_seeds(self) -> None:
        """Make sure that the seeds, where there are any, lead to a page.

        Raises
        ------
        SetupError
            None of them lies in the domains, or what should be a domain is none; or there are neither.
        """
        seeds = iter(self.seeds)
        first = next(seeds, None)
        if first is not None and not self.hosts.allows(first) and not any(map(self.hosts.allows, seeds)):
            raise SetupError(
                "ingest_guard: no seed lies in the domains, so that no page would be fetched; name the seeds' domains, "
                "too (--domains), or leave the domains out"
            )

    @classmethod
    def update_settings(cls, settings: BaseSettings) -> None:
        """Set the polite defaults of a broad crawl, which the project's settings override."""
        super().update_settings(settings)
        for name, value in DEFAULTS.items():
            settings.set(name, value, priority="addon")

    @cached_property
    def hosts(self) -> Hosts:
        """Where pages may be fetched."""
        given = self._domains
        domains = given.replace(",", " ").split() if isinstance(given, str) else given
        return Hosts(self.seeds.hosts() if domains is None else domains, self.pages_per_host)

    @cached_property
    def _state(self) -> GuardState:
        return GuardState.of(self.crawler)

    @cached_property
    def _filters(self) -> Filters:
        return Filters(self._state.policy.filters)

    @cached_property
    def _pending(self) -> PendingLimit:
        on_disk = bool(self.settings.get("JOBDIR"))
        return PendingLimit(self.crawler, 0 if on_disk else self.waiting_requests)

    async def start(self) -> AsyncIterator[Any]:
        """Request the seeds, as fast as the crawl can take them."""
        room = PendingLimit(self.crawler, self.waiting_seeds)
        self._state.count("spider/pages", 0)  # so that a crawl without a page is known as one
        elsewhere = 0
        for url in self.seeds:
            if not self.hosts.allows(url):
                elsewhere += 1
                self._state.count("spider/seeds_elsewhere")
                continue
            await room.wait_for_room()
            yield Request(url)
        if self.seeds.unusable:
            self._state.count("spider/seeds_unusable", self.seeds.unusable)
            logger.warning("Of the seeds, %d lines are no address and were passed over", self.seeds.unusable)
        if elsewhere:
            logger.warning("Of the seeds, %d lie in none of the domains and were not asked for", elsewhere)
        if self.sitemap:
            origins = {_origin(url) for url in self.seeds if self.hosts.allows(url)}
            self.sitemap_urls = sorted(origin + file for origin in origins for file in _SITEMAPS)
            async for request in super().start():
                await room.wait_for_room()
                yield request

    def closed(self, reason: str) -> None:
        """Warn of a crawl that read no page: Scrapy ends it like any other."""
        if reason == _FINISHED and not (stats := self.crawler.stats.get_stats()).get(_PAGES):
            logger.warning(no_pages.sentence(stats))

    async def parse(self, response: Response, **arguments: Any) -> AsyncIterator[Any]:
        """Yield the images of a page, and a request for each link to follow."""
        del arguments
        if not isinstance(response, HtmlResponse):
            self._state.count("spider/not_pages")
            return
        if not self.hosts.allows(response.url):
            self._state.count("spider/pages_elsewhere")
            return
        if await self._read(response) is None:
            self._state.count("spider/pages_unread")
            return
        self._state.count("spider/pages")
        async for item in self.images(response):
            yield item
        async for request in self.follow(response):
            yield request

    async def images(self, response: HtmlResponse) -> AsyncIterator[Any]:
        """Yield an item for each image of a page that the filters let through."""
        page = await self._read(response)
        if page is None:
            return
        if page.is_guess:
            self._state.count("extract/unknown_charset")
        if page.images_cut:
            self._state.count("extract/images_cut", page.images_cut)
        async for image in _in_turns(page.images()):
            self._state.count("extract/images")
            why = self._filters.of_page_image(image)
            if why is not None:
                self._state.count(f"filtered/{why}")
                continue
            self._state.count("extract/kept")
            yield self.image_item(image, response)

    def image_item(self, image: PageImage, response: HtmlResponse) -> Any:
        """Return the item of one image; override it to add to it."""
        return image.as_item(response.url)

    async def follow(self, response: HtmlResponse) -> AsyncIterator[Request]:
        """Yield a request for each link within depth and domains, unless the page asks robots not to follow."""
        hops = response.meta.get(_HOPS, 0) + 1
        page = await self._read(response) if hops <= self.depth else None
        if page is None or _forbids_following(page, self._state.signals.names):
            return
        if page.links_cut:
            self._state.count("spider/links_left_out", page.links_cut)
        async for link in _in_turns(page.links()):
            url = with_host_spelled(link.url)
            if _leads_to_page(link, url) and self._may_follow(url):
                yield Request(url, meta={_HOPS: hops})

    async def _read(self, response: HtmlResponse) -> PageDocument | None:
        return await self._state.readings.of(response, images=True)

    def sitemap_filter(self, entries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the entries that a link could lead to as well."""
        for entry in entries:
            url = with_host_spelled(str(entry.get("loc", "")).strip())
            if can_be_asked(url) and self._may_follow(url):
                entry["loc"] = url
                yield entry

    async def _parse_sitemap(self, response: Response) -> AsyncIterator[Request]:  # type: ignore[override]
        """Yield a request for each sitemap, or each page, that a robots.txt or a sitemap names."""
        if response.url.endswith("/robots.txt"):
            for url in filter(can_be_asked, sitemaps.in_robots(response.body, response.url)):
                yield Request(url, callback=self._parse_sitemap)
            return
        found = await run_in_thread(sitemaps.read_sitemap, response.body, self._state.policy.limits.bytes)
        if found is None:
            self._state.count("spider/sitemaps_unread")
            return
        entries = self.sitemap_filter(found.entries)
        if found.is_index:
            async for url in _in_turns(iter(self._get_urls_from_sitemapindex(entries))):
                yield Request(url, callback=self._parse_sitemap)
            return
        async for url, callback in _in_turns(iter(self._get_urls_and_callbacks_from_urlset(entries))):
            yield Request(url, callback=callback)

    def _may_follow(self, url: str) -> bool:
        if not self.hosts.allows(url) or self._filters.blocks_host(url):
            return False
        if self._pending.is_full() or not self.hosts.has_room(url):
            self._state.count("spider/links_left_out")
            return False
        return True


_SITEMAPS = ("/robots.txt", "/sitemap.xml")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _forbids_following(page: PageDocument, names: Iterable[str]) -> bool:
    """Return whether a page asks robots, or this crawler, not to follow its links."""
    meant = {"robots", *names}
    return any(name in meant and _NO_FOLLOW.search(content) for name, content in page.metas)


def _leads_to_page(link: PageLink, url: str) -> bool:
    return not link.nofollow and not url_has_any_extension(url, _NOT_PAGES)


async def _in_turns(rows: Iterator[_Row]) -> AsyncIterator[_Row]:
    """Yield rows, and let the event loop go on between them."""
    for number, row in enumerate(rows):
        if number % _TURN == _TURN - 1:
            await asyncio.sleep(0)
        yield row
