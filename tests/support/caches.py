"""Which databases an HTTP cache may use here."""

from __future__ import annotations

from ingest_guard.scrapy_plugin.stores.stores import find_default_dbm

CLEAN_DBM = "dbm.dumb" if find_default_dbm() == "dbm.ndbm" else "dbm"
"""``dbm``, or where that is ndbm (Debian's Python), with which the guard does not start, the plain one."""
