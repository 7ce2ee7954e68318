from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner
from incidents.samples import FULL
from support.attested import manifest, run

from ingest_guard.cli.main import cli
from ingest_guard.dataset.attestation.model import IncidentCheckpoint
from ingest_guard.incidents.chain import summary
from ingest_guard.incidents.log import Log
from ingest_guard.incidents.officers_journal import State, read
from ingest_guard.incidents.sealing import Sealer, read_recipients
from ingest_guard.signing.keys import read_public_key, read_signing_key

_DOCS = Path(__file__).parents[2] / "docs" / "incidents.md"
_XSD = Path(__file__).parent / "reports" / "report.xsd"


def _commands() -> list[list[str]]:
    """Return the commands of the page in their order, as a shell takes them apart."""
    lines = _DOCS.read_text().replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("    ingest-guard ")]


def _reporter() -> str:
    """Return the page's example of a reporter."""
    page = _DOCS.read_text()
    start = page.index("    # reporter.yaml")
    return dedent(page[start : page.index("\n\n", start)])


def _crawl() -> None:
    """Write what a crawl of the documented policy leaves: a log of 24 entries, and its manifest."""
    log = Log(Path("incidents"), "r1", read_signing_key("incidents.key"))
    log.append(why="start")
    sealer = Sealer(read_recipients(["officer.key.pub"]))
    log.append([sealer.seal(replace(FULL, more_of=None)) for _ in range(24)], why="end")
    assert log.checkpoint is not None
    named = run(incidents=IncidentCheckpoint(**summary(log.checkpoint)))
    Path("attestation.json").write_bytes(manifest(runs=(named,)).to_bytes())
    Path("reporter.yaml").write_text(_reporter())
    Path("ispws.xsd").write_bytes(_XSD.read_bytes())
    Path("policy.yaml").write_text("blocklist: blocklist\n")


def test_the_documented_day_of_an_officer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From keys to marked entries: each command of the page, as typed and in its order, ends with 0."""
    monkeypatch.chdir(tmp_path)
    used = []
    for arguments in _commands():
        if arguments[0] == "incidents" and not Path("incidents").exists():
            _crawl()
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        assert (done.exception, done.return_value or 0) == (None, 0), arguments
        used.append(arguments[1])
        if "--journal" in arguments and arguments[1] == "list":
            assert done.output.count("reported CT-1234567") == 1
            assert done.output.count("  dismissed") == 6
    assert {"keygen", "verify", "list", "show", "export", "mark", "expire"} <= set(used)
    assert b"<email>officer@example.org</email>" in Path("report.xml").read_bytes()
    known = read(Path("officer.journal"), {read_public_key("journal.key.pub").hex()})
    assert known.problems == []
    assert {mark.n: mark.state for mark in known.marks.values()} == {
        17: State.REPORTED,
        **dict.fromkeys((3, 20, 21, 22, 23, 24), State.DISMISSED),
    }
