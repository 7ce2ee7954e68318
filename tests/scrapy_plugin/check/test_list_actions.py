from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import Request
from scrapy.exceptions import DropItem
from scrapy.http import HtmlResponse, Response
from support.listed import LISTED_URL
from support.pictures import drawn, encode

from ingest_guard import ImageBlocked
from ingest_guard.scrapy_plugin.core.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.spidermiddlewares import LinkGuard
from ingest_guard.verdict import Action

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from scrapy_plugin.conftest import Chain, Site
    from support.listed import World

PAGE = "https://site.example/page"
CLEAN, OTHER, LISTED = (f"https://site.example/{name}.jpg" for name in ("clean", "other", "listed"))
DROP_PAGE = "lists: {bytes: {action: drop_page}}\n"


@pytest.fixture
def filled(site: Site, world: World) -> Site:
    """Return the site with two clean images and a listed one."""
    site.answers |= {CLEAN: world.clean, LISTED: world.exact, OTHER: encode(drawn(4), "PNG")}
    return site


def through(chain: Chain, response: Response, *results: Any, error: Exception | None = None) -> list[Any]:
    """Send what a callback gives through the middleware nearest the spider."""

    async def callback() -> AsyncIterator[Any]:
        for result in results:
            yield result
        if error is not None:
            raise error

    async def collect() -> None:
        async for result in LinkGuard.from_crawler(chain.crawler).process_spider_output(response, callback()):
            out.append(result)  # noqa: PERF401 - what came before an error is looked at

    out: list[Any] = []
    if error is None:
        asyncio.run(collect())
    else:
        with pytest.raises(type(error)):
            asyncio.run(collect())
    return out


def dropped(chain: Chain, item: dict[str, Any]) -> None:
    """Send an item that must not come through the pipelines."""
    with pytest.raises(DropItem):
        chain.process(item)
    assert item == {}


def test_a_page_leaves_whole_or_not_at_all(make_chain: Callable[..., Chain], filled: Site) -> None:
    """Items before and after the one that matched go with it, emptied; requests go on at once."""
    chain = make_chain(DROP_PAGE)
    items = [{"image_url": url} for url in (CLEAN, LISTED, OTHER)]
    request = Request(PAGE + "/next")
    assert through(chain, Response(PAGE), items[0], items[1], request, items[2]) == [request]
    assert items == [{}, {}, {}]
    assert chain.stats()["page_dropped"] == 3
    assert sorted(asked.url for asked in filled.asked) == sorted([CLEAN, LISTED, OTHER])


def test_an_innocent_page_is_checked_once(make_chain: Callable[..., Chain], filled: Site) -> None:
    """The pipelines find the answers; what is no item of images goes on too."""
    chain = make_chain(DROP_PAGE)
    items: list[Any] = [{"image_urls": [CLEAN, OTHER]}, {"title": "x"}, {"image_url": "http://[bad"}, object()]
    assert through(chain, Response(PAGE), *items) == items
    assert chain.state.item_pages.get(items[0]) == PAGE
    assert chain.process(items[0])["url"] == OTHER
    assert len(filled.asked) == 2


def test_later_items_of_a_condemned_page(make_chain: Callable[..., Chain], filled: Site) -> None:
    """Whatever they come with, and however the page's address is spelled: also without a response."""
    chain = make_chain(DROP_PAGE + "records: {items_without_image: pass}\n")
    through(chain, Response(PAGE), {"image_url": LISTED})
    assert through(chain, Response(PAGE), {"image_url": CLEAN}, {"title": "x"}) == []
    assert (
        through(chain, Response(f"{PAGE}2"), {"image_url": CLEAN, "page_url": PAGE.upper().replace("PAGE", "page")})
        == []
    )
    dropped(chain, {"image_url": CLEAN, "page_url": f"{PAGE}#top"})
    dropped(chain, {"title": "x", "page_url": PAGE})
    assert chain.process({"image_url": CLEAN, "page_url": f"{PAGE}2"})["url"] == CLEAN
    assert chain.stats()["page_dropped"] == 6


def test_an_item_without_a_page_to_be_held_with(make_chain: Callable[..., Chain], filled: Site) -> None:
    """What a spider starts with is dropped as a whole item, and condemns the page that it names."""
    chain = make_chain(DROP_PAGE)
    dropped(chain, {"image_urls": [CLEAN, LISTED], "page_url": PAGE})
    dropped(chain, {"image_url": CLEAN, "page_url": PAGE})
    assert chain.stats()["page_dropped"] == 2
    assert "records" not in chain.stats()


def test_both_pages_of_an_item_are_condemned(make_chain: Callable[..., Chain], filled: Site) -> None:
    """The one that it names, and the one that it was made from: a page cannot shift the blame."""
    chain = make_chain(DROP_PAGE)
    items = [{"image_url": LISTED, "page_url": "https://else.example/"}, {"image_url": CLEAN}]
    assert through(chain, Response(PAGE), *items) == []
    dropped(chain, {"image_url": CLEAN, "page_url": "https://else.example/"})


@pytest.mark.parametrize("policy", ["", "lists: {bytes: {action: hold}}\n", "lists: {looks: {action: drop_page}}\n"])
def test_other_actions_cost_the_image_alone(make_chain: Callable[..., Chain], filled: Site, policy: str) -> None:
    """Neither drop nor hold, nor another list's drop_page, drops a page."""
    chain = make_chain(policy)
    items = [{"image_url": LISTED}, {"image_url": CLEAN}]
    assert through(chain, Response(PAGE), *items) == items
    dropped(chain, items[0])
    assert chain.process(items[1])["url"] == CLEAN
    assert "page_dropped" not in chain.stats()


def test_items_beyond_the_bound(
    make_chain: Callable[..., Chain], filled: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be held is dropped, counted, and told once: nobody has looked at what would come after it."""
    chain = make_chain(DROP_PAGE + "records: {page_items: 2}\n")
    items = [{"image_url": url} for url in (CLEAN, OTHER, LISTED, CLEAN)]
    with caplog.at_level(logging.WARNING):
        assert through(chain, Response(PAGE), *items) == items[:2]
    assert items[2:] == [{}, {}]
    assert chain.stats()["items_dropped/page_too_long"] == 2
    assert len([record for record in caplog.records if "records.page_items" in record.message]) == 1


def test_a_callback_that_fails(make_chain: Callable[..., Chain], filled: Site) -> None:
    """What came before its error is checked, and leaves or not; the error goes on."""
    chain = make_chain(DROP_PAGE)
    assert through(chain, Response(PAGE), {"image_url": CLEAN}, error=KeyError("x")) == [{"image_url": CLEAN}]
    assert through(chain, Response(PAGE), {"image_url": CLEAN}, {"image_url": LISTED}, error=KeyError("x")) == []


def test_an_item_that_cannot_be_read(make_chain: Callable[..., Chain], filled: Site) -> None:
    """It is left to the pipeline, which drops and counts it."""

    class Broken(dict):  # type: ignore[type-arg]
        def get(self, *_: object) -> Any:
            raise RuntimeError

        def __getitem__(self, key: object) -> Any:
            raise RuntimeError

    chain = make_chain(DROP_PAGE)
    broken = Broken(image_url=CLEAN)
    assert through(chain, Response(PAGE), broken, {"image_url": "data:image/png;base64,AAAA"})[0] is broken
    assert filled.asked == []


def test_a_redirect_in_letters_beyond_ascii(make_chain: Callable[..., Chain], filled: Site, world: World) -> None:
    """The page that asked is found by the address that Scrapy reads in the header."""
    chain = make_chain(DROP_PAGE)
    target = "https://site.example/%C3%BC.jpg"
    headers = {"Location": "/\u00fc.jpg".encode()}
    filled.answers["https://site.example/moved"] = Response("https://site.example/moved", status=302, headers=headers)
    filled.answers[target] = world.exact
    (request,) = through(chain, Response(PAGE), Request("https://site.example/moved"))
    with pytest.raises(ImageBlocked):
        chain.get(request)
    assert through(chain, Response(PAGE), {"image_url": CLEAN}) == []


def test_an_image_that_the_spider_asks_for(make_chain: Callable[..., Chain], filled: Site) -> None:
    """It condemns the page whose callback asked, through redirects; Referer and meta condemn nobody."""
    chain = make_chain(DROP_PAGE)
    filled.answers["https://site.example/moved"] = Response(
        "https://site.example/moved", status=302, headers={"Location": "/listed.jpg"}
    )
    claims = {"headers": {"Referer": f"{PAGE}3"}, "meta": {"redirect_urls": [f"{PAGE}3"]}}
    (request,) = through(chain, Response(PAGE), Request("https://site.example/moved", **claims))
    with pytest.raises(ImageBlocked) as caught:
        chain.get(request)
    assert caught.value.action is Action.DROP_PAGE
    assert through(chain, Response(PAGE), {"image_url": CLEAN}) == []
    assert through(chain, Response(f"{PAGE}3"), {"image_url": CLEAN}) == [{"image_url": CLEAN}]


def test_an_item_made_from_an_image(make_chain: Callable[..., Chain], filled: Site, world: World) -> None:
    """It belongs to the page that asked for the image; a page is not condemned with what links to it."""
    chain = make_chain(DROP_PAGE)
    through(chain, Response(PAGE), Request(CLEAN), Request(f"{PAGE}/linked"))
    chain.state.dropped_pages.add([PAGE])
    assert through(chain, Response(CLEAN, body=world.clean), {"image_url": CLEAN}) == []
    linked = Response(f"{PAGE}/linked", body=b"<p>linked")
    assert through(chain, linked, {"image_url": CLEAN}) == [{"image_url": CLEAN}]


def test_a_page_with_the_image_inside_of_it(make_chain: Callable[..., Chain], filled: Site, world: World) -> None:
    """It is condemned itself; the page that links to it is not."""
    import base64  # noqa: PLC0415 - needed here only

    inside = b'<!doctype html><img src="data:image/jpeg;base64,%s">' % base64.b64encode(world.exact)
    filled.answers[f"{PAGE}/inside"] = HtmlResponse(f"{PAGE}/inside", body=inside)
    chain = make_chain(DROP_PAGE)
    (request,) = through(chain, Response(PAGE), Request(f"{PAGE}/inside"))
    with pytest.raises(ImageBlocked):
        chain.get(request)
    dropped(chain, {"image_url": CLEAN, "page_url": f"{PAGE}/inside"})
    assert chain.process({"image_url": CLEAN, "page_url": PAGE})["url"] == CLEAN


@pytest.mark.parametrize("location", ["http://[bad", "\udcff", ""])
def test_a_redirect_to_nowhere(make_chain: Callable[..., Chain], filled: Site, location: str) -> None:
    """An address that is none is not followed, and no fault."""
    headers = {"Location": location.encode("utf-8", "surrogateescape")}
    chain = make_chain(DROP_PAGE)
    response = Response(CLEAN, status=300, headers=headers)
    filled.answers[CLEAN] = response
    assert chain.get(CLEAN).status == 300


def test_held_images_are_counted_apart(make_chain: Callable[..., Chain], filled: Site) -> None:
    """Under their list and as held: neither as matched nor by algorithm; the item's image is held, too."""
    chain = make_chain("lists: {bytes: {action: hold}}\n")
    with pytest.raises(ImageBlocked) as caught:
        chain.get(LISTED)
    assert (caught.value.outcome, caught.value.action, caught.value.lists) == ("match", Action.HOLD, ("bytes",))
    dropped(chain, {"image_url": LISTED})
    stats = chain.stats()
    assert (stats["checked"], stats["held"], stats["held/bytes"], stats["images_dropped/held"]) == (2, 2, 2, 1)
    assert not [key for key in stats if key.startswith("matched")]


@pytest.mark.parametrize(
    ("action", "counted"), [("drop", "listed_urls"), ("drop_page", "listed_urls"), ("hold", "held")]
)
def test_listed_addresses_by_action(make_chain: Callable[..., Chain], filled: Site, action: str, counted: str) -> None:
    """An image at a listed address is refused in any case, and counted by its list's action."""
    chain = make_chain(f"lists: {{addresses: {{action: {action}}}}}\n")
    items = [{"image_url": CLEAN}, {"image_url": LISTED_URL}]
    assert len(through(chain, Response(PAGE), *items)) == (0 if action == "drop_page" else 2)
    with pytest.raises(RequestRefused) as caught:
        chain.get(LISTED_URL)
    assert str(caught.value.action) == action
    if action != "drop_page":
        dropped(chain, items[1])
    assert chain.stats()[f"{counted}/addresses"] == 2
    assert chain.stats()["refused/url_list"] == 2
    assert [asked.url for asked in filled.asked] == ([CLEAN] if action == "drop_page" else [])


@pytest.mark.parametrize("action", ["drop", "drop_page", "hold"])
def test_an_item_of_a_listed_page(make_chain: Callable[..., Chain], filled: Site, action: str) -> None:
    """The page that an item names is held against lists of addresses, too: nothing is fetched for it."""
    chain = make_chain(f"lists: {{addresses: {{action: {action}}}}}\n")
    dropped(chain, {"image_url": CLEAN, "page_url": LISTED_URL})
    assert filled.asked == []
    assert chain.stats()["items_dropped/listed_page"] == 1
    assert chain.stats()["held/addresses" if action == "hold" else "listed_urls/addresses"] == 1


def test_lists_of_domains(make_chain: Callable[..., Chain], filled: Site, policy_file: Path, tmp_path: Path) -> None:
    """A listed domain refuses all that lies in it, unless the policy leaves that algorithm out."""
    from support.blocklists import make_blocklist  # noqa: PLC0415 - needed here only

    rows = [("domain", "site.example"), ("md5", hashlib.md5(b"x", usedforsecurity=False).hexdigest())]
    whole = f"blocklist: {make_blocklist(tmp_path / 'domains', {'d': rows})}\nworkers: inline\n"
    policy_file.write_text(whole)
    chain = make_chain("lists: {d: {action: drop_page}}\n")
    assert through(chain, Response("https://else.example/"), {"image_url": "https://www.site.example/x.jpg"}) == []
    assert chain.stats() == {"listed_urls/d": 1, "refused/url_list": 1, "page_dropped": 1}
    policy_file.write_text(whole)
    chain = make_chain("lists: {d: {algorithms: [md5]}}\n")
    assert chain.process({"image_url": CLEAN})["url"] == CLEAN


def test_floods_are_counted_from_the_first_to_the_last_image(
    make_chain: Callable[..., Chain], filled: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Also of images that are inside of pages, and of those that were scanned before."""
    chain = make_chain("flood: 2\n")
    with caplog.at_level(logging.ERROR):
        for quality in (60, 70, 70, 80, 90):
            filled.answers[CLEAN] = encode(drawn(2), quality=quality)
            with pytest.raises(ImageBlocked):
                chain.get(CLEAN)
    assert chain.stats()["flood_alarms"] == chain.stats()["flood/looks"] == 1
    (record,) = caplog.records
    assert "one pdq entry of list looks has matched more than 2 different images" in record.getMessage()


def test_an_allow_list_is_announced(
    make_chain: Callable[..., Chain], filled: Site, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the start, and again with each new version: how many entries it takes out of which list, 0 included."""
    (tmp_path / "ours.txt").write_text(f"sha256 {hashlib.sha256(world.exact).hexdigest()}\n")
    chain = make_chain("allow: {files: [ours.txt]}\n")
    with caplog.at_level(logging.INFO):
        chain.state.note_version()
    assert {key: value for key, value in chain.stats().items() if key.startswith("allowed/")} == {
        "allowed/addresses": 0,
        "allowed/bytes": 1,
        "allowed/looks": 0,
    }
    (told,) = [record.getMessage() for record in caplog.records if "the allow-list" in record.getMessage()]
    assert told.endswith("takes out 1 of list bytes")
    assert chain.process({"image_url": LISTED})["url"] == LISTED


def test_without_an_allow_list_nothing_is_announced(chain: Chain, caplog: pytest.LogCaptureFixture) -> None:
    """The control."""
    with caplog.at_level(logging.INFO):
        chain.state.note_version()
    assert not [key for key in chain.stats() if key.startswith("allowed/")]
    assert "allow-list" not in caplog.text


def test_a_match_that_only_the_record_pipeline_sees(make_chain: Callable[..., Chain], filled: Site) -> None:
    """An address that came in between the pipelines condemns its page as well."""
    chain = make_chain(DROP_PAGE)
    item = {"image_url": LISTED, "page_url": PAGE}
    with pytest.raises(DropItem):
        asyncio.run(chain.part("RecordPipeline").process_item(item))
    assert chain.stats()["page_dropped"] == 1
    dropped(chain, {"image_url": CLEAN, "page_url": PAGE})
