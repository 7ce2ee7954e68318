from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from blocklist.helpers import poke
from click.testing import CliRunner, Result

from ingest_guard import Guard, Outcome, Policy
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.cli.main import cli
from ingest_guard.errors import BlocklistError

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


def test_every_command_is_there() -> None:
    """Help names each of them, and an unknown one is wrong use."""
    shown = CliRunner().invoke(cli, ["blocklist", "--help"]).output
    for name in ("build", "compact", "diff", "fetch", "info", "keygen", "pack", "sign", "unpack", "update", "verify"):
        assert f"\n  {name} " in shown
        assert run(name, "--help").exit_code == 0
    assert "No such command" in str(run("burn").exception)


def test_report_for_people_and_scripts(tmp_path: Path, plain: Path) -> None:
    """The table is printed, and the JSON written beside it, for nobody else to read."""
    file = tmp_path / "report.json"
    shown = run("build", tmp_path / "b", "--list", f"mine:plain:{plain}", "--report", file).output
    assert "100.0% of all entries" in shown
    assert json.loads(file.read_text())["lists"][0]["share"] == 1.0
    assert file.stat().st_mode & 0o777 == 0o600
    assert MD5 not in shown + file.read_text()


def test_mapped_lists(tmp_path: Path) -> None:
    """A table is read by its description; severities are shown apart."""
    (tmp_path / "map.yaml").write_text(
        "format: csv\nvalues: [{column: h, algorithm: md5}]\nseverity: {column: s}\nid: i\n"
    )
    (tmp_path / "list.csv").write_text(f"h,s,i\n{MD5},a1,1\n{PDQ[:32]},,2\n")
    folder = tmp_path / "b"
    shown = run("build", folder, "--list", f"mine:map={tmp_path / 'map.yaml'}:{tmp_path / 'list.csv'}")
    assert "of severity A1" in shown.output
    told = json.loads(run("info", folder, "--json").output)
    assert [(each["id"], each["severity"]) for each in told["lists"]] == [("mine", None), ("mine", "A1")]
    assert "A1" in run("info", folder).output
    assert "1 lists" in run("verify", folder).output


def test_rejected_share_is_the_operators(tmp_path: Path, plain: Path) -> None:
    """Half of the rows may be rejected where the operator says so."""
    plain.write_text(f"md5 {MD5}\njunk\n")
    arguments = ["build", tmp_path / "b", "--list", f"mine:plain:{plain}"]
    assert run(*arguments).exception is not None
    assert run(*arguments, "--max-rejected", "0.4").exception is not None
    assert run(*arguments, "--max-rejected", "0.5").exit_code == 0
    assert "is not in the range" in str(run(*arguments, "--max-rejected", "2").exception)


def test_a_list_that_shrinks_needs_a_word(tmp_path: Path, plain: Path) -> None:
    """A list that lost half of its entries, or is gone, is not built by mistake."""
    folder = tmp_path / "b"
    other = tmp_path / "other.txt"
    other.write_text(f"sha1 {'ab' * 20}\n")
    both = ["--list", f"mine:plain:{plain}", "--list", f"theirs:plain:{other}"]
    assert run("build", folder, *both).exit_code == 0
    plain.write_text(f"md5 {MD5}\n")
    assert run("build", folder, *both).exception is not None
    assert run("build", folder, *both, "--max-shrink", "0.5").exit_code == 0
    assert run("build", folder, *both[:2]).exception is not None
    shown = run("build", folder, *both[:2], "--accept").output
    assert "theirs  gone since the last version, with 1 entries" in shown


def test_keys_come_from_elsewhere(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sealed list's key comes from a variable or a file, once; info and verify need none."""
    folder = tmp_path / "b"
    arguments = ["build", folder, "--list", f"mine:plain:{plain}"]
    monkeypatch.setenv("LIST_KEY", "ab" * 32)
    assert "either --key-env or --key-file" in str(
        run(*arguments, "--key-env", "LIST_KEY", "--key-file", tmp_path / "key").exception
    )
    assert "is not set" in str(run(*arguments, "--key-env", "OTHER_KEY").exception)
    assert run(*arguments, "--key-env", "LIST_KEY").exit_code == 0
    assert json.loads(run("info", folder, "--json").output)["lists"][0]["counts"] == {"md5": 1, "pdq": 1}
    assert run("verify", folder).exit_code == 0
    with pytest.raises(BlocklistError, match="key"):
        Blocklist.open(folder)
    with Blocklist.open(folder, key=bytes.fromhex("ab" * 32)) as opened:
        assert opened.match_exact({"md5": MD5}) == [("mine", "md5")]


def test_update_and_compact(tmp_path: Path, plain: Path) -> None:
    """What came since the build is added and taken out without a rebuild, and made one with it by command."""
    folder, more = tmp_path / "b", tmp_path / "more.txt"
    run("build", folder, "--list", f"mine:plain:{plain}", "--confirm", "--error-rate", "1e-6")
    more.write_text(f"sha1 {'ab' * 20}\n")
    shown = run("update", folder, "--list", f"mine:plain:{more}")
    assert shown.exit_code == 0, shown.exception
    assert "of all entries" not in shown.output
    assert json.loads(run("info", folder, "--json").output)["lists"][0]["counts"] == {"md5": 1, "pdq": 1, "sha1": 1}
    assert run("update", folder, "--remove", f"mine:plain:{more}", "--max-shrink", "0.5").exit_code == 0
    assert run("update", folder).exception is not None
    compacted = run("compact", folder, "--json")
    assert compacted.exit_code == 0, compacted.exception
    assert Guard.from_policy(Policy(blocklist=folder)).check(b"listed").outcome is Outcome.MATCH


def test_diff(tmp_path: Path, plain: Path) -> None:
    """Two blocklists are held against each other; where one keeps no values, only their numbers are told."""
    for name in ("a", "b"):
        run("build", tmp_path / name, "--list", f"mine:plain:{plain}", "--confirm")
        plain.write_text(f"md5 {MD5}\nmd5 {PDQ[:32]}\n")
    run("build", tmp_path / "c", "--list", f"mine:plain:{plain}")
    shown = run("diff", tmp_path / "a", tmp_path / "b")
    assert "  mine md5 1 2 1 0 1" in "\n".join("  " + " ".join(line.split()) for line in shown.output.splitlines())
    told = json.loads(run("diff", tmp_path / "a", tmp_path / "b", "--json").output)
    assert {each["algorithm"]: each["kept"] for each in told["changes"]} == {"md5": 1, "pdq": 0}
    assert "?" in run("diff", tmp_path / "a", tmp_path / "c").output
    for text in (shown.output, json.dumps(told)):
        assert MD5 not in text
        assert PDQ not in text


def test_a_policy_stands_for_options_that_are_not_given(tmp_path: Path, plain: Path) -> None:
    """Error rate, tables, brakes and owners come from the policy; an option that is given counts more."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "blocklist: blocklist\nlists: {mine: {owner: Hotline}}\nbuild: {confirm: true, error_rate: 1.0e-4, keep: 1}\n"
    )
    folder = tmp_path / "blocklist"
    for options in ((), ("--error-rate", "1e-6", "--keep", "2", "--accept")):
        result = run("build", folder, "--list", f"mine:plain:{plain}", "--policy", policy, *options)
        assert result.return_value == 0, result.output
    manifests = [json.loads(path.read_text()) for path in folder.glob("versions/*/manifest.json")]
    assert sorted(manifest["error_rate"] for manifest in manifests) == [1e-6, 1e-4]
    assert all(manifest["confirm"] for manifest in manifests)
    assert all(entry["owner"] == "Hotline" for manifest in manifests for entry in manifest["lists"][:-1])


def test_a_policy_of_a_keyed_blocklist_names_its_key(
    tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key need not be named twice."""
    monkeypatch.setenv("LIST_KEY", "ab" * 32)
    policy = tmp_path / "policy.yaml"
    policy.write_text("blocklist: blocklist\nlist_key: {env: LIST_KEY}\n")
    assert run("build", tmp_path / "blocklist", "--list", f"mine:plain:{plain}", "--policy", policy).return_value == 0
    with pytest.raises(BlocklistError, match="key"):
        Blocklist.open(tmp_path / "blocklist")
