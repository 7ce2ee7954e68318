"""Look through what stores hold with the guard, and remove what would not pass it now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scrapy import Spider
from scrapy.crawler import Crawler
from scrapy.http import Response
from scrapy.statscollectors import MemoryStatsCollector

from ingest_guard.errors import GuardFailedError
from ingest_guard.scrapy_plugin.check.inspection import PASSING, inspect
from ingest_guard.scrapy_plugin.core.settings import POLICY_SETTING, policy_path
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.stores import cachedatabases, cachefiles, jobfiles
from ingest_guard.scrapy_plugin.stores.leaves import UnreadableError, decoded, has_data_url, leaves
from ingest_guard.scrapy_plugin.stores.stores import CACHE, JOB
from ingest_guard.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from scrapy.settings import BaseSettings

    from ingest_guard.scrapy_plugin.stores.cachefiles import Entry
    from ingest_guard.scrapy_plugin.stores.stores import Store

_AT_ONCE = 16


@dataclass(slots=True)
class Findings:
    """What a purge found in one store. ``left`` are files that belong to no entry, or that could not be removed."""

    looked_at: int = 0
    matched: int = 0
    not_scannable: int = 0
    left: int = 0

    @property
    def bad(self) -> int:
        """How many entries must go."""
        return self.matched + self.not_scannable


class Purge:
    """Look through stores with the workers, limits and lists of a project's policy.

    Parameters
    ----------
    settings
        The project's.
    dry_run
        Remove nothing, write no marker.
    since
        Look only at entries that were written at or after this time (seconds since 1970).
    """

    def __init__(self, settings: BaseSettings, *, dry_run: bool = False, since: float = 0.0) -> None:
        self._settings = settings
        self._dry_run = dry_run
        self._since = since

    def run(self, stores: Iterable[Store]) -> Iterator[tuple[Store, Findings]]:
        """Look through stores, one after the other.

        Raises
        ------
        IngestGuardError
            The policy or the blocklist cannot be used, or the workers fail: what was not looked at is left as it is.
        """
        for store in stores:
            if store.folder.is_dir():
                yield store, asyncio.run(self._purge(store))

    async def _purge(self, store: Store) -> Findings:
        crawler = Crawler(
            Spider,
            {"ADDONS": {"ingest_guard.Addon": 0}, POLICY_SETTING: str(policy_path(self._settings).absolute())},
        )
        crawler.stats = MemoryStatsCollector(crawler)
        runtime = GuardState.of(crawler)
        try:
            await runtime.pool.ready()
            work = _Work(runtime, self._settings, store, dry_run=self._dry_run, since=self._since)
            findings = await (work.job() if store.kind == JOB else work.store())
            if runtime.failed:
                raise GuardFailedError("the scan workers failed; what was not looked at is left as it is")
            # A look at a part says nothing of the rest.
            is_whole = not self._dry_run and not self._since and not findings.left
            if is_whole and store.kind != JOB:
                store.mark(runtime.guard.version, purged=True)
            return findings
        finally:
            runtime.close()


class _Work:
    """One store's purge."""

    def __init__(
        self, runtime: GuardState, settings: BaseSettings, store: Store, *, dry_run: bool, since: float
    ) -> None:
        self._runtime = runtime
        self._module = settings.get("HTTPCACHE_DBM_MODULE") or "dbm"
        self._store = store
        self._dry_run = dry_run
        self._since = since
        self._limit = runtime.policy.limits.bytes
        self._findings = Findings()

    async def store(self) -> Findings:
        """Look through an HTTP cache or a media store."""
        folder, findings = self._store.folder, self._findings
        if self._store.kind != CACHE:
            files = {entry.key async for entry in self._bad(cachefiles.media_entries(folder))}
            if files and not self._dry_run:
                cachefiles.remove_media(folder, files)
            return findings
        async for entry in self._bad(cachefiles.folder_entries(folder, self._limit)):
            if not self._dry_run:
                cachefiles.remove_folder(entry.key)
        for path in cachedatabases.databases(folder):
            await self._database(path)
        findings.left += cachedatabases.unknown_files(folder)
        return findings

    async def _database(self, path: Path) -> None:
        try:
            names = {entry.key async for entry in self._bad(cachedatabases.database_entries(path, self._module))}
            if names and not self._dry_run:
                cachedatabases.remove_from_database(path, self._module, names)
        except GuardFailedError:
            raise
        except Exception:  # noqa: BLE001 - each dbm module has errors of its own
            self._findings.left += 1

    async def job(self) -> Findings:
        """Look through a job directory."""
        for queue in jobfiles.queues(self._store.folder):
            try:
                entries = queue.entries()
            except UnreadableError:
                self._findings.left += 1
                continue
            passing = [await self._passes_in_queue(entry) for entry in entries]
            if not all(passing) and not self._dry_run:
                queue.keep([entry for entry, passes in zip(entries, passing, strict=True) if passes])
        return self._findings

    async def _passes_in_queue(self, entry: bytes) -> bool:
        self._findings.looked_at += 1
        if has_data_url(entry):
            # Its content was not looked at: a request that is its own image is never let out in any case.
            self._findings.not_scannable += 1
            return False
        try:
            found = [each for leaf in leaves(entry) for each in decoded(leaf)]
        except UnreadableError:
            found = []
        return await self._passes([Response("http://entry.invalid/", body=each) for each in found])

    async def _bad(self, entries: Iterator[Entry]) -> AsyncIterator[Entry]:
        """Yield the entries that must go; as many are looked at together as the workers can be kept busy with."""
        for batch in _batches((entry for entry in entries if entry.written >= self._since), _AT_ONCE):
            passing = await asyncio.gather(*(self._look_at(entry) for entry in batch))
            if self._runtime.failed:
                raise GuardFailedError("the scan workers failed; what was not looked at is left as it is")
            for entry, passes in zip(batch, passing, strict=True):
                if not passes:
                    yield entry

    async def _look_at(self, entry: Entry) -> bool:
        self._findings.looked_at += 1
        if not entry.is_readable or any(url[:5].lower() == "data:" for url in entry.urls):
            self._findings.not_scannable += 1
            return False
        if any(self._runtime.guard.blocklist.match_url(url) for url in entry.urls):
            self._findings.matched += 1
            return False
        return await self._passes(entry.responses)

    async def _passes(self, responses: list[Response]) -> bool:
        outcomes = [(await inspect(self._runtime, response)).verdict.outcome for response in responses]
        if self._runtime.failed:
            return True  # nothing was found out
        if Outcome.MATCH in outcomes:
            self._findings.matched += 1
        elif any(outcome not in PASSING for outcome in outcomes):
            self._findings.not_scannable += 1
        return all(outcome in PASSING for outcome in outcomes)


def _batches(entries: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
