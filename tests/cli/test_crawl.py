from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from ingest_guard.cli.crawl import make_plan, take_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with seeds and a policy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text("http://a.example/\n")
    (tmp_path / "policy.yaml").write_text("blocklist: lists\n")


def pairs(arguments: list[str], flag: str) -> dict[str, str]:
    """Return the values of one flag."""
    values = [arguments[at + 1] for at, each in enumerate(arguments) if each == flag]
    return dict(value.split("=", 1) for value in values)


def test_a_spider_of_the_project_gets_what_was_typed() -> None:
    """In its order; a feed that is a file is Scrapy's."""
    typed = ["-s", "A=1", "gallery", "-a", "option=x", "-o", "out.jsonl", "-aother=o", "--output=y.csv", "-O", "z.csv"]
    plan = make_plan(typed, None, sitemap=False)
    expected = [*typed]
    expected[expected.index("--output=y.csv") : expected.index("--output=y.csv") + 1] = ["--output", "y.csv"]
    assert plan.arguments == expected
    assert plan.environment == {}


def test_a_folder_makes_a_data_set(tmp_path: Path) -> None:
    """For a spider of the project as well, where the name ends with a slash."""
    plan = make_plan(["gallery", "-o", "out/"], None, outfit="laion", format_="jsonl", policy=tmp_path / "policy.yaml")
    assert plan.arguments[0] == "gallery"
    assert "-o" not in plan.arguments
    assert pairs(plan.arguments, "-s") == {
        "INGEST_GUARD_POLICY": str(tmp_path / "policy.yaml"),
        "INGEST_GUARD_DATASET": str(tmp_path / "out"),
        "INGEST_GUARD_OUTFIT": "laion",
        "INGEST_GUARD_FORMAT": "jsonl",
    }


def test_seeds_need_no_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths are absolute: a scrapy.cfg in a folder above must not move them."""
    plan = make_plan(
        ["-o", "out", "-s", "X=1"], tmp_path / "urls.txt", domains="*", depth=2, sitemap=True, contact="me@x"
    )
    assert plan.arguments[0] == "image-text"
    assert pairs(plan.arguments, "-a") == {
        "seeds": str(tmp_path / "urls.txt"),
        "sitemap": "yes",
        "domains": "*",
        "depth": "2",
    }
    settings = pairs(plan.arguments, "-s")
    assert settings["INGEST_GUARD_POLICY"] == str(tmp_path / "policy.yaml")
    assert settings["INGEST_GUARD_DATASET"] == str(tmp_path / "out")
    assert settings["USER_AGENT"].endswith("(+me@x)")
    assert settings["X"] == "1"
    assert plan.environment == {"SCRAPY_SETTINGS_MODULE": "ingest_guard.scrapy_plugin.spider.standalone"}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("typed", "level"),
    [([], "WARNING"), (["-L", "INFO"], None), (["-s", "LOG_LEVEL=DEBUG"], "DEBUG"), (["--loglevel=ERROR"], None)],
)
def test_a_terminal_is_for_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str], level: str | None
) -> None:
    """From seeds, a terminal shows warnings alone unless a level is named; a log that goes elsewhere has all lines."""
    seeds = tmp_path / "urls.txt"
    assert "LOG_LEVEL" not in pairs(make_plan(["-o", "out"], seeds, contact="me@x").arguments, "-s")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    plan = make_plan(["-o", "out", *typed], seeds, contact="me@x")
    assert pairs(plan.arguments, "-s").get("LOG_LEVEL") == level
    named = make_plan(["-o", "out"], seeds, contact="me@x", log_level="info")
    assert pairs(named.arguments, "-s")["LOG_LEVEL"] == "INFO"


def test_a_crawler_without_a_contact_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It runs all the same; a bucket stays as it is."""
    plan = make_plan(["-o", "s3://bucket/x/"], tmp_path / "urls.txt", sitemap=False, depth=None)
    assert "USER_AGENT" not in pairs(plan.arguments, "-s")
    assert pairs(plan.arguments, "-s")["INGEST_GUARD_DATASET"] == "s3://bucket/x/"
    assert "sitemap" not in pairs(plan.arguments, "-a")
    assert "--contact" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "name a spider"),
        (["gallery", "-o"], "name a folder"),
        (["gallery", "-o", "a/", "-o", "b/"], "one folder"),
    ],
)
def test_what_does_not_fit_without_seeds(arguments: list[str], why: str) -> None:
    """Errors say what to type."""
    with pytest.raises(click.UsageError, match=why):
        make_plan(arguments, None)


def test_options_of_seeds_go_with_seeds() -> None:
    """A spider of the project has arguments of its own."""
    with pytest.raises(click.UsageError, match=r"--domains, --depth: only with --seeds"):
        make_plan(["gallery"], None, domains="*", depth=1)


def test_what_seeds_need(tmp_path: Path) -> None:
    """A folder for the records, an address, a policy."""
    with pytest.raises(click.UsageError, match="-o FOLDER"):
        make_plan([], tmp_path / "urls.txt")
    (tmp_path / "urls.txt").write_text("# none\n")
    with pytest.raises(click.UsageError, match="no address"):
        make_plan(["-o", "out"], tmp_path / "urls.txt")
    (tmp_path / "policy.yaml").unlink()
    with pytest.raises(click.UsageError, match="ingest-guard init"):
        make_plan(["-o", "out"], tmp_path / "urls.txt")


def test_the_folder_is_taken_out() -> None:
    """Whatever stands around it."""
    assert take_folder(["-o", "s3://b/", "x"], anything=True) == ("s3://b/", ["x"])
    assert take_folder(["--output=file://x"], anything=True) == ("file://x", [])
    assert take_folder(["-o=x"], anything=False) == (None, ["-o=x"])
