"""The same manifest for a data set in a bucket: shards are read back once, and the files go the way that shards go.

Scrapy's storages put files and take none away. So what an earlier crawl said stays there until this one has ended, and
so does the draft: of the two, the later one counts.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy.utils.asyncio import run_in_thread
from scrapy.utils.defer import _schedule_coro, ensure_awaitable
from scrapy.utils.misc import build_from_crawler, load_object

from ingest_guard.dataset.attestation import croissant, files, inventory, signing
from ingest_guard.dataset.attestation import draft as journal
from ingest_guard.dataset.attestation.columns import columns_in
from ingest_guard.dataset.attestation.manifest import NAME, Manifest
from ingest_guard.errors import AttestationError, SetupError
from ingest_guard.scrapy_plugin.output.manifest import ManifestKeeper, local_folder, sign_key
from ingest_guard.scrapy_plugin.output.shelves import shelf_of

if TYPE_CHECKING:
    from ingest_guard.dataset.attestation.inventory import Found
    from ingest_guard.dataset.records.schema import Column
    from ingest_guard.scrapy_plugin.core.state import GuardState
    from ingest_guard.scrapy_plugin.output.shelves import Shelf

logger = logging.getLogger(__name__)


def keeper_of(runtime: GuardState) -> ManifestKeeper | None:
    """Return the keeper of a crawl's manifest; None where it makes no data set.

    Raises
    ------
    BlocklistError
        The key that is to sign it cannot be read: better known now than at the end.
    SetupError
        The data set's place is of a kind that is not known.
    """
    folder = local_folder(runtime.crawler.settings)
    shelf = None if folder is not None else shelf_of(runtime.crawler)
    if folder is None and shelf is None:
        return None
    sign_key(runtime.policy)
    keeper = BucketKeeper(runtime, shelf) if shelf is not None else ManifestKeeper(runtime, folder or Path())
    runtime.on_version.append(keeper.used)
    return keeper


class BucketKeeper(ManifestKeeper):
    """Keeps the manifest of one crawl into a bucket."""

    def __init__(self, runtime: GuardState, shelf: Shelf) -> None:
        super().__init__(runtime, Path())
        self._shelf = shelf
        self._latest: bytes | None = None
        self._is_uploading = False

    def _before(self) -> Manifest | None:
        if not self._shelf.shards():  # then there is nothing to vouch for, and no need to ask for what is not there
            return None
        known = [found for name in (journal.DRAFT, NAME) if (found := self._fetched(name)) is not None]
        # The draft of a crawl that ended is still there; the manifest that came of it says the same and more.
        return max(known, key=lambda each: (len(each.runs), each.ended or ""), default=None)

    def _fetched(self, name: str) -> Manifest | None:
        try:
            with self._shelf.fetch(name) as path:
                return Manifest.parse(path.read_bytes())
        except SetupError:  # not there; that the bucket can be reached was seen when its shards were listed
            return None

    def _keep(self, draft: Manifest) -> None:
        self._latest = draft.to_bytes()
        if not self._is_uploading:
            self._is_uploading = True
            _schedule_coro(self._upload_drafts())

    async def _upload_drafts(self) -> None:
        try:
            while self._latest is not None:
                data, self._latest = self._latest, None
                await self._upload(journal.DRAFT, data)
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
        found: list[Found] = []
        for name in self._shelf.shards():
            with self._shelf.fetch(name) as path:
                lent = inventory.take(path.parent, path.name)
                columns = columns or columns_in(path.parent, [lent.shard], manifest.outfit)
            found.append(replace(lent, shard=lent.shard.model_copy(update={"name": name})))
        journal.require_unchanged(folder, manifest.shards, found)
        written = files.put(folder, self._with_shards(manifest, found), columns, sign_key(self._runtime.policy))
        names = (signing.NAME, croissant.NAME, NAME)
        return written, {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}

    async def _upload(self, name: str, data: bytes) -> None:
        crawler, uri = self._runtime.crawler, f"{self._shelf.uri}/{name}"
        storages = crawler.settings.getwithbase("FEED_STORAGES")
        kind = load_object(storages[urlsplit(uri).scheme])
        storage = build_from_crawler(kind, crawler, uri, feed_options={"overwrite": True})
        file = storage.open(crawler.spider)
        file.write(data)
        await ensure_awaitable(storage.store(file))
