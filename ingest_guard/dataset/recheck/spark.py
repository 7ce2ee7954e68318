"""The same recheck for tables that no single machine holds: over Spark, by ``DataFrame.mapInArrow``.

    >>> from ingest_guard import Policy  # doctest: +SKIP
    >>> from ingest_guard.data import Plan, clean, doomed  # doctest: +SKIP
    >>> plan = Plan(Policy.load("policy.yaml"))  # doctest: +SKIP
    >>> clean(frame, plan).write.parquet("s3a://bucket/clean")  # doctest: +SKIP
    >>> doomed(frame, plan).write.parquet("s3a://private/tombstones")  # doctest: +SKIP

or, into a folder that all machines share, with a manifest:

    >>> write_clean(frame, plan, Path("/shared/clean"), source=Path("/shared/out"))  # doctest: +SKIP

Each executor opens the blocklist that the plan names, from a path that all of them have (a shared or a copied folder),
verifies it as a crawl does, and compares whole Arrow batches. It must be the version that the driver sees: another one
stops the job. The key of a keyed list is read on each executor, where the policy says; it does not travel.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.cutting import writing
from ingest_guard.dataset.recheck import provenance
from ingest_guard.dataset.recheck.plan import Opened, Plan
from ingest_guard.dataset.recheck.search import Searched, comparable, find_matched, find_on_pages, table_columns
from ingest_guard.dataset.recheck.summary import Report
from ingest_guard.dataset.recheck.tombstones import describe_matches
from ingest_guard.dataset.shards.names import shard_names
from ingest_guard.errors import DatasetError, PolicyError

if TYPE_CHECKING:
    import pyarrow as pa
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from pyspark.sql import DataFrame

DOOMED = "uid string, action string, matches string"
"""Columns of what :func:`doomed` returns; ``matches`` is JSON as in a tombstone file."""

_COUNTED = ("rows", "removed", "not_compared", "all_views")
_COUNTS = ", ".join(f"{name} long" for name in _COUNTED)

# The plan that this process compared with last; a worker that is used again may get another one.
_LAST: list[tuple[Plan, Opened]] = []


def clean(frame: DataFrame, plan: Plan, *, not_compared: str = "keep") -> DataFrame:
    """Return the records of a table that no list knows, in the table's own columns.

    Parameters
    ----------
    frame
        Records: shards of a crawl in any outfit, or another table with columns of fingerprints.
    plan
        What to compare with. ``drop_page`` costs a first pass over the table.
    not_compared
        ``keep`` or ``remove``: what becomes of records with nothing to compare.

    Raises
    ------
    PolicyError
        The table has no column that could be compared, or not those that the plan names.
    DatasetError
        On an executor: its blocklist is another version than the driver's.
    """
    _require_known(not_compared)
    task = _task(frame, plan)
    return frame.mapInArrow(_Kept(task, not_compared == "remove"), frame.schema)


def doomed(frame: DataFrame, plan: Plan) -> DataFrame:
    """Return what a tombstone file says: uid, action and matches of each record that :func:`clean` leaves out.

    It is sensitive: write it to a place that its owner alone can read, and do not publish it.
    """
    return frame.mapInArrow(_Tombstones(_task(frame, plan)), DOOMED)


def write_clean(
    frame: DataFrame,
    plan: Plan,
    target: Path,
    *,
    source: Path | None = None,
    not_compared: Literal["keep", "remove"] = "keep",
    sign: Ed25519PrivateKey | None = None,
) -> Report:
    """Write what :func:`clean` returns as Parquet into a new folder, with a manifest; it appears when it is whole.

    The table is compared twice: once to be written, and once to be counted. Which records went is what :func:`doomed`
    says; write that first.

    Parameters
    ----------
    frame, plan, not_compared
        As of :func:`clean`.
    target
        The folder. The driver and all executors must have it by this path.
    source
        The folder of shards that the table was read from, whose manifest goes on; None: they come from elsewhere.
    sign
        Who signs the manifest.

    Raises
    ------
    PolicyError
        As of :func:`clean`; or something is in the way of the folder.
    AttestationError
        The records of `source` are not what their manifest says, or the new one cannot be written.
    """
    _require_known(not_compared)
    if source is not None:
        provenance.require_true(source)
    partial = writing.partial_folder(target)
    opened, task = plan.open(), _task(frame, plan)
    strict = not_compared == "remove"
    frame.mapInArrow(_Kept(task, strict), frame.schema).write.mode("overwrite").parquet(partial.absolute().as_uri())
    for name in ("_SUCCESS", ".*.crc"):
        for path in partial.glob(name):
            path.unlink()
    counts = frame.mapInArrow(_Counts(task, strict), _COUNTS).groupBy().sum().collect()[0].asDict()
    records, removed, missed, all_views = (int(counts[f"sum({name})"] or 0) for name in _COUNTED)
    report = Report(
        opened.version,
        opened.since,
        compared=opened.comparer.names,
        near_entries=dict(opened.comparer.near_entries),
        records=records,
        removed=removed,
        not_compared=missed,
        dropped=missed if strict else 0,
        all_views=all_views,
        shards=len(shard_names(partial)),
    )
    said = provenance.Reissued(
        functools.partial(provenance.describe_recheck, opened, report), report.records, report.removed
    )
    report.manifest = provenance.reissue(source, partial, said, sign)
    writing.appear(partial, target)
    return report


@dataclass(frozen=True)
class _Task:
    """What an executor needs to know; ``pages`` lose all their records."""

    plan: Plan
    version: str
    pages: frozenset[bytes] = frozenset()

    def opened(self) -> Opened:
        """Return the open blocklist of this process."""
        if not _LAST or _LAST[0][0] != self.plan or _LAST[0][1].version != self.version:
            _LAST[:] = [(self.plan, self.plan.open())]
        known = _LAST[0][1]
        if known.version != self.version:
            raise DatasetError("an executor has another version of the blocklist than the driver; give all the same")
        return known


def _require_known(not_compared: str) -> None:
    if not_compared not in ("keep", "remove"):
        raise PolicyError(f"not_compared: expected keep or remove, got {not_compared!r}")


def _task(frame: DataFrame, plan: Plan) -> _Task:
    opened = plan.open()
    columns = table_columns(frame.columns, opened, "the table")
    if not comparable(columns, opened).has_any:
        raise PolicyError(
            f"none of the table's columns can be compared: they are {', '.join(frame.columns)}; name the right ones in "
            "the plan's columns"
        )
    task = _Task(plan, opened.version)
    if not plan.policy.drops_pages or "page_url" not in columns.roles:
        return task
    found = frame.mapInArrow(_Pages(task), "page binary").distinct().collect()
    return _Task(plan, opened.version, frozenset(bytes(row["page"]) for row in found))


def _compare(batch: pa.RecordBatch, task: _Task) -> Searched:
    from ingest_guard.dataset.tables.parquet import ArrowBatch  # noqa: PLC0415 - pyarrow is an extra

    opened, read = task.opened(), ArrowBatch(batch)
    columns = table_columns(batch.schema.names, opened, "the table")
    prints = opened.reader(comparable(columns, opened)).read(read)
    removed, pages = find_matched(read, prints, columns, opened)
    removed = find_on_pages(read, columns, task.pages) | removed
    return Searched(
        rows=batch.num_rows,
        removed=removed,
        pages=pages,
        not_compared=np.flatnonzero(~opened.comparer.is_compared(prints)),
        all_views=len(np.unique(np.concatenate(prints.all_views))) if prints.all_views else 0,
    )


@dataclass(frozen=True)
class _Kept:
    task: _Task
    strict: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415 - an extra; loaded on executors

        for batch in batches:
            yield batch.filter(pa.array(_stays(_compare(batch, self.task), self.strict)))


@dataclass(frozen=True)
class _Counts:
    task: _Task
    strict: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415 - as above

        for batch in batches:
            compared = _compare(batch, self.task)
            removed = compared.rows - int(_stays(compared, self.strict).sum())
            counts = (compared.rows, removed, len(compared.not_compared), compared.all_views)
            yield pa.RecordBatch.from_arrays([pa.array([each], pa.int64()) for each in counts], list(_COUNTED))


def _stays(compared: Searched, strict: bool) -> npt.NDArray[np.bool_]:  # noqa: FBT001 - as in the classes above
    """Return which rows of a batch stay."""
    keep = np.ones(compared.rows, bool)
    keep[list(compared.removed)] = False
    if strict:
        keep[compared.not_compared] = False
    return keep


@dataclass(frozen=True)
class _Tombstones:
    task: _Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415 - as above

        schema = pa.schema([(name, pa.string()) for name in ("uid", "action", "matches")])
        for batch in batches:
            found = [record for _, record in sorted(_compare(batch, self.task).removed.items())]
            lines = [
                {"uid": each.uid, "action": str(each.action), "matches": json.dumps(describe_matches(each))}
                for each in found
            ]
            yield pa.RecordBatch.from_pylist(lines, schema=schema)


@dataclass(frozen=True)
class _Pages:
    task: _Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415 - as above

        for batch in batches:
            pages = sorted(_compare(batch, self.task).pages)
            yield pa.RecordBatch.from_arrays([pa.array(pages, pa.binary())], ["page"])
