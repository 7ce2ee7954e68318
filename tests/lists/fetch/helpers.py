"""Fetching from a played service, and looking at what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lists.fetch.services import EPOCH, Ncmec, StopNcii, Tat, ThreatExchange

from ingest_guard.lists import journal
from ingest_guard.lists.entries import Entry, Removed
from ingest_guard.lists.fetch import run
from ingest_guard.lists.fetch import sources as config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lists.fetch.services import Hash, Service

NOW = EPOCH + 1_000_000
"""The clock of this side, unless a test sets it."""

SECRETS = {"FETCH_USER": "user", "FETCH_SECRET": "secret", "FETCH_TOKEN": ThreatExchange.TOKEN}
"""The environment that the played services want."""

CREDENTIALS = {
    "ncmec": {"user": "{env: FETCH_USER}", "password": "{env: FETCH_SECRET}"},
    "stopncii": {"subscription_key": "{env: FETCH_SECRET}", "function_key": "{env: FETCH_SECRET}"},
    "tat": {"user": "{env: FETCH_USER}", "password": "{env: FETCH_SECRET}"},
    "threatexchange": {"token": "{env: FETCH_TOKEN}", "privacy_group": ThreatExchange.GROUP},
}
SERVICES: dict[str, type[Ncmec | StopNcii | Tat | ThreatExchange]] = {
    "ncmec": Ncmec,
    "stopncii": StopNcii,
    "tat": Tat,
    "threatexchange": ThreatExchange,
}


def sources(service: Service, kind: str, folder: Path, **options: Any) -> Path:
    """Write a file of one source, impatient and called as its kind is."""
    keys = {"id": kind, "kind": kind, "url": service.url, "wait": 0.001, "timeout": 20, **CREDENTIALS[kind], **options}
    file = folder / "sources.yaml"
    file.write_text("- " + "\n  ".join(f"{name}: {value}" for name, value in keys.items()) + "\n")
    return file


def fetch(
    service: Service,
    kind: str,
    folder: Path,
    *,
    now: Callable[[], float] | float = NOW,
    full: bool = False,
    **options: Any,
) -> run.FetchOutcome:
    """Fetch into FOLDER/lists."""
    clock = now if callable(now) else lambda: now
    (outcome,) = run.fetch(
        config.load(sources(service, kind, folder, **options)), folder / "lists", now=clock, full=full
    )
    return outcome


def listed(path: Path) -> dict[str, tuple[str | None, dict[str, str]]]:
    """Return what a journal comes to: key -> severity and values, as a build would have it."""
    found: dict[str, tuple[str | None, dict[str, str]]] = {}
    rows: dict[str, int] = {}
    for row in journal.read(path):
        if isinstance(row, Removed):
            found.pop(row.key, None)
        else:
            assert isinstance(row, Entry)
            assert row.key is not None
            if rows.get(row.key) != row.row:
                found[row.key] = (row.severity, {})
                rows[row.key] = row.row
            found[row.key][1][row.algorithm] = row.value if isinstance(row.value, str) else row.value.hex()
    return found


def expected(entries: list[Hash], kind: str) -> dict[str, tuple[str | None, dict[str, str]]]:
    """Return what a journal should come to, by what the service holds."""
    return {key(entry, kind): value(entry, kind) for entry in entries if not entry.deleted}


def key(entry: Hash, kind: str) -> str:
    """Return what a service's record is called."""
    return {"ncmec": f"42/{entry.id}", "stopncii": f"imagepdq/{entry.pdq}"}.get(kind, entry.id)


def value(entry: Hash, kind: str) -> tuple[str | None, dict[str, str]]:
    """Return what a service's record holds."""
    values = {
        name: text
        for name, text in (("md5", entry.md5), ("sha1", entry.sha1), ("pdq", entry.pdq))
        if text and name in {"ncmec": ("md5", "sha1", "pdq"), "tat": ("md5",)}.get(kind, ("pdq",))
    }
    return (entry.severity if kind == "ncmec" else None, values)
