from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from support.attested import data_set, manifest, record, run, write_shard

from ingest_guard.cli.attest import command
from ingest_guard.dataset.attestation.draft import DRAFT
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.errors import AttestationError, BlocklistError, PolicyError
from ingest_guard.signing.keys import write_signing_key

if TYPE_CHECKING:
    from pathlib import Path


def call(*arguments: object) -> Result:
    """Run ``ingest-guard attest``."""
    return CliRunner().invoke(command, [str(each) for each in arguments], standalone_mode=False)


def code(result: Result) -> object:
    """Return the exit code that ``main`` would return."""
    return result.return_value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a data set."""
    data_set(tmp_path / "set")
    return tmp_path / "set"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make a signing key; its public half is beside it."""
    write_signing_key(tmp_path / "key")
    return tmp_path / "key"


def test_verify_says_what_holds(folder: Path) -> None:
    """Records, shards, the manifest's digest, and that nobody signed it."""
    result = call("verify", folder)
    assert code(result) == 0
    assert "holds: 16 records in 2 shards" in result.output
    assert "not signed" in result.output


def test_verify_says_what_does_not_hold(folder: Path) -> None:
    """Exit code 4, a line for each problem, and nothing that sounds like praise."""
    (folder / "records-00000.parquet").unlink()
    result = call("verify", folder)
    assert code(result) == 4
    assert "does not hold: records-00000.parquet is missing" in result.output
    assert "\nholds" not in result.output


def test_verify_speaks_json(folder: Path) -> None:
    """For programs."""
    said = json.loads(call("verify", folder, "--json").output)
    assert (said["holds"], said["records"], said["shards"], said["problems"]) == (True, 16, 2, [])
    (folder / "evil.parquet").touch()
    result = call("verify", folder, "--json")
    assert code(result) == 4
    assert json.loads(result.output)["problems"] == ["evil.parquet is not listed in attestation.json"]


def test_verify_asks_for_a_manifest(tmp_path: Path) -> None:
    """Without one it is an error, which ``main`` makes exit code 4 of."""
    assert isinstance(call("verify", tmp_path).exception, AttestationError)


def test_verify_takes_a_signer(folder: Path, key: Path, tmp_path: Path) -> None:
    """By file or in hex; another one's signature does not do."""
    assert code(call("sign", folder, "--sign-key", key)) == 0
    public = (tmp_path / "key.pub").read_text().strip()
    for signer in (public, tmp_path / "key.pub"):
        result = call("verify", folder, "--signer", signer)
        assert code(result) == 0
        assert f"signed by {public}" in result.output
    assert code(call("verify", folder, "--signer", "ab" * 32)) == 4
    assert isinstance(call("verify", folder, "--signer", tmp_path / "nowhere").exception, BlocklistError)


def test_verify_takes_a_policy(folder: Path, policy_file: Path) -> None:
    """Each run must have gone by it."""
    result = call("verify", folder, "--policy", policy_file)
    assert code(result) == 4
    assert "a run went by another policy" in result.output
    assert isinstance(call("verify", folder, "--policy", policy_file.with_name("nowhere")).exception, PolicyError)


def test_show_tells_in_words(folder: Path) -> None:
    """What was compared, what was counted, what is promised and what is not; hashes and addresses are not told."""
    result = call("show", folder)
    assert code(result) == 0
    for said in (
        "16 image-text records",
        "No known match does not mean safe",
        "first 111111111111: 3 md5",
        "second (A1) 222222222222: 2 pdq within 31",
        "Left out because the site or page opts out: noai 4.",
        "Left out by filters: text_length 5.",
        "Not promised:",
    ):
        assert said in result.output
    assert record(0)["sha256"] not in result.output


def test_show_prints_the_manifest_as_it_is(folder: Path) -> None:
    """Byte by byte."""
    assert call("show", folder, "--json").output == (folder / "attestation.json").read_text()


def test_write_takes_what_a_policy_says_of_the_data_set(folder: Path, key: Path, policy_file: Path) -> None:
    """Another name and licence, and the policy's key; everything else stays."""
    before = Manifest.load(folder)
    said = "dataset: {name: Renamed, license: 'https://spdx.org/licenses/CC-BY-4.0.html', sign_key: "
    policy_file.write_text(policy_file.read_text() + f"{said}{key}}}\n")
    result = call("write", folder, "--policy", policy_file)
    assert code(result) == 0, result.exception
    assert "16 records in 2 shards\nsigned by" in result.output
    after = Manifest.load(folder)
    assert after.about.name == "Renamed"
    assert (after.runs, after.shards, after.outcomes) == (before.runs, before.shards, before.outcomes)
    assert json.loads((folder / "croissant.json").read_text())["license"].endswith("CC-BY-4.0.html")
    assert code(call("verify", folder, "--signer", f"{key}.pub")) == 0


def test_write_makes_a_manifest_of_what_a_killed_crawl_left(tmp_path: Path) -> None:
    """From its draft; and it is told that its numbers are lost."""
    lost = run(ended=None, finish_reason=None, counts=None)
    draft = manifest(runs=(lost,))
    (tmp_path / DRAFT).write_bytes(draft.to_bytes())
    write_shard(tmp_path / "records-00000.parquet", [record(1)])
    result = call("write", tmp_path)
    assert code(result) == 0, result.exception
    assert not (tmp_path / DRAFT).exists()
    told = call("verify", tmp_path)
    assert code(told) == 0
    assert "a run did not end well" in told.output
    assert "did not end well: what was counted there is not in these numbers" in call("show", tmp_path).output


def test_write_vouches_for_nothing_that_was_changed(folder: Path) -> None:
    """Nor for a folder of which nothing is known, nor while a crawl writes there."""
    shard = folder / "records-00001.parquet"
    whole = shard.read_bytes()
    write_shard(shard, [record(1)])
    assert "records-00001.parquet was changed" in str(call("write", folder).exception)
    shard.unlink()
    assert "records-00001.parquet was removed" in str(call("write", folder).exception)
    shard.write_bytes(whole)
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert "a crawl is writing" in str(call("write", folder).exception)
    os.close(lock)
    assert code(call("write", folder)) == 0
    for file in folder.iterdir():
        if file.suffix == ".json":
            file.unlink()
    assert "nothing is known" in str(call("write", folder).exception)


def test_sign_keeps_who_signed_before(folder: Path, key: Path, tmp_path: Path) -> None:
    """Two people vouch for one manifest; signing twice is signing once."""
    write_signing_key(tmp_path / "other")
    call("sign", folder, "--sign-key", key)
    call("sign", folder, "--sign-key", key)
    result = call("sign", folder, "--sign-key", tmp_path / "other")
    assert result.output.count("signed by") == 2
    for public in (f"{key}.pub", tmp_path / "other.pub"):
        assert code(call("verify", folder, "--signer", public)) == 0


def test_sign_signs_nothing_that_does_not_hold(folder: Path, key: Path) -> None:
    """Exit code 4, and no signature."""
    (folder / "records-00000.parquet").unlink()
    result = call("sign", folder, "--sign-key", key)
    assert code(result) == 4
    assert "does not hold" in result.output
    assert not (folder / "attestation.json.sig").exists()


def test_nothing_that_is_told_moves_the_cursor(folder: Path) -> None:
    """Names are somebody else's."""
    evil = "\x1b]0;title\x07evil\x9b2J"
    (folder / f"{evil}.parquet").touch()
    file = folder / "attestation.json"
    read = json.loads(file.read_text())
    read["check_sets"][0]["blocklist"]["lists"][0]["id"] = evil
    file.write_text(json.dumps(read))
    for action in ("verify", "show"):
        output = call(action, folder).output
        assert "evil" in output
        assert all(each.isprintable() for line in output.splitlines() for each in line)
