"""Opt-outs inside image files, in a crawl's chain."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.exceptions import DropItem
from scrapy.http import Response
from support.statements import C2PA_CARRIERS, XMP_CARRIERS, assertion, chunk, data_mining, store, uses

from ingest_guard.scrapy_plugin.explanation import KEPT_OUT, explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy import Request
    from scrapy_plugin.conftest import Chain, Site
    from support.listed import World

URL, PAGE = "https://site.example/a.jpg", "https://site.example/page"
POLICY = "opt_outs: {robots_txt: false, tdm_file: false%s}\n"
NO = XMP_CARRIERS["PNG, packed iTXt"](data_mining("DMI-PROHIBITED-AIMLTRAINING"))
DENIED = C2PA_CARRIERS["JPEG, several APP11"](store(assertion(uses(data_mining="constrained"))))


@pytest.mark.parametrize(
    ("body", "switches", "reason"),
    [
        (NO, "", "iptc"),
        (NO, ", iptc: false", None),
        (NO, ", purpose: [search]", None),
        (DENIED, "", "c2pa"),
        (DENIED, ", c2pa: false", None),
        (XMP_CARRIERS["WebP"](data_mining("DMI-ALLOWED")), "", None),
    ],
)
def test_an_image_that_says_no_makes_no_record(
    make_chain: Callable[..., Chain], site: Site, body: bytes, switches: str, reason: str | None
) -> None:
    """It is counted under a reason of its own; what is switched off keeps nothing out."""
    chain = make_chain(POLICY % switches)
    site.answers[URL] = body
    item: dict[str, Any] = {"image_url": URL, "alt": "A text."}
    if reason is None:
        assert chain.process(item)["url"] == URL
        return
    with pytest.raises(DropItem):
        chain.process(item)
    assert item == {}
    assert chain.stats()[f"opted_out/{reason}"] == 1
    assert chain.stats()["images_dropped/opted_out"] == 1


def test_an_image_that_the_spider_has_fetched_says_no_as_well(make_chain: Callable[..., Chain], site: Site) -> None:
    """It reaches the spider, and makes no record."""
    chain = make_chain(POLICY % "")
    site.answers[URL] = NO
    assert chain.get(URL).body == NO
    fetched = asyncio.run(chain.runtime.fetcher.fetch(URL, PAGE))
    assert (fetched.result, fetched.opted_out) == ("opted_out", "iptc")
    assert [request.url for request in site.asked] == [URL]


def test_a_listed_image_that_says_no_is_a_match(make_chain: Callable[..., Chain], site: Site, world: World) -> None:
    """An opt-out does not hide what an image is."""
    chain = make_chain(POLICY % "")
    said = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + data_mining("DMI-PROHIBITED"))
    site.answers[URL] = world.near[:33] + said + world.near[33:]
    assert asyncio.run(chain.runtime.fetcher.fetch(URL, PAGE)).result == "match"
    assert "opted_out/iptc" not in chain.stats()


def test_a_body_from_behind_the_gate_says_no_as_well(
    make_chain: Callable[..., Chain], site: Site, world: World
) -> None:
    """What a middleware puts in is checked by the sentinel, and what it says counts."""
    chain = make_chain(POLICY % "")
    site.answers[URL] = world.clean

    async def exchange(request: Request, response: Response) -> Response:
        return Response(request.url, body=NO)

    chain.downloader.methods["process_response"].insert(-1, exchange)  # type: ignore[arg-type]
    assert asyncio.run(chain.runtime.fetcher.fetch(URL, PAGE)).opted_out == "iptc"


def test_explain_names_the_file(make_chain: Callable[..., Chain], site: Site) -> None:
    """What the image itself says is quoted, with the key that heeds it."""
    chain = make_chain(POLICY % "")
    site.answers[URL] = DENIED
    answer = asyncio.run(explain(chain.runtime, URL))
    assert (answer.outcome, answer.reason, answer.key) == (KEPT_OUT, "c2pa", "opt_outs.c2pa: true")
    assert [(place, said.said) for place, said in answer.said] == [("file", "cawg.data_mining: constrained")]
