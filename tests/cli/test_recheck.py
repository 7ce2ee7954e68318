from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from incidents.samples import IDENTITY, RECIPIENT
from support.blocklists import make_blocklist
from support.rechecks import read_lines, record, uids, value, write_lines

from ingest_guard.blocklist.transfer import encryption
from ingest_guard.cli.main import cli, main
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.model import Source
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.errors import BlocklistError, PolicyError
from ingest_guard.incidents import chain
from ingest_guard.incidents.entry import Where
from ingest_guard.incidents.lines import Entry
from ingest_guard.incidents.lines import read_lines as log_lines
from ingest_guard.incidents.sealing import Opener
from ingest_guard.signing import keys
from ingest_guard.verdict import Grade

if TYPE_CHECKING:
    from collections.abc import Sequence

LISTED = [("md5", value(3, "md5")), ("pdq", value(5, "pdq"))]


def run(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["recheck", *map(str, arguments)], standalone_mode=False)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Write some records, and the list beside them."""
    make_blocklist(tmp_path / "blocklist", {"l": LISTED})
    return write_lines(tmp_path / "out" / "records-00000.jsonl", [record(number) for number in range(8)]).parent


def code(arguments: Sequence[object], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the exit code of the whole program."""
    monkeypatch.setattr("sys.argv", ["ingest-guard", "recheck", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_each_match_is_an_incident(out: Path, tmp_path: Path) -> None:
    """With a policy that names a recipient, each removed record has its entry, with shard, row, uid and addresses."""
    log, policy = tmp_path / "incidents", tmp_path / "policy.yaml"
    lines = "blocklist: blocklist\nlists: {l: {kind: csam}}\nincidents: {recipients: [RECIPIENT]}\n"
    policy.write_text(lines.replace("RECIPIENT", RECIPIENT))
    assert run(out, "--policy", policy, "--dry-run").return_value == 1
    assert not log.exists()
    assert run(out, "--policy", policy, "-o", tmp_path / "clean").return_value == 1
    opener = Opener(str(IDENTITY), "key")
    found = [opener.open(line.content.sealed) for line in log_lines(log) if isinstance(line.content, Entry)]
    records = [record(3), record(5)]
    assert [(each.addresses.final, each.addresses.page) for each in found] == [
        (each["final_url"], each["page_url"]) for each in records
    ]
    assert [each.where for each in found] == [
        Where("records-00000.jsonl", f"{row} {each['uid']}") for row, each in zip((3, 5), records, strict=True)
    ]
    assert [(each.grade, each.algorithm, each.distance) for each in found] == [
        (Grade.EXACT_FILTER, "md5", 0),
        (Grade.NEAR, "pdq", -1),
    ]
    assert {(each.source, each.list.kind, each.host) for each in found} == {("recheck", "csam", "images.example.org")}
    assert chain.verify(log).is_whole


def test_without_an_incident_nothing_is_removed(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log cannot be written, the recheck fails before it has changed anything."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"blocklist: blocklist\nincidents: {{recipients: [{RECIPIENT}], folder: policy.yaml}}\n")
    assert code([out, "--policy", policy, "-o", tmp_path / "clean"], monkeypatch) == 4
    assert not (tmp_path / "clean").exists()


def test_exit_codes(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """1 removed, 0 nothing, 3 not compared, 2 wrong use, 4 failed; no value, address or uid is ever shown."""
    blocklist = tmp_path / "blocklist"
    assert code([out, "--blocklist", blocklist, "--dry-run"], monkeypatch) == 1
    assert code([out, "--blocklist", blocklist, "-o", tmp_path / "clean"], monkeypatch) == 1
    assert code([tmp_path / "clean", "--blocklist", blocklist, "--in-place"], monkeypatch) == 0
    (out / "records-00001.jsonl").write_text("{}\n")
    assert code([out, "--blocklist", blocklist, "--in-place"], monkeypatch) == 1
    assert code([out, "--blocklist", blocklist, "--dry-run"], monkeypatch) == 3
    for wrong in (
        [out, "--blocklist", blocklist],
        [out, "--dry-run"],
        [out, "--blocklist", blocklist, "--dry-run", "--in-place"],
        [out, "--blocklist", blocklist, "--dry-run", "--columns", "md5"],
        [out, "--blocklist", blocklist, "--dry-run", "--columns", "colour=red"],
        [out, "--blocklist", blocklist, "--dry-run", "--since", "manifest"],
        [out, "--blocklist", blocklist, "--dry-run", "--key-env", "A", "--key-file", "B"],
        [tmp_path / "absent", "--blocklist", blocklist, "--dry-run"],
    ):
        assert code(wrong, monkeypatch) == 2
    assert code([out, "--blocklist", tmp_path / "out", "--dry-run"], monkeypatch) == 4
    shown = "".join(capsys.readouterr())
    for secret in (value(3, "md5"), value(5, "pdq"), record(3)["uid"], record(3)["url"], "images.example"):
        assert secret not in shown
    assert "8 records in 1 shard: 2 removed, 6 kept" in shown
    assert "native view" in shown
    assert "Traceback" not in shown


def test_json(out: Path, tmp_path: Path) -> None:
    """A script can read the counts."""
    told: dict[str, Any] = json.loads(
        run(out, "--blocklist", tmp_path / "blocklist", "-o", tmp_path / "c", "--json").output
    )
    assert (told["records"], told["removed"], told["kept"], told["lists"]) == (8, 2, 6, {"l": 2})
    assert told["algorithms"] == {"md5": 1, "pdq": 1}
    assert told["compared"] == ["md5", "pdq"]
    assert Path(told["tombstones"]).is_file()


def test_sealed_tombstones(out: Path, tmp_path: Path) -> None:
    """Tombstones for a recipient open with that one's identity alone; a wrong recipient is told before any work."""
    _, recipient = encryption.write_identity(tmp_path / "identity")
    policy = tmp_path / "policy.yaml"
    policy.write_text("blocklist: blocklist\n")
    arguments = [out, "--policy", policy, "--in-place", "--recipients-file", tmp_path / "identity.pub"]
    result = run(*arguments, "--recipient", recipient)
    assert result.return_value == 1
    sealed = tmp_path / "out.tombstones.jsonl.age"
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert record(3)["uid"].encode() not in sealed.read_bytes()
    with sealed.open("rb") as file, encryption.decrypted(file, tmp_path / "identity", "it") as inside:
        graves = [json.loads(line) for line in inside.read().splitlines()]
    assert uids(graves[1:]) == uids([record(3), record(5)])
    wrong = run(out, "--policy", policy, "--in-place", "--recipient", "age1nobody")
    assert isinstance(wrong.exception, BlocklistError)


def attested(folder: Path) -> Manifest:
    """Return the manifest of records that were compared with nothing yet."""
    from ingest_guard.dataset.attestation.files import write_manifest  # noqa: PLC0415 - only here

    return write_manifest(folder, Manifest.foreign())


def test_the_manifest_is_issued_again(out: Path, tmp_path: Path) -> None:
    """What is left verifies, tells where it comes from, and the next recheck goes on from there."""
    blocklist = tmp_path / "blocklist"
    attested(out)
    _, public = keys.write_signing_key(tmp_path / "key")
    signed = run(out, "--blocklist", blocklist, "-o", tmp_path / "clean", "--sign-key", tmp_path / "key")
    assert signed.return_value == 1
    found = verify(tmp_path / "clean", signers=[bytes.fromhex(public)])
    assert found.problems == ()
    (told,) = found.manifest.rechecks
    assert (told.counts, told.fingerprints, told.since) == (
        {"compared": 8, "removed": 2, "not_compared": 0},
        "native",
        None,
    )
    assert found.manifest.derived_from == Source(manifest=verify(out).sha256, rows=8)
    again = [tmp_path / "clean", "--blocklist", blocklist, "--in-place", "--since", "manifest"]
    assert run(*again).return_value == 0
    assert verify(tmp_path / "clean", signers=[bytes.fromhex(public)]).problems == ()
    make_blocklist(blocklist, {"l": [*LISTED, ("sha1", value(6, "sha1"))]})
    assert run(*again).return_value == 1
    after = verify(tmp_path / "clean")
    assert after.problems == ()
    assert after.manifest.rechecks[-1].since == told.blocklist.version
    assert after.manifest.rechecks[-1].counts["removed"] == 1


def test_since_a_manifest_that_does_not_tell(out: Path, tmp_path: Path) -> None:
    """Records from elsewhere name no blocklist, and a version may be gone: both are told."""
    attested(out)
    arguments = [out, "--blocklist", tmp_path / "blocklist", "--dry-run", "--since", "manifest"]
    with pytest.raises(PolicyError, match="names no blocklist"):
        raise run(*arguments).exception or AssertionError
    assert run(out, "--blocklist", tmp_path / "blocklist", "--in-place").return_value == 1
    other = make_blocklist(tmp_path / "other", {"l": LISTED})
    with pytest.raises(PolicyError, match="holds no version"):
        raise run(out, "--blocklist", other, "--dry-run", "--since", "manifest").exception or AssertionError
    version = (tmp_path / "blocklist" / "current").read_text().strip()
    assert run(out, "--blocklist", tmp_path / "blocklist", "--dry-run", "--since", version[:12]).return_value == 0


def test_columns_of_other_people(tmp_path: Path) -> None:
    """Columns are named on the command line; those of addresses, too."""
    make_blocklist(tmp_path / "blocklist", {"l": [*LISTED, ("url", "https://w.example/x")]})
    rows = [
        {"hash": value(3, "pdq"), "sum": value(3, "md5")},
        {"hash": value(5, "pdq")},
        {"where": "https://w.example/x"},
    ]
    out = write_lines(tmp_path / "out" / "a.jsonl", [*rows, {"hash": value(1, "pdq")}]).parent
    given = "md5=sum,pdq=hash,url=where"
    result = run(out, "--blocklist", tmp_path / "blocklist", "-o", tmp_path / "c", "--columns", given)
    assert result.return_value == 1
    assert read_lines(tmp_path / "c" / "a.jsonl") == [{"hash": value(1, "pdq")}]
