from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import JsonResponse, Response, TextResponse

from ingest_guard import ImageBlocked, Match, Outcome, Reason, Verdict
from ingest_guard.scrapy_plugin.core import pages
from ingest_guard.scrapy_plugin.core.pages import Pages
from ingest_guard.scrapy_plugin.core.recent import Recent
from ingest_guard.scrapy_plugin.core.scrub import scrub, scrub_request
from ingest_guard.scrapy_plugin.links import LinkGuard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scrapy_plugin.conftest import Chain

URL = "https://site.example/"


def test_recent_keeps_what_was_used_last() -> None:
    """Asking for an entry, or putting it again, keeps it; looking whether it is there does not."""
    recent: Recent[int] = Recent(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    assert "b" in recent
    recent.put("c", 3)
    assert ("a" in recent, "b" in recent, "c" in recent) == (True, False, True)
    assert recent.get("b") is None
    recent.put("a", 4)
    recent.put("d", 5)
    assert (recent.get("a"), recent.get("c")) == (4, None)


def test_pages_tell_items_apart_by_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal items are two items; those that nobody takes are pushed out."""
    monkeypatch.setattr(pages, "_MOST", 2)
    known = Pages()
    items: list[dict[str, int]] = [{}, {}, {}]
    for number, item in enumerate(items):
        known.note(item, f"{URL}{number}")
    assert [known.get(item) for item in items] == [None, f"{URL}1", f"{URL}2"]
    known.forget(items[1])
    known.forget(items[1])
    assert known.get(items[1]) is None


@pytest.mark.parametrize("cls", [Response, TextResponse, JsonResponse])
def test_scrub_leaves_nothing(cls: type[Response]) -> None:
    """The body and all that was made of it are gone, in place."""
    from_api = type("FromApi", (cls,), {})  # as scrapy-zyte-api makes them
    response = from_api(URL, body=b'{"flagged": "<p>flagged</p>"}')
    if isinstance(response, TextResponse):
        assert "flagged" in response.text
        assert response.json() == {"flagged": "<p>flagged</p>"}
        assert response.selector is not None
    response.raw_api_response = {"httpResponseBody": "flagged"}
    scrub(response)
    assert response.body == b""
    assert "flagged" not in repr({name: getattr(response, name, None) for name in dir(response)})


def test_scrub_of_a_class_that_allows_no_change() -> None:
    """What cannot be set is passed over; the body is gone all the same."""

    class Fixed(Response):
        @property
        def raw_api_response(self) -> str:
            return "fixed"

    response = Fixed(URL, body=b"flagged")
    scrub(response)
    assert response.body == b""


def test_scrub_request_takes_responses_out() -> None:
    """Whatever they are called in the meta."""
    held = Response(URL, body=b"flagged")
    request = Request(URL, meta={"cached_response": held, "any": Response(URL, body=b"x"), "n": 1})
    scrub_request(request)
    assert (held.body, request.meta) == (b"", {"n": 1})


@pytest.mark.parametrize(
    ("verdict", "text", "lists"),
    [
        (
            Verdict(
                Outcome.MATCH, (Match("a", "pdq", 1, "native"), Match("b", "md5", 0, "bytes"), Match("a", "x", 0, "y"))
            ),
            "match (a, b)",
            ("a", "b"),
        ),
        (Verdict(Outcome.NOT_SCANNABLE, reason=Reason.PIXELS), "not_scannable (pixels)", ()),
        (Verdict(Outcome.NOT_SCANNABLE), "not_scannable ()", ()),
    ],
)
def test_image_blocked_says_what_and_by_which_list(verdict: Verdict, text: str, lists: tuple[str, ...]) -> None:
    """The exception can be logged: it names outcome, reason and lists."""
    error = ImageBlocked.from_verdict(verdict)
    assert str(error) == f"ingest_guard dropped this response: {text}"
    assert (error.outcome, error.reason, error.lists) == (str(verdict.outcome), verdict.reason, lists)


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
    assert chain.runtime.latched
    chain.runtime.close()


def test_page_of_each_item_is_noted(chain: Chain) -> None:
    """Items of a response know their page; those that a spider starts with have none."""
    guard = LinkGuard.from_crawler(chain.crawler)
    item, start = {"a": 1}, {"b": 2}
    assert through(guard, Response(URL), item) == [item]
    assert through(guard, None, start) == [start]
    assert (chain.runtime.pages.get(item), chain.runtime.pages.get(start)) == (URL, None)
