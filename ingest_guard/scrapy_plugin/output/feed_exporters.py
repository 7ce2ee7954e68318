"""How Scrapy's feeds write records: exporters for Parquet and JSON Lines, and a storage for files that must be whole.

Both exporters take the records' outfit from the feed (``"item_export_kwargs": {"outfit": "laion"}``), else from the
setting ``INGEST_GUARD_OUTFIT``. What cannot be written ends the crawl: Scrapy would log an error for each record, crawl
on, and exit with 0.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Self

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.exporters import BaseItemExporter, JsonLinesItemExporter
from scrapy.extensions.feedexport import FileFeedStorage

from ingest_guard.dataset.records.layouts import Outfit
from ingest_guard.dataset.records.layouts import outfit as outfit_named
from ingest_guard.dataset.shards.writer import ROW_GROUP, ShardWriter
from ingest_guard.errors import DatasetError, IngestGuardError
from ingest_guard.files.atomic import hidden_name, publish
from ingest_guard.hashing.detectors import column_of, load
from ingest_guard.scrapy_plugin.core.settings import OUTFIT_SETTING
from ingest_guard.scrapy_plugin.core.state import GuardState

LINES_FORMATS = ("jsonlines", "jsonl", "jl")
# Every record has these. Items that pass because they name no image do not fit into a typed table.
_MARKS = ("uid", "url", "sha256", "attestation")


def chosen_outfit(crawler: Crawler, name: str | None) -> Outfit:
    """Return the outfit of a feed, with the fingerprints that the policy asks for."""
    policy = GuardState.of(crawler).policy
    records = policy.records
    name = name or crawler.settings.get(OUTFIT_SETTING) or "native"
    scores = (
        column_of(detector)
        for detector in load(policy.detectors).values()
        if name == "native" or policy.detectors[detector.name].published
    )
    return outfit_named(
        name,
        hashes=(*records.hashes, *scores),
        all_hashes=getattr(records, "record_hashes", "native") == "all",
    )


def as_record(item: Any) -> Mapping[str, Any] | None:
    """Return an item as a record; None where it is none."""
    if isinstance(item, dict):
        return item if all(name in item for name in _MARKS) else None
    return None


class RecordsOnly:
    """Item filter of a data set's feed: items that pass because they name no image are not for it."""

    def __init__(self, feed_options: dict[str, Any] | None) -> None:
        """Take no options; Scrapy hands over the feed's."""

    def accepts(self, item: Any) -> bool:
        """Tell whether an item is a record."""
        return as_record(item) is not None


def report_failure(crawler: Crawler, error: Exception) -> DatasetError:
    """Let the guard fail, because its records cannot be kept; return an error that says no more than that."""
    why = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, IngestGuardError):
        why = str(error)
    GuardState.of(crawler).fail(f"records cannot be written ({why})")
    return DatasetError(f"ingest_guard: records cannot be written: {why}")


class ParquetExporter(BaseItemExporter):
    """Writes records to a Parquet file, a row group at a time.

    Parameters
    ----------
    file
        Binary; it is left open.
    crawler
        Whose policy and settings count.
    outfit, row_group
        From the feed's ``item_export_kwargs``.
    """

    def __init__(
        self,
        file: IO[bytes],
        *,
        crawler: Crawler,
        outfit: str | None = None,
        row_group: int = ROW_GROUP,
        **kwargs: Any,
    ) -> None:
        super().__init__(dont_fail=True, **kwargs)
        self._crawler = crawler
        self._failed: DatasetError | None = None
        runtime = GuardState.of(crawler)
        note = {"check_set": runtime.guard.attestation["check_set"]}
        try:
            self._outfit = chosen_outfit(crawler, outfit)
            self._writer = ShardWriter(file, self._outfit, note=note, row_group=row_group)
        except Exception as error:  # noqa: BLE001 - whatever it is, Scrapy would crawl on
            raise report_failure(crawler, error) from None

    @classmethod
    def from_crawler(cls, crawler: Crawler, file: IO[bytes], *args: Any, **kwargs: Any) -> Self:
        """Build the exporter; Scrapy calls this."""
        del args
        return cls(file, crawler=crawler, **kwargs)

    def export_item(self, item: Any) -> None:
        """Add a record; other items are left out and counted."""
        record = as_record(item)
        if record is None:
            GuardState.of(self._crawler).count("items_dropped/no_record")
            return
        if self._failed is None:
            try:
                self._writer.add(self._outfit.row(record))
            except Exception as error:  # noqa: BLE001 - its text may have values of the record in it
                self._failed = report_failure(self._crawler, error)

    def finish_exporting(self) -> None:
        """Write the end of the file; DatasetError where the file is not whole, so that it is not stored."""
        try:
            if self._failed is None:
                self._writer.close()
        except Exception as error:  # noqa: BLE001 - its text may have values of a record in it
            self._failed = report_failure(self._crawler, error)
        if self._failed is not None:
            raise self._failed
        if self._writer.refused:
            GuardState.of(self._crawler).count("items_dropped/no_record", self._writer.refused)


class JsonLinesExporter(JsonLinesItemExporter):
    """Scrapy's exporter for JSON Lines, which writes each line in one piece, in the outfit that is wanted.

    Scrapy's own fills a buffer of some kilobytes and writes that: a reader who opens the file meanwhile, or after a
    crash, finds half a record at its end.
    """

    def __init__(self, file: IO[bytes], *, crawler: Crawler, outfit: str | None = None, **kwargs: Any) -> None:
        super().__init__(file, **kwargs)  # type: ignore[arg-type] # it says BytesIO, and takes any binary file
        self._crawler = crawler
        try:
            self._outfit = chosen_outfit(crawler, outfit)
        except IngestGuardError as error:
            raise report_failure(crawler, error) from None

    @classmethod
    def from_crawler(cls, crawler: Crawler, file: IO[bytes], *args: Any, **kwargs: Any) -> Self:
        """Build the exporter; Scrapy calls this."""
        del args
        return cls(file, crawler=crawler, **kwargs)

    def export_item(self, item: Any) -> None:
        """Write one line."""
        # Records have the native outfit already; other items may pass with it.
        is_native = self._outfit.name == "native"
        if not is_native and as_record(item) is None:
            GuardState.of(self._crawler).count("items_dropped/no_record")
            return
        try:
            super().export_item(item if is_native else self._outfit.row(item))
            self.file.flush()
        except (OSError, IngestGuardError) as error:
            report_failure(self._crawler, error)


class WholeFileStorage(FileFeedStorage):
    """Scrapy's storage for files, which writes a Parquet file under a hidden name and renames it when it is whole.

    A file that is there already is replaced where the feed says ``overwrite``; else the new one gets the next free
    name, since nothing can be added to a Parquet file.
    """

    def __init__(self, uri: str, *, feed_options: dict[str, Any] | None = None) -> None:
        super().__init__(uri, feed_options=feed_options)
        options = feed_options or {}
        self._is_parquet = options.get("format") == "parquet"
        self._replace = bool(options.get("overwrite"))

    def open(self, spider: Spider) -> IO[bytes]:
        """Open the file: under its hidden name, where it must be whole."""
        if not self._is_parquet:
            return super().open(spider)
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return hidden_name(path).open("wb")

    def store(self, file: IO[bytes]) -> None:
        """Close it, and let it appear."""
        super().store(file)
        if self._is_parquet:
            path = Path(self.path)
            publish(hidden_name(path), path, replace=self._replace)


# Scrapy counts stored feeds by the name of the storage's class: what reads the statistic
# feedexport/success_count/FileFeedStorage must still find it.
WholeFileStorage.__name__ = FileFeedStorage.__name__
