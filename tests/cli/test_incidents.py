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
from ingest_guard.incidents import expiry
from ingest_guard.incidents.chain import summary
from ingest_guard.incidents.defang import defang
from ingest_guard.incidents.lines import Entry, Stub, read_lines, to_line
from ingest_guard.incidents.log import Log
from ingest_guard.incidents.sealing import Sealer
from ingest_guard.signing.keys import write_signing_key

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
    assert "3 entries, 2 checkpoints, 0 expired\nlast checkpoint: after entry 3, " in said.output
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


def test_the_officer_marks_entries_and_lets_old_ones_go(
    log: Log, identity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a journal of the officer's own; list shows it, and verify asks it about what is gone."""
    public = write_signing_key(tmp_path / "sign.key")[1]
    key, book = tmp_path / "sign.key", tmp_path / "officer.journal"
    book_and_key = ("--journal", book, "--sign-key", key)
    assert "2 marked as reported" in call("mark", log.folder, "1-2", "reported", "CT-17", *book_and_key).output
    assert "1 marked as hold" in call("mark", log.folder, "3", "hold", *book_and_key).output
    listed = call("list", log.folder, "--identity", identity, "--journal", book).output
    assert listed.count("reported CT-17") == 2
    assert listed.count("  hold") == 1
    policy = tmp_path / "policy.yaml"
    policy.write_text("blocklist: b\n")
    assert "0 entries removed" in call("expire", log.folder, *book_and_key, "--policy", policy).output
    monkeypatch.setattr(expiry, "_day_before", lambda _: "9999-12-31")
    assert "2 entries removed" in call("expire", log.folder, *book_and_key, "--days", 30).output
    said = call("verify", log.folder, "--journal", book, "--officer", public)
    assert (said.return_value, "1 entries, 2 checkpoints, 2 expired" in said.output) == (0, True)
    alone = call("verify", log.folder)
    assert (alone.return_value, "there is no journal to vouch for it: 1, 2" in alone.output) == (1, True)
    stranger = call("verify", log.folder, "--journal", book, "--officer", PUBLIC)
    assert (stranger.return_value, "the journal, line 1: it is signed with another key" in stranger.output) == (1, True)
    book.write_bytes(book.read_bytes()[1:])
    assert "does not hold" in str(call("list", log.folder, "--identity", identity, "--journal", book).exception)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("mark", "LOG", "9", "reported"), "no open entry 9"),
        (("mark", "LOG", "2-1", "reported"), "from less to more"),
        (("mark", "LOG", "1-999999999", "reported"), "at most"),
        (("mark", "LOG", "one", "reported"), "no number"),
        (("mark", "LOG", "1", "expired"), "expired"),
        (("expire", "LOG"), "how old"),
        (("expire", "LOG", "--days", "1", "--policy", "KEY"), "how old"),
        (("verify", "LOG", "--journal", "KEY"), "go together"),
        (("verify", "LOG", "--officer", PUBLIC), "go together"),
    ],
)
def test_wrong_use_of_the_journal(log: Log, tmp_path: Path, arguments: tuple[str, ...], match: str) -> None:
    """A clear line each; nothing is marked, and nothing goes."""
    write_signing_key(tmp_path / "sign.key")
    places = {"LOG": str(log.folder), "KEY": str(tmp_path / "sign.key")}
    more = () if arguments[0] == "verify" else ("--journal", tmp_path / "book", "--sign-key", tmp_path / "sign.key")
    assert match in str(call(*(places.get(each, each) for each in arguments), *more).exception)
    assert not (tmp_path / "book").exists()


def test_a_journal_stays_out_of_the_log(log: Log, tmp_path: Path) -> None:
    """The crawler's folder is the crawler's."""
    write_signing_key(tmp_path / "sign.key")
    options = ("--journal", log.folder / "book", "--sign-key", tmp_path / "sign.key")
    assert "does not belong" in str(call("mark", log.folder, "1", "hold", *options).exception)
