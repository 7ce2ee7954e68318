"""Read the entries of Scrapy's HTTP caches and media stores, and remove some. Nothing in them is ever unpickled."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import shutil
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.http import Headers, Response
from w3lib.http import headers_raw_to_dict

from ingest_guard.scrapy_plugin.encodings import undo
from ingest_guard.scrapy_plugin.leaves import StandIn, UnreadableError, decoded, leaves, plain
from ingest_guard.scrapy_plugin.stores import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = "http://entry.invalid/"
_ENTRY_FILES = frozenset({"meta", "pickled_meta", "response_body", "response_headers", "response_data"})
_DBM_FILE = re.compile(r"(.+\.db)(?:\.(?:dat|dir|bak|db|pag))?")
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
        if not _ENTRY_FILES.isdisjoint(names):
            yield _folder_entry(Path(where), limit)


def unknown_files(folder: Path) -> int:
    """Return how many files of a cache's folder belong to no entry of any storage of Scrapy's."""
    count = 0
    for where, _, names in os.walk(folder):
        if _ENTRY_FILES.isdisjoint(names):
            known = Path(where) == folder
            count += sum(name != MARKER and not (known and _DBM_FILE.fullmatch(name)) for name in names)
    return count


def _folder_entry(folder: Path, limit: int) -> Entry:
    entry = Entry(str(folder))
    try:
        entry.written = max((file.stat().st_mtime for file in folder.iterdir()), default=0.0)
        meta = ast.literal_eval(_content(folder / "meta", limit).decode("utf-8", "replace"))
        entry.urls = [str(meta[name]) for name in ("url", "response_url")]
        headers = Headers(headers_raw_to_dict(_content(folder / "response_headers", limit)) or {})
        body = _content(folder / "response_body", limit)
        entry.responses = [_response(body, int(meta["status"]), headers)]
        for name in ("response_data", "request_body"):
            if (folder / name).exists() and (content := _content(folder / name, limit)):
                inner = leaves(content) if name == "response_data" else [content]
                entry.responses += [_response(each) for leaf in inner for each in decoded(leaf)]
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


def databases(folder: Path) -> list[Path]:
    """Return the databases of ``DbmCacheStorage`` in a cache's folder, by the names that they are opened by."""
    if not folder.is_dir():
        return []
    names = {found[1] for file in folder.iterdir() if file.is_file() and (found := _DBM_FILE.fullmatch(file.name))}
    return [folder / name for name in sorted(names)]


def database_entries(path: Path, module: str) -> Iterator[Entry]:
    """Yield the entries of a database, whose module is that of HTTPCACHE_DBM_MODULE."""
    with contextlib.closing(_open(path, module, "r")) as database:
        for key in list(database.keys()):
            name = key.decode("latin-1") if isinstance(key, bytes) else str(key)
            if name.endswith("_data"):
                yield _database_entry(name[: -len("_data")], database)


def _database_entry(name: str, database: Any) -> Entry:
    entry = Entry(name)
    try:
        with contextlib.suppress(KeyError, ValueError):
            entry.written = float(database[f"{name}_time"])
        data = plain(database[f"{name}_data"])
        entry.urls = [str(data["url"])]
        entry.responses = [_response(data["body"], int(data["status"]), Headers(data["headers"]))]
        extras = (leaf for leaf in _byte_strings(data) if leaf is not data["body"])
        entry.responses += [_response(each) for leaf in extras for each in decoded(leaf)]
    except (KeyError, ValueError, TypeError):
        entry.is_readable = False
    return entry


def _byte_strings(value: Any) -> Iterator[bytes]:
    """Yield what else of a stored response may hold a picture: texts and byte strings, at any depth."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "headers":
                yield from _byte_strings(inner)
    elif isinstance(value, list | tuple | StandIn):
        for inner in value.given if isinstance(value, StandIn) else value:
            yield from _byte_strings(inner)
    elif isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode("utf-8", "surrogatepass")


def remove_from_database(path: Path, module: str, names: set[str]) -> None:
    """Remove entries by writing the database anew: one that only forgets a key leaves its value in the file."""
    fresh = path.with_name(f"{path.stem}.purged.db")
    _unlink_database(fresh)
    with contextlib.closing(_open(path, module, "r")) as old, contextlib.closing(_open(fresh, module, "n")) as new:
        for key in list(old.keys()):
            name = key.decode("latin-1") if isinstance(key, bytes) else str(key)
            if name.rpartition("_")[0] not in names:
                new[key] = old[key]
    _unlink_database(path)
    for file in _files_of(fresh):
        file.rename(path.with_name(path.name + file.name[len(fresh.name) :]))


def media_entries(folder: Path) -> Iterator[Entry]:
    """Yield the files of a media store."""
    for where, _, names in os.walk(folder):
        for name in sorted(set(names) - {MARKER}):
            file = Path(where, name)
            entry = Entry(str(file))
            try:
                entry.written = file.stat().st_mtime
                entry.responses = [_response(file.read_bytes())]
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


def _response(body: bytes, status: int = 200, headers: Headers | None = None) -> Response:
    if not isinstance(body, bytes):
        raise UnreadableError("a body that is none")
    return Response(_PLACE, status, headers, body)


def _open(path: Path, module: str, flag: str) -> Any:
    return import_module(module).open(str(path), flag)


def _files_of(path: Path) -> list[Path]:
    return [
        file
        for file in path.parent.iterdir()
        if file.name == path.name or ((found := _DBM_FILE.fullmatch(file.name)) and found[1] == path.name)
    ]


def _unlink_database(path: Path) -> None:
    for file in _files_of(path):
        file.unlink()
