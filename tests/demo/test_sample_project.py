from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from scrapy.exceptions import NotConfigured
from scrapy.http import HtmlResponse, Request, Response, TextResponse
from scrapy.utils.misc import load_object
from scrapy.utils.test import get_crawler

from demo.workfolder import copy_project
from ingest_guard.policy.policy import Policy
from ingest_guard.scrapy_plugin.core.placement import PARTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make the sample project's package importable, for one test."""
    monkeypatch.syspath_prepend(str(_ROOT / "sample_project"))
    yield _ROOT / "sample_project"
    for name in [name for name in sys.modules if name.partition(".")[0] == "sample_project"]:
        del sys.modules[name]


def _spider() -> Any:
    module = importlib.import_module("sample_project.spiders.gallery")
    crawler = get_crawler(module.GallerySpider)
    return module.GallerySpider.from_crawler(crawler, start="https://example.org/start")


def _page(html: str) -> HtmlResponse:
    return HtmlResponse("https://example.org/a/page.html", body=html.encode(), encoding="utf-8")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('src="cat.jpg"', "https://example.org/a/cat.jpg"),
        ('src="data:image/gif;base64,R0lGOD" data-src="/cat.jpg"', "https://example.org/cat.jpg"),
        ('srcset="small.jpg 300w, large.jpg 900w" src="x.jpg"', "https://example.org/a/large.jpg"),
        ('data-srcset="lazy.jpg 2x" src="x.jpg"', "https://example.org/a/lazy.jpg"),
    ],
)
def test_the_spider_finds_an_images_real_address(project: Path, attributes: str, expected: str) -> None:
    """Plain, lazy and responsive images yield the address of the picture, its alt text and its page."""
    (item,) = _spider().parse(_page(f'<p><img {attributes} alt=" A cat "></p>'))
    assert (item.image_url, item.alt, item.page_url) == (expected, "A cat", "https://example.org/a/page.html")


def test_the_spider_follows_links_and_style_sheets(project: Path) -> None:
    """Links come back to parse, style sheets go to their own callback, an image without an address yields nothing."""
    spider = _spider()
    html = '<link rel="stylesheet" href="/s.css"><a href="b.html">b</a><img alt="nothing">'
    requests = list(spider.parse(_page(html)))
    assert [request.url for request in requests] == ["https://example.org/a/b.html", "https://example.org/s.css"]
    style = TextResponse("https://example.org/s.css", body=b"p { background: url('/back.png') }", encoding="utf-8")
    (item,) = requests[1].callback(style)
    assert item.image_url == "https://example.org/back.png"


def test_the_spider_passes_over_what_is_no_page(project: Path) -> None:
    """Binary answers and JSON behind a link or a style sheet yield nothing."""
    spider = _spider()
    assert list(spider.parse(Response("https://example.org/a.zip", body=b"PK"))) == []
    assert list(spider.parse_style(Response("https://example.org/a.zip", body=b"PK"))) == []
    assert spider.allowed_domains == ["example.org"]


@pytest.fixture
def statsfile(project: Path) -> ModuleType:
    """Return the sample's extension."""
    return importlib.import_module("sample_project.statsfile")


def test_the_statistics_file_is_written_in_one_step(statsfile: ModuleType, tmp_path: Path) -> None:
    """The file holds the statistics as JSON, dates as text, and no part of it stays behind."""
    file = tmp_path / "stats.json"
    crawler = get_crawler(settings_dict={"STATS_FILE": str(file)})
    extension = statsfile.StatsFile.from_crawler(crawler)
    crawler.stats.set_value("ingest_guard/checked", 4)
    crawler.stats.set_value("start_time", file)
    extension.end()
    assert json.loads(file.read_text())["ingest_guard/checked"] == 4
    assert [path.name for path in tmp_path.iterdir()] == ["stats.json"]


def test_the_statistics_file_is_off_by_default(statsfile: ModuleType) -> None:
    """Without its setting, the extension steps aside."""
    with pytest.raises(NotConfigured):
        statsfile.StatsFile.from_crawler(get_crawler())


def _settings_modules(project: Path) -> Iterator[dict[str, Any]]:
    yield vars(importlib.import_module("sample_project.settings"))
    source = _ROOT / "settings" / "scrapy_settings.py"
    names: dict[str, Any] = {}
    exec(compile(source.read_text(), source, "exec"), names)  # noqa: S102 - our own file
    yield names


def test_the_second_line_of_defence_is_what_the_addon_installs(project: Path) -> None:
    """The settings to copy, and the sample's, list gate, sentinel and watchdog with the add-on's own orders."""
    orders = {load_object(part.path): part.order for part in PARTS}
    for settings in _settings_modules(project):
        assert settings["ADDONS"] == {"ingest_guard.Addon": 0}
        assert settings["INGEST_GUARD_POLICY"] == "policy.yaml"
        listed = {**settings["DOWNLOADER_MIDDLEWARES"], **settings["EXTENSIONS"]}
        ours = {load_object(path): order for path, order in listed.items() if path.startswith("ingest_guard.")}
        assert {part.__name__ for part in ours} == {"Gate", "Sentinel", "Watchdog"}
        assert ours == {part: orders[part] for part in ours}


def test_a_command_line_cannot_remove_the_guard(tmp_path: Path) -> None:
    """``-s ADDONS={}`` does not start: exit code 1, a line that says what to do, no request, nothing written."""
    folder = copy_project(tmp_path / "project")
    command = [sys.executable, "-m", "scrapy", "crawl", "gallery", "-a", "start=http://127.0.0.1:9/"]
    done = subprocess.run([*command, "-s", "ADDONS={}"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'put ADDONS = {"ingest_guard.Addon": 0} back' in done.stderr
    assert "Crawled" not in done.stderr
    assert not (folder / "records.jsonl").exists()


def test_the_default_policy_shows_every_key_at_its_default() -> None:
    """settings/default.yaml is the policy of one line, spelled out: no key is missing, none differs."""
    file = _ROOT / "settings" / "default.yaml"
    assert Policy.load(file) == Policy(blocklist=_ROOT / "settings" / "blocklist")
    assert _keys(yaml.safe_load(file.read_text())) == _keys(Policy(blocklist=Path("x")).model_dump())


def _keys(mapping: dict[str, Any], before: str = "") -> set[str]:
    keys = {f"{before}{name}" for name in mapping}
    return keys.union(*(_keys(v, f"{before}{k}.") for k, v in mapping.items() if isinstance(v, dict)))


@pytest.mark.parametrize("file", ["settings/strict.yaml", "settings/high-volume.yaml", "sample_project/policy.yaml"])
def test_the_other_policies_load(file: str) -> None:
    """Each policy to copy is a valid one."""
    assert Policy.load(_ROOT / file).blocklist.name == "blocklist"


def test_the_strict_policy_is_nowhere_laxer() -> None:
    """The strict policy's limits are no wider than the default's, and it looks at no fewer views."""
    strict, default = Policy.load(_ROOT / "settings" / "strict.yaml"), Policy(blocklist=Path("x"))
    for name, value in default.limits.model_dump().items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert getattr(strict.limits, name) <= value, name
    assert all(getattr(strict.views, name) >= value for name, value in default.views.model_dump().items())


def test_the_requests_of_the_spider_start_where_it_is_told(project: Path) -> None:
    """The first request goes to the start argument."""
    spider = _spider()
    start = spider.start()
    with pytest.raises(StopIteration) as stop:
        start.__anext__().send(None)
    assert isinstance(stop.value.value, Request)
    assert stop.value.value.url == "https://example.org/start"
