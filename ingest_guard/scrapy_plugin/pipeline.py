"""The two item pipelines: the first verifies every image that an item names, the last turns the item into records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.exceptions import DropItem

from ingest_guard.dataset.records import build_record, carries_image, holds_image
from ingest_guard.dataset.targets import clear, keep_only, read_targets
from ingest_guard.scrapy_plugin import placement
from ingest_guard.scrapy_plugin.runtime import Runtime

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from typing_extensions import Self

    from ingest_guard.dataset.targets import Target


class _Pipeline:
    """What both pipelines hold."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._runtime = Runtime.of(crawler)
        self._fields = self._runtime.policy.records
        self._pages = self._runtime.pages
        self._fetcher = self._runtime.fetcher

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the pipeline; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(crawler)

    async def process_item(self, item: Any) -> Any:
        """Let an item through, or drop it empty: whatever else went wrong, Scrapy would print it whole."""
        if self._runtime.latched:
            self._let_go(item)
            raise self._drop("guard_failed")
        try:
            return await self._process(item)
        except DropItem:
            self._let_go(item)
            raise
        except Exception:  # noqa: BLE001 - its traceback would be logged with the item
            self._runtime.count("errors")
            self._let_go(item)
        raise DropItem("", log_level="DEBUG")

    async def _process(self, item: Any) -> Any:
        raise NotImplementedError

    def _let_go(self, item: Any) -> None:
        self._pages.forget(item)
        clear(item)

    def _drop(self, why: str) -> DropItem:
        self._runtime.count(f"items_dropped/{why}")
        return DropItem("", log_level="DEBUG")


class CheckPipeline(_Pipeline):
    """Item pipeline, first of all: verifies the images that an item names, and passes it on unchanged."""

    async def open_spider(self) -> None:
        """Refuse to start unless every part stands where it must and the workers are ready."""
        with placement.announced():
            placement.require_chain(self._crawler)
            await self._runtime.pool.ready()

    async def _process(self, item: Any) -> Any:
        targets = read_targets(item, self._fields, self._pages.get(item))
        if not targets:
            if self._fields.items_without_image == "pass":
                return item
            raise self._drop("no_image")
        if any(carries_image(target) for target in targets):
            raise self._drop("data_url")
        page = self._pages.get(item)
        results = {t.url: (await self._fetcher.fetch(t.absolute_url, t.page_url, page)).result for t in targets}
        kept = {url for url, result in results.items() if result == "no_known_match"}
        for result in results.values():
            if result != "no_known_match":
                self._runtime.count(f"images_dropped/{result}")
        if not kept:
            raise self._drop("no_image_left")
        keep_only(item, self._fields, kept)
        return item


class RecordPipeline(_Pipeline):
    """Item pipeline, last of all: lets out records and nothing else."""

    async def _process(self, item: Any) -> Any:
        page = self._pages.get(item)
        targets = read_targets(item, self._fields, page)
        self._pages.forget(item)
        if not targets:
            if self._fields.items_without_image == "pass":
                return item
            raise self._drop("no_image")
        records = [record for target in targets if (record := await self._record(target, page)) is not None]
        if not records:
            raise self._drop("no_image_left")
        self._runtime.count("records", len(records))
        for record in records[:-1]:
            # A pipeline returns one item; the others take the same way out that Scrapy's own would.
            await self._crawler.signals.send_catch_log_async(
                signal=signals.item_scraped, item=record, response=None, spider=self._crawler.spider
            )
        return records[-1]

    async def _record(self, target: Target, page: str | None) -> dict[str, Any] | None:
        """Return the record of a target, or None where its image did not pass.

        What the first pipeline found is remembered, so this costs nothing as a rule. A URL that came in between, or was
        forgotten, is fetched and checked like any other.
        """
        if carries_image(target):
            return None
        fetched = await self._fetcher.fetch(target.absolute_url, target.page_url, page)
        # A redirect may lead to an address that is an image, too.
        if fetched.verdict is None or holds_image(fetched.final_url):
            return None
        return build_record(
            target,
            fetched.verdict,
            final_url=fetched.final_url,
            fetched_at=fetched.fetched_at,
            attestation=self._runtime.guard.attestation,
            hashes=self._fields.hashes,
        )
