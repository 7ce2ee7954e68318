"""robots.txt by RFC 9309: a file that cannot be had forbids its host, one that does not exist allows it.

Scrapy reads its body whatever the status is, and takes a host whose file cannot be had for one that allows everything.
The add-on puts this middleware where Scrapy's own stands; one that a project has put there itself stays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cachetools import LRUCache
from scrapy import Request, signals
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.settings import BaseSettings
from scrapy.utils.httpobj import urlparse_cached

from ingest_guard.checking.bodies import off_loop_if_large
from ingest_guard.dataset.optouts.robots_lines import limit_names
from ingest_guard.dataset.optouts.robots_txt import RobotsFile
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked, OptedOut, RequestRefused
from ingest_guard.scrapy_plugin.core.placement import is_class, merged
from ingest_guard.scrapy_plugin.core.single_flight import SingleFlight
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import ticket_of

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.robotstxt import RobotParser

logger = logging.getLogger(__name__)

_SETTING = "DOWNLOADER_MIDDLEWARES"
_SCRAPYS = f"{RobotsTxtMiddleware.__module__}.{RobotsTxtMiddleware.__qualname__}"
_HOUR, _DAY = 3600.0, 86400.0
# RFC 9309, 2.5: a crawler may stop reading after so many bytes.
_LARGEST = 500 << 10
# Reading it takes some 0.5 ms for 1 KiB: beyond this it is not done on the event loop.
_LARGE = 8 << 10
_MOST_TEXT = 32 << 20
_LEAST_WEIGHT = 1 << 10
# What counts as an answer, by RFC 9309, 2.3.1: redirects that lead to no file are as good as no file.
_FOUND, _PARTIAL_CONTENT, _NO_FILE = range(200, 300), 206, range(300, 500)
_TOO_MANY_REDIRECTS = "max redirections reached"  # all that Scrapy's exception says

_FORBIDS = (
    "ingest_guard: the robots.txt of a host cannot be had (%s), so nothing is asked of that host for an hour, after "
    "RFC 9309 (opt_outs.robots_unreachable); more hosts like it are only counted"
)
_ALLOWS = (
    "ingest_guard: the robots.txt of a host cannot be had (%s), and the policy takes that for a permission "
    "(opt_outs.robots_unreachable: allow); more hosts like it are only counted"
)
READ, NONE = "read", "none"
UNREACHABLE = {
    "server_error": "it answers with an error of the server",
    "no_answer": "it does not answer, or its answer is cut off",
    "dropped": "the guard dropped the answer",
    "refused": "the guard refused the request",
}
"""Why a robots.txt cannot be had (the last part of ``robots_files/...``), in words."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What is known of a host.

    The file's parser, or none; until when, on the clock; what it says to us, if anything; and the bytes that it takes.
    """

    result: str
    parser: RobotParser | None
    until: float
    file: RobotsFile | None = None
    weight: int = _LEAST_WEIGHT


def _weight(rules: _Rules) -> int:
    return rules.weight


class RobotsTxt(RobotsTxtMiddleware):
    """Downloader middleware: asks each host for its robots.txt, and refuses what it forbids.

    A file that cannot be had (an error of the server, no answer, an answer that is cut off or that the guard drops)
    forbids its whole host, and is asked for again after an hour; one that was read, after a day. With the policy
    ``opt_outs.robots_unreachable: allow`` it allows everything, as in Scrapy. It is counted in both cases.

    Parameters
    ----------
    clock
        Monotonic, in seconds.

    Raises
    ------
    NotConfigured
        ``ROBOTSTXT_OBEY`` is off.
    """

    MOST_TEXT: ClassVar[int] = _MOST_TEXT
    """Bytes of files that are remembered, at least 1 KiB a host: what is known of 32,768 hosts at most."""

    def __init__(self, crawler: Crawler, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(crawler)
        self._state = GuardState.of(crawler)
        self._clock = clock
        self._known: LRUCache[str, _Rules] = LRUCache(self.MOST_TEXT, getsizeof=_weight)
        self._asking: SingleFlight[_Rules] = SingleFlight(_Rules("no_answer", None, 0.0))
        self._seen_reasons: set[str] = set()

    async def process_request(self, request: Request) -> None:  # type: ignore[override] # older ones take the spider
        """Refuse a request that its host's robots.txt forbids, or whose robots.txt cannot be had."""
        if not request.url.lower().startswith(("http://", "https://")):
            await super().process_request(request)
            return
        if request.meta.get("dont_obey_robotstxt"):
            return
        rules = await self._rules(request)
        if rules.result in UNREACHABLE and self._state.policy.opt_outs.robots_unreachable == "forbid":
            self._state.count("robots_unreachable")
            self.crawler.stats.inc_value("robotstxt/forbidden")
            raise IgnoreRequest("Forbidden by robots.txt")
        self._state.signals.note_robots(request.url, rules.file)
        self.process_request_2(rules.parser, request)
        if rules.file is not None:
            self._require_consent(rules, rules.file, request)

    def _require_consent(self, rules: _Rules, file: RobotsFile, request: Request) -> None:
        """Refuse what the file forbids to names that count as ours, and images for records that it reserves."""
        for name in file.further:
            if rules.parser is not None and not rules.parser.allowed(request.url, name):
                self.crawler.stats.inc_value("robotstxt/forbidden")
                raise IgnoreRequest("Forbidden by robots.txt")
        ticket = ticket_of(request)
        if ticket is not None and not ticket.for_text:
            said = self._state.signals.read_robots(request.url).decide(self._state.policy.opt_outs)
            if said is not None:
                raise OptedOut(said)

    async def _rules(self, request: Request) -> _Rules:
        parts = urlparse_cached(request)
        origin = f"{parts.scheme}://{parts.netloc}".lower()
        known = self._known.get(origin)
        if known is not None and self._clock() < known.until:
            return known

        async def ask() -> _Rules:
            rules = await self._ask(request, is_again=known is not None)
            self._known[origin] = rules
            return rules

        return await self._asking.run(origin, ask)

    async def _ask(self, request: Request, *, is_again: bool) -> _Rules:
        parts = urlparse_cached(request)
        # A redirect to another host is followed (RFC 9309, 2.3.1.2), and images have hosts of their own.
        meta = {"dont_obey_robotstxt": True, "allow_offsite": True, **({"dont_cache": True} if is_again else {})}
        robots = Request(
            f"{parts.scheme}://{parts.netloc}/robots.txt",
            priority=self.DOWNLOAD_PRIORITY,
            meta=meta,
            callback=NO_CALLBACK,
        )
        stats = self.crawler.stats
        stats.inc_value("robotstxt/request_count")
        body = b""
        try:
            response = await self.crawler.engine.download_async(robots)
        except IgnoreRequest as why:
            result = _ignored(why)
        except Exception as error:  # noqa: BLE001 - a host that does not answer; what it is kept from is counted
            result = "no_answer"
            stats.inc_value(f"robotstxt/exception_count/{type(error)}")
        else:
            stats.inc_value("robotstxt/response_count")
            stats.inc_value(f"robotstxt/response_status_count/{response.status}")
            result = _result(response)
            body = response.body if result == READ else b""
        return await self._note(result, body, request)

    async def _note(self, result: str, body: bytes, request: Request) -> _Rules:
        self._state.count(f"robots_files/{result}")
        if result in UNREACHABLE:
            self._warn(result)
            return _Rules(result, None, self._clock() + _HOUR)
        body = _cut(body)
        parser, file = await off_loop_if_large(body, self._parse, body, limit=_LARGE)
        file = file if result == READ else None
        if (parsed := getattr(signals, "robots_parsed", None)) is not None:  # since Scrapy 2.18
            await self.crawler.signals.send_catch_log_async(signal=parsed, robotparser=parser, request=request)
        weight = max(len(body), _LEAST_WEIGHT) + (0 if file is None else file.weight)
        return _Rules(result, parser, self._clock() + _DAY, file, weight)

    def _parse(self, body: bytes) -> tuple[RobotParser, RobotsFile | None]:
        """Return the file as Scrapy's parser reads it, and what it says to us where it says anything about usage."""
        signals = self._state.signals
        file = signals.parse_robots(body)
        body = limit_names(body, (*signals.sent, *signals.names))
        is_kept = signals.keeps_silent_files or not file.is_silent
        return self._parserimpl.from_crawler(self.crawler, body), file if is_kept else None

    def _warn(self, result: str) -> None:
        if result in self._seen_reasons:
            return
        self._seen_reasons.add(result)
        forbids = self._state.policy.opt_outs.robots_unreachable == "forbid"
        logger.warning(_FORBIDS if forbids else _ALLOWS, UNREACHABLE[result])


def install(settings: BaseSettings) -> None:
    """Put :class:`RobotsTxt` where Scrapy's own middleware stands; do nothing where a project has moved it away."""
    for key, order in merged(settings, _SETTING).items():
        if is_class(key, _SCRAPYS) and order is not None:
            settings.set_in_component_priority_dict(_SETTING, RobotsTxtMiddleware, None)
            settings.set_in_component_priority_dict(_SETTING, RobotsTxt, order)
            return


def is_read(settings: BaseSettings) -> bool:
    """Return whether robots.txt is read by :class:`RobotsTxt`, or by Scrapy's own, which the add-on replaces."""
    ours = f"{RobotsTxt.__module__}.{RobotsTxt.__qualname__}"
    parts = merged(settings, _SETTING).items()
    return any(order is not None and (is_class(key, _SCRAPYS) or is_class(key, ours)) for key, order in parts)


def _result(response: Response) -> str:
    if "dataloss" in response.flags or response.status == _PARTIAL_CONTENT:
        return "no_answer"
    if response.status in _FOUND:
        return READ
    return NONE if response.status in _NO_FILE else "server_error"


def _ignored(why: IgnoreRequest) -> str:
    if isinstance(why, ImageBlocked):
        return "dropped"
    if isinstance(why, RequestRefused):
        return "refused"
    return NONE if str(why) == _TOO_MANY_REDIRECTS else "no_answer"


def _cut(body: bytes) -> bytes:
    """Return as much of a file as is read, in whole lines."""
    return body if len(body) <= _LARGEST else body[: body.rfind(b"\n", 0, _LARGEST) + 1]
