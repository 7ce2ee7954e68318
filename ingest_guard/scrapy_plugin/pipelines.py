"""The two item pipelines: the first verifies every image that an item names, the last turns the item into records."""

import logging
import types
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import Any, Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem
from scrapy.utils.asyncio import run_in_thread

from ingest_guard.dataset.records.filters import Filters
from ingest_guard.dataset.records.items import (
    Reading,
    Target,
    carries_picture,
    clear,
    is_small,
    keep_only,
    names_data_url,
    page_of,
    read_item,
)
from ingest_guard.dataset.records.payloads import holds_image
from ingest_guard.dataset.records.record import build_record, carries_image, uid_of
from ingest_guard.dataset.records.seen import Seen
from ingest_guard.hashing.detectors import bounds_of
from ingest_guard.scrapy_plugin.check.list_actions import note_listed_url
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.images.fetch import Fetched
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.scrapy_plugin.startup import protections
from ingest_guard.urls import registrable
from ingest_guard.verdict import Action

logger = logging.getLogger(__name__)


class _Pipeline:
    """What both pipelines hold."""

    def __init__(self, crawler: Crawler) -> None:
        runtime = Runtime.of(crawler)
        self._crawler = crawler
        self._runtime = runtime
        self._state = runtime.state
        self._fields = self._state.policy.records
        self._filters = Filters(self._state.policy.filters)
        self._bounds = bounds_of(self._state.policy.detectors)
        self._pages = self._state.item_pages
        self._fetcher = runtime.fetcher

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Build the pipeline; raises what :meth:`Runtime.of` raises, never NotConfigured."""
        return cls(crawler)

    async def process_item(self, item: Any) -> Any:
        """Let an item through, or drop it empty: whatever else went wrong, Scrapy would print it whole."""
        if self._state.failed:
            self._let_go(item)
            raise self._drop("guard_failed")
        try:
            return await self._process(item)
        except DropItem:
            self._let_go(item)
            raise
        except (SystemExit, KeyboardInterrupt) as error:
            # Scrapy would wait for ever.
            self._state.fail(f"a pipeline of it ended with {type(error).__name__}")
            self._let_go(item)
        except Exception:  # noqa: BLE001 - its traceback would be logged with the item
            self._state.count("errors")
            self._let_go(item)
        raise DropItem("", log_level="DEBUG")

    async def _process(self, item: Any) -> Any:
        """Read an item, drop it where its pages or its images must not leave, and let the pipeline make use of them."""
        page = self._pages.get(item)
        pages = {page, page_of(item, self._fields)}
        self._require_kept(pages)
        self._begin(item)
        reading = read_item(item, self._fields, page)
        self._note(reading)
        targets = reading.targets
        if not targets:
            if self._fields.items_without_image != "pass":
                raise self._drop("no_image")
            # Items come out in the order in which they came in, as far as that costs nothing.
            if carries_picture(item) if is_small(item) else await run_in_thread(carries_picture, item):
                raise self._drop("data_url")
            return item
        found = await self._select(targets, page, pages)
        # Its own images, or others meanwhile, may have dropped the page.
        self._require_kept(pages)
        if not found:
            raise self._drop("no_image_left")
        return await self._finish(item, found)

    def _note(self, reading: Reading) -> None:
        """Count what cannot be used of an item, where the item is seen first."""

    # A pipeline's own: what comes before the images are read; what passes of them; what becomes of the item.
    _begin: Callable[[Any], None]
    _select: Callable[[list[Target], str | None, set[str | None]], Awaitable[list[Any]]]
    _finish: Callable[[Any, list[Any]], Awaitable[Any]]

    def _let_go(self, item: Any) -> None:
        self._pages.forget(item)
        clear(item)

    def _require_kept(self, pages: Iterable[str | None]) -> None:
        """Drop an item of a page that is dropped, for this item's images or for others."""
        if self._state.policy.drops_pages and self._state.dropped_pages.holds_any(pages):
            self._state.count("page_dropped")
            raise DropItem("", log_level="DEBUG")

    def _require_unlisted(self, pages: Iterable[str | None]) -> None:
        """Drop an item of a page whose address is on a list."""
        if any(self._is_listed(each) for each in pages):
            raise self._drop("listed_page")

    def _is_listed(self, page: str | None) -> bool:
        """Return whether a page that an item names is on a list of addresses, and count it."""
        if page is None or not self._state.lists_with_url(page):
            return False
        note_listed_url(self._state, page)
        return True

    def _is_wanted(self, target: Target) -> bool:
        """Return whether the filters let an image through as far as they know it without its bytes."""
        return self._passes(self._filters.of_text(target.absolute_url, target.alt, target.language))

    def _is_kept(self, fetched: Fetched) -> bool:
        """Return whether an image passed the check, and the filters of its size and scores."""
        if fetched.result != "no_known_match" or fetched.verdict is None or fetched.verdict.image is None:
            return False
        image = fetched.verdict.image
        return self._passes(self._filters.of_size(image.width, image.height) or self._detected(image.scores))

    def _detected(self, scores: Mapping[str, float]) -> str | None:
        """Say whether a picture has a score that the policy wants none of, and count by which detectors."""
        # A picture without a score was not looked at.
        by = [name for column, (name, bound) in self._bounds.items() if scores.get(column, 1.0) >= bound]
        for name in by:
            self._state.count(f"detected/{name}")
        return "detected" if by else None

    def _passes(self, why: str | None) -> bool:
        if why is not None:
            self._state.count(f"filtered/{why}")
        return why is None

    async def _require_consent(self, targets: list[Target], page: str | None, pages: Iterable[str | None]) -> None:
        """Drop an item of a page that has opted out, and count its images."""
        if signal := await self._runtime.opt_outs.of_page(page, pages):
            self._state.count(f"opted_out/{signal.name}", len(targets))
            raise self._drop("opted_out")

    def _drop(self, why: str) -> DropItem:
        self._state.count(f"items_dropped/{why}")
        return DropItem("", log_level="DEBUG")


class CheckPipeline(_Pipeline):
    """Item pipeline, first of all: verifies the images that an item names, and passes it on unchanged."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._warned: set[str] = set()

    @types.coroutine
    def open_spider(self) -> Generator[Any, Any, None]:
        """Refuse to start unless every part stands where it must and the workers are ready.

        Not ``async``: Scrapy calls it for all pipelines before it waits for any, and where another one raises, Python
        would warn of a coroutine that was never awaited.
        """
        yield from self._open().__await__()

    async def _open(self) -> None:
        with placement.announced():
            placement.require_chain(self._crawler)
            protections.require_built(self._state)
            # While another core starts the workers.
            registrable.load()
            await self._state.pool.ready()
            await self._runtime.self_test.run()

    def _begin(self, item: Any) -> None:
        if names_data_url(item):
            raise self._drop("data_url")

    def _note(self, reading: Reading) -> None:
        for name in reading.unread:
            self._state.count(f"fields_unread/{name}")
            self._warn(
                f"an item has no address in its field {name!r}: yield a text, or a list or a set of texts;"
                f" such items are counted in fields_unread/{name}"
            )
        if reading.unmatched:
            self._state.count("texts_unmatched", reading.unmatched)
            self._warn(
                "an item has another number of texts than of images: its images have no text; yield one text for each"
                " image, or an item for each image; they are counted in texts_unmatched"
            )

    def _warn(self, text: str) -> None:
        """Write a warning to the log, once a run."""
        if text not in self._warned:
            self._warned.add(text)
            logger.warning(text)

    async def _select(self, targets: list[Target], page: str | None, pages: set[str | None]) -> list[Any]:
        """Return the URLs of the images that pass."""
        if any(carries_image(target) for target in targets):  # in its texts
            raise self._drop("data_url")
        self._require_unlisted(pages)
        due = [target for target in targets if uid_of(target) not in self._state.written]
        if len(due) < len(targets):
            self._state.count("duplicates", len(targets) - len(due))
        if not due:
            raise self._drop("written_before")
        await self._require_consent(due, page, pages)
        wanted = [target for target in due if self._is_wanted(target)]
        if not wanted:
            raise self._drop("filtered")
        found = {t.url: await self._fetcher.fetch(t.absolute_url, t.page_url, page) for t in wanted}
        kept = [url for url, fetched in found.items() if self._is_kept(fetched)]
        self._count_dropped(found.values())
        if any(fetched.action is Action.DROP_PAGE for fetched in found.values()):
            self._state.dropped_pages.add(pages)
        return kept

    async def _finish(self, item: Any, found: list[Any]) -> Any:
        keep_only(item, self._fields, set(found))
        return item

    def _count_dropped(self, found: Iterable[Fetched]) -> None:
        for fetched in found:
            if fetched.result != "no_known_match":
                self._state.count(f"images_dropped/{fetched.result}")
            if fetched.opted_out:
                self._state.count(f"opted_out/{fetched.opted_out}")


class RecordPipeline(_Pipeline):
    """Item pipeline, last of all: lets out records and nothing else."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._seen = Seen(self._fields.remembered_uids)

    def _begin(self, item: Any) -> None:
        self._pages.forget(item)

    async def _select(self, targets: list[Target], page: str | None, pages: set[str | None]) -> list[Any]:
        """Return the records of the images that pass."""
        await self._require_consent(targets, page, pages)
        found = [record for target in targets if (record := await self._record(target, page)) is not None]
        # Other lists may have come into use since the first pipeline looked, and others may have named another page.
        self._require_unlisted(pages)
        return found

    async def _finish(self, item: Any, found: list[Any]) -> Any:
        del item
        records = [record for record in found if self._is_new(record)]
        if not records:
            raise self._drop("duplicate")
        self._state.count("records", len(records))
        for record in records[:-1]:
            # A pipeline returns one item; the others take the same way out that Scrapy's own would.
            await self._crawler.signals.send_catch_log_async(
                signal=signals.item_scraped, item=record, response=None, spider=self._crawler.spider
            )
        return records[-1]

    def _is_new(self, record: dict[str, Any]) -> bool:
        """Return whether no record of this uid has left yet; it counts as one that has from now on."""
        seen, uid = self._seen, record["uid"]
        if uid in self._state.written or not seen.add(uid):
            self._state.count("duplicates")
            return False
        if seen.forgotten:
            self._state.set_value("uids_forgotten", seen.forgotten)
        return True

    async def _record(self, target: Target, page: str | None) -> dict[str, Any] | None:
        """Return the record of a target, or None where its image did not pass.

        What the first pipeline found is remembered, so this costs nothing as a rule. A URL that came in between, or was
        forgotten, is fetched and checked like any other.
        """
        if carries_image(target) or not self._is_wanted(target):
            return None
        fetched = await self._fetcher.fetch(target.absolute_url, target.page_url, page)
        if fetched.action is Action.DROP_PAGE:
            self._state.dropped_pages.add((page, target.page_url))
        # A redirect may lead to an address that is an image, too.
        if fetched.verdict is None or not self._is_kept(fetched) or holds_image(fetched.final_url):
            return None
        return build_record(
            target,
            fetched.verdict,
            final_url=fetched.final_url,
            fetched_at=fetched.fetched_at,
            attestation=fetched.attestation,
            hashes=self._fields.hashes,
        )
