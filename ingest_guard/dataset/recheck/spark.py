"""The same recheck for tables that no single machine holds: over Spark, by ``DataFrame.mapInArrow``.

    >>> from ingest_guard.dataset.recheck.spark import clean, doomed  # doctest: +SKIP
    >>> plan = Plan(Policy.load("policy.yaml"))  # doctest: +SKIP
    >>> clean(frame, plan).write.parquet("s3a://bucket/clean")  # doctest: +SKIP
    >>> doomed(frame, plan).write.parquet("s3a://private/tombstones")  # doctest: +SKIP

Each executor opens the blocklist that the plan names, from a path that all of them have (a shared or a copied folder),
verifies it as a crawl does, and compares whole Arrow batches. It must be the version that the driver sees: another one
stops the job. The key of a keyed list is read on each executor, where the policy says; it does not travel.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest_guard.dataset.recheck.search import PAGE, comparable, page_digest, table_columns, uid_of
from ingest_guard.dataset.tables.fingerprints import QualityRule
from ingest_guard.errors import DatasetError, PolicyError
from ingest_guard.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame

    from ingest_guard.dataset.recheck.comparer import Hit
    from ingest_guard.dataset.recheck.plan import Opened, Plan
    from ingest_guard.dataset.tables.columns import Columns

DOOMED = "uid string, action string, matches string"
"""Columns of what :func:`doomed` returns; ``matches`` is JSON as in a tombstone file."""

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
    if not_compared not in ("keep", "remove"):
        raise PolicyError(f"not_compared: expected keep or remove, got {not_compared!r}")
    task = _task(frame, plan)
    return frame.mapInArrow(_Kept(task, not_compared == "remove"), frame.schema)


def doomed(frame: DataFrame, plan: Plan) -> DataFrame:
    """Return what a tombstone file says: uid, action and matches of each record that :func:`clean` leaves out.

    It is sensitive: write it to a place that its owner alone can read, and do not publish it.
    """
    return frame.mapInArrow(_Doomed(_task(frame, plan)), DOOMED)


@dataclass(frozen=True)
class _Task:
    """What an executor needs to know."""

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


def _task(frame: DataFrame, plan: Plan) -> _Task:
    opened = plan.open()
    columns = table_columns(frame.columns, opened, "the table")
    compared = comparable(columns, opened)
    if not (compared.prints or compared.addresses or "hashes" in compared.roles):
        raise PolicyError(
            f"none of the table's columns can be compared: they are {', '.join(frame.columns)}; name the right ones in "
            "the plan's columns"
        )
    task = _Task(plan, opened.version)
    if not plan.policy.drops_pages or "page_url" not in columns.roles:
        return task
    found = frame.mapInArrow(_Pages(task), "page binary").distinct().collect()
    return _Task(plan, opened.version, frozenset(bytes(row["page"]) for row in found))


class _Compared:
    """One batch, compared."""

    def __init__(self, batch: pa.RecordBatch, task: _Task) -> None:
        from ingest_guard.dataset.tables.arrow_reader import ArrowReader, texts  # noqa: PLC0415 - pyarrow is an extra

        self._opened = task.opened()
        self._batch = batch
        self._texts: Callable[[Any], list[str | None]] = texts
        self._columns: Columns = table_columns(batch.schema.names, self._opened, "the table")
        reader = ArrowReader(
            comparable(self._columns, self._opened), self._opened.comparer.near, QualityRule.of(task.plan.policy)
        )
        self.prints = reader.read(batch)
        self.by_row: dict[int, list[Hit]] = {}
        for hit in self._opened.comparer.compare(self.prints):
            self.by_row.setdefault(hit.row, []).append(hit)
        on_page = {row for row, page in enumerate(self._pages()) if page in task.pages} if task.pages else set()
        self.rows = sorted(on_page | set(self.by_row))

    def not_compared(self) -> list[int]:
        """Return the rows with nothing to compare."""
        rows: list[int] = np.flatnonzero(~self._opened.comparer.is_compared(self.prints)).tolist()
        return rows

    def strict_pages(self) -> set[bytes]:
        """Return the pages of which no record may stay."""
        strict = {row for row, hits in self.by_row.items() if self._action(hits) is Action.DROP_PAGE}
        return {page for row, page in enumerate(self._pages()) if row in strict and page} if strict else set()

    def tombstones(self) -> list[tuple[str | None, str, str]]:
        """Return uid, action and matches of each record that goes."""
        uids = self._uids()
        return [(uids[row], str(self._action(self.by_row.get(row, []))), self._matches(row)) for row in self.rows]

    def _matches(self, row: int) -> str:
        hits = self.by_row.get(row)
        if not hits:
            return json.dumps([{"list": "", "algorithm": PAGE}])
        return json.dumps(
            [
                {
                    "list": hit.list_id,
                    "algorithm": hit.algorithm,
                    **({"severity": hit.severity} if hit.severity else {}),
                }
                for hit in hits
            ]
        )

    def _action(self, hits: Iterable[Hit]) -> Action:
        several = list(hits)
        return self._opened.action_on(hit.list_id for hit in several) if several else Action.DROP_PAGE

    def _pages(self) -> list[bytes | None]:
        urls = self._texts(self._batch.column(self._columns.roles["page_url"]))
        return [page_digest(url) if url else None for url in urls]

    def _uids(self) -> list[str | None]:
        roles = self._columns.roles
        if "uid" in roles:
            return self._texts(self._batch.column(roles["uid"]))
        if "url" not in roles or "alt" not in roles:
            return [None] * self._batch.num_rows
        urls, alts = (self._texts(self._batch.column(roles[role])) for role in ("url", "alt"))
        return [uid_of(url, alt) for url, alt in zip(urls, alts, strict=True)]


@dataclass(frozen=True)
class _Kept:
    task: _Task
    strict: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415 - an extra; loaded on executors

        for batch in batches:
            compared = _Compared(batch, self.task)
            keep = np.ones(batch.num_rows, bool)
            keep[compared.rows] = False
            if self.strict:
                keep[compared.not_compared()] = False
            yield batch.filter(pa.array(keep))


@dataclass(frozen=True)
class _Doomed:
    task: _Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415 - as above

        schema = pa.schema([(name, pa.string()) for name in ("uid", "action", "matches")])
        for batch in batches:
            found = _Compared(batch, self.task).tombstones()
            columns = [list(column) for column in zip(*found, strict=True)] or [[], [], []]
            arrays = [pa.array(each, pa.string()) for each in columns]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@dataclass(frozen=True)
class _Pages:
    task: _Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa  # noqa: PLC0415 - as above

        for batch in batches:
            pages = sorted(_Compared(batch, self.task).strict_pages())
            yield pa.RecordBatch.from_arrays([pa.array(pages, pa.binary())], ["page"])
