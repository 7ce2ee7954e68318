"""The path under which settings name the exporter: ``ingest_guard.scrapy_plugin.exporters.ParquetExporter``."""

from ingest_guard.scrapy_plugin.output.feed_exporters import ParquetExporter

__all__ = ["ParquetExporter"]
