from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from lists.fetch.helpers import CREDENTIALS, SECRETS
from lists.fetch.services import EPOCH, Hash, Ncmec, Reply, StopNcii

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.cli.blocklist import fetch
from ingest_guard.cli.main import cli
from ingest_guard.lists.fetch.errors import SourcesError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRIES = [Hash.of(number, EPOCH + number) for number in range(25)]


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the credentials, no proxy, and the mask that was before."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.fixture
def services() -> Iterator[tuple[Ncmec, StopNcii]]:
    """Run two services."""
    with Ncmec(ENTRIES) as ncmec, StopNcii(ENTRIES) as stopncii:
        yield ncmec, stopncii


@pytest.fixture
def file(services: tuple[Ncmec, StopNcii], tmp_path: Path) -> Path:
    """Write a file of both."""
    text = ""
    for service, kind in zip(services, ("ncmec", "stopncii"), strict=True):
        keys = {"id": f"my-{kind}", "kind": kind, "url": service.url, "wait": 0, "attempts": 2, **CREDENTIALS[kind]}
        text += "- " + "\n  ".join(f"{name}: {value}" for name, value in keys.items()) + "\n"
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    return path


def run(*arguments: object) -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(cli, ["blocklist", *map(str, arguments)], standalone_mode=False)


def test_fetch_and_build(file: Path, tmp_path: Path) -> None:
    """What was fetched can be built into a blocklist; the report says what came, and never a value."""
    fetched = run("fetch", file, "-o", tmp_path / "lists")
    assert fetched.return_value == 0
    assert "md5 25, pdq 25, sha1 25" in fetched.output
    assert "complete" in fetched.output
    for entry in ENTRIES:
        assert (entry.md5 or "") not in fetched.output
    lists = [f"--list={name}:journal:{tmp_path / 'lists' / name}.journal" for name in ("my-ncmec", "my-stopncii")]
    assert run("build", tmp_path / "blocklist", *lists).return_value == 0
    with Blocklist.open(tmp_path / "blocklist") as blocklist:
        assert {info.id for info in blocklist.lists} == {"my-ncmec", "my-stopncii"}
        assert sum(info.counts.get("md5", 0) for info in blocklist.lists) == 25


def test_only_what_is_asked_for(file: Path, services: tuple[Ncmec, StopNcii], tmp_path: Path) -> None:
    """``--only`` leaves the other sources alone."""
    told = json.loads(run("fetch", file, "-o", tmp_path / "lists", "--only", "my-stopncii", "--json").output)
    assert [(each["id"], each["records"], each["error"]) for each in told["sources"]] == [("my-stopncii", 25, None)]
    assert services[0].asked == []


def test_unknown_source(file: Path, tmp_path: Path) -> None:
    """The error names those that there are; nothing is asked or written."""
    error = run("fetch", file, "-o", tmp_path / "lists", "--only", "nobody").exception
    assert isinstance(error, SourcesError)
    assert "there is no source nobody; there are my-ncmec, my-stopncii" in str(error)
    assert not (tmp_path / "lists").exists()


def test_one_that_fails_does_not_stop_the_others(file: Path, services: tuple[Ncmec, StopNcii], tmp_path: Path) -> None:
    """The exit code says that something failed, the other source is fetched, and the checkpoint stays."""
    services[0].faults.append(lambda _, index: Reply(status=500) if index >= 2 else None)
    failed = run("fetch", file, "-o", tmp_path / "lists")
    assert failed.return_value == 4
    assert "ingest-guard: source my-ncmec: 127.0.0.1: status 500, at try 2 of 2; fetch again later" in failed.output
    assert "failed" in failed.output
    assert "complete" in failed.output
    state = json.loads((tmp_path / "lists" / "my-ncmec.checkpoint").read_bytes())["state"]
    assert state["position"]["from"] == 0
    assert state["completed"] is None
    services[0].faults.clear()
    assert run("fetch", file, "-o", tmp_path / "lists").return_value == 0


def test_credential_that_is_not_there(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source whose variable is not set fails by name; the other is fetched."""
    monkeypatch.delenv("FETCH_USER")
    failed = run("fetch", file, "-o", tmp_path / "lists", "--json")
    assert failed.return_value == 4
    assert "source my-ncmec: the environment variable FETCH_USER is empty or not set" in failed.output
    assert (tmp_path / "lists" / "my-stopncii.journal").exists()


def test_everything_anew(file: Path, services: tuple[Ncmec, StopNcii], tmp_path: Path) -> None:
    """``--full`` asks from the beginning, and drops what the source does not have any more."""
    run("fetch", file, "-o", tmp_path / "lists")
    del services[0].entries[:5]
    told = json.loads(run("fetch", file, "-o", tmp_path / "lists", "--full", "--json").output)
    assert told["sources"][0]["records"] == 20
    assert told["sources"][0]["compacted"]
    assert (tmp_path / "lists" / "my-ncmec.journal").read_bytes().count(b"\n") == 20


def test_long_fetches_show_that_they_live(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every so many pages a line says how far it is."""
    monkeypatch.setattr(fetch, "_EACH", 2)
    assert "my-ncmec: 2 pages, 20 records" in run("fetch", file, "-o", tmp_path / "lists").output
