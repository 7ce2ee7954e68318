from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.cli.main import cli

if TYPE_CHECKING:
    from pathlib import Path

_MD5 = [hashlib.md5(bytes([number]), usedforsecurity=False).hexdigest() for number in range(3)]
_PDQ = "f8f8f0cce0f4e84d0e370a22028f67f0b36e2ed596623e1d33e6b39c4e9c9b22"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Write two lists, and a policy that takes one algorithm of the first, and allows one value."""
    for name, lines in {"first": [f"md5 {_MD5[0]}", f"pdq {_PDQ}"], "second": [f"md5 {md5}" for md5 in _MD5]}.items():
        (tmp_path / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    sources = [ListSource(name, "plain", tmp_path / f"{name}.txt") for name in ("first", "second")]
    build(tmp_path / "blocklist", sources)
    (tmp_path / "allowed.txt").write_text(f"md5 {_MD5[1]}\n")
    file = tmp_path / "policy.yaml"
    file.write_text(
        "blocklist: blocklist\nlists:\n  first: {algorithms: [pdq], thresholds: {pdq: 20}, owner: Hotline}\n"
        "  second: {action: hold}\nallow: {files: [allowed.txt]}\n"
    )
    return file


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["blocklist", "audit", *map(str, arguments)], standalone_mode=False)


def test_the_audit_tells_what_counts(policy: Path) -> None:
    """For each list and algorithm: whether it counts, how near is a match, what follows, what is allowed."""
    lines = {tuple(line.split()) for line in _run(policy).output.splitlines()}
    assert ("first", "Hotline", "-", "md5", "1", "does", "not", "count", "-", "0") in lines
    assert ("first", "Hotline", "-", "pdq", "1", "within", "20", "drop", "0") in lines
    assert ("second", "-", "-", "md5", "3", "exact", "hold", "1") in lines


def test_the_audit_shows_no_value(policy: Path) -> None:
    """Neither listed nor allowed values are printed."""
    output = _run(policy).output
    assert "allow-list  1 values" in output
    assert not any(value in output for value in [*_MD5, _PDQ])


def test_the_audit_as_json(policy: Path) -> None:
    """The same as JSON."""
    told = json.loads(_run(policy, "--json").output)
    assert told["allow_entries"] == 1
    assert [row["action"] for row in told["rows"]] == ["drop", "drop", "hold"]


def test_without_an_allow_list_it_says_so(policy: Path) -> None:
    """None is told as none."""
    policy.write_text("blocklist: blocklist\n")
    assert "allow-list  none" in _run(policy).output
