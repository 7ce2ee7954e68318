"""The path under which settings name the watchdog: ``ingest_guard.scrapy_plugin.watchdog.Watchdog``."""

from ingest_guard.scrapy_plugin.extension import Watchdog

__all__ = ["Watchdog"]
