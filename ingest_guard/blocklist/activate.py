"""The last steps of a build, an update and a compaction: the draft gets its name, proves that it opens, and is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.blocklist.load import load
from ingest_guard.blocklist.publish import discard, point_to, retain
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path

    from ingest_guard.blocklist.manifest import Manifest
    from ingest_guard.blocklist.publish import Draft

DEFAULT_KEEP = 3


def activate(folder: Path, draft: Draft, manifest: Manifest, keep: int) -> tuple[str, list[str]]:
    """Make a draft the current version.

    Returns
    -------
    the version, and the older ones that retention removed

    Raises
    ------
    BlocklistError
        It does not open, as it would not for any crawl, and never becomes the current version.
    """
    path = draft.finish(manifest)
    try:
        # Every digest once more, of the very files that the version is made of: what was taken over included.
        load(path)
    except BlocklistError:
        discard(path)
        raise
    point_to(folder, path.name)
    return path.name, retain(folder, path.name, keep)
