from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.blocklists import make_blocklist
from support.rechecks import record, value, write_lines

from ingest_guard import Guard
from ingest_guard.dataset.attestation.facts import describe
from ingest_guard.dataset.attestation.files import write_manifest
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.model import Run
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.provenance import since_manifest
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.errors import AttestationError, PolicyError
from ingest_guard.policy.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

RUN = {"started": "2024-01-01T00:00:00Z", "versions": {}, "policy_digest": "0" * 64}


def crawled(folder: Path, store: Path, numbers: range, **policy: object) -> Manifest:
    """Write records and the manifest of a crawl that compared with a list."""
    guard = Guard.from_policy(Policy.model_validate({"blocklist": store, **policy}))
    checks = describe(guard).model_copy(update={"since": "2024-01-01T00:00:00Z"})
    attestation = {**record(0)["attestation"], "check_set": checks.check_set}
    write_lines(folder / "records-00000.jsonl", [record(number, attestation=attestation) for number in numbers])
    run = Run.model_validate({**RUN, "check_sets": (checks.check_set,)})
    made = Manifest(created=checks.since, check_set=checks.check_set, check_sets=(checks,), runs=(run,))
    return write_manifest(folder, made)


def test_from_a_crawl_to_the_second_recheck(tmp_path: Path) -> None:
    """A crawl's shards, rechecked with what the list gained, verify; the next recheck starts from there."""
    store = make_blocklist(tmp_path / "b", {"l": [("md5", value(90, "md5"))]})
    first = (store / "current").read_text().strip()
    out = tmp_path / "out"
    crawled(out, store, range(6))
    make_blocklist(store, {"l": [("md5", value(90, "md5")), ("pdq", value(2, "pdq"))]})
    since = since_manifest(out, store, None)
    assert [each.folder.name for each in since] == [first]
    assert since[0].compared == {("l", None, "md5"): 0.0}
    report = recheck(out, Plan(Policy(blocklist=store), since), Output(in_place=True))
    assert (report.removed, report.manifest) == (1, True)
    found = verify(out)
    assert found.problems == ()
    assert found.manifest.rechecks[0].since == first
    assert [each.folder.name for each in since_manifest(out, store, None)] == [report.version]
    (checks,) = found.manifest.check_sets
    after = checks.model_copy(update={"since": "2999-01-01T00:00:00Z"})
    later = found.manifest.model_copy(update={"check_sets": (after,)})
    write_manifest(out, later)
    assert {each.folder.name for each in since_manifest(out, store, None)} == {first, report.version}


def test_another_allow_list_was_another_comparison(tmp_path: Path) -> None:
    """What an allow-list let pass then was not compared, unless the same one counts now."""
    store = make_blocklist(tmp_path / "b", {"l": [("md5", value(90, "md5"))]})
    allowed = tmp_path / "allowed.txt"
    allowed.write_text(f"md5 {value(1, 'md5')}\n")
    made = crawled(tmp_path / "out", store, range(2), allow={"files": (allowed,)})
    (known,) = made.check_sets
    assert known.allow_list is not None
    assert since_manifest(tmp_path / "out", store, None)[0].compared == {}
    assert since_manifest(tmp_path / "out", store, known.allow_list.digest)[0].compared


def test_a_signature_stays_where_nothing_changes(tmp_path: Path) -> None:
    """A signed folder in which nothing is found keeps manifest and signature; one without a manifest gets none."""
    from ingest_guard.signing import keys  # noqa: PLC0415 - one test

    store = make_blocklist(tmp_path / "b", {"l": [("md5", value(90, "md5"))]})
    made = crawled(tmp_path / "out", store, range(2))
    keys.write_signing_key(tmp_path / "key")
    write_manifest(tmp_path / "out", made, key=keys.read_signing_key(tmp_path / "key"))
    before = (tmp_path / "out" / "attestation.json").read_bytes()
    assert recheck(tmp_path / "out", Plan(Policy(blocklist=store)), Output(in_place=True)).manifest
    assert (tmp_path / "out" / "attestation.json").read_bytes() == before
    assert verify(tmp_path / "out").signers
    bare = write_lines(tmp_path / "bare" / "a.jsonl", [record(1)]).parent
    assert not recheck(bare, Plan(Policy(blocklist=store)), Output(in_place=True)).manifest
    with pytest.raises(PolicyError, match="--since manifest"):
        since_manifest(bare, store, None)
    with (bare / "a.jsonl").open("a") as file:
        file.write("no record\n")
    assert not recheck(bare, Plan(Policy(blocklist=store)), Output(tmp_path / "odd")).manifest
    (bare / "attestation.json").write_text("{")
    with pytest.raises(AttestationError):
        recheck(bare, Plan(Policy(blocklist=store)), Output(tmp_path / "odder"))


@pytest.mark.parametrize("in_place", [True, False])
def test_records_that_are_not_what_their_manifest_says_get_no_new_one(in_place: bool, tmp_path: Path) -> None:  # noqa: FBT001 - one of two ways
    """A shard that was changed would be vouched for otherwise; nothing is written."""
    store = make_blocklist(tmp_path / "b", {"l": [("md5", value(2, "md5"))]})
    out = tmp_path / "out"
    crawled(out, make_blocklist(tmp_path / "old", {"l": [("md5", value(90, "md5"))]}), range(6))
    (shard,) = out.glob("*.jsonl")
    shard.write_bytes(shard.read_bytes().replace(b"https://", b"http://", 1))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    output = Output(in_place=True) if in_place else Output(clean=tmp_path / "clean")
    with pytest.raises(AttestationError, match="must not vouch for it"):
        recheck(out, Plan(Policy(blocklist=store)), output)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert not (tmp_path / "clean").exists()
    assert recheck(out, Plan(Policy(blocklist=store)), Output()).removed == 1


def test_a_run_that_was_interrupted_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first cleaned shard and the new manifest the two do not fit; the next run ends that."""
    store = make_blocklist(tmp_path / "b", {"l": [("md5", value(2, "md5"))]})
    out = tmp_path / "out"
    crawled(out, make_blocklist(tmp_path / "old", {"l": [("md5", value(90, "md5"))]}), range(6))

    class KilledError(Exception):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("ingest_guard.dataset.recheck.provenance.reissue", die)
        with pytest.raises(KilledError):
            recheck(out, Plan(Policy(blocklist=store)), Output(in_place=True))
    assert verify(out).problems
    assert recheck(out, Plan(Policy(blocklist=store)), Output(in_place=True)).manifest
    assert verify(out).problems == ()
    assert not list(out.glob(".*"))


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("tampering", ["changed", "added"])
def test_a_run_that_was_interrupted_vouches_for_nothing_else(
    tmp_path: Path,
    in_place: bool,  # noqa: FBT001 - one of two ways
    tampering: str,
) -> None:
    """That shards and manifest do not fit meanwhile opens no way in for a shard that no recheck has written."""
    store = make_blocklist(tmp_path / "b", {"l": [("md5", value(2, "md5"))]})
    out = tmp_path / "out"
    crawled(out, make_blocklist(tmp_path / "old", {"l": [("md5", value(90, "md5"))]}), range(6))
    (out / ".recheck-running").touch()
    (shard,) = out.glob("*.jsonl")
    other = shard if tampering == "changed" else out / "records-00001.jsonl"
    other.write_bytes(shard.read_bytes().replace(b"https://", b"http://", 1))
    output = Output(in_place=True) if in_place else Output(clean=tmp_path / "clean")
    with pytest.raises(AttestationError, match="must not vouch for it"):
        recheck(out, Plan(Policy(blocklist=store)), output)
    assert not (tmp_path / "clean").exists()
