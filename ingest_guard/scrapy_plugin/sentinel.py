"""The path under which settings name the sentinel: ``ingest_guard.scrapy_plugin.sentinel.Sentinel``."""

from ingest_guard.scrapy_plugin.downloadermiddlewares import Sentinel

__all__ = ["Sentinel"]
