from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from support.listed import LISTED_URL, PDF, World

from ingest_guard import ImageBlocked
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.scrapy_plugin.images.fetch import _referrer
from ingest_guard.verdict import Action, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_plugin.conftest import Chain, Site

PAGE = "https://site.example/a/page.html"
URL = "https://site.example/a/picture.jpg"
PRIVATE = "http://10.0.0.5/picture.jpg"
INSIDE = "http://10.0.0.1/"


def fetch(chain: Chain, url: str = URL, page: str | None = PAGE, came_from: str | None = None) -> Any:
    """Fetch one image for a record."""
    return asyncio.run(chain.runtime.fetcher.fetch(url, page, came_from))


def test_clean_image(chain: Chain, site: Site, world: World) -> None:
    """A clean image has a verdict, the address where it was, and the time."""
    site.answers[URL] = world.clean
    fetched = fetch(chain)
    assert (fetched.result, fetched.final_url) == ("no_known_match", URL)
    assert fetched.verdict.image.format == "JPEG"
    assert fetched.fetched_at.endswith("Z")
    assert len(fetched.fetched_at) == len("2026-01-02T03:04:05Z")


def test_a_host_in_its_own_letters_is_the_one_that_browsers_ask_for(chain: Chain, site: Site, world: World) -> None:
    """Scrapy's own codec would ask strasse.example, another site."""
    url = "https://xn--strae-oqa.example/a.jpg"
    site.answers[url] = world.clean
    assert fetch(chain, "https://stra\u00dfe.example/a.jpg").final_url == url
    assert fetch(chain, url).final_url == url
    assert [request.url for request in site.asked] == [url]


def test_request_of_a_fetch(chain: Chain, site: Site, world: World) -> None:
    """It goes to any host, past the cache, with the page as its referrer."""
    site.answers[URL] = world.clean
    fetch(chain)
    (request,) = site.asked
    assert request.headers["Referer"] == PAGE.encode()
    assert request.headers["Accept"].startswith(b"image/*")
    assert request.dont_filter
    assert request.meta["allow_offsite"] is True
    assert request.meta["dont_cache"] is True


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (lambda world: world.exact, "match"),
        (lambda world: world.near, "match"),
        (lambda _: PDF, "match"),
        (lambda world: world.clean[:-50], "not_scannable"),
        (lambda _: b"%PDF-1.7 other", "not_scannable"),
        (lambda _: b"<!doctype html><p>no image</p>", "not_an_image"),
        (lambda _: b"", "not_an_image"),
        (lambda _: Response(URL, status=404, body=b"gone"), "status"),
        (lambda world: Response(URL, status=404, body=world.clean), "status"),
        (lambda world: Response(URL, status=404, body=world.exact), "match"),
        (lambda _: Response(URL, status=304), "status"),
        (lambda _: Response(URL, status=206, body=b"a part"), "status"),
        (lambda world: Response(URL, status=206, body=world.clean), "not_scannable"),
        (lambda _: IgnoreRequest("Forbidden by robots.txt"), "refused"),
        (lambda _: ImageBlocked("not_scannable"), "not_scannable"),
        (lambda _: OSError("no such host"), "error"),
        (lambda _: ValueError("anything"), "error"),
    ],
)
def test_every_other_end(chain: Chain, site: Site, world: World, answer: Callable[[World], Any], result: str) -> None:
    """Nothing but a 2xx answer with a clean image makes a record, and each other end has its word."""
    site.answers[URL] = answer(world)
    fetched = fetch(chain)
    assert fetched.result == result
    assert (fetched.verdict, fetched.final_url, fetched.fetched_at) == (None, "", "")


@pytest.mark.parametrize(
    ("url", "result"),
    [
        ("", "error"),
        ("picture.jpg", "error"),
        ("http://[broken", "error"),
        ("file:///etc/passwd", "refused"),
        ("ftp://site.example/x.jpg", "refused"),
        ("data:image/gif;base64,R0lGODlhAQABAAAAACw=", "refused"),
        (LISTED_URL, "refused"),
    ],
)
def test_addresses_that_are_not_fetched(chain: Chain, site: Site, url: str, result: str) -> None:
    """What is no web address, or is listed, is not asked for."""
    assert fetch(chain, url).result == result
    assert site.asked == []


def test_redirect_is_followed(chain: Chain, site: Site, world: World) -> None:
    """The final address is told; each step is checked."""
    site.answers[URL] = Response(URL, status=302, headers={"Location": "https://cdn.example/x.jpg"})
    site.answers["https://cdn.example/x.jpg"] = world.clean
    fetched = fetch(chain)
    assert (fetched.result, fetched.final_url) == ("no_known_match", "https://cdn.example/x.jpg")


@pytest.mark.parametrize(
    ("target", "result"),
    [
        (LISTED_URL, "refused"),
        (PRIVATE, "refused"),
        ("http://2130706433/x", "refused"),
        ("ftp://cdn.example/x", "status"),
        ("data:image/png;base64,AAAA", "status"),
    ],
)
def test_redirect_to_where_nothing_is_fetched(chain: Chain, site: Site, target: str, result: str) -> None:
    """The rules hold for every step of a redirect; to other schemes Scrapy follows none."""
    site.answers[URL] = Response(URL, status=302, headers={"Location": target})
    assert fetch(chain).result == result
    assert len(site.asked) == 1


def test_redirect_with_a_listed_image_as_its_body(chain: Chain, site: Site, world: World) -> None:
    """The body of a redirect is checked, too."""
    site.answers[URL] = Response(URL, status=302, body=world.exact, headers={"Location": "/x.jpg"})
    assert fetch(chain).result == "match"


def test_verdict_about_another_body_does_not_count(chain: Chain, site: Site, world: World) -> None:
    """A middleware that answers under another address than the gate saw gets no record."""
    site.answers[URL] = world.clean

    async def swap(request: Request, response: Response) -> Response:
        return Response("https://other.example/")

    chain.downloader.methods["process_response"].insert(1, swap)  # type: ignore[arg-type]
    assert fetch(chain).result == "error"


def test_ticket_of_a_dropped_image_tells_the_outcome_and_nothing_else(chain: Chain, site: Site, world: World) -> None:
    """It stays in the request's meta, which error handlers and other middlewares have: no digest, no fingerprint."""
    site.answers[URL] = world.exact
    ticket = Ticket()
    with pytest.raises(ImageBlocked):
        chain.get(Request(URL, meta={META_KEY: ticket}))
    assert ticket.verdict == Verdict(Outcome.MATCH, action=Action.DROP)


def test_what_is_dropped_takes_the_place_of_what_passed_before(chain: Chain, site: Site, world: World) -> None:
    """A first answer that passed says nothing about a retry that did not, even where that is answered by others."""
    answers = [Response(URL, status=503, body=world.clean), Response(URL, body=world.exact)]
    site.answers[URL] = lambda _: answers.pop(0)

    def swallow(request: Request, exception: Exception) -> Response:
        return Response(URL)

    chain.downloader.methods["process_exception"].append(swallow)  # type: ignore[arg-type]
    assert fetch(chain).result == "match"
    assert not answers


def test_equal_addresses_are_fetched_once(chain: Chain, site: Site, world: World) -> None:
    """Once a run, whatever came of it; the fragment does not count."""
    site.answers[URL] = world.clean
    first = fetch(chain)
    assert fetch(chain, URL + "#top", None) is first
    other = "https://site.example/absent.jpg"
    assert fetch(chain, other).result == fetch(chain, other).result == "status"
    assert [request.url for request in site.asked] == [URL, other]


def test_equal_addresses_at_the_same_time(chain: Chain, site: Site, world: World) -> None:
    """Those who come while a fetch is under way wait for it."""
    site.answers[URL] = world.clean

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(chain.runtime.fetcher.fetch(URL, PAGE) for _ in range(5)))

    found = asyncio.run(all_at_once())
    assert len({id(fetched) for fetched in found}) == 1
    assert found[0].result == "no_known_match"
    assert len(site.asked) == 1
    assert chain.stats()["checked"] == 1


def test_fetch_that_is_cancelled_leaves_nobody_waiting(chain: Chain, site: Site) -> None:
    """Those who wait are told, and it counts as an error."""
    never = asyncio.Event()

    async def hang(request: Request) -> Response:
        await never.wait()
        raise AssertionError

    site.download = hang  # type: ignore[method-assign]

    async def cancel() -> Any:
        first = asyncio.ensure_future(chain.runtime.fetcher.fetch(URL, PAGE))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(chain.runtime.fetcher.fetch(URL, PAGE))
        await asyncio.sleep(0.02)
        first.cancel()
        return await second

    assert asyncio.run(cancel()).result == "error"


def test_memory_of_addresses_is_bounded(make_chain: Callable[..., Chain], site: Site) -> None:
    """The oldest are forgotten, and fetched again."""
    chain = make_chain("records: {remembered_urls: 2}\n")
    for name in ("a", "b", "c", "c", "a"):
        fetch(chain, f"https://site.example/{name}")
    assert [request.url[-1] for request in site.asked] == ["a", "b", "c", "a"]


def test_image_that_the_spider_fetched_is_known(chain: Chain, site: Site, world: World) -> None:
    """A record of it needs no second fetch."""
    site.answers[URL] = world.clean
    chain.get(URL)
    assert fetch(chain).result == "no_known_match"
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    "request_",
    [Request(URL, method="POST"), Request("https://site.example/other.jpg", meta={"redirect_urls": [URL]})],
)
def test_what_is_not_learned(chain: Chain, site: Site, world: World, request_: Request) -> None:
    """Only a GET of the very address tells about it; what the request's meta says of earlier ones does not."""
    site.answers[request_.url] = world.clean
    chain.get(request_)
    site.answers[URL] = world.exact
    assert fetch(chain).result == "match"


def test_error_page_with_an_image_is_not_learned(chain: Chain, site: Site, world: World) -> None:
    """A clean image under a 404 is no image of that address."""
    site.answers[URL] = Response(URL, status=404, body=world.clean)
    chain.get(URL)
    assert fetch(chain).result == "status"


def test_page_is_not_learned(chain: Chain, site: Site) -> None:
    """Nor is a text."""
    site.answers[URL] = b"text"
    chain.get(URL)
    assert fetch(chain).result == "not_an_image"
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("page", "came_from", "result"),
    [
        (INSIDE, INSIDE, "no_known_match"),
        (INSIDE, None, "no_known_match"),
        (None, INSIDE, "no_known_match"),
        (INSIDE, PAGE, "refused"),
        (PAGE, INSIDE, "refused"),
        (PAGE, PAGE, "refused"),
        (None, None, "refused"),
        ("not a url", None, "refused"),
        ("http://[broken", None, "refused"),
    ],
)
def test_images_inside_the_network(  # noqa: PLR0917 - fixtures and parameters
    chain: Chain, site: Site, world: World, page: str | None, came_from: str | None, result: str
) -> None:
    """They are for pages inside it, and a page from outside cannot claim to be one."""
    site.answers[PRIVATE] = world.clean
    assert fetch(chain, PRIVATE, page, came_from).result == result
    assert len(site.asked) == (result != "refused")


def test_what_one_page_was_given_another_is_not(chain: Chain, site: Site, world: World) -> None:
    """What is remembered of an address inside is not for pages outside, and the other way about."""
    site.answers[PRIVATE] = world.clean
    for _ in range(2):
        assert fetch(chain, PRIVATE, PAGE).result == "refused"
        assert fetch(chain, PRIVATE, INSIDE).result == "no_known_match"
    assert fetch(chain, f"inside {PRIVATE}", None).result == "refused"
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("page", "url", "referrer"),
    [
        (PAGE, URL, PAGE),
        (PAGE + "#part", URL, PAGE),
        (PAGE, "https://cdn.example/x", "https://site.example/"),
        (PAGE, "http://site.example/x", None),
        ("http://site.example/p?q=1", "https://site.example/x", "http://site.example/"),
        ("https://me:secret@site.example/p", URL, "https://site.example/p"),
        ("https://site.example", URL, "https://site.example"),
        ("ftp://site.example/x", URL, None),
        ("page.html", URL, None),
    ],
)
def test_referrer(page: str, url: str, referrer: str | None) -> None:
    """As browsers do: the page for its own host, its origin for others, nothing from https to http, no password."""
    assert _referrer(page, url) == referrer


def test_fetch_without_a_page_has_no_referrer(chain: Chain, site: Site, world: World) -> None:
    """There is nothing to say."""
    site.answers[URL] = world.clean
    fetch(chain, page=None)
    assert "Referer" not in site.asked[0].headers
    assert site.asked[0].meta[META_KEY].verdict is not None
