"""The two item pipelines: the first verifies every image that an item names, the last turns the item into records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.exceptions import DropItem

from ingest_guard.dataset.records import build_record, carries_image, holds_image, uid_of
from ingest_guard.dataset.targets import clear, keep_only, names_data_url, page_of, read_targets
from ingest_guard.scrapy_plugin import placement, protections
from ingest_guard.scrapy_plugin.governing import note_listed_url
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        except (SystemExit, KeyboardInterrupt) as error:
            # Scrapy would wait for ever.
            self._runtime.fail(f"a pipeline of it ended with {type(error).__name__}")
            self._let_go(item)
        except Exception:  # noqa: BLE001 - its traceback would be logged with the item
            self._runtime.count("errors")
            self._let_go(item)
        raise DropItem("", log_level="DEBUG")

    async def _process(self, item: Any) -> Any:
        raise NotImplementedError

    def _let_go(self, item: Any) -> None:
        self._pages.forget(item)
        clear(item)

    def _require_innocent(self, pages: Iterable[str | None]) -> None:
        """Drop an item of a page that was condemned, by this item's images or by others."""
        if self._runtime.policy.drops_pages and self._runtime.condemned.holds_any(pages):
            self._runtime.count("page_dropped")
            raise DropItem("", log_level="DEBUG")

    def _drop(self, why: str) -> DropItem:
        self._runtime.count(f"items_dropped/{why}")
        return DropItem("", log_level="DEBUG")


class CheckPipeline(_Pipeline):
    """Item pipeline, first of all: verifies the images that an item names, and passes it on unchanged."""

    async def open_spider(self) -> None:
        """Refuse to start unless every part stands where it must and the workers are ready."""
        with placement.announced():
            placement.require_chain(self._crawler)
            protections.require_built(self._runtime)
            await self._runtime.pool.ready()

    async def _process(self, item: Any) -> Any:
        page = self._pages.get(item)
        pages = {page, page_of(item, self._fields)}
        self._require_innocent(pages)
        if names_data_url(item):
            raise self._drop("data_url")
        targets = read_targets(item, self._fields, page)
        if not targets:
            if self._fields.items_without_image == "pass":
                return item
            raise self._drop("no_image")
        self._require_clean(targets, pages)
        targets = [target for target in targets if uid_of(target) not in self._runtime.written]
        if not targets:
            raise self._drop("written_before")
        found = {t.url: await self._fetcher.fetch(t.absolute_url, t.page_url, page) for t in targets}
        kept = {url for url, fetched in found.items() if fetched.result == "no_known_match"}
        for fetched in found.values():
            if fetched.result != "no_known_match":
                self._runtime.count(f"images_dropped/{fetched.result}")
        if any(fetched.action is Action.DROP_PAGE for fetched in found.values()):
            self._runtime.condemned.add(pages)
        self._require_innocent(pages)
        if not kept:
            raise self._drop("no_image_left")
        keep_only(item, self._fields, kept)
        return item

    def _require_clean(self, targets: Iterable[Target], pages: Iterable[str | None]) -> None:
        """Drop an item that is an image itself, in its texts, or that is of a listed page."""
        if any(carries_image(target) for target in targets):
            raise self._drop("data_url")
        if any(self._is_listed(each) for each in pages):
            raise self._drop("listed_page")

    def _is_listed(self, page: str | None) -> bool:
        """Tell whether a page that an item names is on a list of addresses, and count it."""
        if page is None or not self._runtime.guard.blocklist.match_url(page):
            return False
        note_listed_url(self._runtime, page)
        return True


class RecordPipeline(_Pipeline):
    """Item pipeline, last of all: lets out records and nothing else."""

    async def _process(self, item: Any) -> Any:
        page = self._pages.get(item)
        pages = {page, page_of(item, self._fields)}
        targets = read_targets(item, self._fields, page)
        self._pages.forget(item)
        self._require_innocent(pages)
        if not targets:
            if self._fields.items_without_image == "pass":
                return item
            raise self._drop("no_image")
        records = [record for target in targets if (record := await self._record(target, page)) is not None]
        self._require_innocent(pages)
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
        if fetched.action is Action.DROP_PAGE:
            self._runtime.condemned.add((page, target.page_url))
        # A redirect may lead to an address that is an image, too.
        if fetched.verdict is None or holds_image(fetched.final_url):
            return None
        return build_record(
            target,
            fetched.verdict,
            final_url=fetched.final_url,
            fetched_at=fetched.fetched_at,
            attestation=fetched.attestation,
            hashes=self._fields.hashes,
        )
