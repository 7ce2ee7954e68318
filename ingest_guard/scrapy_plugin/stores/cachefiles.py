"""Read the entries of Scrapy's HTTP caches on files and of media stores, and remove some.

Caches in databases are in :mod:`ingest_guard.scrapy_plugin.stores.cachedatabases`. Nothing in any of them is ever
unpickled.
"""

from __future__ import annotations

import ast
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy.http import Headers, Response
from w3lib.http import headers_raw_to_dict

from ingest_guard.encodings.stages import undo
from ingest_guard.scrapy_plugin.stores.leaves import UnreadableError, decoded, leaves
from ingest_guard.scrapy_plugin.stores.stores import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = "http://entry.invalid/"
ENTRY_FILES = frozenset({"meta", "pickled_meta", "response_body", "response_headers", "response_data"})
"""Names of the files of an entry of ``FilesystemCacheStorage``; a folder with one of them is an entry."""
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Entry:
    """One thing that a store keeps.

    Attributes
    ----------
    key
        What to remove: a folder or file, or a key of a database.
    responses
        What is in it, as a crawl would have got it; the first has the headers that came along.
    urls
        The addresses that it was fetched from.
    written
        When, in seconds since 1970.
    is_readable
        False where it is not in the format that it should have.
    """

    key: str
    responses: list[Response] = field(default_factory=list, repr=False)
    urls: list[str] = field(default_factory=list, repr=False)
    written: float = 0.0
    is_readable: bool = True


def folder_entries(folder: Path, limit: int) -> Iterator[Entry]:
    """Yield the entries of a cache of ``FilesystemCacheStorage``: a folder each."""
    for where, _, names in os.walk(folder):
        if not ENTRY_FILES.isdisjoint(names):
            yield _folder_entry(Path(where), limit)


def _folder_entry(folder: Path, limit: int) -> Entry:
    entry = Entry(str(folder))
    try:
        entry.written = max((file.stat().st_mtime for file in folder.iterdir()), default=0.0)
        meta = ast.literal_eval(_content(folder / "meta", limit).decode("utf-8", "replace"))
        entry.urls = [str(meta[name]) for name in ("url", "response_url")]
        headers = Headers(headers_raw_to_dict(_content(folder / "response_headers", limit)) or {})
        body = _content(folder / "response_body", limit)
        entry.responses = [as_response(body, int(meta["status"]), headers)]
        for name in ("response_data", "request_body"):
            if (folder / name).exists() and (content := _content(folder / name, limit)):
                inner = leaves(content) if name == "response_data" else [content]
                entry.responses += [as_response(each) for leaf in inner for each in decoded(leaf)]
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        entry.is_readable = False
    return entry


def _content(file: Path, limit: int) -> bytes:
    """Return what is in a file, unpacked where the cache packs its files."""
    data = file.read_bytes()
    if not data.startswith(_GZIP) or (file.name == "response_body" and not _is_packed(file.parent)):
        return data
    stages = undo(data, ["gzip"], limit)
    if stages.problem:
        raise UnreadableError(stages.problem)
    return stages.bodies[-1]


def _is_packed(folder: Path) -> bool:
    """Tell whether HTTPCACHE_GZIP was on when an entry was written: a body may be gzip by itself, its meta may not."""
    with (folder / "meta").open("rb") as file:
        return file.read(2) == _GZIP


def media_entries(folder: Path) -> Iterator[Entry]:
    """Yield the files of a media store."""
    for where, _, names in os.walk(folder):
        for name in sorted(set(names) - {MARKER}):
            file = Path(where, name)
            entry = Entry(str(file))
            try:
                entry.written = file.stat().st_mtime
                entry.responses = [as_response(file.read_bytes())]
            except OSError:
                entry.is_readable = False
            yield entry


def remove_media(folder: Path, files: set[str]) -> int:
    """Remove files of a media store, and those with the same name (thumbnails of a picture); return how many."""
    stems = {Path(file).stem for file in files}
    doomed = [Path(where, name) for where, _, names in os.walk(folder) for name in names if Path(name).stem in stems]
    for file in doomed:
        file.unlink()
    return len(doomed)


def remove_folder(folder: str) -> None:
    """Remove an entry of ``FilesystemCacheStorage``."""
    shutil.rmtree(folder)


def as_response(body: bytes, status: int = 200, headers: Headers | None = None) -> Response:
    """Return what an entry keeps as a response."""
    if not isinstance(body, bytes):
        raise UnreadableError("a body that is none")
    return Response(_PLACE, status, headers, body)
