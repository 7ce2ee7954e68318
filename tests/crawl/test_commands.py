from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from support.crawl import Project
from support.pictures import drawn, encode
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPIDER = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"

        def parse(self, response):
            yield {"image_url": response.url, "alt": f"{len(response.body)} bytes"}
"""
_LISTED = encode(drawn(1), "JPEG")
_SAFE = encode(drawn(2), "JPEG")
_COMMANDS = {
    "fetch": ("fetch", "{url}"),
    "shell": ("shell", "{url}", "-c", "getattr(response, 'body', None)"),
    "parse": ("parse", "--spider", "tested", "{url}"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a listed image and one that is not."""
    with Server() as running:
        running.add("/listed.jpg", _LISTED, type="image/jpeg")
        running.add("/safe.jpg", _SAFE, type="image/jpeg")
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make a project."""
    lists = {"a": [f"sha256 {hashlib.sha256(_LISTED).hexdigest()}"]}
    return Project(tmp_path_factory.mktemp("commands"), _SPIDER, lists)


@pytest.mark.parametrize("name", _COMMANDS)
def test_no_command_of_scrapy_prints_a_listed_image(name: str, project: Project, server: Server) -> None:
    """Inside the project, fetch, shell and parse are guarded like a crawl."""
    server.log.clear()
    command = [part.format(url=server.url("/listed.jpg")) for part in _COMMANDS[name]]
    done = project.run(*command)
    assert server.asked() == ["/listed.jpg"]
    assert done.traces({"listed": _LISTED}) == []
    assert f"{len(_LISTED)} bytes" not in done.output + done.log


def test_other_images_are_printed(project: Project, server: Server) -> None:
    """The control: what matches nothing is printed as ever, and the search sees it."""
    done = project.run("fetch", server.url("/safe.jpg"))
    assert (project.out / "output.txt").read_bytes().startswith(_SAFE)
    assert {trace.name for trace in done.traces({"safe": _SAFE})} == {"safe"}
