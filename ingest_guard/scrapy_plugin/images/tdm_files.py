"""``/.well-known/tdmrep.json`` of each host: fetched once, through the crawler's own downloader, before its images are.

Robots.txt, throttling and proxies hold as for any request, and the gate looks at what comes back. A host without the
file, or whose file cannot be had, has reserved nothing by it; which of the two it was is counted.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.utils.asyncio import call_later
from scrapy.utils.defer import _schedule_coro

from ingest_guard.dataset.optouts.tdmrep import WELL_KNOWN, parse_file, reserved_by
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.urls.private import is_private
from ingest_guard.workers.eventloop import promise

if TYPE_CHECKING:
    from scrapy.http import Response

    from ingest_guard.dataset.optouts.tdmrep import Rule
    from ingest_guard.scrapy_plugin.runtime import Runtime
    from ingest_guard.workers.eventloop import Promise

    Rules = tuple[Rule, ...]

_MOST_HOSTS = 20_000
# Characters of all patterns together; whoever serves long files to a crawl of many hosts does not fill its memory.
_MOST_TEXT = 16 << 20
_LARGEST = 256 << 10
_OK, _MISSING, _PARTIAL_CONTENT = range(200, 300), range(300, 500), 206
# A host that is down is asked for its images, too, and as often as the settings say.
_RETRIES = 1
# As Scrapy asks for robots.txt: ahead of what waits for it.
_PRIORITY = 1000


class TdmFiles:
    """The files of the hosts that were asked last."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._wait = runtime.policy.opt_outs.tdm_wait.total_seconds()
        self._known: OrderedDict[str, Rules] = OrderedDict()
        self._size = 0
        self._waiting: dict[str, list[Promise]] = {}

    def known(self, url: str) -> bool | None:
        """Return what is known of an address without asking anybody: True for reserved, None for nothing said."""
        return reserved_by(self._known.get(origin_of(url) or "", ()), url)

    async def reserved(self, url: str, *, is_inside: bool) -> bool | None:
        """Return what the file of an address's host says of it, fetched where it is not known; never raises.

        Waits no longer than ``opt_outs.tdm_wait``. What comes later counts for later ones.

        Parameters
        ----------
        url
            Of a page or an image; of anything but http and https, nobody is asked.
        is_inside
            Whether who asks is inside the network: as for images, others get nothing from private addresses.
        """
        origin = origin_of(url)
        if origin is None:
            return None
        if origin not in self._known:
            if not self._may_ask(origin, is_inside=is_inside):
                return None
            await self._turn(origin, is_inside=is_inside)
        if origin in self._known:
            self._known.move_to_end(origin)
        return self.known(url)

    def _may_ask(self, origin: str, *, is_inside: bool) -> bool:
        allowed = self._runtime.policy.records.private_addresses
        return allowed == "allow" or not is_private(origin) or (allowed == "same" and is_inside)

    async def _turn(self, origin: str, *, is_inside: bool) -> None:
        """Wait for a host's file, or until the time is up; the first to come asks for it."""
        turn = promise()
        waiting = self._waiting.get(origin)
        if waiting is None:
            self._waiting[origin] = [turn]
            _schedule_coro(self._load(origin, Ticket(page_is_private=is_inside, for_text=True)))
        else:
            waiting.append(turn)
        timer = call_later(self._wait, turn.keep, "late")
        late = await turn.awaitable()
        timer.cancel()
        if late:
            self._runtime.count("tdm_files_late")

    async def _load(self, origin: str, ticket: Ticket) -> None:
        rules: Rules = ()
        result = "failed"
        try:
            response = await self._runtime.crawler.engine.download_async(self._request(origin, ticket))
            result, rules = _read(response)
        except IgnoreRequest:
            result = "refused"
        except Exception:  # noqa: BLE001 - a host that does not answer, or with too much; its images say so themselves
            result = "failed"
        finally:
            self._keep(origin, rules)
            self._runtime.count(f"tdm_files/{result}")
            for turn in self._waiting.pop(origin, ()):
                turn.keep(None)

    def _request(self, origin: str, ticket: Ticket) -> Request:
        return Request(
            origin + WELL_KNOWN,
            headers={"Accept": "application/json,*/*;q=0.5"},
            meta={
                META_KEY: ticket,
                "allow_offsite": True,
                "dont_cache": True,
                "download_maxsize": _LARGEST,
                "download_timeout": self._wait,
                "max_retry_times": _RETRIES,
            },
            dont_filter=True,
            priority=_PRIORITY,
        )

    def _keep(self, origin: str, rules: Rules) -> None:
        self._known[origin] = rules
        self._size += _weight(rules)
        while len(self._known) > _MOST_HOSTS or (self._size > _MOST_TEXT and len(self._known) > 1):
            _, oldest = self._known.popitem(last=False)
            self._size -= _weight(oldest)


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of an address; None where it is none of http or https."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme.lower() in {"http", "https"} and parts.hostname:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
    return None


def _read(response: Response) -> tuple[str, Rules]:
    if response.status in _MISSING:
        return "none", ()
    if response.status not in _OK or response.status == _PARTIAL_CONTENT:
        return "failed", ()
    rules = parse_file(response.body)
    return ("invalid", ()) if rules is None else ("read", rules)


def _weight(rules: Rules) -> int:
    return sum(len(part) for rule in rules for part in rule.parts)
