"""The folders in which Scrapy keeps bodies between crawls, and the marker that says since when they are guarded.

An HTTP cache or a media store from before the guard holds what was never checked: it stays on the disk, and media
pipelines do not fetch it again. So a folder that is not empty and has no marker is refused at the start; ``ingest-guard
purge`` empties a cache, and looks through a media store and marks it.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from scrapy.exceptions import NotConfigured
from scrapy.extensions.httpcache import DbmCacheStorage
from scrapy.settings import BaseSettings
from scrapy.utils.misc import load_object
from scrapy.utils.project import data_path

from ingest_guard._clock import now
from ingest_guard._version import __version__
from ingest_guard.errors import SetupError
from ingest_guard.policy.policy import Policy
from ingest_guard.urls.data_scheme import quotes_data_url

MARKER = ".ingest-guard.json"
CACHE, MEDIA, JOB = "HTTP cache", "media store", "job directory"
_STORE_SETTINGS = ("FILES_STORE", "IMAGES_STORE")
# The modules that ``dbm`` takes for a new database: the first that this Python has.
_DBM_MODULES = ("dbm.sqlite3", "dbm.gnu", "dbm.ndbm", "dbm.dumb")
_NDBM = "dbm.ndbm"
# A request's URL, or a text in its meta, as pickle and marshal have it.


@dataclass(frozen=True, slots=True)
class Store:
    """A folder that may hold bodies.

    Attributes
    ----------
    kind
        ``HTTP cache``, ``media store`` or ``job directory``.
    setting
        The one that names it.
    folder
        Where it is; it need not exist.
    """

    kind: str
    setting: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.kind} {self.folder} ({self.setting})"

    @property
    def is_empty(self) -> bool:
        """True where there is nothing in it but folders and the marker."""
        return all(path == self.folder / MARKER for path, _ in contents(self.folder))

    @property
    def marker(self) -> dict[str, Any] | None:
        """What the marker says: ``since``, ``purged``, ``list_version``; None where there is none that can be read."""
        try:
            found = json.loads((self.folder / MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "since" in found else None

    @property
    def is_old(self) -> bool:
        """True where there is something in it from before the guard."""
        return self.kind != JOB and self.marker is None and not self.is_empty

    def mark(self, list_version: str, *, purged: bool = False) -> None:
        """Write the marker; one that is there keeps its date, and its list version until the next purge."""
        before = self.marker
        if before is not None and not purged:
            return
        time = now()
        content = {"since": (before or {}).get("since", time), "list_version": list_version, "guard": __version__}
        if purged:
            content["purged"] = time
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self.folder / f"{MARKER}.{os.getpid()}"
        written.write_text(json.dumps(content) + "\n", encoding="utf-8")
        written.replace(self.folder / MARKER)


def contents(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield what lies in a folder and its sub-folders, and never follow a link.

    Yields
    ------
    path
        A file, a link, or a sub-folder that cannot be listed.
    descriptor
        Of the open folder in which it lies, for ``dir_fd``, until the next step; -1 for what cannot be listed.
    """
    unlisted: list[Path] = []

    def note(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            unlisted.append(folder / error.filename)

    try:
        for where, folders, names, descriptor in os.fwalk(folder, onerror=note):
            links = [name for name in folders if Path(where, name).is_symlink()]
            yield from ((Path(where, name), descriptor) for name in (*names, *links))
    except OSError as error:
        note(error)  # of the first folder
    yield from ((path, -1) for path in unlisted)


def stores_in_use(settings: BaseSettings) -> list[Store]:
    """Return the folders into which a crawl with these settings would write bodies."""
    found = _media_stores(settings)
    if settings.getbool("HTTPCACHE_ENABLED"):
        found = [*_caches(settings), *found]
    return found


def all_stores(settings: BaseSettings) -> list[Store]:
    """Return every folder that these settings name, whether it is in use now or not."""
    jobs = [Store(JOB, "JOBDIR", Path(settings["JOBDIR"]).resolve())] if settings.get("JOBDIR") else []
    return [*_caches(settings), *_media_stores(settings), *jobs]


def remote_stores(settings: BaseSettings) -> list[str]:
    """Return the settings that name media stores on other machines, which cannot be looked through here."""
    return [name for name, value in _store_settings(settings) if _local_path(value) is None]


def require_known(stores: Iterable[Store], policy: Policy) -> None:
    """Raise SetupError where a store holds something from before the guard, unless the policy accepts that."""
    old = [store for store in stores if store.is_old]
    if old and policy.old_stores == "refuse":
        raise SetupError(
            f"ingest_guard: the {old[0]} holds files from before the guard, or from a crawl without it; purge "
            "it with: ingest-guard purge (or remove the folder; 'old_stores: accept' in the policy leaves it as it is)"
        )


def has_data_urls(job: Store) -> bool:
    """Check whether a ``data:`` URL stands somewhere in a job directory's queues or state."""
    with contextlib.suppress(OSError):
        for path, _ in contents(job.folder):
            is_searched = path.relative_to(job.folder).parts[:1] in {("requests.queue",), ("spider.state",)}
            if is_searched and path.is_file() and quotes_data_url(path.read_bytes()):
                return True
    return False


def cache_folders(settings: BaseSettings) -> list[Path]:
    """Return where these settings put an HTTP cache, whether it is in use now or not."""
    return [store.folder for store in _caches(settings)]


def find_unclean_cache(settings: BaseSettings) -> str | None:
    """Return what is wrong where the HTTP cache would be an ndbm database; None where it would not.

    ndbm (Berkeley DB, on Debian) writes the unused parts of its pages as its memory was, and that may have been another
    response's body. With ``dbm``, a database that is there decides, and for a new one what this Python has.
    """
    if not settings.getbool("HTTPCACHE_ENABLED") or not _is_database(settings.get("HTTPCACHE_STORAGE")):
        return None
    module = settings.get("HTTPCACHE_DBM_MODULE") or "dbm"
    if module == "dbm":
        # Berkeley DB's one file, or the pair of other ndbms (whose .dir is dbm.dumb's, too).
        there = (
            file for folder in cache_folders(settings) for end in ("db", "pag") for file in folder.glob(f"*.db.{end}")
        )
        module = _NDBM if any(there) else find_default_dbm()
    if module != _NDBM:
        return None
    return (
        "the HTTP cache is an ndbm database (DbmCacheStorage), which writes remains of the crawl's memory to the disk, "
        "bodies of other responses among them; set HTTPCACHE_DBM_MODULE = 'dbm.dumb', or "
        "HTTPCACHE_STORAGE = 'scrapy.extensions.httpcache.FilesystemCacheStorage'"
    )


def find_default_dbm() -> str:
    """Return the module that ``dbm`` takes for new databases in this Python."""
    for name in _DBM_MODULES:
        with contextlib.suppress(ImportError):
            return import_module(name).__name__
    raise AssertionError("dbm.dumb is in every Python")


def _is_database(storage: Any) -> bool:
    try:
        loaded = load_object(storage)
    except Exception:  # noqa: BLE001 - somebody else's module may raise anything; Scrapy reports it
        return False
    return isinstance(loaded, type) and issubclass(loaded, DbmCacheStorage)


def _caches(settings: BaseSettings) -> list[Store]:
    if not settings.get("HTTPCACHE_DIR"):
        return []
    try:
        folder = Path(data_path(settings["HTTPCACHE_DIR"]))
    except NotConfigured:
        # A crawl of seeds, outside of any project: Scrapy has no place for a cache there, and switches it off.
        return []
    return [Store(CACHE, "HTTPCACHE_DIR", folder.resolve())]


def _media_stores(settings: BaseSettings) -> list[Store]:
    return [
        Store(MEDIA, name, Path(path).resolve())
        for name, value in _store_settings(settings)
        if (path := _local_path(value)) is not None
    ]


def _store_settings(settings: BaseSettings) -> list[tuple[str, str]]:
    """Return the settings that name media stores; a pipeline's subclass may have one of its own."""
    names = sorted(name for name in settings if isinstance(name, str) and name.endswith(_STORE_SETTINGS))
    return [(name, os.fspath(settings[name])) for name in names if settings[name]]


def _local_path(value: str) -> str | None:
    if Path(value).is_absolute() or "://" not in value:
        return value
    return value.split("://", 1)[1] if value.startswith("file://") else None
