"""JSON Lines, a record at a time: a crawl that is killed leaves whole lines."""

from __future__ import annotations

from typing import Any

from scrapy.exporters import JsonLinesItemExporter

FORMATS = ("jsonlines", "jsonl", "jl")


class WholeLines(JsonLinesItemExporter):
    """Scrapy's exporter, but that a line goes to the system in one piece.

    Scrapy's own fills a buffer of some kilobytes and writes that: whoever reads the file meanwhile, or after a crash,
    finds half a record at its end.
    """

    def export_item(self, item: Any) -> None:
        """Write one line."""
        super().export_item(item)
        self.file.flush()
