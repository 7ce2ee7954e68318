from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard import Policy
from ingest_guard.cli.init import _quoted
from ingest_guard.cli.main import cli


def run(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["init", *map(str, arguments)], standalone_mode=False)


def test_writes_a_policy_and_says_what_next(tmp_path: Path) -> None:
    """The policy can be read, and the next three steps are printed."""
    done = run(tmp_path)
    assert done.return_value == 0
    assert Policy.load(tmp_path / "policy.yaml").blocklist == tmp_path / "blocklist"
    assert f"ingest-guard blocklist build {tmp_path / 'blocklist'} --list" in done.output
    assert 'ADDONS = {"ingest_guard.Addon": 0}' in done.output
    assert 'INGEST_GUARD_POLICY = "policy.yaml"' in done.output
    assert "ingest-guard doctor" in done.output


def test_without_a_folder_it_is_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like git init."""
    monkeypatch.chdir(tmp_path)
    assert run().return_value == 0
    assert (tmp_path / "policy.yaml").exists()


def test_does_not_replace_a_policy(tmp_path: Path) -> None:
    """Unless it is told to."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("mine")
    refused = run(tmp_path)
    assert refused.return_value == 2
    assert "exists; use --force to replace it" in refused.output
    assert policy.read_text() == "mine"
    assert run(tmp_path, "--force").return_value == 0
    assert "blocklist: blocklist" in policy.read_text()


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """It says so, without a traceback."""
    (tmp_path / "policy.yaml").mkdir()
    done = run(tmp_path, "--force")
    assert done.return_value == 2
    assert "cannot be written (Is a directory)" in done.output
    assert run(tmp_path / "absent").exception is not None


@pytest.mark.parametrize(
    "name",
    [
        "no",
        "2024",
        "1_000",
        "a: b",
        "a #b",
        "it's",
        'say "x"',
        "-x",
        "[a]",
        "C:\\lists",
        "null",
        "é",
        "a\nb",
        "*x",
        "1.5",
    ],
)
def test_odd_folder_names(tmp_path: Path, name: str) -> None:
    """Whatever the folder is called, the policy names that folder, and the command can be pasted."""
    done = run(tmp_path, f"--blocklist={name}")
    expected = tmp_path / Path(name)
    assert Policy.load(tmp_path / "policy.yaml").blocklist == expected
    start = done.output.index("ingest-guard blocklist")
    command = done.output[start : done.output.index(" --list ID:plain:FILE")]
    assert shlex.split(command) == ["ingest-guard", "blocklist", "build", str(expected)]


@given(name=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_name_comes_back(name: str) -> None:
    """YAML reads back what was written."""
    import yaml  # noqa: PLC0415 - needed here only

    assert yaml.safe_load(f"blocklist: {_quoted(name)}\n") == {"blocklist": name}
