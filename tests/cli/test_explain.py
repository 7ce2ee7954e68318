"""``ingest-guard explain``, as its operator runs it."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from scrapy.settings import Settings
from support.blocklists import make_blocklist
from support.pictures import drawn, encode
from support.server import Server
from twisted.internet import defer

from ingest_guard.cli import explain
from ingest_guard.cli.main import cli
from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.settings import POLICY_SETTING
from ingest_guard.scrapy_plugin.explanation import Explanation

if TYPE_CHECKING:
    from pathlib import Path

_COMMAND = [sys.executable, "-c", "from ingest_guard.cli import main; main()", "explain"]
_ROBOTS = b"User-agent: *\nAllow: /\n\nUser-agent: MyBot\nContent-Usage: /img/ train-ai=n\nDisallow: /no/\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Return a policy that is complete."""
    make_blocklist(tmp_path / "lists", {"bytes": [("md5", "0" * 31 + "1")]})
    file = tmp_path / "policy.yaml"
    file.write_text("blocklist: lists\n", encoding="utf-8")
    return file


def test_a_whole_run(policy: Path) -> None:
    """An image that robots.txt reserves: its line, its group, the reason and the key; the image is not fetched."""
    with Server() as server:
        server.add("/robots.txt", _ROBOTS, type="text/plain")
        url = server.add("/img/a.jpg", encode(drawn(600, (90, 70)), "JPEG"), type="image/jpeg")
        arguments = [url, "--policy", str(policy), "--user-agent", "MyBot/2.0"]
        run = subprocess.run([*_COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False)
        fetched = [(seen.method, seen.path) for seen in server.log]
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout.splitlines() == [
        url,
        "  robots.txt: the group for mybot counts (line 4)",
        '  robots.txt, line 5, said to mybot: content_usage: "/img/ train-ai=n" says no',
        "Kept out of the records: content_usage.",
        "Decided by the policy: opt_outs.content_usage: true",
        "What is on a list, of addresses or of images, is no part of this: a crawl may still drop it.",
    ]
    assert ("GET", "/img/a.jpg") not in fetched


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (Explanation("https://a.example/"), 0, "No opt-out keeps it out"),
        (Explanation("https://a.example/", "kept out", "robots_txt", key="opt_outs.robots_txt"), 1, "robots_txt"),
        (Explanation("https://a.example/", "unknown", text="there was no answer"), 3, "There was no answer."),
        (None, 4, "did not start or did not end"),
    ],
)
def test_exit_codes(
    policy: Path, monkeypatch: pytest.MonkeyPatch, answer: Explanation | None, code: int, words: str
) -> None:
    """What was found decides the exit code."""
    monkeypatch.setattr(explain, "_crawl", lambda *_: answer)
    result = CliRunner().invoke(cli, ["explain", "https://a.example/", "--policy", str(policy)], standalone_mode=False)
    assert result.return_value == code
    assert words in result.output


@pytest.mark.parametrize(
    ("url", "words"), [("a.example", "name an address"), ("https://a.example/", "name the policy")]
)
def test_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str) -> None:
    """What is no address, and a folder without a policy."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["explain", url], standalone_mode=False)
    assert isinstance(result.exception, click.UsageError)
    assert words in str(result.exception)


@pytest.mark.parametrize("fault", [SetupError("no lists here"), RuntimeError("anything")])
def test_a_crawl_that_does_not_start(policy: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """The guard's own reason is passed on; for anything else, that there is no answer."""
    process = SimpleNamespace(crawl=lambda *_, **__: defer.fail(fault), start=lambda: None)
    monkeypatch.setattr(explain, "CrawlerProcess", lambda _: process)
    result = CliRunner().invoke(cli, ["explain", "https://a.example/", "--policy", str(policy)], standalone_mode=False)
    if isinstance(fault, SetupError):
        assert result.exception is fault
    else:
        assert result.return_value == 4


def test_a_projects_own_names(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a project, its User-Agent, its policy and what it makes of robots.txt are those of the answer."""
    found: list[Settings] = []
    (policy.parent / "scrapy.cfg").write_text("[settings]\n", encoding="utf-8")
    project = Settings(
        {"USER_AGENT": "Own/1", "ROBOTSTXT_OBEY": False, POLICY_SETTING: "policy.yaml", "FEEDS": {"x": {}}}
    )
    monkeypatch.chdir(policy.parent)
    monkeypatch.setattr(explain, "project_settings", lambda _: project)
    monkeypatch.setattr(explain, "_crawl", lambda _, settings: found.append(settings))
    CliRunner().invoke(cli, ["explain", "https://a.example/"], standalone_mode=False)
    (settings,) = found
    assert (settings["USER_AGENT"], settings.getbool("ROBOTSTXT_OBEY"), settings["FEEDS"]) == ("Own/1", False, {})
