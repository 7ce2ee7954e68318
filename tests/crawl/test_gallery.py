from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from support.crawl import Crawl, Project
from support.gallery import Picture, facts, gallery, pdq_distance
from support.server import nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPIDER = """
    import scrapy
    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""
        only = ""

        async def start(self):
            yield scrapy.Request(self.base + "/index.html")

        def parse(self, response):
            for link in response.css("a::attr(href)"):
                yield response.follow(link, callback=self.parse_page)

        def parse_page(self, response):
            for image in response.css("img"):
                url, alt = response.urljoin(image.attrib["src"]), image.attrib["alt"]
                if "direct" in response.url:
                    if self.only and image.attrib["src"] not in self.only.split(","):
                        continue
                    yield scrapy.Request(url, self.parse_image, errback=self.missed, cb_kwargs={"alt": alt})
                else:
                    yield {"image_url": url, "alt": alt}

        def parse_image(self, response, alt):
            tell(image=response.url.rpartition("/")[2], length=len(response.body))
            yield {"image_url": response.url, "alt": alt, "page_url": response.request.headers["Referer"].decode()}

        def missed(self, failure):
            blocked = failure.value
            tell(missed=failure.request.url.rpartition("/")[2], type=type(blocked).__name__, lists=list(blocked.lists))
"""
_KEPT = {
    "HTTPCACHE_ENABLED": True,
    "HTTPCACHE_DIR": "../../out/httpcache",
    "HTTPCACHE_GZIP": True,
    "JOBDIR": "../out/job",
}
_A_PAGE = 24
_NOT_COMPARED = {
    "alt_source",
    "language",
    "final_url",
    "alt",
    "page_url",
    "pdq",
    "pdq_quality",
    "fetched_at",
    "attestation",
    "uid",
    "url",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the gallery with nginx: every second page shows images that the spider asks for by itself."""
    folder = tmp_path_factory.mktemp("gallery")
    files, _ = gallery()
    (folder / "site").mkdir()
    links = []
    for start in range(0, len(files), _A_PAGE):
        name = f"{'direct' if start // _A_PAGE % 2 else 'items'}{start}.html"
        shown = files[start : start + _A_PAGE]
        text = "".join(f'<p><img src="{file.name}" alt="picture {file.name}">' for file in shown)
        (folder / "site" / name).write_text(f"<!doctype html><title>{name}</title>{text}")
        links.append(f'<a href="{name}">{name}</a>')
    (folder / "site" / "index.html").write_text(f"<!doctype html><title>gallery</title>{''.join(links)}")
    for file in files:
        (folder / "site" / file.name).write_bytes(file.body)
    with nginx(folder / "site", folder / "nginx") as base:
        yield base


@pytest.fixture(scope="module")
def crawl(site: str, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Crawl the gallery with the guard, an HTTP cache and a job directory."""
    project = Project(tmp_path_factory.mktemp("guarded"), _SPIDER, gallery()[1], settings=_KEPT)
    return project.crawl(base=site)


def _flagged() -> dict[str, bytes]:
    return {file.name: file.body for file in gallery()[0] if file.listed}


def _harmless() -> list[bytes]:
    return [file.body for file in gallery()[0] if not file.listed]


def _asked_by_the_spider() -> list[Picture]:
    files, _ = gallery()
    return [file for number, file in enumerate(files) if number // _A_PAGE % 2]


def _names(crawl: Crawl) -> list[str]:
    return sorted(record["url"].rpartition("/")[2] for record in crawl.records)


def test_exactly_the_images_on_no_list_become_records(crawl: Crawl) -> None:
    """Each exact, re-encoded or resized copy of a listed image is dropped, and not one other image is."""
    assert crawl.exit_code == 0, crawl.log[-3000:]
    assert _names(crawl) == sorted(file.name for file in gallery()[0] if not file.listed)
    assert crawl.stats["finish_reason"] == "finished"


def test_a_good_crawl_has_no_error_in_its_log(crawl: Crawl) -> None:
    """Dropping images is no error: nothing in the log looks like one."""
    assert crawl.faults() == []
    assert "Deprecat" not in crawl.log


def test_statistics_add_up(crawl: Crawl) -> None:
    """Each image is counted once, by outcome and by list; the pages are counted apart."""
    files, lists = gallery()
    exact = [file for file in files if file.listed in ("md5", "sha1", "sha256")]
    near = [file for file in files if file.listed in ("pdq", "phash")]
    assert crawl.count("checked") == len(files)
    assert crawl.count("no_known_match") == crawl.count("records") == len(_harmless())
    assert crawl.count("matched") == len(_flagged())
    assert crawl.count("matched/exact") == len(exact)
    assert crawl.count("matched/near") == len(near)
    assert crawl.count("not_scannable") == crawl.count("errors") == 0
    # The pages, the first one, and the answer that there is no tdmrep.json.
    assert crawl.count("not_an_image") == 2 + -(-len(files) // _A_PAGE)
    assert lists


def test_records_say_what_others_compute(crawl: Crawl, site: str) -> None:
    """Size, format, digests, PDQ, uid and the URLs of each record are those that other tools find."""
    bodies = {file.name: file.body for file in gallery()[0]}
    for record in crawl.records:
        name = record["url"].rpartition("/")[2]
        body = bodies[name]
        assert {key: record[key] for key in record.keys() - _NOT_COMPARED} == facts(body)
        assert record["url"] == record["final_url"] == f"{site}/{name}"
        assert record["alt"] == f"picture {name}"
        assert record["uid"] == hashlib.md5((record["alt"] + record["url"]).encode(), usedforsecurity=False).hexdigest()
        assert record["page_url"].startswith((f"{site}/items", f"{site}/direct"))
        assert pdq_distance(record["pdq"], body) <= 8
        assert 0 <= record["pdq_quality"] <= 100
        assert datetime.fromisoformat(record["fetched_at"]).tzinfo is not None


def test_records_attest_what_was_compared(crawl: Crawl) -> None:
    """Each record names the lists with their versions, the algorithms and the guard; blank pictures are marked."""
    for record in crawl.records:
        attestation = record["attestation"]
        assert [entry["id"] for entry in attestation["lists"]] == ["exact", "near"]
        assert all(len(entry["version"]) == 64 for entry in attestation["lists"])
        assert attestation["algorithms"] == ["md5", "pdq", "phash", "sha1", "sha256"]
        assert attestation["guard"].startswith("ingest_guard ")
        assert attestation["check_set"] == crawl.stats["ingest_guard/check_set"]


def test_a_spider_gets_the_images_that_pass_and_hears_of_the_others(crawl: Crawl) -> None:
    """Images that the spider asked for come with their bytes, or end in its errback as ImageBlocked."""
    asked = {file.name: file for file in _asked_by_the_spider()}
    got = {event["image"]: event["length"] for event in crawl.events if "image" in event}
    assert got == {name: len(file.body) for name, file in asked.items() if not file.listed}
    missed = {event["missed"]: event for event in crawl.events if "missed" in event}
    assert missed.keys() == {name for name, file in asked.items() if file.listed}
    for name, event in missed.items():
        assert event["type"] == "ImageBlocked"
        assert event["lists"] == ["near" if asked[name].listed in ("pdq", "phash") else "exact"]


def test_nothing_of_a_flagged_image_is_in_any_file(crawl: Crawl) -> None:
    """Cache, job directory, feed, logs and temporary files hold no byte and no digest of any flagged image."""
    assert any((crawl.out / "httpcache").rglob("response_body"))
    assert (crawl.out / "job" / "requests.seen").exists()
    assert crawl.traces(_flagged(), _harmless()) == []


def test_without_the_guard_every_flagged_image_is_found(site: str, tmp_path: Path) -> None:
    """The control: the same search finds every flagged image that a crawl without the add-on asked for."""
    asked = {file.name: file.body for file in _asked_by_the_spider() if file.listed}
    project = Project(tmp_path, _SPIDER, gallery()[1], settings={**_KEPT, "ADDONS": {}})
    crawl = project.crawl(base=site, only=",".join(asked))
    assert crawl.exit_code == 0
    assert len(asked) > 30
    assert {trace.name for trace in crawl.traces(asked) if trace.what == "bytes"} == set(asked)
