from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.http import HtmlResponse, Response, TextResponse

from ingest_guard.checking.bodies import LARGE, NO_PAGE
from ingest_guard.pages.reading import MOST_METAS, PageDocument, PageQuestion, PageReading
from ingest_guard.scrapy_plugin.core.readings import PageReadings

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_plugin.conftest import Chain, Site

    from ingest_guard.workers.inline import InlinePool

URL = "http://site.example/page"
PAGE = b"<!doctype html><meta name=robots content=noai><img src=/a.jpg alt=b><a href=/c>d</a>"
NOAI = (("robots", "noai"),)
FOUND = PageDocument(NOAI, image_rows=b"", link_rows=b"")
HEADERS = {"Content-Type": "text/html"}


class Workers:
    """What reads: it notes what it was asked for, and answers with a document, or none."""

    def __init__(self, document: PageDocument | None = FOUND) -> None:
        self.asked: list[tuple[bytes, str | None, str, PageQuestion]] = []
        self.document = document

    async def read(self, body: bytes, declared: str | None, url: str, question: PageQuestion) -> PageReading:
        """Read a page."""
        self.asked.append((body, declared, url, question))
        found = self.document
        if found is not None and not question.wants_images:
            found = PageDocument(found.metas)
        return PageReading([], None, None, None, found)


def page(body: bytes = PAGE, url: str = URL, **headers: str) -> HtmlResponse:
    """Return a page."""
    return HtmlResponse(url, headers={**HEADERS, **headers}, body=body)


def of(readings: PageReadings, response: Response, **options: Any) -> PageDocument | None:
    """Return what a response says."""
    return asyncio.run(readings.of(response, **options))


def test_a_page_is_read_once() -> None:
    """Whoever asks again gets what was read, by the very response or by another one with the same body."""
    workers = Workers()
    readings = PageReadings(workers.read)
    response = page()
    assert of(readings, response) is of(readings, response)
    assert of(readings, page()) == PageDocument(NOAI)
    assert of(readings, page().replace(status=404)) == PageDocument(NOAI)
    assert workers.asked == [(PAGE, "text/html", URL, PageQuestion(URL, wants_images=False))]


@pytest.mark.parametrize(
    "other",
    [
        page(PAGE + b" "),
        page(url=URL + "?x"),
        page(**{"Content-Type": "text/html; charset=koi8-r"}),
        page().replace(body=PAGE.replace(b"noai", b"none")),
    ],
)
def test_another_page_is_read_for_itself(other: Response) -> None:
    """Another body, address or declared charset may say something else."""
    workers = Workers()
    readings = PageReadings(workers.read)
    of(readings, page())
    of(readings, other)
    assert [body for body, *_ in workers.asked] == [PAGE, other.body]


def test_a_body_that_was_changed_under_way_is_read_again() -> None:
    """Not even the same response stands for a body that it no longer has."""
    workers = Workers()
    readings = PageReadings(workers.read)
    response = page()
    of(readings, response)
    response._set_body(b"<p>changed")
    of(readings, response)
    assert len(workers.asked) == 2


def test_images_are_read_from_the_first_time_on_that_someone_wants_them() -> None:
    """A crawl that only needs to know of opt-outs does not pay for images and links."""
    workers = Workers()
    readings = PageReadings(workers.read)
    assert not of(readings, page()).has_images  # type: ignore[union-attr]
    assert not readings.question(page()).wants_images
    assert of(readings, page(), images=True).has_images  # type: ignore[union-attr]
    assert readings.question(page()).wants_images
    assert of(readings, page()).has_images  # type: ignore[union-attr]
    assert of(readings, page(b"<p>other"), images=False).has_images  # type: ignore[union-attr]
    assert len(workers.asked) == 3


@pytest.mark.parametrize("images", [False, True])
def test_a_page_that_cannot_be_read_says_nothing(*, images: bool) -> None:
    """It is None, which is no page without opt-outs; the same response is not read once more, another one is."""
    workers = Workers(None)
    readings = PageReadings(workers.read)
    response = page()
    assert [of(readings, response, images=images) for _ in range(3)] == [None] * 3
    assert len(workers.asked) == 1
    assert of(readings, page()) is None
    assert len(workers.asked) == 2


@pytest.mark.parametrize(
    ("body", "declared", "is_read"),
    [
        (b"", "text/html", False),
        (b"<p>x", "text/html", True),
        (b"<p>x", "application/xhtml+xml; charset=utf-8", True),
        (b"<p>x", "text/plain", False),
        (b'{"a": 1}', "application/json", False),
        (b'{"a": "<meta name=robots content=noai>"}', "application/json", True),
        (b"<rss></rss>", "application/rss+xml", False),
        (b"<x:meta name='a'/>", "application/xml", True),
        ("<meta name=a>".encode("utf-16-le"), None, True),
        (b"x" * (LARGE + 1), "text/plain", False),
        (b"x" * (LARGE + 1) + b"<meta name=a>", "text/plain", True),
    ],
)
def test_what_is_read_as_a_page(body: bytes, declared: str | None, *, is_read: bool) -> None:
    """HTML and XHTML always; other texts where they have a ``meta`` element, or might."""
    workers = Workers()
    readings = PageReadings(workers.read)
    response = TextResponse(URL, headers={"Content-Type": declared} if declared else {}, body=body, encoding="utf-8")
    found = of(readings, response)
    assert bool(workers.asked) is is_read
    assert is_read or found is NO_PAGE
    if body:
        assert of(readings, response, images=True).has_images  # type: ignore[union-attr]


def test_memory_is_bounded_by_bytes() -> None:
    """Readings are forgotten when there are too many, and one that is too large is not kept at all."""
    workers = Workers(PageDocument(image_rows=b"x" * (3 << 20), link_rows=b""))
    readings = PageReadings(workers.read)
    for number in range(20):
        of(readings, page(b"<p>%d" % number), images=True)
    of(readings, page(b"<p>19"), images=True)
    assert len(workers.asked) == 20
    of(readings, page(b"<p>0"), images=True)
    assert len(workers.asked) == 21
    workers.document = PageDocument(image_rows=b"x" * (40 << 20), link_rows=b"")
    of(readings, page(b"<p>large"), images=True)
    of(readings, page(b"<p>large"), images=True)
    assert len(workers.asked) == 23


def reading_counts(chain: Chain) -> int:
    """Return how many texts were read by workers."""
    return int(chain.stats().get("texts_read", 0))


@pytest.mark.parametrize("coded", [False, True])
def test_the_gate_reads_and_everybody_else_finds_it(chain: Chain, site: Site, *, coded: bool) -> None:
    """A page in gzip is found by the body that Scrapy makes of it, too; its opt-outs are known before the spider's."""
    headers = {**HEADERS, **({"Content-Encoding": "gzip"} if coded else {})}
    site.answers[URL] = HtmlResponse(URL, headers=headers, body=gzip.compress(PAGE) if coded else PAGE)
    response = chain.get(URL)
    assert response.body == PAGE
    assert reading_counts(chain) == 1
    found = of(chain.state.readings, response)
    assert found is not None
    assert found.metas == NOAI
    assert reading_counts(chain) == 1
    assert asyncio.run(chain.runtime.opt_outs.of_page(URL)).name == "noai"


def test_what_a_middleware_puts_in_is_read_in_full(chain: Chain, site: Site) -> None:
    """The opt-outs are those of the page that the spider gets."""
    site.answers[URL] = page(b"<p>x")

    def put_in(request: Request, response: Response) -> Response:
        return response.replace(body=PAGE)

    chain.downloader.methods["process_response"].insert(1, put_in)
    chain.get(URL)
    assert reading_counts(chain) == 2
    assert asyncio.run(chain.runtime.opt_outs.of_page(URL)).name == "noai"


def test_redirects_are_not_read_at_the_gate(make_chain: Callable[..., Chain], site: Site) -> None:
    """Nobody sees their pages, as a rule; a spider that does has them read then."""
    chain = make_chain()
    site.answers[URL] = HtmlResponse(URL, 302, headers=HEADERS, body=PAGE)
    chain.get(URL)
    assert reading_counts(chain) == 1  # by the sentinel: there is no Location to follow
    assert asyncio.run(chain.runtime.opt_outs.of_page(URL)).name == "noai"


@pytest.mark.parametrize("kind", ["too long", "a fault", "too many elements"])
def test_a_page_that_was_not_read_has_opted_out(
    kind: str, make_chain: Callable[..., Chain], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read may say anything: its images make no records."""
    chain = make_chain()
    body = b"<p>fine" + b"<meta name=a content=b>" * (kind != "a fault")
    if kind == "too long":
        body += b" " * (16 << 20)
    elif kind == "a fault":
        monkeypatch.setattr("ingest_guard.pages.reader.read_metas", lambda *_: 1 / 0)
    else:
        body += b"".join(b"<meta name=a%d content=b>" % number for number in range(MOST_METAS + 1))
    site.answers[URL] = page(body)
    assert chain.get(URL).status == 200
    assert asyncio.run(chain.runtime.opt_outs.of_page(URL)).name == "unread_page"
    site.answers[URL] = page(b"<p>fine again")
    monkeypatch.undo()
    chain.get(URL)
    assert asyncio.run(chain.runtime.opt_outs.of_page(URL)) is None


@pytest.mark.parametrize("reason", ["timeout", "worker_crashed", "memory", "embedded"])
def test_a_page_whose_reading_fails_is_dropped(
    reason: str, chain: Chain, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that holds nothing: it never reaches a spider, so that nothing is made of it."""
    from ingest_guard.guard.page_reading import failed_reading  # noqa: PLC0415 - beside its use
    from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked  # noqa: PLC0415 - beside its use
    from ingest_guard.verdict import Reason  # noqa: PLC0415 - beside its use

    async def fail(self: InlinePool, *_: object) -> PageReading:
        return failed_reading(Reason(reason))

    monkeypatch.setattr(type(chain.state.pool), "read", fail)
    site.answers[URL] = page(b"<p>an ordinary page")
    with pytest.raises(ImageBlocked) as caught:
        chain.get(URL)
    assert str(caught.value.reason) == reason
    assert chain.stats()[f"not_scannable/{reason}"] == 1
