"""Files in which a host says what its images may be used for: fetched once, before its images are.

The crawler's own downloader fetches them: robots.txt, throttling and proxies hold as for any request, and the gate
looks at what comes back. A host without the file, or whose file cannot be had, has reserved nothing by it; which of the
two it was is counted.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Protocol, TypeVar

from cachetools import LRUCache
from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from ingest_guard.checking.bodies import off_loop_if_large
from ingest_guard.dataset.optouts.said import Signal
from ingest_guard.scrapy_plugin.core.single_flight import SingleFlight
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.urls.hosts import origin_of
from ingest_guard.urls.private import is_private

_MOST_HOSTS = 20_000
# Of the patterns of all files together, so that long files of many hosts do not fill the memory.
_MOST_TEXT = 16 << 20
_LARGEST = 256 << 10
# Larger ones take more than a millisecond to be read.
_LARGE = 8 << 10
_OK, _MISSING, _PARTIAL_CONTENT = range(200, 300), range(300, 500), 206
# A host that is down is asked for its images, too, and as often as the settings say.
_RETRIES = 1
# As Scrapy asks for robots.txt: ahead of what waits for it.
_PRIORITY = 1000


class HostFile(Protocol):
    """What a file says."""

    @property
    def weight(self) -> int:
        """Characters of its patterns."""

    def signal(self, url: str) -> Signal | None:
        """Return what it says of an address of its host; None where it says nothing."""


_File = TypeVar("_File", bound=HostFile)


class HostFiles(ABC, Generic[_File]):
    """The files of one kind, of the hosts that were asked last.

    Attributes
    ----------
    path, accept
        Where a host has the file, and the request's ``Accept``.
    statistic
        Under which answers are counted.
    """

    path: ClassVar[str]
    accept: ClassVar[str]
    statistic: ClassVar[str]
    nothing: _File

    def __init__(self, state: GuardState) -> None:
        self._state = state
        self._wait = state.policy.opt_outs.tdm_wait.total_seconds()
        self._known: LRUCache[str, _File] = LRUCache(_MOST_TEXT, getsizeof=_weight)
        self._loading: SingleFlight[None] = SingleFlight(None)

    @abstractmethod
    def parse(self, body: bytes) -> _File | None:
        """Return what a file says; None where the body is no such file."""

    def known(self, url: str) -> Signal | None:
        """Return what reserves an address, as far as it is known without a request; None where nothing does."""
        signal = self._known.get(origin_of(url) or "", self.nothing).signal(url)
        return signal if signal is not None and signal.decision == "no" else None

    async def reserved(self, url: str, *, is_inside: bool) -> Signal | None:
        """Return what reserves an address in the file of its host, fetched where it is not known; never raises.

        Waits no longer than ``opt_outs.tdm_wait``. What comes later counts for later ones.

        Parameters
        ----------
        url
            Of a page or an image; only hosts of http and https are asked.
        is_inside
            Whether who asks is inside the network: as for images, others get nothing from private addresses.
        """
        origin = origin_of(url)
        if origin is None:
            return None
        if origin not in self._known:
            if not self._may_ask(origin, is_inside=is_inside):
                return None
            # Not cancelled when the time is up: what comes later counts for later ones.
            load = asyncio.ensure_future(self._loading.run(origin, lambda: self._load(origin, is_inside=is_inside)))
            done, _ = await asyncio.wait({load}, timeout=self._wait)
            if not done:
                self._state.count(f"{self.statistic}_late")
        return self.known(url)

    def _may_ask(self, origin: str, *, is_inside: bool) -> bool:
        allowed = self._state.policy.records.private_addresses
        return allowed == "allow" or not is_private(origin) or (allowed == "same" and is_inside)

    async def _load(self, origin: str, *, is_inside: bool) -> None:
        if origin in self._known:
            return  # it came between the question and the start of this task
        file = self.nothing
        result = "failed"
        try:
            response = await self._state.crawler.engine.download_async(self._request(origin, is_inside=is_inside))
            result, file = await self._read(response)
        except IgnoreRequest:
            result = "refused"
        except Exception:  # noqa: BLE001 - a host that does not answer, or with too much; its images say so themselves
            result = "failed"
        finally:
            self._keep(origin, file)
            self._state.count(f"{self.statistic}/{result}")

    def _request(self, origin: str, *, is_inside: bool) -> Request:
        return Request(
            origin + self.path,
            headers={"Accept": self.accept},
            meta={
                META_KEY: Ticket(page_is_private=is_inside, for_text=True),
                "allow_offsite": True,
                "dont_cache": True,
                "download_maxsize": _LARGEST,
                "download_timeout": self._wait,
                "max_retry_times": _RETRIES,
            },
            dont_filter=True,
            priority=_PRIORITY,
        )

    async def _read(self, response: Response) -> tuple[str, _File]:
        if response.status in _MISSING:
            return "none", self.nothing
        if response.status not in _OK or response.status == _PARTIAL_CONTENT:
            return "failed", self.nothing
        file = await off_loop_if_large(response.body, self.parse, response.body, limit=_LARGE)
        return ("invalid", self.nothing) if file is None else ("read", file)

    def _keep(self, origin: str, file: _File) -> None:
        if origin not in self._known and len(self._known) >= _MOST_HOSTS:
            self._known.popitem()
        self._known[origin] = file


def _weight(file: HostFile) -> int:
    # No larger than the cache, which would refuse it.
    return min(_MOST_TEXT, file.weight)
