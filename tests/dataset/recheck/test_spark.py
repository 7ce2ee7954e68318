from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from support.blocklists import make_blocklist
from support.rechecks import record, uids, value
from support.spark import QUIET, spark_session  # noqa: F401 - a fixture

from ingest_guard.dataset.attestation.files import manifest_digest, write_manifest
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.model import Source
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.dataset.recheck import spark
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.errors import AttestationError, DatasetError, PolicyError
from ingest_guard.policy.policy import Policy

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = QUIET

LISTED = [("md5", value(3, "md5")), ("pdq", value(5, "pdq"))]


def test_over_spark(session: SparkSession, tmp_path: Path) -> None:
    """The same records stay and go as on one machine: of a crawl's shards, with pages, and of other tables."""
    dressed = outfit("native")
    (tmp_path / "out").mkdir()
    for shard in range(2):
        rows = [dressed.row(record(number)) for number in range(20 * shard, 20 * shard + 20)]
        write_parquet(tmp_path / "out" / f"records-0000{shard}.parquet", rows, dressed)
    frame = session.read.parquet(str(tmp_path / "out"))
    store = make_blocklist(tmp_path / "b", {"l": LISTED})
    plan = Plan(Policy(blocklist=store))
    kept = spark.clean(frame, plan)
    assert kept.schema == frame.schema
    expected = uids(record(number) for number in range(40) if number not in (3, 5))
    assert {row["uid"] for row in kept.collect()} == expected
    strict = Plan(Policy.model_validate({"blocklist": store, "lists": {"l": {"action": "drop_page"}}}))
    graves = {row["uid"]: row for row in spark.doomed(frame, strict).collect()}
    assert set(graves) == uids([record(3), record(4), record(5)])
    assert json.loads(graves[record(5)["uid"]]["matches"]) == [{"list": "l", "algorithm": "pdq"}]
    assert json.loads(graves[record(4)["uid"]]["matches"]) == [{"list": "", "algorithm": "page"}]
    assert {row["action"] for row in graves.values()} == {"drop_page"}


def test_a_clean_folder_over_spark(session: SparkSession, tmp_path: Path) -> None:
    """What is written over Spark has a manifest: what it was compared with, how many went, and where it comes from."""
    dressed = outfit("native")
    (tmp_path / "out").mkdir()
    rows = [dressed.row(record(number)) for number in range(30)]
    rows[8] |= {"pdq": None}
    write_parquet(tmp_path / "out" / "records-00000.parquet", rows, dressed)
    write_manifest(tmp_path / "out", Manifest.foreign(outfit="native"))
    frame = session.read.parquet(str(tmp_path / "out" / "*.parquet"))
    store = make_blocklist(tmp_path / "b", {"l": [("pdq", value(number, "pdq")) for number in (3, 5)]})
    plan = Plan(Policy(blocklist=store))
    report = spark.write_clean(frame, plan, tmp_path / "clean", source=tmp_path / "out")
    assert (report.records, report.removed, report.not_compared, report.dropped) == (30, 2, 1, 0)
    verified = verify(tmp_path / "clean")
    assert verified.problems == ()
    manifest = verified.manifest
    assert manifest.rows == 28
    assert manifest.derived_from == Source(manifest=manifest_digest(tmp_path / "out"), rows=30)
    (said,) = manifest.rechecks
    assert said.counts == {"compared": 30, "removed": 2, "not_compared": 1}
    assert said.blocklist.version == plan.open().version
    assert not [path for path in (tmp_path / "clean").rglob("*") if path.name.startswith((".", "_"))]
    # Without a source, and with nothing kept that could not be compared.
    report = spark.write_clean(frame, plan, tmp_path / "strict", not_compared="remove")
    assert (report.removed, report.dropped, report.kept) == (3, 1, 27)
    assert Manifest.load(tmp_path / "strict").derived_from == Source(rows=30)
    with pytest.raises(PolicyError, match="no empty folder"):
        spark.write_clean(frame, plan, tmp_path / "clean")
    (tmp_path / "out" / "records-00000.parquet").write_bytes(b"")
    with pytest.raises(AttestationError, match="must not vouch"):
        spark.write_clean(frame, plan, tmp_path / "again", source=tmp_path / "out")


def test_on_one_batch(tmp_path: Path) -> None:
    """What runs on an executor, run here: kept and removed records, names from text and address, another version."""
    store = make_blocklist(tmp_path / "b", {"l": LISTED})
    plan = Plan(Policy(blocklist=store))
    version = plan.open().version
    names = ("url", "alt", "page_url", "md5")
    rows = [{name: record(number)[name] for name in names} for number in range(6)] + [{"url": "http://x/", "alt": None}]
    batch = pa.RecordBatch.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))
    task = spark._Task(plan, version)
    (kept,) = spark._Kept(task, strict=False)([batch])
    assert kept.column("md5").to_pylist() == [row.get("md5") for row in rows if row.get("md5") != value(3, "md5")]
    (strict,) = spark._Kept(task, strict=True)([batch])
    assert strict.num_rows == 5
    (graves,) = spark._Tombstones(task)([batch])
    assert graves.to_pylist() == [
        {"uid": record(3)["uid"], "action": "drop", "matches": '[{"list": "l", "algorithm": "md5"}]'}
    ]
    (none,) = spark._Tombstones(task)([batch.slice(4)])
    assert none.num_rows == 0
    nameless = batch.select(["md5"])
    assert [row["uid"] for row in next(spark._Tombstones(task)([nameless])).to_pylist()] == [None]
    costly = Plan(Policy.model_validate({"blocklist": store, "lists": {"l": {"action": "drop_page"}}}))
    (pages,) = spark._Pages(spark._Task(costly, version))([batch])
    both = spark._Task(costly, version, frozenset(pages.column(0).to_pylist()))
    assert next(spark._Tombstones(both)([batch])).num_rows == 3
    counts = spark._Counts(task, strict=False), spark._Counts(task, strict=True)
    assert [list(next(each([batch])).to_pylist()[0].values()) for each in counts] == [[7, 1, 1, 0], [7, 2, 1, 0]]
    with pytest.raises(DatasetError, match="another version"):
        next(spark._Kept(spark._Task(plan, "0" * 64), strict=False)([batch]))


def test_wrong_use(tmp_path: Path) -> None:
    """A table with nothing to compare, and a word that is none, are told at once."""

    class Frame:
        columns = ("a", "b")

    plan = Plan(Policy(blocklist=make_blocklist(tmp_path / "b", {"l": LISTED})))
    with pytest.raises(PolicyError, match="none of the table's columns"):
        spark.clean(Frame(), plan)  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="keep or remove"):
        spark.clean(Frame(), plan, not_compared="both")  # type: ignore[arg-type]
    with pytest.raises(PolicyError, match="keep or remove"):
        spark.write_clean(Frame(), plan, tmp_path / "c", not_compared="both")  # type: ignore[arg-type]
