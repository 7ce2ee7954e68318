"""Which databases an HTTP cache may use here."""

from __future__ import annotations

from ingest_guard.scrapy_plugin.stores import cachedatabases

CLEAN_DBM = "dbm.dumb" if cachedatabases.default_module() == "dbm.ndbm" else "dbm"
"""``dbm``, or where that is ndbm (Debian's Python), with which the guard does not start, the plain one."""
