"""Scrapy's other commands: each runs the crawler of the project, and so the guard; outside the project none does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.leaks import UNGUARDED, Case, Twin, listed, twins
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.crawl import Crawl, Project

_SPIDER = """
    import base64

    import scrapy
    from tested.hoard import keep


    class Tested(scrapy.Spider):
        name = "tested"

        def parse(self, response):
            \"\"\"Keep what comes, as a contract would have it.

            @url __URL__
            \"\"\"
            keep("callback", response)
            yield {"image_url": response.url, "alt": base64.b64encode(response.body).decode()}
"""
_FLAGGED = {"listed": listed(1)}
_PATH = "/listed/image.jpg"
_COMMANDS = {
    "fetch": ("fetch", "{url}"),
    "shell": ("shell", "{url}", "-c", "__import__('base64').b64encode(response.body) if response else None"),
    "parse": ("parse", "--spider", "tested", "{url}"),
    "check": ("check", "tested"),
}
_SHOWN = {"fetch": "output.txt", "shell": "output.txt", "parse": "output.txt", "check": "callback"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a listed image."""
    with Server() as running:
        running.add(_PATH, listed(1), type="image/jpeg")
        yield running


@pytest.fixture(scope="module", params=_COMMANDS)
def done(request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Twin]:
    """Run a command in a guarded project, and in one that is not."""
    command = [part.format(url=server.url(_PATH)) for part in _COMMANDS[request.param]]

    def run(project: Project, case: Case) -> Crawl:
        return project.run(*command)

    folder = tmp_path_factory.mktemp(request.param)
    cases = {"guarded": Case({}), "unguarded": Case(UNGUARDED)}
    spider = _SPIDER.replace("__URL__", server.url(_PATH))
    return twins(folder, spider, cases, _FLAGGED, run=run)


def test_commands_are_guarded(done: dict[str, Twin], server: Server, request: pytest.FixtureRequest) -> None:
    """Neither fetch, shell, parse nor check, which empties ITEM_PIPELINES, gets at a listed image."""
    name = request.node.callspec.params["done"]
    assert _PATH in server.asked()
    assert done["guarded"].traces == {}
    assert done["unguarded"].left(_SHOWN[name]) == {"listed"}


def test_outside_of_the_project_nothing_is_guarded(server: Server, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A command that is typed in another folder knows no project and no guard: the documentation says so."""

    def run(project: Project, case: Case) -> Crawl:
        (project.project / "scrapy.cfg").unlink()
        return project.run("fetch", server.url(_PATH))

    twin = twins(tmp_path_factory.mktemp("outside"), _SPIDER, {"guarded": Case({})}, _FLAGGED, run=run)["guarded"]
    assert twin.left("output.txt") == {"listed"}
