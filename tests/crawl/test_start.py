from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from support.crawl import GUARDED, SECOND_LINE, Crawl, Project
from support.pictures import drawn, encode
from support.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SPIDERS = """
    import scrapy


    class Tested(scrapy.Spider):
        name = "tested"
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/page")

        def parse(self, response):
            for image in response.css("img"):
                yield {"image_url": response.urljoin(image.attrib["src"]), "alt": image.attrib["alt"]}


    class NoAddons(Tested):
        name = "no_addons"
        custom_settings = {"ADDONS": {}}


    class AddonNone(Tested):
        name = "addon_none"
        custom_settings = {"ADDONS": {"ingest_guard.Addon": None}}


    class GateNone(Tested):
        name = "gate_none"
        custom_settings = {"DOWNLOADER_MIDDLEWARES": {"ingest_guard.scrapy_plugin.gate.Gate": None}}


    class SentinelNone(Tested):
        name = "sentinel_none"
        custom_settings = {"DOWNLOADER_MIDDLEWARES": {"ingest_guard.scrapy_plugin.sentinel.Sentinel": None}}


    class LinksNone(Tested):
        name = "links_none"
        custom_settings = {"SPIDER_MIDDLEWARES": {"ingest_guard.scrapy_plugin.spidermiddlewares.LinkGuard": None}}


    class CheckNone(Tested):
        name = "check_none"
        custom_settings = {"ITEM_PIPELINES": {"ingest_guard.scrapy_plugin.pipelines.CheckPipeline": None}}


    class WatchdogNone(Tested):
        name = "watchdog_none"
        custom_settings = {"EXTENSIONS": {"ingest_guard.scrapy_plugin.extension.Watchdog": None}}


    class Outside(Tested):
        name = "outside"
        custom_settings = {"DOWNLOADER_MIDDLEWARES": {"tested.parts.Middleware": 2 * 10**9}}


    class Beside(Tested):
        name = "beside"
        custom_settings = {"DOWNLOADER_MIDDLEWARES": {"tested.parts.Middleware": -(10**9)}}


    class Above(Tested):
        name = "above"
        custom_settings = {"ITEM_PIPELINES": {"tested.parts.Pipeline": -(10**9) - 1}}


    class Below(Tested):
        name = "below"
        custom_settings = {"ITEM_PIPELINES": {"tested.parts.Pipeline": 10**9 + 1}}


    class Doubled(Tested):
        name = "doubled"
        custom_settings = {"DOWNLOADER_MIDDLEWARES": {"tested.parts.MyGate": 500}}


    class OtherDownloader(Tested):
        name = "other_downloader"
        custom_settings = {"DOWNLOADER": "tested.parts.MyDownloader"}
"""
_PARTS = """
    from ingest_guard.scrapy_plugin.gate import Gate
    from scrapy.core.downloader import Downloader


    class Middleware:
        def process_response(self, request, response):
            return response


    class Pipeline:
        def process_item(self, item):
            return item


    class MyGate(Gate):
        async def process_response(self, request, response):
            return response


    class MyDownloader(Downloader):
        pass
"""
_LISTED = encode(drawn(1), "PNG")


def _remove_list(project: Project) -> None:
    (project.project / "policy.yaml").write_text("blocklist: ../elsewhere\n")


def _empty_list(project: Project) -> None:
    from ingest_guard.blocklist.build.build import ListSource, build  # noqa: PLC0415 - the one test that needs it

    (project.folder / "none.txt").write_text("# nothing\n")
    source = ListSource("none", "plain", project.folder / "none.txt")
    build(project.folder / "empty", [source], allow_empty=True)
    (project.project / "policy.yaml").write_text("blocklist: ../empty\n")


def _stale_list(project: Project) -> None:
    (project.project / "policy.yaml").write_text("blocklist: ../blocklist\nmax_age: 0.001s\n")


def _change_file(pattern: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        file = next(iter(sorted(project.folder.glob(f"blocklist/versions/*/{pattern}"))))
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.chmod(0o644)
        file.write_bytes(data)
        file.chmod(0o444)

    return change


def _open_to_all(project: Project) -> None:
    file = next(iter(sorted(project.folder.glob("blocklist/versions/*/*.npy"))))
    file.chmod(0o666)


def _typo(project: Project) -> None:
    (project.project / "policy.yaml").write_text("blocklist: ../blocklist\nworkers: 1\nmin_qualty: 50\n")


def _wrong_type(project: Project) -> None:
    (project.project / "policy.yaml").write_text("blocklist: ../blocklist\nworkers: lots\n")


def _not_yaml(project: Project) -> None:
    (project.project / "policy.yaml").write_text("blocklist: [\n")


def _no_policy(project: Project) -> None:
    (project.project / "policy.yaml").unlink()


@dataclass(frozen=True)
class Case:
    """A way in which a crawl would not be guarded, and words of the line that says so."""

    words: tuple[str, ...]
    spider: str = "tested"
    options: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[Project], None] | None = None


_CASES = {
    "spider empties ADDONS": Case(("ADDONS", "custom_settings"), "no_addons"),
    "spider sets the add-on to None": Case(("ADDONS", "custom_settings"), "addon_none"),
    "spider sets the gate to None": Case(("Gate", "None", "remove"), "gate_none"),
    "spider sets the sentinel to None": Case(("Sentinel", "None", "remove"), "sentinel_none"),
    "spider sets the link guard to None": Case(("LinkGuard", "None", "remove"), "links_none"),
    "spider sets the check pipeline to None": Case(("CheckPipeline", "None", "remove"), "check_none"),
    "spider sets the watchdog to None": Case(("Watchdog", "None", "remove"), "watchdog_none"),
    "command line empties ADDONS, second line in place": Case(
        ("ADDONS", "command line"), options=("-s", "ADDONS={}"), settings=SECOND_LINE
    ),
    "command line sets the add-on to None, second line in place": Case(
        ("ADDONS",), options=("-s", 'ADDONS={"ingest_guard.Addon": null}'), settings=SECOND_LINE
    ),
    "a middleware outside of the gate": Case(("tested.parts.Middleware", "Gate", "between"), "outside"),
    "a middleware at the sentinel's order": Case(("tested.parts.Middleware", "Sentinel", "between"), "beside"),
    "a pipeline above the check": Case(("tested.parts.Pipeline", "CheckPipeline", "between"), "above"),
    "a pipeline below the records": Case(("tested.parts.Pipeline", "RecordPipeline", "between"), "below"),
    "a second gate": Case(("MyGate", "remove"), "doubled"),
    "another downloader": Case(("DOWNLOADER", "remove"), "other_downloader"),
    "command line moves the gate": Case(
        ("Gate", "DOWNLOADER_MIDDLEWARES"),
        options=("-s", 'DOWNLOADER_MIDDLEWARES={"ingest_guard.scrapy_plugin.gate.Gate": null}'),
    ),
    "a reactor that is not asyncio's": Case(
        ("asyncio", 'TWISTED_REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"', "_ENABLED = False"),
        settings={"TWISTED_REACTOR": "twisted.internet.selectreactor.SelectReactor"},
    ),
    "no policy setting": Case(("INGEST_GUARD_POLICY", "ingest-guard init"), settings={"INGEST_GUARD_POLICY": None}),
    "policy path leads nowhere": Case(("policy.yaml", "INGEST_GUARD_POLICY"), spoil=_no_policy),
    "unknown key in the policy": Case(("policy.yaml", "line 3", "min_qualty"), spoil=_typo),
    "wrong type in the policy": Case(("policy.yaml", "line 2", "workers"), spoil=_wrong_type),
    "policy is not YAML": Case(("policy.yaml",), spoil=_not_yaml),
    "no blocklist": Case(("elsewhere", "ingest-guard blocklist build"), spoil=_remove_list),
    "empty blocklist": Case(("empty", "allow_empty"), spoil=_empty_list),
    "stale blocklist": Case(("old", "ingest-guard blocklist build"), spoil=_stale_list),
    "one byte of a filter changed": Case(("ingest-guard blocklist build",), spoil=_change_file("*.bloom")),
    "one byte of an index changed": Case(("ingest-guard blocklist build",), spoil=_change_file("*.npy")),
    "one byte of the manifest changed": Case(("ingest-guard blocklist build",), spoil=_change_file("manifest.json")),
    "a list file that all may write": Case(("writ",), spoil=_open_to_all),
}


def _list() -> dict[str, list[str]]:
    return {"a": [f"md5 {hashlib.md5(_LISTED, usedforsecurity=False).hexdigest()}", f"pdq {'0123456789abcdef' * 4}"]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Serve a page with one listed image."""
    with Server() as running:
        running.add("/listed.png", _LISTED, type="image/png")
        running.add("/page", b'<img src="/listed.png" alt="listed">')
        yield running


@pytest.fixture(scope="module")
def crawls(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Crawl, list[str]]]:
    """Start each crawl, as many at a time as there are processors: case -> (what became of it, requests)."""
    folder = tmp_path_factory.mktemp("starts")

    def run(number: int, case: Case) -> Crawl:
        project = Project(folder / str(number), _SPIDERS, _list(), settings=case.settings, modules={"parts": _PARTS})
        if case.spoil:
            case.spoil(project)
        # Each has an address of its own: the server's log tells whose request came through.
        return project.crawl(case.spider, *case.options, base=server.url(f"/case{number}"))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = dict(zip(_CASES, pool.map(run, range(len(_CASES)), _CASES.values()), strict=True))
    asked = server.asked()
    return {
        name: (crawl, [path for path in asked if path.startswith(f"/case{number}/")])
        for number, (name, crawl) in enumerate(done.items())
    }


@pytest.mark.parametrize("name", _CASES)
def test_a_crawl_that_would_not_be_guarded_does_not_start(
    name: str, crawls: dict[str, tuple[Crawl, list[str]]]
) -> None:
    """No request goes out, the exit code is not 0, and one critical line says what to do."""
    crawl, asked = crawls[name]
    assert asked == []
    assert crawl.exit_code != 0
    assert crawl.records == []
    # Without asyncio, Twisted logs a failed start once more.
    critical = [line for line in crawl.critical() if "[twisted]" not in line]
    assert len(critical) == 1, crawl.log[-2000:] + crawl.output[-2000:]
    assert "The crawl does not start." in critical[0]
    for word in _CASES[name].words:
        assert word in critical[0]


def test_the_same_project_crawls_when_nothing_is_wrong(server: Server, tmp_path: Path) -> None:
    """The control: with both lines of defence and nothing spoilt, the crawl runs and drops the listed image."""
    project = Project(tmp_path, _SPIDERS, _list(), settings=SECOND_LINE, modules={"parts": _PARTS})
    crawl = project.crawl(base=server.base)
    assert crawl.exit_code == 0, crawl.log[-2000:]
    assert "/listed.png" in server.asked()
    assert (crawl.count("matched/a"), crawl.records) == (1, [])
    assert crawl.faults() == []


def test_without_the_second_line_an_emptied_addons_leaves_no_guard(server: Server, tmp_path: Path) -> None:
    """What no add-on can survive: this is why the second line of defence is there, and why doctor looks for it."""
    project = Project(tmp_path, _SPIDERS, _list(), modules={"parts": _PARTS})
    crawl = project.crawl("tested", "-s", "ADDONS={}", base=server.base)
    assert crawl.exit_code == 0
    assert [record["alt"] for record in crawl.records] == ["listed"]
    assert "ingest_guard/checked" not in crawl.stats
    assert GUARDED["ADDONS"]


def test_a_refusal_names_no_value_of_a_list(crawls: dict[str, tuple[Crawl, list[str]]]) -> None:
    """However a start fails, neither the log nor the output shows a value from a list."""
    values = [line.split()[1] for line in _list()["a"]]
    for crawl, _ in crawls.values():
        assert not any(value in crawl.log + crawl.output for value in values)
        assert json.dumps(crawl.stats)
