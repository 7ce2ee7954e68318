"""The manifest of a crawl's data set: ``attestation.json`` where ``INGEST_GUARD_DATASET`` says.

Begun when the spider opens, with what the crawl is held against; a draft is on disk before the first record is, and
whenever other lists come into use. Written when everything is over and the feeds are stored, and only by a crawl whose
guard held: a crawl that was killed leaves no manifest.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.utils.asyncio import run_in_thread

from ingest_guard._clock import now
from ingest_guard.dataset.attestation import draft as journal
from ingest_guard.dataset.attestation import facts, files, inventory
from ingest_guard.dataset.attestation.columns import columns_in
from ingest_guard.dataset.attestation.manifest import Run
from ingest_guard.dataset.attestation.promises import numbered
from ingest_guard.errors import AttestationError
from ingest_guard.scrapy_plugin.core.settings import DATASET_SETTING, OUTFIT_SETTING, SIGN_KEY_VARIABLE
from ingest_guard.scrapy_plugin.core.statistics import own_counts
from ingest_guard.scrapy_plugin.output.shelves import dataset_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from scrapy.settings import BaseSettings

    from ingest_guard.dataset.attestation.inventory import Found
    from ingest_guard.dataset.attestation.manifest import Manifest
    from ingest_guard.guard.guard import Guard
    from ingest_guard.policy.policy import Policy
    from ingest_guard.scrapy_plugin.core.state import GuardState

logger = logging.getLogger(__name__)

# What became of responses, items and requests; not how busy the machine was.
_COUNTED = (
    *("allowed", "checked", "duplicates", "errors", "extract", "filtered", "flood", "flood_alarms", "held"),
    *("images_dropped", "items_dropped", "listed_urls", "matched", "matched_by", "no_known_match", "not_an_image"),
    *("not_scannable", "opted_out", "page_dropped", "records", "refused", "scans_spared", "sentinel"),
)


def local_folder(settings: BaseSettings) -> Path | None:
    """Return the local folder of the data set; None where there is none, or it lies elsewhere."""
    value = settings.get(DATASET_SETTING)
    uri = dataset_uri(value) if value else ""
    return Path(uri) if uri and not urlsplit(uri).scheme else None


def sign_key(policy: Policy) -> Ed25519PrivateKey | None:
    """Return the key that signs the manifest: of the file that the environment or the policy names; None without one.

    Raises
    ------
    BlocklistError
        The file cannot be read, others have access to it, or it holds no such key.
    """
    path = os.environ.get(SIGN_KEY_VARIABLE) or policy.dataset.sign_key
    if not path:
        return None
    from ingest_guard.blocklist.store.signing import read_signing_key  # noqa: PLC0415 - loaded where somebody signs

    return read_signing_key(path)


class ManifestKeeper:
    """Keeps the manifest of one crawl into a local folder."""

    def __init__(self, runtime: GuardState, folder: Path) -> None:
        self._folder = folder
        self._runtime = runtime
        self._draft: Manifest | None = None
        self._problem: str | None = None

    def used(self, guard: Guard) -> None:
        """Note what the crawl is held against from now on."""
        check_set = facts.describe(guard)
        try:
            if self._draft is None:
                before = self._before()
                settings, policy = self._runtime.crawler.settings, guard.policy
                outfit = settings.get(OUTFIT_SETTING) or "native"
                self._draft = journal.began(before, check_set, _new_run(guard), facts.about(policy), str(outfit))
            else:
                self._draft = journal.using(self._draft, check_set)
            self._keep(self._draft)
        except (AttestationError, OSError) as error:
            self._fail(error)

    async def write(self, reason: str, stats: Mapping[str, Any]) -> bool:
        """Write the manifest of a crawl that has ended; tell whether there is one now."""
        if any(name.startswith("feedexport/failed_count/") and value for name, value in stats.items()):
            self._fail(AttestationError("a feed could not be stored, so records are missing"))
        if self._draft is None or self._problem is not None:
            return False
        manifest = journal.ended(self._draft, reason, counted(stats))
        try:
            written = await self._put(manifest)
        except Exception as error:  # noqa: BLE001 - the crawl is over; what it wrote is there, and has no manifest
            self._fail(error)
            return False
        told = numbered(written.rows, "record"), numbered(len(written.shards), "shard")
        logger.info("ingest_guard: attested %s in %s", *told)
        return True

    def _before(self) -> Manifest | None:
        """Return what is known of earlier crawls into this data set."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return journal.earlier(self._folder)

    def _keep(self, draft: Manifest) -> None:
        """Put the draft where a later crawl finds it, should this one be killed."""
        journal.keep(self._folder, draft)

    async def _put(self, manifest: Manifest) -> Manifest:
        """Take inventory, and write the manifest of what is there."""
        return await run_in_thread(self._put_in_thread, manifest)

    def _put_in_thread(self, manifest: Manifest) -> Manifest:
        folder = self._folder
        found = [inventory.take(folder, name) for name in inventory.shard_names(folder)]
        journal.require_unchanged(folder, manifest.shards, found)
        manifest = self._with_shards(manifest, found)
        columns = columns_in(folder, manifest.shards, manifest.outfit)
        written = files.put(folder, manifest, columns, sign_key(self._runtime.policy))
        files.remove(folder, journal.DRAFT)
        return written

    def _with_shards(self, manifest: Manifest, found: list[Found]) -> Manifest:
        may_lack = self._runtime.policy.records.items_without_image == "pass"
        return files.with_shards(manifest, found, may_lack=may_lack)

    def _fail(self, error: Exception) -> None:
        # What others' exceptions say may quote a record.
        why = str(error) if isinstance(error, AttestationError | OSError) else type(error).__name__
        if self._problem is None:
            logger.error("ingest_guard: this crawl's records will have no manifest: %s", why)
        self._problem = why


def counted(stats: Mapping[str, Any]) -> dict[str, int]:
    """Return what a manifest tells of a crawl's statistics, by their names without the prefix."""
    return {name: value for name, value in own_counts(stats).items() if name.split("/")[0] in _COUNTED}


def _new_run(guard: Guard) -> Run:
    return Run(
        started=now(),
        versions=facts.library_versions(),
        policy_digest=facts.policy_digest(guard.policy),
        check_sets=(),
    )
