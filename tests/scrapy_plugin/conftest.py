from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request, Spider
from scrapy.core.downloader.middleware import DownloaderMiddlewareManager
from scrapy.http import Response
from scrapy.pipelines import ItemPipelineManager
from scrapy.utils.test import get_crawler

from ingest_guard.scrapy_plugin.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from scrapy.crawler import Crawler


@dataclass
class Site:
    """What a crawl finds: URL -> response, or a function of the request, or an exception."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    async def download(self, request: Request) -> Response:
        """Answer as Scrapy's download handlers do."""
        self.asked.append(request)
        await asyncio.sleep(0)
        answer = self.answers.get(request.url, Response(request.url, status=404))
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, BaseException):
            raise answer
        return Response(request.url, body=answer) if isinstance(answer, bytes) else answer


class Chain:
    """A crawler's built chains, without a network and an engine.

    ``engine`` does what Scrapy's does for pipelines: through the middlewares, and on if they answer with a request.
    """

    def __init__(self, crawler: Crawler, site: Site) -> None:
        self.crawler = crawler
        self.site = site
        self.downloader = DownloaderMiddlewareManager.from_crawler(crawler)
        self.items = ItemPipelineManager.from_crawler(crawler)
        crawler.spider = crawler._create_spider()
        downloader = SimpleNamespace(middleware=self.downloader)
        crawler.engine = SimpleNamespace(  # type: ignore[assignment]
            download_async=self.download, downloader=downloader, closed_with=None
        )
        self.runtime = Runtime.of(crawler)
        self.state = self.runtime.state
        # Nobody sends the signal here, and in older versions of Scrapy this one is not ready before it.
        if (opened := getattr(self.part("OffsiteMiddleware"), "spider_opened", None)) is not None:
            opened(crawler.spider)

    async def download(self, request: Request) -> Response:
        """Fetch one thing through all middlewares."""
        result = await self.downloader.download_async(self.site.download, request)
        return result if isinstance(result, Response) else await self.download(result)

    def get(self, request: Request | str) -> Response:
        """Fetch one thing, and wait for it."""
        return asyncio.run(self.download(Request(request) if isinstance(request, str) else request))

    def process(self, item: Any) -> Any:
        """Send an item through all pipelines."""
        return asyncio.run(self.items.process_item_async(item))

    def part(self, name: str) -> Any:
        """Return one of the built parts by the name of its class."""
        return next(
            part for part in (*self.downloader.middlewares, *self.items.middlewares) if type(part).__name__ == name
        )

    def stats(self) -> dict[str, Any]:
        """Return the guard's statistics without their prefix."""
        found = self.crawler.stats.get_stats()
        return {key.removeprefix("ingest_guard/"): value for key, value in found.items() if key.startswith("ingest_")}


@pytest.fixture
def make_crawler(policy_file: Path) -> Iterator[Callable[..., Crawler]]:
    """Return a maker of crawlers with the add-on, lines for the policy, and any settings."""
    made: list[Crawler] = []

    def make(policy: str = "", *, spider: type[Spider] | None = None, **settings: Any) -> Crawler:
        text = policy_file.read_text(encoding="utf-8") + policy
        if "opt_outs" not in text:  # what hosts are asked beside has tests of its own
            text += "opt_outs: {robots_txt: false, tdm_file: false}\n"
        policy_file.write_text(text, encoding="utf-8")
        chosen = {"ADDONS": {"ingest_guard.Addon": 0}, "INGEST_GUARD_POLICY": str(policy_file), **settings}
        made.append(get_crawler(spider, chosen))
        return made[-1]

    yield make
    for crawler in made:
        if crawler.stats is not None and "ingest_guard/failed" not in crawler.stats.get_stats():
            _close(crawler)


def _close(crawler: Crawler) -> None:
    from ingest_guard.scrapy_plugin import runtime  # noqa: PLC0415 - looks inside
    from ingest_guard.scrapy_plugin.core import state  # noqa: PLC0415 - looks inside

    if (found := runtime._RUNTIMES.get(crawler) or state._STATES.get(crawler)) is not None:
        found.close()


@pytest.fixture
def site() -> Site:
    """Return an empty site."""
    return Site()


@pytest.fixture
def make_chain(make_crawler: Callable[..., Crawler], site: Site) -> Callable[..., Chain]:
    """Return a maker of chains in front of the site."""
    return lambda *args, **kwargs: Chain(make_crawler(*args, **kwargs), site)


@pytest.fixture
def chain(make_chain: Callable[..., Chain]) -> Chain:
    """Return a chain with the plainest policy."""
    return make_chain()


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Return something that waits for a coroutine."""
    return asyncio.run
