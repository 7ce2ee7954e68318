"""The manifest of a crawl's data set: ``attestation.json`` where ``INGEST_GUARD_DATASET`` says.

Begun when the spider opens, with what the crawl is held against; a draft is on disk before the first record is, and
whenever other lists come into use. Written when everything is over and the feeds are stored, and only by a crawl whose
guard held: a crawl that was killed leaves no manifest.

In a bucket, shards are read back once, and the three files are uploaded as shards are, by Scrapy's storages. These put
files and remove none: what an earlier crawl said stays there until this one has ended, and so does the draft. Of the
two, the later one counts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.utils.asyncio import run_in_thread
from scrapy.utils.defer import _schedule_coro, ensure_awaitable
from scrapy.utils.misc import build_from_crawler, load_object

from ingest_guard._clock import now
from ingest_guard.dataset.attestation import croissant, facts, files, inventory
from ingest_guard.dataset.attestation import draft as drafts
from ingest_guard.dataset.attestation.inventory import ShardFacts
from ingest_guard.dataset.attestation.manifest import NAME, Manifest
from ingest_guard.dataset.attestation.model import IncidentCheckpoint, Run
from ingest_guard.dataset.attestation.promises import numbered
from ingest_guard.dataset.records.schema import Column
from ingest_guard.dataset.shards.location import FolderStore, ShardStore
from ingest_guard.errors import AttestationError, DatasetError
from ingest_guard.guard.guard import Guard
from ingest_guard.incidents import chain
from ingest_guard.pages.extract import EXTRACTION
from ingest_guard.policy.policy import Policy
from ingest_guard.scrapy_plugin.core.meter import own_counts
from ingest_guard.scrapy_plugin.core.settings import OUTFIT_SETTING, SIGN_KEY_VARIABLE
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.output.buckets import open_store
from ingest_guard.scrapy_plugin.output.extraction import read_earlier
from ingest_guard.signing.keys import read_signing_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

logger = logging.getLogger(__name__)

# What became of responses, items and requests; not how busy the machine was.
_COUNTED = (
    *("allowed", "checked", "duplicates", "errors", "extract", "filtered", "flood", "flood_alarms", "held"),
    *("held_grade", "images_dropped", "items_dropped", "listed_urls", "matched", "matched_by", "matched_grade"),
    *("no_known_match", "not_an_image", "not_scannable", "opted_out", "page_dropped", "records", "refused"),
    *("scans_spared", "sentinel"),
)


def sign_key(policy: Policy) -> Ed25519PrivateKey | None:
    """Return the key that signs the manifest: of the file that the environment or the policy names; None without one.

    Raises
    ------
    BlocklistError
        The file cannot be read, others have access to it, or it holds no such key.
    """
    path = os.environ.get(SIGN_KEY_VARIABLE) or policy.dataset.sign_key
    return read_signing_key(path) if path else None


class ManifestKeeper:
    """Keeps the manifest of one crawl into a local folder."""

    def __init__(self, state: GuardState, folder: Path) -> None:
        self._folder = folder
        self._state = state
        self._draft: Manifest | None = None
        self._problem: str | None = None
        self._made = 0

    def used(self, guard: Guard) -> None:
        """Note what the crawl is held against from now on."""
        check_set = facts.describe(guard)
        try:
            if self._draft is None:
                before = self._before()
                settings, policy = self._state.crawler.settings, guard.policy
                outfit = settings.get(OUTFIT_SETTING) or "native"
                run = _new_run(self._state, guard)
                self._draft = drafts.begin(before, check_set, run, facts.about(policy), str(outfit))
            else:
                self._draft = drafts.add_check_set(self._draft, check_set)
            self._keep(self._draft)
        except (AttestationError, OSError) as error:
            self._fail(error)

    async def write(self, reason: str, stats: Mapping[str, Any]) -> bool:
        """Write the manifest of a crawl that has ended; return whether there is one now."""
        if any(name.startswith("feedexport/failed_count/") and value for name, value in stats.items()):
            self._fail(AttestationError("a feed could not be stored, so records are missing"))
        if self._draft is None or self._problem is not None:
            return False
        manifest = drafts.end(self._draft, reason, counts_of(stats), _checkpoint(self._state))
        self._made = own_counts(stats).get("records", 0)
        try:
            written = await self._put(manifest)
        except Exception as error:  # noqa: BLE001 - the crawl is over; what it wrote is there, and has no manifest
            self._fail(error)
            return False
        counts = numbered(written.rows, "record"), numbered(len(written.shards), "shard")
        logger.info("ingest_guard: attested %s in %s", *counts)
        return True

    def _before(self) -> Manifest | None:
        """Return what is known of earlier crawls into this data set."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return drafts.read_earlier(self._folder)

    def _keep(self, draft: Manifest) -> None:
        """Put the draft where a later crawl finds it, should this one be killed."""
        drafts.save(self._folder, draft)

    async def _put(self, manifest: Manifest) -> Manifest:
        """Take inventory, and write the manifest of what is there."""
        return await run_in_thread(self._put_in_thread, manifest)

    def _put_in_thread(self, manifest: Manifest) -> Manifest:
        folder = self._folder
        found = inventory.take_all(folder)
        drafts.require_unchanged(folder, manifest.shards, found)
        manifest = self._with_shards(manifest, found)
        columns = inventory.columns_in(folder, manifest.shards, manifest.outfit)
        written = files.put(folder, manifest, columns, sign_key(self._state.policy))
        files.remove(folder, drafts.DRAFT)
        return written

    def _with_shards(self, manifest: Manifest, found: list[ShardFacts]) -> Manifest:
        added = sum(each.shard.rows for each in found) - sum(each.rows for each in manifest.shards)
        if added < self._made:
            raise AttestationError(
                f"this crawl made {numbered(self._made, 'record')}, and {added:,} of them lie in the data set; look "
                "where the others are (a feed of the project's own?), and write into a new folder"
            )
        may_lack = self._state.policy.records.items_without_image == "pass"
        return files.with_shards(manifest, found, may_lack=may_lack)

    def _fail(self, error: Exception) -> None:
        # The text of another library's exception may quote a record.
        why = str(error) if isinstance(error, DatasetError | OSError) else type(error).__name__
        if self._problem is None:
            logger.error("ingest_guard: this crawl's records will have no manifest: %s", why)
        self._problem = why


class BucketKeeper(ManifestKeeper):
    """Keeps the manifest of one crawl into a bucket."""

    def __init__(self, state: GuardState, store: ShardStore) -> None:
        super().__init__(state, Path())
        self._store = store
        self._latest: bytes | None = None
        self._is_uploading = False

    def _before(self) -> Manifest | None:
        return read_earlier(self._store)

    def _keep(self, draft: Manifest) -> None:
        self._latest = draft.to_bytes()
        if not self._is_uploading:
            self._is_uploading = True
            _schedule_coro(self._upload_drafts())

    async def _upload_drafts(self) -> None:
        try:
            while self._latest is not None:
                data, self._latest = self._latest, None
                await self._upload(drafts.DRAFT, data)
        except Exception as error:  # noqa: BLE001 - client libraries raise their own kinds
            self._fail(AttestationError(f"its draft cannot be uploaded ({type(error).__name__})"))
        finally:
            self._is_uploading = False

    async def _put(self, manifest: Manifest) -> Manifest:
        with TemporaryDirectory(prefix="ingest-guard-") as folder:
            written, made = await run_in_thread(self._stage, manifest, Path(folder))
        for name, data in made.items():
            await self._upload(name, data)
        return written

    def _stage(self, manifest: Manifest, folder: Path) -> tuple[Manifest, dict[str, bytes]]:
        """Read the shards back one after the other; return the manifest, and the files in the order of their upload."""
        columns: tuple[Column, ...] = ()
        found: list[ShardFacts] = []
        for name in self._store.names():
            with self._store.fetch(name) as path:
                lent = inventory.take(path.parent, path.name)
                columns = columns or inventory.columns_in(path.parent, [lent.shard], manifest.outfit)
            found.append(replace(lent, shard=lent.shard.model_copy(update={"name": name})))
        drafts.require_unchanged(folder, manifest.shards, found)
        written = files.put(folder, self._with_shards(manifest, found), columns, sign_key(self._state.policy))
        names = (files.SIGNATURE, croissant.NAME, NAME)
        return written, {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}

    async def _upload(self, name: str, data: bytes) -> None:
        crawler, uri = self._state.crawler, f"{self._store.uri}/{name}"
        storages = crawler.settings.getwithbase("FEED_STORAGES")
        kind = load_object(storages[urlsplit(uri).scheme])
        storage = build_from_crawler(kind, crawler, uri, feed_options={"overwrite": True})
        file = storage.open(crawler.spider)
        file.write(data)
        await ensure_awaitable(storage.store(file))


def keeper_of(state: GuardState) -> ManifestKeeper | None:
    """Return the keeper of a crawl's manifest; None where it makes no data set.

    Raises
    ------
    BlocklistError
        The key that is to sign it cannot be read: better known now than at the end.
    SetupError
        The data set's place is of an unknown kind.
    """
    store = open_store(state.crawler)
    if store is None:
        return None
    sign_key(state.policy)
    is_local = isinstance(store, FolderStore)
    keeper = ManifestKeeper(state, Path(store.uri)) if is_local else BucketKeeper(state, store)
    state.on_version.append(keeper.used)
    return keeper


def counts_of(stats: Mapping[str, Any]) -> dict[str, int]:
    """Return the statistics of a crawl that its manifest has, by their names without the prefix."""
    return {name: value for name, value in own_counts(stats).items() if name.split("/")[0] in _COUNTED}


def _checkpoint(state: GuardState) -> IncidentCheckpoint | None:
    """Return the last checkpoint of the log of incidents; None where there is no log."""
    last = None if state.incidents is None else state.incidents.checkpoint
    return None if last is None else IncidentCheckpoint(**chain.summary(last))


def _new_run(state: GuardState, guard: Guard) -> Run:
    return Run(
        started=now(),
        versions=facts.library_versions(),
        policy_digest=facts.policy_digest(guard.policy),
        check_sets=(),
        extraction=EXTRACTION,
        incidents=_checkpoint(state),
    )
