"""Small blocklists for the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.blocklist.build.build import ListSource, build

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def make_blocklist(folder: Path, lists: Mapping[str, Iterable[tuple[str, str]]]) -> Path:
    """Build a blocklist of (algorithm, value) rows per list id; return its folder."""
    sources = []
    folder.mkdir(parents=True, exist_ok=True)
    for list_id, rows in lists.items():
        file = folder.parent / f"{folder.name}-{list_id}.txt"
        file.write_text("".join(f"{algorithm} {value}\n" for algorithm, value in rows))
        sources.append(ListSource(list_id, "plain", file))
    build(folder, sources)
    return folder
