from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from scrapy import signals
from scrapy.exceptions import DropItem
from scrapy.http import Response
from support.listed import LISTED_URL

from ingest_guard.dataset.records.schema import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_plugin.conftest import Chain, Site
    from support.listed import World

PAGE = "https://site.example/page.html"
CLEAN, LISTED, OTHER = (f"https://site.example/{name}.jpg" for name in ("clean", "listed", "other"))
FIELDS = [column.name for column in COLUMNS]


@dataclass(frozen=True)
class FrozenItem:
    """An item that allows no change."""

    image_url: str
    alt: str = ""


@pytest.fixture
def filled(site: Site, world: World) -> Site:
    """Return the site with a clean image, another one, and a listed one."""
    from support.pictures import drawn, encode  # noqa: PLC0415 - needed here only

    site.answers |= {CLEAN: world.clean, LISTED: world.exact, OTHER: encode(drawn(4), "PNG")}
    return site


def dropped(chain: Chain, item: Any, why: str) -> None:
    """Send an item that must not come through; nothing of it may be left for the log."""
    with pytest.raises(DropItem) as caught:
        chain.process(item)
    assert str(caught.value) == ""
    assert caught.value.log_level == "DEBUG"
    assert chain.stats()[f"items_dropped/{why}"] == 1
    assert not item if isinstance(item, dict) else "example" not in repr(item)


def test_item_becomes_a_record(chain: Chain, filled: Site, world: World) -> None:
    """A clean image's item is one record with the documented fields, and the item's others are gone."""
    chain.state.item_pages.note(item := {"image_url": "clean.jpg", "alt": "A cat", "body": b"secret"}, PAGE)
    record = chain.process(item)
    assert list(record) == FIELDS
    assert (record["url"], record["final_url"], record["page_url"]) == ("clean.jpg", CLEAN, PAGE)
    assert record["uid"] == hashlib.md5(b"A catclean.jpg", usedforsecurity=False).hexdigest()
    assert record["sha256"] == hashlib.sha256(world.clean).hexdigest()
    assert record["attestation"] == chain.state.guard.attestation
    assert chain.stats()["records"] == 1
    assert len(filled.asked) == 1
    assert chain.state.item_pages.get(item) is None


def test_further_hashes_of_the_policy(make_chain: Callable[..., Chain], filled: Site) -> None:
    """The record has what the policy asks for."""
    record = make_chain("records: {hashes: [phash, dhash]}\n").process({"image_url": CLEAN})
    assert len(record["phash"]) == len(record["dhash"]) == 16


@pytest.mark.parametrize("item", [{"image_url": LISTED, "alt": "x"}, FrozenItem(LISTED, "x")], ids=["dict", "frozen"])
def test_listed_image_drops_the_item(chain: Chain, filled: Site, item: Any) -> None:
    """The item is emptied before it is dropped, and the drop says nothing."""
    dropped(chain, item, "no_image_left")
    assert chain.stats()["images_dropped/match"] == 1
    assert "records" not in chain.stats()


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"title": "example"}, "no_image"),
        ({"image_url": "data:image/jpeg;base64,/9j/4AAQ", "alt": "example"}, "data_url"),
        ({"image_url": CLEAN, "alt": base64.b64encode(bytes(400)).decode()}, "data_url"),
        ({"image_url": CLEAN, "page_url": "data:text/html;base64,AAAA"}, "data_url"),
        ({"image_urls": [CLEAN, "data:image/png;base64,AAAA"]}, "data_url"),
        ({"image_url": "https://site.example/absent.jpg"}, "no_image_left"),
        ({"image_url": "http://10.0.0.1/x.jpg"}, "no_image_left"),
        ({"image_url": "http://[example"}, "no_image_left"),
    ],
)
def test_items_that_are_dropped(chain: Chain, filled: Site, item: dict[str, Any], why: str) -> None:
    """No image, an image in a text field, an address with nothing behind it: no record."""
    dropped(chain, item, why)


def test_item_without_image_may_pass(make_chain: Callable[..., Chain]) -> None:
    """Where the policy says so, it goes through as it is."""
    item = {"title": "x"}
    assert make_chain("records: {items_without_image: pass}\n").process(item) is item


@pytest.mark.parametrize("how", ["bytes", "base64", "page", "nested"])
def test_item_without_image_and_with_a_picture(make_chain: Callable[..., Chain], world: World, how: str) -> None:
    """It would leave as it is, so it has no picture in any field, not even a clean one."""
    text = base64.b64encode(world.clean).decode()
    values: dict[str, Any] = {
        "bytes": world.clean,
        "base64": text,
        "page": f'<p>x<img src="data:image/jpeg;base64,{text}">',
        "nested": [{"a": (world.clean,)}],
    }
    dropped(make_chain("records: {items_without_image: pass}\n"), {"title": "x", "other": values[how]}, "data_url")


def test_picture_that_comes_in_between_the_pipelines(make_chain: Callable[..., Chain], world: World) -> None:
    """The last pipeline looks again at an item that leaves without an image."""
    chain = make_chain("records: {items_without_image: pass}\n")
    item: dict[str, Any] = {"title": "x"}
    first, last = (chain.part(name) for name in ("CheckPipeline", "RecordPipeline"))
    assert asyncio.run(first.process_item(item)) is item
    item["page"] = f'<img src="data:image/jpeg;base64,{base64.b64encode(world.clean).decode()}">'
    with pytest.raises(DropItem):
        asyncio.run(last.process_item(item))
    assert item == {}


def test_texts_of_another_number(chain: Chain, filled: Site, caplog: pytest.LogCaptureFixture) -> None:
    """No image gets the text of another, not even when one of them is dropped; the log says so once."""
    records: list[Any] = []

    def note(item: Any) -> None:
        records.append(item)

    chain.crawler.signals.connect(note, signal=signals.item_scraped)
    for page in ("a", "b"):
        item = {"image_urls": [CLEAN, LISTED, OTHER], "alt": ["one", "two"], "page_url": f"https://site.example/{page}"}
        with contextlib.suppress(DropItem):
            records.append(chain.process(item))
    assert [record["alt"] for record in records] == ["", ""]
    assert chain.stats()["texts_unmatched"] == 6
    assert caplog.text.count("another number of texts") == 1


def test_fields_without_an_address(chain: Chain, filled: Site, caplog: pytest.LogCaptureFixture) -> None:
    """What is no address is counted by its field, and named in the log once."""
    for number in range(2):
        with pytest.raises(DropItem):
            chain.process({"image_url": number + 1})
    assert chain.stats()["fields_unread/image_url"] == 2
    assert caplog.text.count("no address in its field 'image_url'") == 1
    assert chain.process({"image_url": [CLEAN]})["url"] == CLEAN
    assert chain.process({"image_urls": {OTHER}, "alt": 7})["alt"] == "7"


def test_several_images_are_several_records(chain: Chain, filled: Site) -> None:
    """Those that passed go out one by one, the last as the item; the others by the signal that feeds listen to."""
    scraped: list[Any] = []

    def item_scraped(item: Any) -> None:
        scraped.append(item)

    chain.crawler.signals.connect(item_scraped, signal=signals.item_scraped)
    item = {"image_urls": [CLEAN, LISTED, OTHER], "alt": ["a", "b", "c"], "page_url": PAGE}
    last = chain.process(item)
    assert [(record["url"], record["alt"]) for record in [*scraped, last]] == [(CLEAN, "a"), (OTHER, "c")]
    assert chain.stats()["records"] == 2
    assert chain.stats()["images_dropped/match"] == 1


def test_item_passes_the_check_unchanged(chain: Chain, filled: Site) -> None:
    """Pipelines in between see the item as the spider made it, without what did not pass."""
    check = chain.part("CheckPipeline")
    item = {"image_urls": [CLEAN, LISTED], "title": "t", "n": 3}
    assert asyncio.run(check.process_item(item)) is item
    assert item == {"image_urls": [CLEAN], "title": "t", "n": 3}


def test_address_that_comes_in_between_the_pipelines(chain: Chain, filled: Site) -> None:
    """The last pipeline checks what it did not see before, like any other."""
    record = chain.part("RecordPipeline")
    with pytest.raises(DropItem):
        asyncio.run(record.process_item({"image_url": LISTED}))
    assert chain.stats()["matched"] == 1
    with pytest.raises(DropItem):
        asyncio.run(record.process_item({"image_url": CLEAN, "alt": "data:image/png;base64,AAAA"}))
    with pytest.raises(DropItem):
        asyncio.run(record.process_item({"title": "x"}))
    assert chain.stats()["items_dropped/no_image"] == 1
    assert asyncio.run(record.process_item({"image_url": CLEAN}))["url"] == CLEAN


def test_page_that_is_listed_by_the_time_of_the_record(chain: Chain, filled: Site) -> None:
    """Another list may come into use between the pipelines, and an item may come to name another page."""
    item = {"image_url": CLEAN, "page_url": LISTED_URL}
    with pytest.raises(DropItem):
        asyncio.run(chain.part("RecordPipeline").process_item(item))
    assert not item
    assert chain.stats()["items_dropped/listed_page"] == 1
    assert "records" not in chain.stats()


def test_redirect_to_an_address_that_is_an_image(chain: Chain, filled: Site, world: World) -> None:
    """A host may answer with a redirect whose address carries an image: it is not followed, and makes no record."""
    address = "https://site.example/?" + base64.urlsafe_b64encode(world.exact[:600]).decode()
    filled.answers[CLEAN] = Response(CLEAN, status=302, headers={"Location": address})
    filled.answers[address] = filled.answers[OTHER]
    dropped(chain, {"image_url": CLEAN}, "no_image_left")
    assert [request.url for request in filled.asked] == [CLEAN]


@pytest.mark.parametrize("part", ["CheckPipeline", "RecordPipeline"])
def test_fault_of_ours_drops_the_item_empty(chain: Chain, part: str) -> None:
    """An unexpected error is counted, and Scrapy never gets to print the item."""

    class Broken(dict):  # type: ignore[type-arg]
        def get(self, *_: object) -> Any:
            raise RuntimeError("secret")

        def __getitem__(self, key: object) -> Any:
            raise RuntimeError("secret")

    item = Broken(image_url="https://site.example/x")
    with pytest.raises(DropItem) as caught:
        asyncio.run(chain.part(part).process_item(item))
    assert (str(caught.value), dict(item)) == ("", {})
    assert chain.stats()["errors"] == 1


def test_failed_guard_lets_no_record_out(chain: Chain, filled: Site) -> None:
    """Not even of what was checked before: nobody knows since when it is broken."""
    assert chain.process({"image_url": CLEAN})["url"] == CLEAN
    chain.state.fail("the workers are gone")
    for number, part in enumerate(("CheckPipeline", "RecordPipeline"), 1):
        item = {"image_url": CLEAN}
        with pytest.raises(DropItem):
            asyncio.run(chain.part(part).process_item(item))
        assert item == {}
        assert chain.stats()["items_dropped/guard_failed"] == number


def test_page_outside_cannot_claim_to_be_inside(chain: Chain, filled: Site, world: World) -> None:
    """An item names the page that it likes; where its response came from is what counts."""
    filled.answers["http://10.0.0.5/x.jpg"] = world.clean
    item = {"image_url": "http://10.0.0.5/x.jpg", "page_url": "http://10.0.0.1/"}
    chain.state.item_pages.note(item, PAGE)
    dropped(chain, item, "no_image_left")
    assert chain.stats()["refused/private_address"] == 1
    assert chain.process({"image_url": "http://10.0.0.5/x.jpg", "page_url": "http://10.0.0.1/"})["width"] == 320
