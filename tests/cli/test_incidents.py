from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click import UsageError
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from incidents.samples import FULL, IDENTITY, RECIPIENT
from support.attested import manifest, run

from ingest_guard.cli.incidents import command
from ingest_guard.dataset.attestation.model import IncidentCheckpoint
from ingest_guard.errors import IncidentError
from ingest_guard.incidents.chain import summary
from ingest_guard.incidents.defang import defang
from ingest_guard.incidents.log import Log
from ingest_guard.incidents.reading import Entry, Stub, read_lines, to_line
from ingest_guard.incidents.sealing import Sealer

if TYPE_CHECKING:
    from pathlib import Path

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
EVIL = "https://p.example/\x1b[31m\u202e"


def call(*arguments: object, env: dict[str, str] | None = None) -> Result:
    """Run ``ingest-guard incidents``."""
    return CliRunner().invoke(command, [str(each) for each in arguments], standalone_mode=False, env=env)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Write a signed log of three entries, two of them of one page."""
    sealer = Sealer([RECIPIENT])
    first = replace(FULL, more_of=None)
    other = replace(FULL, addresses=replace(FULL.addresses, page=EVIL))
    written = Log(tmp_path / "log", "r1", KEY)
    written.append(why="start")
    written.append([sealer.seal(each) for each in (first, other, FULL)])
    written.append(why="end")
    return written


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """Write the officer's key."""
    path = tmp_path / "officer.key"
    path.write_text(str(IDENTITY))
    path.chmod(0o600)
    return path


def test_a_whole_log_verifies_without_the_key_that_opens_it(log: Log, tmp_path: Path) -> None:
    """The answer is 0 with the signer's key and a kept checkpoint, and says how far the log goes."""
    assert log.checkpoint is not None
    kept = tmp_path / "kept.json"
    kept.write_bytes(to_line(log.checkpoint) + b"\n")
    said = call("verify", log.folder, "--signer", PUBLIC, "--checkpoint", kept)
    assert said.return_value == 0
    assert "3 entries, 2 checkpoints\nlast checkpoint: after entry 3, " in said.output
    assert "note" not in said.output
    assert f"signed by {PUBLIC}" in said.output
    assert call("verify", log.folder).return_value == 0


def test_a_manifest_is_a_kept_checkpoint(log: Log, tmp_path: Path) -> None:
    """A log that lost what an attestation.json names is not whole; a manifest that names nothing is an error."""
    assert log.checkpoint is not None
    kept = tmp_path / "attestation.json"
    named = run(incidents=IncidentCheckpoint(**summary(log.checkpoint)))
    kept.write_bytes(manifest(runs=(named,)).to_bytes())
    assert call("verify", log.folder, "--checkpoint", kept).return_value == 0
    segment = log.folder / "000001.log"
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-1]))
    said = call("verify", log.folder, "--checkpoint", kept)
    assert (said.return_value, "it was cut or replaced" in said.output) == (1, True)
    kept.write_bytes(manifest().to_bytes())
    for text, match in ((None, "has no checkpoint"), ("{}", "is neither")):
        if text is not None:
            kept.write_text(text)
        assert match in str(call("verify", log.folder, "--checkpoint", kept).exception)


@pytest.mark.parametrize("how", ["empty", "other signer", "blanked", "changed"])
def test_what_is_not_whole_is_1(log: Log, how: str) -> None:
    """A log without a line, one that another key signed, a blanked entry and a changed one do not hold."""
    segment = log.folder / "000001.log"
    signer = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex() if how == "other signer" else PUBLIC
    if how == "empty":
        segment.unlink()
    elif how == "changed":
        segment.write_bytes(segment.read_bytes().replace(b'"n":2', b'"n":9'))
    elif how == "blanked":
        lines = [
            Stub(each.content.n, each.content.day, each.content.run, each.content.prev, each.digest)
            if isinstance(each.content, Entry) and each.content.n == 2
            else each.content
            for each in read_lines(log.folder)
        ]
        segment.write_bytes(b"".join(to_line(each) + b"\n" for each in lines))  # type: ignore[arg-type]
    said = call("verify", log.folder, "--signer", signer)
    assert said.return_value == 1
    assert "does not hold: " in said.output


def test_a_last_line_without_its_end_is_noted(log: Log) -> None:
    """A killed writer leaves such a line, and so does a cut: the log holds, and the answer says so."""
    with (log.folder / "000001.log").open("ab") as file:
        file.write(b'{"n":4,')
    said = call("verify", log.folder)
    assert (said.return_value, "a last line has no end" in said.output) == (0, True)


def test_list_groups_by_page_and_makes_no_links(log: Log, identity: Path) -> None:
    """Entries of one page stand together; no address can be clicked, no control character reaches the terminal."""
    said = call("list", log.folder, "--identity", identity)
    lines = said.output.splitlines()
    assert lines[0] == "hxxps://p.example/  host c.example"
    assert [line.split()[0] for line in lines[1:3]] == ["1", "3"]
    assert lines[2].endswith("again 3 times (see 5)")
    assert lines[3] == r"hxxps://p.example/\x1b[31m\u202e  host c.example"
    assert lines[-1] == "3 exact_confirmed"
    assert "http" not in said.output


def test_show_prints_all_that_is_known(log: Log, identity: Path) -> None:
    """Each field that is there is shown, by a key in a file or a variable; a number that is not there is wrong use."""
    said = call("show", log.folder, 3, "--identity-env", "KEY", env={"KEY": str(IDENTITY)})
    assert said.return_value == 0
    for text in (
        "entry 3",
        "hxxps://a.example/i.jpg",
        "md5 " + "1" * 32,
        "csam",
        "hxxps://d.example/i.jpg",
        "192.0.2.7",
    ):
        assert text in said.output
    assert "http" not in said.output
    assert said.output == call("show", log.folder, 3, "--identity", identity).output
    missing = call("show", log.folder, 1, 7, "--identity", identity).exception
    assert isinstance(missing, UsageError)
    assert "no open entry 7" in str(missing)


@pytest.mark.parametrize("options", [(), ("--identity", "FILE", "--identity-env", "KEY"), ("--identity-env", "NONE")])
def test_one_key_opens_it(log: Log, identity: Path, options: tuple[str, ...]) -> None:
    """No key, two of them, or a variable that is not set: an error that names no key."""
    named = [str(identity) if each == "FILE" else each for each in options]
    error = call("list", log.folder, *named, env={"KEY": str(IDENTITY)}).exception
    assert isinstance(error, UsageError | IncidentError)
    assert str(IDENTITY) not in str(error)


def test_a_key_that_others_can_read_is_refused(log: Log, identity: Path) -> None:
    """The text says which file, and nothing of the key."""
    identity.chmod(0o644)
    error = call("list", log.folder, "--identity", identity).exception
    assert isinstance(error, IncidentError)
    assert str(identity) in str(error)
    assert str(IDENTITY) not in str(error)


def test_addresses_lose_their_scheme_alone() -> None:
    """Case does not matter, nor where in a text they stand; what is no address stays."""
    texts = ("HTTPS://a/", "http://a/?of=https://b/", "part-0.parquet", "httpd.txt")
    assert [defang(each) for each in texts] == [
        "hxxpS://a/",
        "hxxp://a/?of=hxxps://b/",
        "part-0.parquet",
        "httpd.txt",
    ]
    assert json.loads(f'"{defang(chr(7))}"'.replace("\\x", "\\u00")) == "\x07"
