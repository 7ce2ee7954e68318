"""JSON Lines, a record at a time: a crawl that is killed leaves whole lines."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from scrapy.exporters import JsonLinesItemExporter

from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.output.exporters import as_record, chosen_outfit, report_failure

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

FORMATS = ("jsonlines", "jsonl", "jl")


class WholeLines(JsonLinesItemExporter):
    """Scrapy's exporter, but that a line goes to the system in one piece, in the outfit that is wanted.

    Scrapy's own fills a buffer of some kilobytes and writes that: whoever reads the file meanwhile, or after a crash,
    finds half a record at its end.
    """

    def __init__(
        self, file: IO[bytes], *, crawler: Crawler | None = None, outfit: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(file, **kwargs)  # type: ignore[arg-type] # it says BytesIO, and takes any binary file
        self._crawler = crawler
        chosen = chosen_outfit(crawler, outfit) if crawler else None
        # The native outfit is what records are already; other items may pass with it.
        self._outfit = chosen if chosen and chosen.name != "native" else None

    @classmethod
    def from_crawler(cls, crawler: Crawler, file: IO[bytes], *args: Any, **kwargs: Any) -> Self:
        """Build the exporter; Scrapy calls this."""
        del args
        return cls(file, crawler=crawler, **kwargs)

    def export_item(self, item: Any) -> None:
        """Write one line."""
        if self._outfit and self._crawler:
            record = as_record(item)
            if record is None:
                GuardState.of(self._crawler).count("items_dropped/no_record")
                return
            item = self._outfit.row(record)
        try:
            super().export_item(item)
            self.file.flush()
        except OSError as error:
            if self._crawler is None:
                raise
            report_failure(self._crawler, error)
