"""What others need of a store: which versions there are, which is the current one, and that one opened.

Polling :func:`current_version` costs one small read; when it changes, :func:`open_current` opens and verifies the new
version while the old one is still in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.store.draft import retain
from ingest_guard.blocklist.store.pointer import current_version, versions

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

__all__ = ["current_version", "open_current", "retain", "versions"]


def open_current(
    folder: Path | str, *, key: bytes | None = None, allow_empty: bool = False, max_age: timedelta | None = None
) -> Blocklist:
    """Open the version that the pointer names; see :meth:`Blocklist.open`.

    Raises
    ------
    BlocklistError
        Missing, damaged, changed, writable by others, empty or too old; its key is missing or another one.
    """
    return Blocklist.open(folder, key=key, allow_empty=allow_empty, max_age=max_age)
