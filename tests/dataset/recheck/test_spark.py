from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from support.blocklists import make_blocklist
from support.rechecks import record, uids, value

from ingest_guard.dataset.recheck import spark
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.errors import DatasetError, PolicyError
from ingest_guard.policy.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = [
    # Spark's own ways with its sockets and with pandas.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LISTED = [("md5", value(3, "md5")), ("pdq", value(5, "pdq"))]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Start Spark with two workers."""
    sql = pytest.importorskip("pyspark.sql")
    if "JAVA_HOME" not in os.environ and not shutil.which("java"):
        pytest.skip("Spark needs Java 17 or newer")
    patch = pytest.MonkeyPatch()
    patch.setenv("PYSPARK_PYTHON", sys.executable)
    patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    folder = tmp_path_factory.mktemp("spark")
    options = {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.memory": "512m",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.execution.arrow.maxRecordsPerBatch": "7",
    }
    builder = sql.SparkSession.builder.master("local[2]").appName("recheck")
    for name, setting in options.items():
        builder = builder.config(name, setting)
    started = builder.getOrCreate()
    started.sparkContext.setLogLevel("OFF")
    yield started
    started.stop()
    patch.undo()


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
