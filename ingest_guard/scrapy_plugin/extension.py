"""The extension that is built before anything else and looks again: at the final settings, and once the spider is open.

It is also the second line of defence. Listed in a project's ``EXTENSIONS`` by itself, it stops a crawl whose command
line or spider has emptied ``ADDONS``.
"""

import gc
import logging
from typing import Self

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import CloseSpider

from ingest_guard.errors import IngestGuardError
from ingest_guard.scrapy_plugin import monitoring
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.core.settings import load_policy
from ingest_guard.scrapy_plugin.core.state import CLOSE_REASON
from ingest_guard.scrapy_plugin.output import resume
from ingest_guard.scrapy_plugin.output.completion import Ending
from ingest_guard.scrapy_plugin.runtime import Runtime
from ingest_guard.scrapy_plugin.startup import protections
from ingest_guard.urls.data_scheme import is_data_url

logger = logging.getLogger(__name__)


class Watchdog:
    """Extension: refuses to start a crawl that would not be guarded, and ends the workers with it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._state = runtime.state

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Check the final settings, open the lists and start the workers.

        Raises
        ------
        IngestGuardError
            The crawl would not be guarded. Never ``NotConfigured``.
        """
        with placement.announced():
            placement.require_addon(crawler.settings)
            placement.require_settings(crawler.settings)
            placement.require_order(crawler.settings)
            protections.require(crawler, load_policy(crawler.settings))
            written, first_shard = resume.resume_from(crawler)
        runtime = Runtime.of(crawler)
        state = runtime.state
        state.written, state.first_shard = written, first_shard
        Ending.watch(state)
        with placement.announced():
            monitoring.watch(state)
        watchdog = cls(runtime)
        crawler.signals.connect(watchdog.spider_opened, signal=signals.spider_opened)
        crawler.signals.connect(watchdog.spider_closed, signal=signals.spider_closed)
        crawler.signals.connect(watchdog.request_scheduled, signal=signals.request_scheduled)
        return watchdog

    def request_scheduled(self, request: Request) -> None:
        """Keep ``data:`` URLs out of the queue, which may be on a disk: they may get here past the spider middlewares.

        Raises
        ------
        RequestRefused
            Scrapy leaves such a request out.
        """
        if is_data_url(request.url):
            self._state.count("refused/data_url")
            raise RequestRefused("ingest_guard does not let this request out: data_url")

    def spider_opened(self) -> None:
        """Look at the built chains once more, and note which lists this crawl is held against."""
        state = self._state
        try:
            placement.require_chain(state.crawler)
            protections.require_built(state)
            protections.begin(state)
        except IngestGuardError as error:
            logger.critical("The crawl stops. %s", error)
            state.fail("it does not stand where it must")
            raise CloseSpider(CLOSE_REASON) from None
        if state.failed:
            # It failed between the start of the workers and now, when there was no spider to close.
            raise CloseSpider(CLOSE_REASON)
        state.is_open = True
        # What is loaded by now stays for the whole crawl. The collector would look at all of it again and again while
        # the crawl makes its many short-lived objects: 0.4 ms a response, several times what the check itself costs.
        # There is hardly any garbage yet, and looking for it would take as long as ten pages.
        gc.freeze()
        state.note_version()
        self._runtime.swapper.start()
        self._runtime.self_test.start()
        logger.info(
            "ingest_guard checks every response against %s (%s)",
            ", ".join(info.id for info in state.guard.blocklist.lists) or "no list",
            ", ".join(state.guard.attestation["algorithms"]) or "nothing",
        )

    def spider_closed(self) -> None:
        """End the workers."""
        protections.end(self._state)
        self._runtime.close()
