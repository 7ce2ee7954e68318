from __future__ import annotations

import json
import logging
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click import UsageError
from click.testing import CliRunner, Result
from incidents.samples import FULL, IDENTITY, RECIPIENT
from lxml import etree

from ingest_guard.cli.incidents import command
from ingest_guard.errors import PolicyError
from ingest_guard.incidents.entry import ListFacts
from ingest_guard.incidents.log import Log
from ingest_guard.incidents.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Sequence

_XSD = Path(__file__).parents[1] / "incidents" / "reports" / "report.xsd"
_FORMATS = ("cybertip-xml", "json", "html")
FIRST = replace(FULL, more_of=None, count=1)
SAME_PAGE = replace(FIRST, addresses=replace(FIRST.addresses, final="https://c.example/white space.jpg"))
OTHER_PAGE = replace(FIRST, addresses=replace(FIRST.addresses, page="https://q.example/"))
OTHER_KIND = replace(FIRST, list=ListFacts("intimate", "ncii"), others=())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a log of four entries, the officer's key and who reports."""
    sealer = Sealer([RECIPIENT])
    log = Log(tmp_path / "log", "r1")
    log.append([sealer.seal(each) for each in (FIRST, SAME_PAGE, OTHER_PAGE, OTHER_KIND)])
    key = tmp_path / "officer.key"
    key.write_text(str(IDENTITY))
    key.chmod(0o600)
    (tmp_path / "reporter.yaml").write_text("email: officer@example.org\ncompany: A crawl\n")
    return tmp_path


def export(folder: Path, *numbers: int, to: str, more: Sequence[object] = (), kind: str = "cybertip-xml") -> Result:
    """Run ``ingest-guard incidents export``."""
    given = ["export", folder / "log", *numbers, "--format", kind, "-o", folder / to]
    given += ["--reporter", folder / "reporter.yaml", "--identity", folder / "officer.key", *more]
    return CliRunner().invoke(command, [str(each) for each in given], standalone_mode=False)


def assert_shows_nothing(text: str) -> None:
    """Neither addresses nor hosts, hashes, lists, the reporter nor the key."""
    for value in (
        "example",
        "hxxp",
        "http",
        "1" * 32,
        "3" * 64,
        "4" * 64,
        "192.0.2.7",
        "hotline",
        "intimate",
        "A crawl",
    ):
        assert value not in text
    assert str(IDENTITY) not in text


def test_one_file_of_xml_for_each_page(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Files are valid and for their owner alone; terminal and log get counts and names of fields, no values."""
    with caplog.at_level(logging.DEBUG):
        said = export(folder, 1, 2, 3, to="report.xml", more=("--xsd", _XSD))
    assert said.return_value == 0
    files = [folder / "report.xml", folder / "report-2.xml"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in files] == [0o600, 0o600]
    documents = [etree.parse(str(each)) for each in files]
    assert all(map(etree.XMLSchema(file=str(_XSD)).validate, documents))
    assert [len(each.findall("internetDetails")) for each in documents] == [2, 1]
    assert said.output == (
        "report 1 cannot hold: entry 2, url (addresses.final): white space in it\n"
        "Wrote 2 reports of 3 entries: 2 files\n"
    )
    assert_shows_nothing(said.output + caplog.text)
    assert sorted(each.name for each in folder.iterdir()) == [
        "log", "officer.key", "report-2.xml", "report.xml", "reporter.yaml"
    ]  # fmt: skip


@pytest.mark.parametrize("kind", _FORMATS)
def test_each_format_is_for_its_owner_alone_and_never_written_over(
    folder: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The file is 0600; a second export to the same name changes nothing and is wrong use."""
    with caplog.at_level(logging.DEBUG):
        said = export(folder, 1, to="report", kind=kind)
    assert said.return_value == 0
    path = folder / "report"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert_shows_nothing(said.output + caplog.text)
    assert ("not held against" in said.output) is (kind == "cybertip-xml")
    before = path.read_bytes()
    again = export(folder, 3, to="report", kind=kind)
    assert (again.return_value, path.read_bytes()) == (2, before)
    assert "never written over" in again.output


def test_all_files_are_written_or_none(folder: Path) -> None:
    """Where a second file cannot be written the first one goes, too."""
    (folder / "report-2.xml").write_text("an earlier report")
    assert export(folder, 1, 3, to="report.xml").return_value == 2
    assert not (folder / "report.xml").exists()
    assert (folder / "report-2.xml").read_text() == "an earlier report"
    assert export(folder, 1, to="missing/report.xml").return_value == 2
    assert not [each for each in folder.iterdir() if each.name.endswith(".part")]


@pytest.mark.parametrize("kind", _FORMATS)
def test_other_kinds_need_the_word(folder: Path, kind: str) -> None:
    """A list of another kind is refused, nothing is written; as a suspicion it is exported, and the text says so."""
    refused = export(folder, 1, 4, to="report", kind=kind)
    assert isinstance(refused.exception, UsageError)
    assert "entry 4 has neither" in str(refused.exception)
    assert not (folder / "report").exists()
    assert export(folder, 1, 4, to="report", kind=kind, more=("--as-suspicion",)).return_value == 0
    assert b"Reported as a suspicion" in (folder / "report").read_bytes()


def test_a_report_without_an_address_is_named(folder: Path) -> None:
    """The terminal says that nothing can come of it."""
    sealer = Sealer([RECIPIENT])
    bare = replace(FIRST, addresses=type(FIRST.addresses)("https://a b/"), more_addresses=())
    Log(folder / "log", "r2").append([sealer.seal(bare)])
    assert "report 1 has no address" in export(folder, 5, to="report.xml").output


def test_json_has_a_report_for_each_page(folder: Path) -> None:
    """All reports stand in one file."""
    assert export(folder, 3, 1, 2, to="report.json", kind="json").return_value == 0
    content = json.loads((folder / "report.json").read_bytes())
    assert [[entry["n"] for entry in each["entries"]] for each in content["reports"]] == [[1, 2], [3]]


def test_wrong_use(folder: Path) -> None:
    """A number that is not there, a schema for another format, a schema that is none, a reporter that is none."""
    missing = export(folder, 1, 9, to="report.xml").exception
    assert "no open entry 9" in str(missing)
    other = export(folder, 1, to="report.json", kind="json", more=("--xsd", _XSD)).exception
    assert "nothing else has a schema" in str(other)
    no_schema = export(folder, 1, to="report.xml", more=("--xsd", folder / "reporter.yaml")).exception
    assert isinstance(no_schema, PolicyError)
    (folder / "reporter.yaml").write_text("email: SECRET")
    no_reporter = export(folder, 1, to="report.xml").exception
    assert isinstance(no_reporter, PolicyError)
    assert "SECRET" not in str(no_reporter)
    assert not (folder / "report.xml").exists()
