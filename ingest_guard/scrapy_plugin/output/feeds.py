"""The feed of a data set's folder: Scrapy's own feed exports, in shards that are numbered on from what is there.

::

    INGEST_GUARD_DATASET = "out"            # a folder, s3://bucket/folder or gs://bucket/folder
    INGEST_GUARD_OUTFIT = "native"          # laion, img2dataset
    INGEST_GUARD_FORMAT = "parquet"         # jsonl
    INGEST_GUARD_SHARD_ROWS = 100000
"""

from collections.abc import Iterator
from typing import Any

from scrapy import Spider, signals
from scrapy.crawler import Crawler
from scrapy.settings import BaseSettings

from ingest_guard.dataset.records.layouts import NAMES, load_mmh3
from ingest_guard.dataset.records.seen import Keys
from ingest_guard.dataset.shards.location import ShardStore, dataset_uri
from ingest_guard.dataset.shards.names import CRAWLED, next_number
from ingest_guard.dataset.shards.read import cut_torn_line, load_arrow, outfit_of, read_uids
from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.meter import failed_feeds
from ingest_guard.scrapy_plugin.core.settings import DATASET_SETTING, FORMAT_SETTING, OUTFIT_SETTING, ROWS_SETTING
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.output.buckets import open_store
from ingest_guard.scrapy_plugin.output.extraction import require_same_in_dataset

FORMATS = ("parquet", "jsonl")
SHARD_ROWS = 100_000
"""Rows of a shard, unless the settings say another number."""
_NAME = "records-%(batch_id)05d"
# A percent sign of the folder's own name comes in as a parameter: how Scrapy escapes one differs between its versions.
_PERCENT = "ingest_guard_percent"


def dataset_settings(
    folder: str,
    *,
    outfit: str = "native",
    format: str = "parquet",  # noqa: A002 - as Scrapy names it
    rows: int = SHARD_ROWS,
) -> dict[str, Any]:
    """Return the settings with which Scrapy's feed exports write a data set; :class:`~ingest_guard.Addon` uses them.

    Parameters
    ----------
    folder
        Of this machine, or ``s3://`` or ``gs://`` and a folder of a bucket.
    outfit, format
        Names of :data:`~ingest_guard.dataset.records.layouts.NAMES` and :data:`FORMATS`.
    rows
        Of a shard; the last one has fewer.

    Raises
    ------
    SetupError
        One of them cannot be used, or a package that it needs is missing.
    """
    if format not in FORMATS:
        raise SetupError(f"ingest_guard: there is no format {format!r}; set {FORMAT_SETTING} to {' or '.join(FORMATS)}")
    if outfit not in NAMES:
        raise SetupError(f"ingest_guard: there is no outfit {outfit!r}; set {OUTFIT_SETTING} to {', '.join(NAMES)}")
    if rows < 1:
        raise SetupError(f"ingest_guard: {ROWS_SETTING} is {rows}; a shard has at least one row")
    if format == "parquet":
        load_arrow()
    if outfit == "laion":
        load_mmh3()
    feed: dict[str, Any] = {
        "format": format,
        "encoding": "utf-8",
        "batch_item_count": rows,
        "store_empty": False,
        "item_export_kwargs": {"outfit": outfit},
        "item_filter": "ingest_guard.scrapy_plugin.output.feed_exporters.RecordsOnly",
        "uri_params": "ingest_guard.scrapy_plugin.output.feeds.numbered_on",
    }
    return {"FEEDS": {f"{dataset_uri(folder).replace('%', f'%({_PERCENT})s')}/{_NAME}.{format}": feed}}


def chosen_settings(settings: BaseSettings) -> dict[str, Any]:
    """Return :func:`dataset_settings` for the data set that a project's settings name; empty where they name none."""
    folder = settings.get(DATASET_SETTING)
    if not folder:
        return {}
    return dataset_settings(
        folder,
        outfit=settings.get(OUTFIT_SETTING) or NAMES[0],
        format=settings.get(FORMAT_SETTING) or FORMATS[0],
        rows=settings.getint(ROWS_SETTING, SHARD_ROWS),
    )


def numbered_on(parameters: dict[str, Any], spider: Spider) -> dict[str, Any]:
    """Return a feed's parameters: the numbers of its shards go on from those there, a folder's percent sign is one."""
    first = GuardState.of(spider.crawler).first_shard
    return {**parameters, "batch_id": first + parameters["batch_id"] - 1, _PERCENT: "%"}


class Dataset:
    """The data set of a crawl: claimed at its start, released at its end, its shards counted."""

    def __init__(self, store: ShardStore, crawler: Crawler) -> None:
        self._store, self._crawler = store, crawler
        self._failed = 0

    @classmethod
    def claim(cls, crawler: Crawler) -> tuple[Keys, int]:
        """Claim the data set that the settings name; return the uids in it, and the number of the next shard.

        Raises
        ------
        SetupError, DatasetError
            It cannot be read, another crawl writes to it, its shards have another outfit, or its records an older
            extraction.
        """
        store = open_store(crawler)
        if store is None:
            return Keys(), 0
        store.claim()
        require_same_in_dataset(store, crawler.settings)
        names = store.names()
        keys = Keys(_read_all_uids(store, names, crawler.settings.get(OUTFIT_SETTING) or NAMES[0]))
        dataset = cls(store, crawler)
        crawler.signals.connect(dataset.shard_closed, signal=signals.feed_slot_closed, weak=False)
        crawler.signals.connect(dataset.stopped, signal=signals.engine_stopped, weak=False)
        return keys, next_number(names)

    def shard_closed(self, slot: Any) -> None:
        """Count a shard, if it was stored."""
        failed = failed_feeds(self._crawler.stats.get_stats())
        if failed == self._failed and slot.uri.startswith(self._store.uri):
            self._crawler.stats.inc_value("ingest_guard/shards")
        self._failed = failed

    def stopped(self) -> None:
        """Let others write to it."""
        self._store.release()


def _read_all_uids(store: ShardStore, names: list[str], wanted: str) -> Iterator[str]:
    """Yield the uids of all shards; only those that a crawl wrote are repaired, and must have its outfit."""
    for name in names:
        crawled = CRAWLED.fullmatch(name)
        with store.fetch(name) as file:
            if crawled and crawled["format"] == "jsonl":
                cut_torn_line(file)
            yield from read_uids(file)
            found = outfit_of(file) if crawled else None
        if found and found.name != wanted:
            raise SetupError(
                f"ingest_guard: {store.uri}/{name} has the outfit {found.name}, and this crawl would write {wanted}; "
                f'set {OUTFIT_SETTING} = "{found.name}", or name another folder'
            )
