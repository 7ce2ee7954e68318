from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pdqhash
import pytest
from PIL import Image
from support.crawl import Crawl, Project
from support.pictures import drawn, encode, photographs
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPIDER = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page")

        def parse(self, response):
            base = self.base
            files = [f"{base}/text.txt", f"{base}/safe3.jpg", f"{base}/listed.bin", f"{base}/copy2.jpg"]
            images = [f"{base}/safe1.jpg", f"{base}/copy1.jpg", f"{base}/safe2.png"]
            yield {"image_urls": images, "file_urls": files, "alt": ["one", "listed", "two"]}
            yield {"image_urls": [f"{base}/copy3.jpg"], "file_urls": [f"{base}/never.txt"], "alt": "only listed"}
"""
_ROCKET = photographs()["rocket"]
_SAFE = {
    "/safe1.jpg": encode(photographs()["coffee"].resize((300, 200)), "JPEG"),
    "/safe2.png": encode(drawn(2), "PNG"),
    "/safe3.jpg": encode(drawn(3), "JPEG"),
}
_LISTED = {
    "/copy1.jpg": encode(_ROCKET.resize((320, 214)), "JPEG", quality=80),
    "/copy2.jpg": encode(_ROCKET.resize((400, 267)), "JPEG", quality=60),
    "/copy3.jpg": encode(_ROCKET.resize((240, 160)), "JPEG", quality=90),
    "/listed.bin": b"\x00\x01\x02" + bytes(range(256)) * 3,
}
_TEXT = b"an ordinary file"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve pictures and files."""
    with Server() as running:
        running.add("/page", b"<p>a page")
        running.add("/text.txt", _TEXT, type="text/plain")
        running.add("/never.txt", _TEXT, type="text/plain")
        for path, body in {**_SAFE, **_LISTED}.items():
            running.add(path, body, type="image/jpeg")
        yield running


@pytest.fixture(scope="module")
def crawl(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Run an existing project, with thumbnails and a file store, under the guard."""
    bits = pdqhash.compute(np.asarray(_ROCKET))[0]
    lists = {"near": [f"pdq {np.packbits(bits).tobytes().hex()}"]}
    lists["exact"] = [f"md5 {hashlib.md5(_LISTED['/listed.bin'], usedforsecurity=False).hexdigest()}"]
    settings = {
        "ITEM_PIPELINES": {"scrapy.pipelines.images.ImagesPipeline": 1, "scrapy.pipelines.files.FilesPipeline": 2},
        "IMAGES_STORE": "../out/images",
        "IMAGES_THUMBS": {"small": (50, 50)},
        "FILES_STORE": "../out/files",
    }
    return Project(tmp_path_factory.mktemp("media"), _SPIDER, lists, settings=settings).crawl(base=server.base)


def _stored(crawl: Crawl, folder: str) -> list[str]:
    return sorted(path.relative_to(crawl.out / folder).as_posix() for path in (crawl.out / folder).rglob("[!.]*.*"))


def _name(server: Server, path: str) -> str:
    return hashlib.sha1(server.url(path).encode(), usedforsecurity=False).hexdigest()


def test_images_that_pass_are_stored_with_their_thumbnails(crawl: Crawl, server: Server) -> None:
    """ImagesPipeline stores what it always stored, but for listed images."""
    assert crawl.exit_code == 0
    names = [_name(server, path) for path in ("/safe1.jpg", "/safe2.png")]
    assert _stored(crawl, "images") == sorted(
        f"{folder}/{name}.jpg" for folder in ("full", "thumbs/small") for name in names
    )
    with Image.open(crawl.out / "images" / "thumbs" / "small" / f"{names[0]}.jpg") as thumbnail:
        assert max(thumbnail.size) == 50


def test_files_that_pass_are_stored_and_listed_ones_are_not(crawl: Crawl, server: Server) -> None:
    """FilesPipeline stores texts and images that match nothing; a listed file of any type is dropped."""
    expected = [f"full/{_name(server, '/text.txt')}.txt", f"full/{_name(server, '/safe3.jpg')}.jpg"]
    assert _stored(crawl, "files") == sorted(expected)
    assert (crawl.out / "files" / expected[0]).read_bytes() == _TEXT
    assert (crawl.out / "files" / expected[1]).read_bytes() == _SAFE["/safe3.jpg"]


def test_an_item_with_nothing_left_never_reaches_other_pipelines(crawl: Crawl, server: Server) -> None:
    """The check comes first: the files of an item whose images are all listed are not asked for."""
    assert "/copy3.jpg" in server.asked()
    assert "/never.txt" not in server.asked()
    assert crawl.count("items_dropped/no_image_left") == 1


def test_a_dropped_image_is_not_offered_to_other_pipelines(crawl: Crawl, server: Server) -> None:
    """What the check found is taken out of the item: ImagesPipeline asks again for the images that passed alone."""
    asked = server.asked()
    assert [asked.count(path) for path in ("/safe1.jpg", "/safe2.png", "/copy1.jpg")] == [2, 2, 1]
    assert crawl.count("images_dropped/match") == 2


def test_records_come_from_the_images_that_pass(crawl: Crawl, server: Server) -> None:
    """One record for each image of the item that passed, with its own text."""
    assert {record["alt"]: record["url"] for record in crawl.records} == {
        "one": server.url("/safe1.jpg"),
        "two": server.url("/safe2.png"),
    }


def test_nothing_of_a_listed_file_is_stored(crawl: Crawl) -> None:
    """No store, log or temporary file holds any byte of what matched."""
    assert crawl.traces(_LISTED, _SAFE.values()) == []
    assert crawl.traces({"safe": _SAFE["/safe3.jpg"]})
