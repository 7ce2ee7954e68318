from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from support.crawl import Crawl, Project
from support.gallery import facts
from support.pictures import drawn, encode
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPIDER = """
    from dataclasses import dataclass

    import attrs
    import pydantic
    import scrapy


    @dataclass
    class DataClass:
        image_url: str
        alt: str = ""


    @dataclass(frozen=True)
    class Frozen:
        image_url: str
        alt: str = ""


    @attrs.define
    class Attrs:
        image_url: str
        alt: str = ""


    class Pydantic(pydantic.BaseModel):
        image_url: str
        alt: str = ""


    class Item(scrapy.Item):
        image_url = scrapy.Field()
        alt = scrapy.Field()


    KINDS = {"dict": dict, "dataclass": DataClass, "frozen": Frozen, "attrs": Attrs, "pydantic": Pydantic, "item": Item}


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/folder/page")

        def parse(self, response):
            base = self.base
            for name, kind in KINDS.items():
                yield kind(image_url=f"{base}/{name}.jpg", alt=f"a {name}")
                yield kind(image_url=f"{base}/listed.jpg", alt=f"SECRET {name}")
            many = [f"{base}/many1.jpg", f"{base}/listed.jpg", f"{base}/many2.jpg"]
            yield {"image_urls": many, "alt": ["first", "SECRET", "third"]}
            yield {"image_urls": (f"{base}/many3.jpg", f"{base}/many4.jpg"), "alt": "both"}
            yield {"image_urls": [f"{base}/listed.jpg"] * 2, "alt": "SECRET"}
            yield {"image_url": "relative.jpg", "alt": "relative to the page"}
            own = f"{base}/other/deeper/page"
            yield {"image_url": "../root.jpg", "page_url": own, "alt": "relative to its own page"}
            yield {"url": f"{base}/url.jpg", "text": "text for alt"}
            yield {"image_url": f"{base}/wins.jpg", "url": f"{base}/loses.jpg", "caption": "caption for alt"}
            yield {"image_url": f"{base}/no-alt.jpg"}
            yield {"image_url": f"{base}/page.jpg", "page_url": "http://example.org/page", "alt": "names its page"}
            yield {"image_url": f"{base}/twice.jpg", "alt": "once"}
            yield {"image_url": f"{base}/twice.jpg#part", "alt": "again"}
            yield {"image_url": f"{base}/bild-ü.jpg", "alt": "ein schönes Bild \\N{CAMERA}"}
            yield {"title": "no image", "alt": "SECRET"}
            yield {"image_url": None, "alt": "SECRET"}
            yield {"image_url": "http://[bad/", "alt": "SECRET"}
            yield {"image_url": f"{base}/base64.jpg", "alt": "x" * 300}
"""
_NAMES = [
    *("dict.jpg", "dataclass.jpg", "frozen.jpg", "attrs.jpg", "pydantic.jpg", "item.jpg"),
    *("many1.jpg", "many2.jpg", "many3.jpg", "many4.jpg", "folder/relative.jpg", "other/root.jpg", "url.jpg"),
    *("wins.jpg", "loses.jpg", "no-alt.jpg", "page.jpg", "twice.jpg", "bild-%C3%BC.jpg", "base64.jpg"),
]
_BODIES = {f"/{name}": encode(drawn(500 + number, (160, 120)), "JPEG") for number, name in enumerate(_NAMES)}
_LISTED = encode(drawn(1), "JPEG")
_MODES = {
    "asyncio": (),
    "no reactor": ("-s", "TWISTED_REACTOR_ENABLED=False"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve one listed image, and one image for each item."""
    with Server() as running:
        running.add("/folder/page", b"<p>a page")
        running.add("/listed.jpg", _LISTED, type="image/jpeg")
        for path, body in _BODIES.items():
            running.add(path, body, type="image/jpeg")
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make a project whose records carry pHash too."""
    lists = {"a": [f"sha1 {hashlib.sha1(_LISTED, usedforsecurity=False).hexdigest()}"]}
    policy = "records:\n  hashes: [phash]\n"
    return Project(tmp_path_factory.mktemp("items"), _SPIDER, lists, policy=policy)


@pytest.fixture(scope="module")
def crawls(project: Project, server: Server) -> dict[str, tuple[Crawl, list[str]]]:
    """Run the crawl on each of Scrapy's event loops: (what became of it, what was asked for)."""
    done = {}
    for mode, options in _MODES.items():
        server.log.clear()
        done[mode] = (project.crawl("tested", *options, base=server.base), server.asked())
    return done


@pytest.fixture(scope="module")
def records(crawls: dict[str, tuple[Crawl, list[str]]], server: Server) -> dict[str, dict[str, Any]]:
    """Return the records of the default event loop by their alt text."""
    crawl, _ = crawls["asyncio"]
    assert crawl.exit_code == 0
    assert len({record["alt"] for record in crawl.records if record["alt"] != "both"}) == len(crawl.records) - 2
    return {
        record["alt"]: {**record, "path": record["final_url"].removeprefix(server.base)} for record in crawl.records
    }


@pytest.mark.parametrize("kind", ["dict", "dataclass", "frozen", "attrs", "pydantic", "item"])
def test_every_kind_of_item_becomes_a_record(kind: str, records: dict[str, dict[str, Any]], server: Server) -> None:
    """Dicts, dataclasses, attrs, pydantic and Scrapy items all end as the same flat record."""
    record = records[f"a {kind}"]
    assert record["url"] == server.url(f"/{kind}.jpg")
    expected = facts(_BODIES[f"/{kind}.jpg"])
    assert {key: record[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("alt", "url", "path"),
    [
        ("first", "{base}/many1.jpg", "/many1.jpg"),
        ("third", "{base}/many2.jpg", "/many2.jpg"),
        ("relative to the page", "relative.jpg", "/folder/relative.jpg"),
        ("relative to its own page", "../root.jpg", "/other/root.jpg"),
        ("text for alt", "{base}/url.jpg", "/url.jpg"),
        ("caption for alt", "{base}/wins.jpg", "/wins.jpg"),
        ("", "{base}/no-alt.jpg", "/no-alt.jpg"),
        ("once", "{base}/twice.jpg", "/twice.jpg"),
        ("again", "{base}/twice.jpg#part", "/twice.jpg"),
        ("ein schönes Bild 📷", "{base}/bild-ü.jpg", "/bild-%C3%BC.jpg"),
    ],
)
def test_a_record_says_what_the_item_said(
    alt: str, url: str, path: str, records: dict[str, dict[str, Any]], server: Server
) -> None:
    """``url`` is as in the item, ``final_url`` where the image was, ``alt`` the text that belongs to this image."""
    record = records[alt]
    assert (record["url"], record["path"]) == (url.format(base=server.base), path)
    assert record["uid"] == hashlib.md5((alt + record["url"]).encode(), usedforsecurity=False).hexdigest()
    assert record["sha256"] == hashlib.sha256(_BODIES[path]).hexdigest()


def test_the_page_is_the_response_unless_the_item_names_one(records: dict[str, dict[str, Any]], server: Server) -> None:
    """``page_url`` defaults to the URL of the response that the item came from."""
    assert records["a dict"]["page_url"] == records["first"]["page_url"] == server.url("/folder/page")
    assert records["relative to its own page"]["page_url"] == server.url("/other/deeper/page")


def test_an_item_of_a_public_page_does_not_reach_into_the_network(
    records: dict[str, dict[str, Any]], crawls: dict[str, tuple[Crawl, list[str]]]
) -> None:
    """An item that names a public page gets no image from a private address."""
    crawl, asked = crawls["asyncio"]
    assert "names its page" not in records
    assert "/page.jpg" not in asked
    assert crawl.count("refused/private_address") == 1


def test_items_without_a_fit_image_are_dropped_and_counted(crawls: dict[str, tuple[Crawl, list[str]]]) -> None:
    """Items with no image, none left, or a long base64 run in their text make no record."""
    crawl, asked = crawls["asyncio"]
    assert crawl.count("items_dropped/no_image") == 2
    assert crawl.count("items_dropped/data_url") == 1
    # Six kinds and one list of the listed image; a private address; a URL that is none.
    assert crawl.count("items_dropped/no_image_left") == 9
    assert "/base64.jpg" not in asked
    assert "/loses.jpg" not in asked


def test_equal_urls_are_fetched_once(crawls: dict[str, tuple[Crawl, list[str]]]) -> None:
    """However many items name an image, it is asked for once a run, listed ones included."""
    for crawl, asked in crawls.values():
        assert len(asked) == len(set(asked))
        assert crawl.count("matched/a") == 1


def test_records_carry_the_hashes_that_the_policy_asks_for(records: dict[str, dict[str, Any]]) -> None:
    """``records.hashes`` adds fingerprints to each record."""
    assert all(len(record["phash"]) == 16 and int(record["phash"], 16) >= 0 for record in records.values())


def test_each_event_loop_gives_the_same_records(crawls: dict[str, tuple[Crawl, list[str]]]) -> None:
    """With the asyncio reactor and with no reactor at all, the records are the same but for their times."""

    def timeless(crawl: Crawl) -> list[dict[str, Any]]:
        records = [{key: value for key, value in record.items() if key != "fetched_at"} for record in crawl.records]
        return sorted(records, key=lambda record: str(record["uid"]))

    expected = timeless(crawls["asyncio"][0])
    assert len(expected) == 18
    for mode, (crawl, _) in crawls.items():
        assert crawl.exit_code == 0, mode
        assert timeless(crawl) == expected, mode
        assert crawl.faults() == [], mode


def test_the_event_loops_are_those_that_were_asked_for(
    crawls: dict[str, tuple[Crawl, list[str]]], project: Project
) -> None:
    """The control: the logs say that one has a reactor and the other has none."""
    assert "AsyncioSelectorReactor" in crawls["asyncio"][0].log
    assert "Using reactor" not in crawls["no reactor"][0].log
    assert "Not using a Twisted reactor" in crawls["no reactor"][0].log
    assert project.out.exists()


def test_no_text_of_a_dropped_item_is_logged(crawls: dict[str, tuple[Crawl, list[str]]]) -> None:
    """An item is emptied before it is dropped: Scrapy logs dropped items."""
    for crawl, _ in crawls.values():
        assert "SECRET" not in crawl.log
        assert "SECRET" not in crawl.output
