from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.dataset.attestation.manifest import (
    BlocklistFacts,
    CheckSet,
    ListFacts,
    Manifest,
    Recheck,
    Run,
    Shard,
)
from ingest_guard.dataset.report.attested import read_attested
from ingest_guard.dataset.report.page import build_report

if TYPE_CHECKING:
    from pathlib import Path

_TIME = "2026-09-14T07:42:10Z"
_LISTS = (
    ListFacts(id="hotline", severity="A1", version="a" * 64, counts={"md5": 5, "pdq": 7}, thresholds={"pdq": 31}),
    ListFacts(id="bytes", version="b" * 64, counts={"sha256": 1}, thresholds={}),
)
_BLOCKLIST = BlocklistFacts(version="c" * 64, created=_TIME, lists=_LISTS)
_SET = CheckSet(
    check_set="0" * 16, guard="g", since=_TIME, blocklist=_BLOCKLIST, algorithms=("md5", "pdq"), views=("native",)
)
_RUN = Run(started=_TIME, finish_reason="finished", versions={}, policy_digest="d" * 64, check_sets=("0" * 16,))
_RECHECK = Recheck(at=_TIME, blocklist=_BLOCKLIST, algorithms=("pdq",), counts={"compared": 3})


def write(folder: Path, manifest: Manifest) -> None:
    """Write a manifest as it is."""
    (folder / "attestation.json").write_bytes(manifest.to_bytes())


def test_the_attestation_is_said_in_words(tmp_path: Path) -> None:
    """Lists, version, algorithms, views, outcomes, opt-outs, rechecks, shards, and that nothing was verified."""
    write(
        tmp_path,
        Manifest(
            created=_TIME,
            check_set="0" * 16,
            check_sets=(_SET,),
            runs=(_RUN,),
            rechecks=(_RECHECK,),
            shards=(Shard(name="records-00000.parquet", rows=1234, bytes=5, sha256="e" * 64),),
            outcomes={"checked": 10, "no_known_match": 7, "matched": 1, "held": 1, "not_scannable": 1},
            opt_outs={"noai": 3},
        ),
    )
    words = read_attested(tmp_path)
    text = " ".join(words.sentences)
    assert "compared with bytes and hotline before anything was written, in version cccccccccccc" in text
    assert "md5 and pdq; of a picture, these views: native." in text
    assert "Of 10 images, 7 had no known match, 2 matched and were dropped, and 1 could not be scanned" in text
    assert "3 images or pages" in text
    assert f"compared again, last at {_TIME}" in text
    assert "1,234 records in 1 file" in text
    assert "It is not signed, and this page has not verified" in text
    assert words.lists is not None
    assert words.lists.rows == (
        ("hotline (A1)", "a" * 12, "md5 5, pdq 7", "pdq within 31"),
        ("bytes", "b" * 12, "sha256 1", "the same bytes"),
    )
    (tmp_path / "attestation.json.sig").write_text("signature")
    assert "It is signed. This page has not verified that" in read_attested(tmp_path).sentences[-1]
    page = build_report(tmp_path)
    assert "Ended: finished" in page
    assert "What is not promised" in page
    # The manifest alone: no page calls anything safe, but to say that it is not.
    assert "is safe" not in page


def test_records_from_elsewhere_promise_nothing(tmp_path: Path) -> None:
    """Of a foreign data set, the page says that nothing is known of how it was made."""
    write(tmp_path, Manifest.foreign())
    words = read_attested(tmp_path)
    assert words.sentences[0].startswith("These records were made elsewhere")
    assert words.lists is None
    assert "Nothing is known of how it ended" in build_report(tmp_path)
