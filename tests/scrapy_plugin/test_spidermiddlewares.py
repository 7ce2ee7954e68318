from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import Response

from ingest_guard import ImageBlocked
from ingest_guard.scrapy_plugin.spidermiddlewares import LinkGuard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scrapy_plugin.conftest import Chain

URL = "https://site.example/"


def through(guard: LinkGuard, response: Response | None, *results: Any) -> list[Any]:
    """Send what a spider gives through the middleware."""

    async def spider() -> AsyncIterator[Any]:
        for result in results:
            yield result

    async def collect() -> list[Any]:
        out = guard.process_start(spider()) if response is None else guard.process_spider_output(response, spider())
        return [result async for result in out]

    return asyncio.run(collect())


def test_data_urls_become_no_requests(chain: Chain) -> None:
    """They are dropped and counted before anything can log, queue or store them."""
    guard = LinkGuard.from_crawler(chain.crawler)
    page = Response(URL)
    good, bad = Request(URL + "x"), Request("data:image/gif;base64,R0lGODlhAQABAAAAACw=")
    assert through(guard, page, good, bad, Request("DATA:,x")) == [good]
    assert through(guard, None, bad, good) == [good]
    assert chain.stats() == {"refused/data_url": 3}


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_end_in_the_link_guard_latches_the_guard(
    chain: Chain, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Nothing that would end the process leaves it: not its own, not a callback's; the latter is closed."""
    guard = LinkGuard.from_crawler(chain.crawler)

    def end(*args: object) -> None:
        raise error

    monkeypatch.setattr(guard, "_is_refused", end)
    for response in (Response(URL), None):
        with pytest.raises(ImageBlocked):
            through(guard, response, {"a": 1})
    assert chain.state.failed
    chain.runtime.close()


def test_page_of_each_item_is_noted(chain: Chain) -> None:
    """Items of a response know their page; those that a spider starts with have none."""
    guard = LinkGuard.from_crawler(chain.crawler)
    item, start = {"a": 1}, {"b": 2}
    assert through(guard, Response(URL), item) == [item]
    assert through(guard, None, start) == [start]
    assert (chain.state.item_pages.get(item), chain.state.item_pages.get(start)) == (URL, None)
