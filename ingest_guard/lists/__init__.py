"""Other people's list files -> entries: one module a format, all of them streaming.

A reader is a callable ``(path) -> Iterator[Row]``. It never holds more than a row in memory, never raises
because of a row (but where its hasher plug-in is broken), and never puts anything of a row into a text.
"""

from ingest_guard.lists.entries import Entry, Rejected, Removed, Row, Unsupported
from ingest_guard.lists.formats import names, reader

__all__ = ["Entry", "Rejected", "Removed", "Row", "Unsupported", "names", "reader"]
