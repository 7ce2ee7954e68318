"""The path under which settings name the gate: ``ingest_guard.scrapy_plugin.gate.Gate``."""

from ingest_guard.scrapy_plugin.downloadermiddlewares import Gate

__all__ = ["Gate"]
