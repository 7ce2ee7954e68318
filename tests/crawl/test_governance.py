from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from support.crawl import Crawl, Project, page
from support.listed import pdq_of
from support.pictures import drawn, encode
from support.server import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDER = """
    import scrapy

    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        pages = ""

        async def start(self):
            for name in self.pages.split():
                yield scrapy.Request(f"{self.base}/{name}")

        def parse(self, response):
            for image in response.css("img::attr(src)").getall():
                yield {"image_url": response.urljoin(image), "alt": f"SECRET of {response.url}"}
            for link in response.css("a::attr(href)").getall():
                yield response.follow(link, self.parse)
            for own in response.css("own::attr(src)").getall():
                meta = {"redirect_urls": [f"{self.base}/plain"]}
                headers = {"Referer": f"{self.base}/plain"}
                yield response.follow(own, self.own, errback=self.lost, meta=meta, headers=headers)
            if "raises" in response.url:
                raise ValueError("the spider stumbles")

        def own(self, response):
            tell(own=response.url)
            yield {"image_url": response.url, "page_url": f"{self.base}/asks", "alt": "SECRET"}

        def lost(self, failure):
            tell(lost=type(failure.value).__name__, action=str(failure.value.action))
            yield scrapy.Request(f"{self.base}/later", self.later)

        def later(self, response):
            told = f"SECRET of {response.url}"
            yield {"image_url": f"{self.base}/clean8.jpg", "page_url": f"{self.base}/asks#part", "alt": told}
            yield {"image_url": f"{self.base}/clean9.jpg", "page_url": f"{self.base}/never-condemned", "alt": "SECRET"}
"""
_CLEAN = {f"/clean{number}.jpg": encode(drawn(700 + number, (160, 120)), "JPEG") for number in range(12)}
_STRICT, _PLAIN, _UNSURE, _BOTH, _OWN = (encode(drawn(seed), "JPEG") for seed in (1, 2, 3, 4, 5))
_LISTED = {"/strict.jpg": _STRICT, "/plain.jpg": _PLAIN, "/unsure.jpg": _UNSURE, "/both.jpg": _BOTH, "/own.jpg": _OWN}
_PAGES = {
    "/strict": page(["clean0.jpg", "clean1.jpg", "strict.jpg", "clean2.jpg"]) + b'<a href="linked">',
    "/linked": page(["clean3.jpg"]),
    "/plain": page(["clean4.jpg", "plain.jpg"]),
    "/unsure": page(["clean5.jpg", "unsure.jpg"]),
    "/both": page(["clean6.jpg", "both.jpg"]),
    "/raises": page(["clean7.jpg", "plain.jpg"]),
    "/asks": b'<p>a page<own src="moved.jpg">',
    "/later": b"<p>a page",
    "/innocent": page(["clean10.jpg", "clean11.jpg"]),
}
_MODES = {
    "asyncio": (),
    "no reactor": ("-s", "TWISTED_REACTOR_ENABLED=False"),
}


def sha256(data: bytes) -> str:
    """Return a row of a plain list."""
    return f"sha256 {hashlib.sha256(data).hexdigest()}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve pages with clean and listed images."""
    with Server() as running:
        for path, body in _PAGES.items():
            running.add(path, body)
        for path, body in {**_CLEAN, **_LISTED}.items():
            running.add(path, body, type="image/jpeg")
        running.add("/moved.jpg", Reply(status=302, headers=(("Location", "/own.jpg"),)))
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make a project whose three lists have one action each."""
    lists = {
        "strict": [sha256(_STRICT), sha256(_BOTH), sha256(_OWN)],
        "plain": [f"pdq {pdq_of(drawn(2))}"],
        "unsure": [sha256(_UNSURE), sha256(_BOTH)],
    }
    policy = "lists:\n  strict: {action: drop_page}\n  unsure: {action: hold, owner: Somebody}\n"
    return Project(tmp_path_factory.mktemp("actions"), _SPIDER, lists, policy=policy)


@pytest.fixture(scope="module", params=_MODES)
def crawl(request: pytest.FixtureRequest, project: Project, server: Server) -> Crawl:
    """Run the crawl on each of Scrapy's event loops."""
    pages = "strict plain unsure both raises asks innocent"
    server.log.clear()
    done = project.crawl("tested", *_MODES[request.param], base=server.base, pages=pages)
    assert done.exit_code == 0
    assert len(server.asked()) == len(set(server.asked()))
    return done


def clean(crawl: Crawl) -> set[int]:
    """Return the numbers of the clean images that made a record."""
    names = {url.rpartition("/")[2] for url in crawl.record_urls()}
    return {int(name.removeprefix("clean").removesuffix(".jpg")) for name in names}


def test_each_action_does_what_it_says(crawl: Crawl) -> None:
    """Of a page with a match, everything goes (drop_page), or only the image that matched (drop, hold).

    What the page links to is another page. Items before a callback's error are checked and leave.
    """
    assert clean(crawl) == {3, 4, 5, 7, 9, 10, 11}


def test_counts_by_action(crawl: Crawl) -> None:
    """A held image is counted apart; an image on two lists is counted for both, under the stricter action."""
    assert (crawl.count("matched"), crawl.count("held")) == (4, 1)
    assert (crawl.count("matched/strict"), crawl.count("matched/plain")) == (3, 1)
    assert (crawl.count("held/unsure"), crawl.count("matched/unsure")) == (2, 0)
    assert crawl.count("checked") == crawl.count("no_known_match") + crawl.count("matched") + crawl.count("held")
    # Four items of the first page, two of the page with the image on both lists, one that names the page that asked.
    assert crawl.count("page_dropped") == 7
    assert crawl.count("images_dropped/held") == 1
    assert crawl.count("records") == len(crawl.records) == 7


def test_page_of_an_image_that_the_spider_asks_for(crawl: Crawl) -> None:
    """Through a redirect, too; what Referer and meta claim condemns nobody."""
    assert {"lost": "ImageBlocked", "action": "drop_page"} in crawl.events
    assert 4 in clean(crawl)
    assert 9 in clean(crawl)
    assert 8 not in clean(crawl)


def test_nothing_of_a_dropped_page_is_told(crawl: Crawl, server: Server) -> None:
    """Items are emptied before they are dropped, and no listed image leaves a trace."""
    assert f"SECRET of {server.base}/plain" in {record["alt"] for record in crawl.records}
    for dropped in ("strict", "both", "later"):
        assert f"SECRET of {server.base}/{dropped}" not in crawl.log
    assert crawl.traces(_LISTED, _CLEAN.values()) == []


_ALLOWED_NEAR, _ALLOWED_EXACT, _STILL = drawn(30), encode(drawn(31), "JPEG"), encode(drawn(32), "JPEG")
_NEAR_COPY = encode(_ALLOWED_NEAR.resize((200, 150)), "PNG")


@pytest.fixture(scope="module")
def allowing(tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Run a crawl with an allow-list that takes out two of three entries."""
    lists = {
        "a": [f"pdq {pdq_of(_ALLOWED_NEAR)}", sha256(_STILL)],
        "b": [sha256(_ALLOWED_EXACT), sha256(_STILL)],
    }
    policy = "allow:\n  files: [ours.txt]\n  distances: {pdq: 20}\n"
    project = Project(tmp_path_factory.mktemp("allow"), _SPIDER, lists, policy=policy)
    nearby = f"{int(pdq_of(_ALLOWED_NEAR), 16) ^ 0b1111:064x}"
    (project.project / "ours.txt").write_text(f"# looked at\npdq {nearby}\n{sha256(_ALLOWED_EXACT)}\n")
    with Server() as server:
        for name, body in {"near": _NEAR_COPY, "exact": _ALLOWED_EXACT, "still": _STILL}.items():
            server.add(f"/{name}.jpg", body, type="image/jpeg")
        server.add("/shows", page(["near.jpg", "exact.jpg", "still.jpg"]))
        return project.crawl("tested", base=server.base, pages="shows")


def test_allowed_entries_never_match(allowing: Crawl) -> None:
    """Not within the distance that the policy says, nor by an equal digest; everything else does."""
    assert [url.rpartition("/")[2] for url in allowing.record_urls()] == ["exact.jpg", "near.jpg"]
    assert allowing.count("matched/a") == allowing.count("matched/b") == 1


def test_the_allow_list_is_audited(allowing: Crawl) -> None:
    """Statistics, one line of the log and each record say that there is an allow-list; none of them tells a value."""
    assert (allowing.count("allowed/a"), allowing.count("allowed/b")) == (1, 1)
    (line,) = [line for line in allowing.log.splitlines() if "the allow-list" in line]
    assert "2 values" in line
    assert "1 of list a, 1 of list b" in line
    (told,) = {str(record["attestation"]["allow_list"]) for record in allowing.records}
    assert "'entries': 2" in told
    assert pdq_of(_ALLOWED_NEAR) not in allowing.log


_FLOODING = [encode(drawn(40), "JPEG", quality=quality) for quality in (95, 90, 85, 80, 75, 70)]


@pytest.mark.parametrize(("limit", "alarms"), [(3, 1), (6, 0), (0, 0)])
def test_flood_of_one_entry(tmp_path: Path, limit: int, alarms: int) -> None:
    """An entry that matches more different images than allowed raises one alarm, across workers; all stay dropped."""
    lists = {"floods": [f"pdq {pdq_of(drawn(40))}"], "calm": [sha256(_STILL)]}
    project = Project(tmp_path, _SPIDER, lists, policy=f"flood: {limit}\n")
    policy = project.project / "policy.yaml"
    policy.write_text(policy.read_text().replace("workers: 1", "workers: 2"))
    with Server() as server:
        for number, body in enumerate([*_FLOODING, _FLOODING[0]]):
            server.add(f"/{number}.jpg", body, type="image/jpeg")
        server.add("/shows", page([f"{number}.jpg" for number in range(7)]))
        crawl = project.crawl("tested", base=server.base, pages="shows")
    assert crawl.records == []
    assert crawl.count("matched/floods") == 7
    assert crawl.count("flood_alarms") == crawl.count("flood/floods") == alarms
    lines = [line for line in crawl.log.splitlines() if " ERROR: " in line]
    assert len(lines) == alarms
    assert all("one pdq entry of list floods has matched more than 3 different images" in line for line in lines)
    assert pdq_of(drawn(40)) not in crawl.log
