from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store import signatures, versions
from ingest_guard.cli.blocklist import pack as commands
from ingest_guard.cli.blocklist.build import build_command
from ingest_guard.cli.blocklist.update import compact_command, update_command
from ingest_guard.errors import BlocklistError
from ingest_guard.signing import keys

if TYPE_CHECKING:
    from pathlib import Path

    import click


def run(command: click.Command, *arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Build a store."""
    (tmp_path / "list.txt").write_text(f"md5 {'ab12' * 8}\n", encoding="ascii")
    build(tmp_path / "here", [ListSource("mine", "plain", tmp_path / "list.txt")])
    return tmp_path / "here"


def test_versions_are_signed_as_they_are_made(tmp_path: Path) -> None:
    """``--sign-key``: build, update and compact sign what they make; a key that cannot be used leaves all as it was."""
    _, public = keys.write_signing_key(tmp_path / "signer")
    first, second = tmp_path / "list.txt", tmp_path / "more.txt"
    first.write_text(f"md5 {'ab12' * 8}\n", encoding="ascii")
    second.write_text(f"md5 {'cd34' * 8}\n", encoding="ascii")
    here = tmp_path / "here"
    key = ("--sign-key", tmp_path / "signer")
    for command, *arguments in (
        (build_command, "--list", f"mine:plain:{first}", "--confirm"),
        (update_command, "--list", f"mine:plain:{second}"),
        (compact_command,),
    ):
        done = run(command, here, *arguments, *key, "--keep", 2)
        assert done.exit_code == 0, done.output
        signatures.require_signature(here, versions.current_version(here), [bytes.fromhex(public)])
    assert len(list((here / "signatures").iterdir())) == 2
    version = versions.current_version(here)
    (tmp_path / "signer").write_text("no key", encoding="ascii")
    failed = run(compact_command, here, *key)
    assert isinstance(failed.exception, BlocklistError)
    assert versions.current_version(here) == version


def test_a_signature_that_cannot_be_written_stops_the_build(tmp_path: Path) -> None:
    """The version without a signature never becomes the current one."""
    keys.write_signing_key(tmp_path / "signer")
    (tmp_path / "list.txt").write_text(f"md5 {'ab12' * 8}\n", encoding="ascii")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "signatures").write_text("in the way")
    sources = [ListSource("mine", "plain", tmp_path / "list.txt")]
    with pytest.raises(BlocklistError, match="signatures"):
        build(tmp_path / "here", sources, signing_key=keys.read_signing_key(tmp_path / "signer"))
    assert not (tmp_path / "here" / "current").exists()
    assert list((tmp_path / "here" / "versions").iterdir()) == []


def test_from_keys_to_another_machine(here: Path, tmp_path: Path) -> None:
    """Keys are made, a version is signed, packed, encrypted and unpacked; what is said names version and signer."""
    keys = run(commands.keygen_command, "--sign", tmp_path / "signer", "--age", tmp_path / "age")
    signer = (tmp_path / "signer.pub").read_text().strip()
    recipient = (tmp_path / "age.pub").read_text().strip()
    assert f"signer: {signer}" in keys.output
    assert f"recipient: {recipient}" in keys.output
    assert "SECRET" not in keys.output
    version = versions.current_version(here)
    signed = run(commands.sign_command, here, "--sign-key", tmp_path / "signer")
    assert signed.output == f"version {version}\nsigned by {signer}\n"
    out = tmp_path / "it.igpack"
    packed = run(commands.pack_command, here, "-o", out, "--recipient", recipient)
    assert packed.exit_code == 0
    assert packed.output.splitlines()[1:] == ["encrypted to 1 recipients", f"signed by {signer}"]
    there = tmp_path / "there"
    unpacked = run(
        commands.unpack_command, out, there, "--identity", tmp_path / "age", "--signer", tmp_path / "signer.pub"
    )
    assert unpacked.output.splitlines() == [
        f"current version is now {version} (the first one here), 1 lists",
        f"signed by {signer}",
    ]
    again = run(commands.unpack_command, out, there, "--identity", tmp_path / "age", "--signer", signer)
    assert f"(before: {version})" in again.output
    assert versions.current_version(there) == version


def test_reports_as_json(here: Path, tmp_path: Path) -> None:
    """A script can read both reports; recipients from a file count like the others."""
    run(commands.keygen_command, "--age", tmp_path / "age")
    out = tmp_path / "it.igpack"
    packed = run(commands.pack_command, here, "-o", out, "--recipients-file", tmp_path / "age.pub", "--json")
    version = versions.current_version(here)
    assert json.loads(packed.output) == {
        "version": version,
        "files": 2,
        "size": out.stat().st_size,
        "recipients": 1,
        "signers": [],
    }
    unpacked = run(commands.unpack_command, out, tmp_path / "there", "--identity", tmp_path / "age", "--json")
    assert json.loads(unpacked.output) == {
        "version": version,
        "previous": None,
        "lists": 1,
        "signers": [],
        "removed": [],
    }


def test_plain_and_unsigned_is_said(here: Path, tmp_path: Path) -> None:
    """A pack that anybody could read or have made is told as such."""
    packed = run(commands.pack_command, here, "-o", tmp_path / "it.igpack")
    assert packed.output.splitlines()[1:] == ["not encrypted", "not signed"]


def test_a_signer_that_did_not_sign(here: Path, tmp_path: Path) -> None:
    """The demand of the command line is a demand."""
    run(commands.pack_command, here, "-o", tmp_path / "it.igpack")
    result = run(commands.unpack_command, tmp_path / "it.igpack", tmp_path / "there", "--signer", "ab" * 32)
    assert isinstance(result.exception, BlocklistError)
    assert not (tmp_path / "there").exists()


def test_keygen_of_nothing(tmp_path: Path) -> None:
    """Asked for no key, keygen says what it could make."""
    assert "--sign FILE or --age FILE" in str(run(commands.keygen_command).exception)
