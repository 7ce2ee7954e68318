from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.attested import CHECK_SET, OTHER, check_set, data_set, manifest, record, run, write_shard

from ingest_guard.dataset.attestation import files
from ingest_guard.dataset.attestation import manifest as manifest_module
from ingest_guard.dataset.attestation.files import write_manifest
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.errors import AttestationError
from ingest_guard.signing.keys import read_public_key, read_signing_key, write_signing_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = (".parquet", ".jsonl")


def problems(folder: Path, **options: Any) -> str:
    """Return what verifying a folder finds wrong, in one text."""
    return "; ".join(verify(folder, **options).problems)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest as somebody with an editor would."""
    file = folder / "attestation.json"
    read = json.loads(file.read_text())
    change(read)
    file.write_text(json.dumps(read))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("outfit", ["native", "laion", "img2dataset"])
def test_what_was_written_holds(tmp_path: Path, suffix: str, outfit: str) -> None:
    """Shards of each outfit and format are as their manifest says."""
    written = data_set(tmp_path, suffix, outfit)
    found = verify(tmp_path)
    assert found.problems == ()
    assert found.manifest == written == Manifest.load(tmp_path)
    assert [shard.rows for shard in written.shards] == [8, 8]
    assert "nobody has signed" in "".join(found.notes)


@pytest.mark.parametrize("suffix", FORMATS)
def test_any_changed_byte_of_a_shard_is_found(tmp_path: Path, suffix: str) -> None:
    """Wherever the byte is: in the middle, at the beginning, at the end, or one too many."""
    data_set(tmp_path, suffix)
    shard = tmp_path / f"records-00001{suffix}"
    whole = shard.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 1):
        shard.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert "records-00001" in problems(tmp_path), at
    shard.write_bytes(whole + b"\n")
    assert "records-00001" in problems(tmp_path)
    shard.write_bytes(whole)
    assert problems(tmp_path) == ""


RECORD = {"url": "https://x.example/a.jpg", "alt": "x", "md5": "0" * 32}
STRAYS = [
    *("evil.csv", "evil.tsv", "more/evil.csv.gz", "evil.json", "evil.tar", "deep/er/evil.tar.gz", "evil.zip"),
    *("EVIL.JSONL", "evil.Parquet", "evil.jsonl.zst", "evil.jsonl.bz2", "evil.arrow", "evil.tfrecord"),
    *("tombstones.parquet", "tombstones/evil.csv", "croissant/croissant.json"),
]


@pytest.mark.parametrize("name", STRAYS)
def test_any_file_that_a_loader_would_take_is_found(tmp_path: Path, name: str) -> None:
    """Under any name by which datasets or webdataset know data, in any folder, in capitals, and compressed."""
    data_set(tmp_path)
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("url,alt\n")
    assert problems(tmp_path) == f"{name} is not listed in attestation.json, and loaders may read it as records"


@pytest.mark.parametrize(
    "name", ["telemetry.jsonl", "sub/telemetry.jsonl", "tombstones.jsonl", "x.tombstones-2.jsonl.gz"]
)
@pytest.mark.parametrize(
    "line", [json.dumps(RECORD), json.dumps({"kind": "sample", "run": "r", **RECORD}), "[" * 200_000, "no JSON", "3"]
)
def test_records_in_files_that_hold_none(tmp_path: Path, name: str, line: str) -> None:
    """Telemetry and tombstones end like shards: each line is looked at."""
    data_set(tmp_path)
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    what = "telemetry" if "telemetry" in name else "tombstones"
    good = {"kind": "start", "run": "r"} if what == "telemetry" else {"tombstones": 1, "notice": "n"}
    text = f"{json.dumps(good)}\n\n{line}\n".encode()
    file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert problems(tmp_path) == f"{name}, line 3: not {what}, but what loaders may read as a record"


def test_files_that_hold_no_records_are_fine(tmp_path: Path) -> None:
    """What a crawl and a recheck write beside the shards, and what people do, is no problem."""
    data_set(tmp_path)
    kinds = ("start", "sample", "lists", "hosts", "end")
    (tmp_path / "telemetry.jsonl").write_text(
        "".join(f'{{"kind": "{kind}", "run": "r", "text": {{"sum": 1}}}}\n' for kind in kinds)
    )
    lines = [{"tombstones": 1, "notice": "n", "version": "v"}, {"uid": "u", "shard": "s", "action": "a", "matches": []}]
    (tmp_path / "x.tombstones.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("tombstones.jsonl.age", "README.md", "LICENSE.txt", "report.html", ".hidden.jsonl", ".cache.tar"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.csv").write_text("x")
    assert problems(tmp_path) == ""


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A damaged file, and a link to a folder outside, are problems of their own."""
    data_set(tmp_path / "set")
    (tmp_path / "set" / "tombstones.jsonl.gz").write_bytes(gzip.compress(b"x" * 9000)[:30])
    (tmp_path / "set" / "telemetry.jsonl").symlink_to("nowhere")
    (tmp_path / "away").mkdir()
    (tmp_path / "set" / "more").symlink_to(tmp_path / "away")
    found = problems(tmp_path / "set")
    assert "more leads to another folder" in found
    assert "tombstones.jsonl.gz cannot be read: it is damaged" in found
    assert "telemetry.jsonl cannot be read: No such file" in found


@pytest.mark.parametrize("line", ["[" * 200_000, '{"a":' * 100_000, '{"attestation": "' + "[" * 100_000 + '"}'])
def test_deep_lines_of_a_shard(tmp_path: Path, line: str) -> None:
    """A line that is nested without end is named with its file, or is a record that names no check set."""
    data_set(tmp_path, ".jsonl")
    with (tmp_path / "records-00001.jsonl").open("a") as file:
        file.write(line + "\n")
    found = problems(tmp_path)
    assert "records-00001.jsonl: line 9 is not JSON" in found or "1 rows have no attestation" in found


def test_a_shard_that_is_gone_or_was_added_is_found(tmp_path: Path) -> None:
    """Also in a folder below, and under any name that a reader would take for records."""
    data_set(tmp_path)
    away = tmp_path / "records-00000.parquet"
    kept = away.read_bytes()
    away.unlink()
    assert problems(tmp_path) == "records-00000.parquet is missing"
    away.write_bytes(kept)
    for name in ("records-00002.parquet", "more/evil.parquet", "evil.jsonl", "evil.jl.gz"):
        added = tmp_path / name
        added.parent.mkdir(exist_ok=True)
        added.write_bytes(kept)
        assert problems(tmp_path) == f"{name} is not listed in attestation.json"
        added.unlink()


def test_what_is_no_shard_does_not_count(tmp_path: Path) -> None:
    """The time series, tombstones, hidden files and files of other kinds may lie beside the shards."""
    data_set(tmp_path)
    for name in ("telemetry.jsonl", "tombstones.jsonl", ".records-00009.parquet.1.part", "report.html"):
        (tmp_path / name).write_text("{}\n")
    assert problems(tmp_path) == ""


def test_records_of_an_unknown_check_set_are_found(tmp_path: Path) -> None:
    """Neither is a manifest written for them, nor does one hold that lists their shard."""
    data_set(tmp_path, ".jsonl")
    shard = tmp_path / "records-00001.jsonl"
    write_shard(shard, [record(1), record(2, OTHER), {**record(3), "attestation": None}])
    with pytest.raises(AttestationError, match=r"records-00001.jsonl has 2 records of which nobody knows"):
        write_manifest(tmp_path, manifest())
    write_manifest(tmp_path, manifest(records="foreign", check_set=None, runs=(), check_sets=()))
    assert problems(tmp_path) == ""

    def claim(read: dict[str, Any]) -> None:
        made = json.loads(manifest().model_dump_json())
        read.update({key: made[key] for key in ("records", "check_set", "check_sets", "runs", "outcomes")})
        read.update({key: made[key] for key in ("opt_outs", "filtered", "extracted")})

    rewritten(tmp_path, claim)
    assert "records-00001.jsonl: 1 records name a check set that is not in attestation.json" in problems(tmp_path)
    rewritten(tmp_path, lambda read: read.update(unattested=0))
    assert "1 rows have no attestation, and attestation.json says 0" in problems(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda read: read["shards"][0].update(rows=9), "has 8 records, and attestation.json says 9"),
        (lambda read: read["shards"][0].update(bytes=9), "bytes, and attestation.json says 9"),
        (lambda read: read["shards"].pop(), "records-00001.parquet is not listed"),
        (lambda read: read["shards"].append(read["shards"][0]), "a shard is listed twice"),
        (lambda read: read["outcomes"].update(matched=0), "not the sums of its runs' numbers"),
        (lambda read: read["opt_outs"].update(noai=400), "not the sums of its runs' numbers"),
        (lambda read: read["runs"][0]["counts"].pop("matched"), "not the sums of its runs' numbers"),
        (lambda read: read["runs"][0].update(check_sets=[OTHER]), "check sets of its runs"),
        (lambda read: read.update(check_set=OTHER), "check sets of its runs"),
        (lambda read: read.update(records="foreign"), "either attested or from elsewhere"),
        (lambda read: read.update(croissant="0" * 64), "croissant.json is not the one"),
    ],
)
def test_a_changed_number_is_found(tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str) -> None:
    """Without any signature: what can be counted again is, and the rest must agree with itself."""
    data_set(tmp_path)
    rewritten(tmp_path, change)
    assert said in problems(tmp_path)


def test_numbers_that_contradict_each_other_are_found(tmp_path: Path) -> None:
    """Checked is what ended in some way, nothing more and nothing less."""
    data_set(tmp_path)

    def change(read: dict[str, Any]) -> None:
        read["runs"][0]["counts"]["matched"] = read["outcomes"]["matched"] = 0

    rewritten(tmp_path, change)
    assert "'checked' is not the sum" in problems(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda read: read.update(format=2),
        lambda read: read.update(more=1),
        lambda read: read["shards"][0].update(rows=-1),
        lambda read: read["shards"][0].update(name="../records-00000.parquet"),
        lambda read: read["shards"][0].update(name="/etc/passwd"),
        lambda read: read["shards"][0].update(name="a/../b.parquet"),
        lambda read: read["shards"][0].update(name="a//b.parquet"),
        lambda read: read["shards"][0].update(name="a/.b.parquet"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """A newer format, unknown keys, impossible numbers, names that lead out of the folder."""
    data_set(tmp_path)
    rewritten(tmp_path, change)
    with pytest.raises(AttestationError, match="not a manifest that this release reads"):
        verify(tmp_path)


def test_a_folder_without_a_manifest_says_why_that_may_be(tmp_path: Path) -> None:
    """A crawl that was killed leaves none."""
    with pytest.raises(AttestationError, match="the crawl was killed"):
        verify(tmp_path)
    (tmp_path / "attestation.json").mkdir()
    with pytest.raises(AttestationError, match="cannot be read"):
        verify(tmp_path)


def test_a_huge_file_is_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read into memory whole."""
    monkeypatch.setattr(manifest_module, "_MAX_BYTES", 100)
    (tmp_path / "attestation.json").write_bytes(b" " * 101)
    with pytest.raises(AttestationError, match="too large"):
        verify(tmp_path)


def test_a_croissant_file_may_be_away_but_not_be_another_one(tmp_path: Path) -> None:
    """Without it nothing false is said."""
    data_set(tmp_path)
    file = tmp_path / "croissant.json"
    file.write_text(file.read_text().replace("Web Scraping", "Surveys"))
    assert problems(tmp_path) == "croissant.json is not the one that was written with the manifest"
    file.unlink()
    found = verify(tmp_path)
    assert found.problems == ()
    assert "there is no croissant.json" in found.notes
    file.mkdir()
    assert "croissant.json cannot be read" in problems(tmp_path)


class TestSigned:
    """With a key."""

    @pytest.fixture
    def public(self, tmp_path: Path) -> bytes:
        """Make a signed data set in ``set``; return its signer."""
        write_signing_key(tmp_path / "key")
        data_set(tmp_path / "set")
        write_manifest(tmp_path / "set", Manifest.load(tmp_path / "set"), key=read_signing_key(tmp_path / "key"))
        return read_public_key(tmp_path / "key.pub")

    def test_a_signature_holds_and_names_its_signer(self, tmp_path: Path, public: bytes) -> None:
        """Asked for or not; only who was asked for is beyond doubt."""
        found = verify(tmp_path / "set", signers=[b"\1" * 32, public])
        assert (found.problems, found.notes, found.signers) == ((), (), (public,))
        assert "not asked for" in "".join(verify(tmp_path / "set").notes)

    def test_any_change_of_the_manifest_is_found(self, tmp_path: Path, public: bytes) -> None:
        """Even one that contradicts nothing: a blank, another library version."""
        file = tmp_path / "set" / "attestation.json"
        whole = file.read_text()
        for changed in (whole + " ", whole.replace('"Python": "3"', '"Python": "4"')):
            assert changed != whole
            file.write_text(changed)
            assert "a signature of another manifest" in problems(tmp_path / "set", signers=[public])

    def test_another_key_is_found(self, tmp_path: Path, public: bytes) -> None:
        """Whoever changes something and signs it with a key of their own is not the signer."""
        write_signing_key(tmp_path / "other")
        write_manifest(tmp_path / "set", manifest(), key=read_signing_key(tmp_path / "other"))
        assert problems(tmp_path / "set", signers=[public]) == "no signer that was named has signed this manifest"

    def test_a_missing_signature_is_found_where_one_is_demanded(self, tmp_path: Path, public: bytes) -> None:
        """And only there."""
        (tmp_path / "set" / files.SIGNATURE).unlink()
        assert problems(tmp_path / "set", signers=[public]) == "the manifest is not signed"
        assert problems(tmp_path / "set") == ""

    def test_any_changed_byte_of_a_signature_is_found(self, tmp_path: Path, public: bytes) -> None:
        """One spelling, and numbers that hold."""
        file = tmp_path / "set" / files.SIGNATURE
        whole = file.read_bytes()
        for at in range(0, len(whole), 7):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert problems(tmp_path / "set", signers=[public]), at
        file.unlink()
        file.mkdir()
        assert "cannot be read" in problems(tmp_path / "set")

    def test_a_signature_by_a_key_that_did_not_make_it_is_found(self, tmp_path: Path, public: bytes) -> None:
        """A key that is put in the place of another, and one that is none."""
        file = tmp_path / "set" / files.SIGNATURE
        for stranger in (b"\2" * 32, b"\xff" * 32):
            file.write_bytes(re.sub(public.hex().encode(), stranger.hex().encode(), file.read_bytes()))
            assert "a signature does not hold" in problems(tmp_path / "set")
            file.write_bytes(re.sub(stranger.hex().encode(), public.hex().encode(), file.read_bytes()))

    def test_a_manifest_written_without_a_key_has_no_old_signature(self, tmp_path: Path, public: bytes) -> None:
        """It would be one of other bytes."""
        write_manifest(tmp_path / "set", manifest())
        assert not (tmp_path / "set" / files.SIGNATURE).exists()


def test_a_run_that_did_not_end_is_told(tmp_path: Path) -> None:
    """Its numbers are lost, and the manifest says so."""
    lost = run(ended=None, finish_reason=None, counts=None, check_sets=(OTHER,))
    data_set(tmp_path, check_sets=(check_set(OTHER), check_set()), runs=(lost, run()))
    found = verify(tmp_path)
    assert found.problems == ()
    assert "a run did not end well" in "".join(found.notes)


def test_lines_that_are_no_records_are_found_by_number(tmp_path: Path) -> None:
    """What a crash leaves, a text, a list; and nothing of what they hold is told."""
    data_set(tmp_path, ".jsonl")
    shard = tmp_path / "records-00001.jsonl"
    whole = shard.read_text()
    for torn, said in (('{"uid": "secre', "line 9 is not JSON"), ('["secret"]\n', "line 9 is not a record")):
        shard.write_text(whole + torn)
        found = problems(tmp_path)
        assert said in found
        assert "secre" not in found


def test_packed_lines_are_shards(tmp_path: Path) -> None:
    """Scrapy's feeds can be compressed; the digest is of the file as it is."""
    lines = "".join(json.dumps(record(number)) + "\n" for number in range(3))
    (tmp_path / "records.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    written = write_manifest(tmp_path, manifest())
    assert [(shard.name, shard.rows) for shard in written.shards] == [("records.jsonl.gz", 3)]
    assert problems(tmp_path) == ""
    (tmp_path / "records.jsonl.gz").write_bytes(gzip.compress(lines.encode())[:-5])
    assert "records.jsonl.gz cannot be read: EOFError" in problems(tmp_path)


def test_attestations_in_texts_count(tmp_path: Path) -> None:
    """Tools that know no nested columns write JSON into a text."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    texts = [json.dumps(record(0)["attestation"]), json.dumps(record(1)["attestation"])]
    pq.write_table(pa.table({"attestation": texts}), tmp_path / "a.parquet")
    write_manifest(tmp_path, manifest())
    assert problems(tmp_path) == ""
    for value in ("not JSON", "[]", '{"check_set": 5}'):
        pq.write_table(pa.table({"attestation": [*texts, value]}), tmp_path / "a.parquet")
        assert "1 rows have no attestation" in problems(tmp_path)
    pq.write_table(pa.table({"url": ["a", "b"]}), tmp_path / "a.parquet")
    assert "2 rows have no attestation" in problems(tmp_path)


def test_rows_that_a_policy_lets_pass_are_counted(tmp_path: Path) -> None:
    """Items without an image are no records, and told apart."""
    write_shard(tmp_path / "records.jsonl", [record(0)])
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write('{"title": "a page"}\n')
    written = write_manifest(tmp_path, manifest(unattested=1))
    assert written.unattested == 1
    found = verify(tmp_path)
    assert found.problems == ()
    assert "1 rows are items without an image" in "".join(found.notes)


def test_a_policy_that_is_asked_for_must_be_that_of_every_run(tmp_path: Path) -> None:
    """By its digest."""
    data_set(tmp_path)
    assert problems(tmp_path, policy_digest="c" * 64) == ""
    assert problems(tmp_path, policy_digest="d" * 64) == "a run went by another policy"


def test_the_manifest_tells_no_secret(tmp_path: Path) -> None:
    """No path, no hash of a picture, no address, no text of a record."""
    data_set(tmp_path)
    whole = "".join((tmp_path / name).read_text() for name in ("attestation.json", "croissant.json"))
    said = [record(0)[name] for name in ("uid", "url", "alt", "md5", "sha1", "sha256")]
    assert not [value for value in (*said, str(tmp_path)) if value in whole]
    assert CHECK_SET in whole
