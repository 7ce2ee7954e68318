"""The folders in which Scrapy keeps bodies between crawls, and the marker that says since when they are guarded.

What an HTTP cache or a media store holds from before the guard was never looked at: it stays on the disk, and media
pipelines do not fetch it again. So a folder that is not empty and has no marker is refused at the start; ``ingest-guard
purge`` looks through it and writes the marker.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy.exceptions import NotConfigured
from scrapy.utils.project import data_path

from ingest_guard._clock import now
from ingest_guard._version import __version__
from ingest_guard.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scrapy.settings import BaseSettings

    from ingest_guard.policy.policy import Policy

MARKER = ".ingest-guard.json"
CACHE, MEDIA, JOB = "HTTP cache", "media store", "job directory"
_STORE_SETTINGS = ("FILES_STORE", "IMAGES_STORE")


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
        """True where there is no file in it but the marker."""
        return not any(name != MARKER for _, _, names in os.walk(self.folder) for name in names)

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
    """Return the settings that name media stores on other machines, which nobody here can look through."""
    return [name for name, value in _store_settings(settings) if _local_path(value) is None]


def require_known(stores: Iterable[Store], policy: Policy) -> None:
    """Raise SetupError where a store holds something from before the guard, unless the policy accepts that."""
    old = [store for store in stores if store.is_old]
    if old and policy.old_stores == "refuse":
        raise SetupError(
            f"ingest_guard: the {old[0]} holds files from before the guard, or from a crawl without it; look through "
            "it with: ingest-guard purge (or remove the folder; 'old_stores: accept' in the policy leaves it as it is)"
        )


def cache_folders(settings: BaseSettings) -> list[Path]:
    """Return where these settings put an HTTP cache, whether it is in use now or not."""
    return [store.folder for store in _caches(settings)]


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
