from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from blocklist.helpers import poke
from click.testing import CliRunner, Result

from ingest_guard import Guard, Outcome, Policy
from ingest_guard.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

    from support.listed import World

MD5 = hashlib.md5(b"listed", usedforsecurity=False).hexdigest()
PDQ = "f8f8f0cce0f4e84d0e370a22028f67f0b36e2ed596623e1d33e6b39c4e9c9b22"


def run(*arguments: object) -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(cli, ["blocklist", *map(str, arguments)], standalone_mode=False)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Write a list file; its name has a colon, as names may."""
    file = tmp_path / "a:list.txt"
    file.write_text(f"md5 {MD5}\npdq {PDQ}\n")
    return file


def test_build_info_verify(tmp_path: Path, plain: Path) -> None:
    """What was built can be looked at and is found to be sound; no value is ever printed."""
    folder = tmp_path / "blocklist"
    other = tmp_path / "other.txt"
    other.write_text(f"sha256 {'ab' * 32}\n")
    built = run("build", folder, "--list", f"mine:plain:{plain}", "--list", f"theirs:plain:{other}")
    assert built.exit_code == 0
    assert built.return_value == 0
    info = run("info", folder, "--json")
    told = json.loads(info.output)
    assert {each["id"]: each["counts"] for each in told["lists"]} == {
        "mine": {"md5": 1, "pdq": 1},
        "theirs": {"sha256": 1},
    }
    assert told["lists"][0]["thresholds"] == {"pdq": 31}
    table = run("info", folder).output
    assert told["version"] in table
    assert "within 31 bits" in table
    assert "exact" in table
    assert run("verify", folder).output == f"ok: version {told['version']}, 2 lists\n"
    for shown in (built.output, info.output, table):
        assert MD5 not in shown
        assert PDQ not in shown
    assert Guard.from_policy(Policy(blocklist=folder)).check(b"listed").outcome is Outcome.MATCH


def test_report_as_json(tmp_path: Path, plain: Path) -> None:
    """A script can read the report."""
    report: dict[str, Any] = json.loads(run("build", tmp_path / "b", "--list", f"mine:plain:{plain}", "--json").output)
    assert [(each["id"], each["accepted"]) for each in report["lists"]] == [("mine", {"md5": 1, "pdq": 1})]


@pytest.mark.parametrize("value", ["mine", "mine:plain", "mine::file", ":plain:file", "mine:plain:"])
def test_list_that_is_not_spelt_right(tmp_path: Path, value: str) -> None:
    """The error shows how it is spelt."""
    error = run("build", tmp_path / "b", "--list", value).exception
    assert "is not ID:FORMAT:FILE, as in my-list:plain:hashes.txt" in str(error)


@pytest.mark.parametrize("value", ["mine", "mine:pdq", "mine:pdq:near", "mine:pdq:-1", "mine:pdq:1:2"])
def test_threshold_that_is_not_spelt_right(tmp_path: Path, plain: Path, value: str) -> None:
    """So does this one."""
    error = run("build", tmp_path / "b", "--list", f"mine:plain:{plain}", "--threshold", value).exception
    assert "is not ID:ALGORITHM:BITS, as in my-list:pdq:20" in str(error)


def test_thresholds(tmp_path: Path, plain: Path) -> None:
    """A list may have its own, and one beyond sense needs a word."""
    arguments = ["build", tmp_path / "b", "--list", f"mine:plain:{plain}", "--threshold"]
    assert run(*arguments, "mine:pdq:20").exit_code == 0
    assert json.loads(run("info", tmp_path / "b", "--json").output)["lists"][0]["thresholds"] == {"pdq": 20}
    assert run(*arguments, "mine:pdq:40").exception is not None
    assert run(*arguments, "mine:pdq:40", "--accept-false-matches").exception is None


def test_empty_needs_a_word(tmp_path: Path) -> None:
    """A blocklist of nothing is not built by mistake."""
    assert "no list" in str(run("build", tmp_path / "b").exception)
    assert run("build", tmp_path / "b", "--allow-empty").exit_code == 0
    assert "0 lists" in run("verify", tmp_path / "b").output


def test_damaged_blocklist(tmp_path: Path, plain: Path, capsys: pytest.CaptureFixture[str], world: World) -> None:
    """One byte changed, and neither info nor verify call it sound."""
    folder = tmp_path / "b"
    run("build", folder, "--list", f"mine:plain:{plain}")
    victim = next(file for file in (folder / "versions").rglob("*.bloom"))
    poke(victim, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    for command in ("info", "verify"):
        result = run(command, folder)
        assert result.exception is not None
        assert "ok" not in result.output


def test_bad_file_format_or_rows(tmp_path: Path, plain: Path) -> None:
    """A list file that is not there, of an unknown format, or full of junk is an error."""
    assert run("build", tmp_path / "b", "--list", f"mine:plain:{tmp_path / 'absent'}").exception is not None
    assert run("build", tmp_path / "b", "--list", f"mine:csv:{plain}").exception is not None
    plain.write_text(f"md5 {MD5}\n" + "junk\n" * 50)
    assert run("build", tmp_path / "b", "--list", f"mine:plain:{plain}").exception is not None
    assert run("build", tmp_path / "b", "--list", f"mine:plain:{plain}", "--accept").exit_code == 0
