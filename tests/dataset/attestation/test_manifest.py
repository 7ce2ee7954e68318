from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from support.attested import CHECK_SET, OTHER, check_set, data_set, manifest, record, run, write_shard

from ingest_guard._clock import now
from ingest_guard.dataset.attestation import draft as drafts
from ingest_guard.dataset.attestation import files
from ingest_guard.dataset.attestation.files import manifest_digest, write_manifest
from ingest_guard.dataset.attestation.inventory import columns_in
from ingest_guard.dataset.attestation.manifest import Manifest, group_counts
from ingest_guard.dataset.attestation.model import About, Recheck, Shard, Source
from ingest_guard.dataset.attestation.promises import format_manifest, headline
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.errors import AttestationError

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = manifest(shards=(Shard(name="records-00000.parquet", rows=1, bytes=2, sha256="0" * 64),)).to_bytes()
RECHECK = Recheck(at=now(), blocklist=check_set().blocklist, algorithms=("pdq",), counts={"compared": 16, "removed": 2})


@given(st.binary(max_size=200) | st.integers(0, len(WHOLE) - 1).map(lambda at: WHOLE[:at] + b"\xff" + WHOLE[at + 1 :]))
def test_whatever_bytes_are_read_they_are_a_manifest_or_an_error(data: bytes) -> None:
    """Never another exception, and the error quotes nothing of them."""
    try:
        Manifest.parse(data)
    except AttestationError as error:
        assert len(str(error)) < 400  # noqa: PT017 - whether it raises depends on the bytes


@given(
    st.dictionaries(
        st.sampled_from(["checked", "opted_out/noai", "opted_out/tdm", "filtered/size", "extract/images", "matched/a"]),
        st.integers(0, 2**60),
    )
)
def test_what_is_written_is_read_again(counts: dict[str, int]) -> None:
    """Also numbers that no crawl reaches; each stands in one of the four groups."""
    made = manifest(runs=(run(counts=counts),))
    assert Manifest.parse(made.to_bytes()) == made
    assert sum(sum(group.values()) for group in group_counts(counts).values()) == sum(counts.values())


def test_a_manifest_answers_for_all_its_runs() -> None:
    """What the report and recheck ask for."""
    later = run(
        started="2026-05-07T07:00:00Z", ended="2026-05-07T08:00:00Z", check_sets=(OTHER,), policy_digest="d" * 64
    )
    other = check_set(OTHER).model_copy(update={"views": ("native", "trim"), "algorithms": ("sha256",)})
    made = manifest(check_set=OTHER, check_sets=(check_set(), other), runs=(run(), later))
    assert made.algorithms == ("md5", "pdq", "sha256")
    assert made.views == ("native",), "what was compared for each record"
    assert len(made.blocklist) == 1, "one version, though two check sets"
    assert (made.started, made.ended) == ("2026-05-06T07:00:00Z", "2026-05-07T08:00:00Z")
    assert (made.finish_reason, made.policy_digest, made.versions) == ("finished", "d" * 64, {"Python": "3"})
    assert made.outcomes["checked"] == 40
    empty = Manifest.foreign()
    assert (empty.algorithms, empty.views, empty.blocklist, empty.versions) == ((), (), (), {})
    assert (empty.started, empty.ended, empty.finish_reason, empty.policy_digest) == (None, None, None, None)


def test_cleaned_shards_keep_what_was_promised(tmp_path: Path) -> None:
    """Runs, check sets and numbers stay; shards are new, and where they come from is told."""
    old = data_set(tmp_path / "old", about=About(name="Mine"))
    clean = tmp_path / "clean"
    clean.mkdir()
    write_shard(clean / "records-00000.parquet", [record(number) for number in range(14)])
    derived = old.derive(RECHECK, Source(manifest=manifest_digest(tmp_path / "old"), rows=old.rows))
    written = write_manifest(clean, derived)
    assert verify(clean).problems == ()
    assert (written.runs, written.check_sets, written.about) == (old.runs, old.check_sets, old.about)
    assert (written.rows, written.derived_from) == (14, Source(manifest=manifest_digest(tmp_path / "old"), rows=16))
    told = "\n".join(format_manifest(written))
    assert "first, second by pdq, the first frame's native view alone: compared 16, removed 2" in told
    assert f"Last compared again on {RECHECK.at}." in headline(written)


def test_records_from_elsewhere_promise_only_the_comparison(tmp_path: Path) -> None:
    """They need no attestation."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"URL": ["a", "b"], "md5": ["x", None]}), tmp_path / "part-0.parquet")
    written = write_manifest(tmp_path, Manifest.foreign().derive(RECHECK, Source(rows=4)))
    assert (written.rows, written.unattested, written.check_set) == (2, 2, None)
    found = verify(tmp_path)
    assert found.problems == ()
    assert "nothing is promised of how they were collected" in "".join(found.notes)
    assert [column.name for column in columns_in(tmp_path, written.shards, None)] == ["URL", "md5"]
    assert "nothing is known of how they were collected" in headline(written)


def test_signatures_are_of_what_the_documentation_says(tmp_path: Path) -> None:
    """A line of text, and the SHA-256 of the manifest in hex: anybody can verify it without this package."""
    key = Ed25519PrivateKey.generate()
    data_set(tmp_path)
    files.countersign(tmp_path, manifest_digest(tmp_path), key)
    said = json.loads((tmp_path / "attestation.json.sig").read_text())
    assert said["sha256"] == manifest_digest(tmp_path)
    signature = said["signatures"][0]
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature["public_key"]))
    public.verify(bytes.fromhex(signature["signature"]), f"ingest_guard attestation v1\n{said['sha256']}".encode())


def test_another_manifest_than_the_verified_one_is_not_signed(tmp_path: Path) -> None:
    """It may have been exchanged meanwhile."""
    data_set(tmp_path)
    with pytest.raises(AttestationError, match="exchanged since it was verified"):
        files.countersign(tmp_path, "0" * 64, Ed25519PrivateKey.generate())


def test_files_appear_whole_and_can_be_read_by_all(tmp_path: Path) -> None:
    """Nothing hidden is left over; mode 0644, as far as the process's mask allows."""
    data_set(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        *("attestation.json", "croissant.json", "README.md"),
        *("records-00000.parquet", "records-00001.parquet"),
    }
    assert stat.S_IMODE((tmp_path / "attestation.json").stat().st_mode) & 0o700 == 0o600


def test_what_cannot_be_written_is_an_error_and_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, an old file that is a folder; nothing half is left."""
    data_set(tmp_path)
    before = (tmp_path / "attestation.json").read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ingest_guard.files.atomic.flush", full)
        with pytest.raises(AttestationError, match="cannot be written: No space left on device"):
            write_manifest(tmp_path, manifest())
    assert (tmp_path / "attestation.json").read_bytes() == before
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]
    (tmp_path / "attestation.json.sig").mkdir()
    with pytest.raises(AttestationError, match="cannot be removed"):
        write_manifest(tmp_path, manifest())
    with pytest.raises(AttestationError, match="is no folder"):
        write_manifest(tmp_path / "nowhere", manifest())


def test_a_shard_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A folder of that name has no records; a broken Parquet file none that can be told."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(AttestationError, match=r"a\.parquet is not a whole Parquet file"):
        write_manifest(tmp_path, manifest())
    shard = Shard(name="gone.parquet", rows=1, bytes=1, sha256="0" * 64)
    with pytest.raises(AttestationError, match=r"gone\.parquet cannot be read"):
        columns_in(tmp_path, [shard], "native")
    (tmp_path / drafts.DRAFT).mkdir()
    with pytest.raises(AttestationError, match="cannot be read"):
        drafts.read_earlier(tmp_path)


def test_a_folder_with_the_name_of_a_shard_is_looked_into(tmp_path: Path) -> None:
    """Partitioned tables are folders of that kind."""
    folder = tmp_path / "language=en.parquet"
    folder.mkdir()
    write_shard(folder / "part-0.parquet", [record(0)])
    written = write_manifest(tmp_path, manifest())
    assert [shard.name for shard in written.shards] == ["language=en.parquet/part-0.parquet"]
    assert verify(tmp_path).problems == ()


def test_columns_of_a_project_are_named_as_they_are(tmp_path: Path) -> None:
    """Known ones are typed and documented, others are texts."""
    (tmp_path / "records.jsonl").write_text(json.dumps({**record(0), "mood": "good"}) + "\n")
    written = write_manifest(tmp_path, manifest())
    columns = {column.name: column for column in columns_in(tmp_path, written.shards, None)}
    assert (columns["width"].type, columns["mood"].type) == ("int32", "string")
    assert columns["attestation"].fields


def test_words_tell_a_sample_and_an_allow_list() -> None:
    """Whatever makes a promise smaller is told."""
    lesser = {**check_set().model_dump(), "frames": "sample", "allow_list": {"entries": 1, "digest": "0" * 64}}
    made = Manifest.model_validate({**manifest().model_dump(), "check_sets": [lesser], "check_set": CHECK_SET})
    told = "\n".join(format_manifest(made))
    assert "frames: sample" in told
    assert "1 value of the operator's never matched" in told
