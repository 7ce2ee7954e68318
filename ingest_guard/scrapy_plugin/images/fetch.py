"""Fetch the image that an item names, through the crawler's own downloader, and hear from the gate what it was.

Robots.txt, throttling, proxies, cookies and retries hold as for any request. The bytes stay at the gate. Equal URLs are
fetched once a run; what was found is remembered for as many URLs as the policy says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from scrapy import Request
from scrapy.exceptions import IgnoreRequest

from ingest_guard.scrapy_plugin.check.request_rules import refusal
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked, RequestRefused
from ingest_guard.scrapy_plugin.core.recent import Recent
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.scrapy_plugin.images.hosts import FirstComers
from ingest_guard.urls.hosts import host_of, with_host_spelled
from ingest_guard.urls.private import is_private
from ingest_guard.verdict import Action, Outcome, Verdict
from ingest_guard.workers.eventloop import promise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy.http import Response

    from ingest_guard.scrapy_plugin.core.generation import Generation
    from ingest_guard.scrapy_plugin.runtime import Runtime
    from ingest_guard.workers.eventloop import Promise

_OK = range(200, 300)
_PARTIAL_CONTENT = 206
_BY_ROBOTS_TXT = "Forbidden by robots.txt"  # all that Scrapy's exception says


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of fetching an image.

    Attributes
    ----------
    result
        ``no_known_match`` (a record may be made), or why not: ``match``, ``held`` (a match on lists of that action),
        ``not_scannable``, ``not_an_image``, ``refused`` (by robots.txt, off-site rules, the guard's own), ``status``,
        ``error``, ``opted_out``.
    verdict, final_url, fetched_at, attestation
        Nothing unless a record may be made. The attestation is that of the lists which the verdict was made with.
    action
        What is to be done about a match, or about a URL on a list; None for everything else.
    opted_out
        By which opt-out it was refused, or kept out; see :mod:`ingest_guard.policy.optouts`.
    is_settled
        False where the ``tdmrep.json`` of its host may have something to say against it.
    """

    result: str
    verdict: Verdict | None = None
    final_url: str = ""
    fetched_at: str = ""
    action: Action | None = None
    attestation: Mapping[str, Any] = field(default_factory=dict)
    opted_out: str | None = None
    is_settled: bool = True


class Fetcher:
    """Fetch images for records."""

    def __init__(self, runtime: Runtime) -> None:
        self._crawler = runtime.crawler
        self._runtime = runtime
        self._opt_outs = runtime.opt_outs
        self.forget()
        self._first_comers = FirstComers()

    def forget(self) -> None:
        """Forget what was found, and what is being fetched just now: the lists have changed."""
        self._known: Recent[Fetched] = Recent(self._runtime.policy.records.remembered_urls)
        self._under_way: dict[str, list[Promise]] = {}

    def learn(self, request: Request, response: Response, verdict: Verdict, generation: Generation) -> None:
        """Remember an image that the spider fetched by itself, so that a record of it needs no second fetch.

        What counts is the URL of the very request that brought the response; what its meta says of earlier ones does
        not.
        """
        if generation is not self._runtime.current:
            return
        if request.method == "GET" and response.status in _OK and verdict.image is not None:
            said = self._opt_outs.hear(response)
            passed = _passed(response, verdict, generation.guard.attestation)
            if reason := self._opt_outs.at_once(said):
                passed = Fetched("opted_out", opted_out=reason)
            elif self._opt_outs.asks_for_files(said):
                passed = replace(passed, is_settled=False)
            self._known.put(_key(request.url.split("#", 1)[0], is_inside=True), passed)

    async def fetch(self, url: str, page_url: str | None, came_from: str | None = None) -> Fetched:
        """Fetch one image, or wait for whoever is fetching the same one; never raises.

        Parameters
        ----------
        url
            Of the image.
        page_url
            Of the page that shows it, as the item says.
        came_from
            Of the response that the item was made from, where that is known: a page cannot claim to be another one.
        """
        url = with_host_spelled(url.split("#", 1)[0])
        is_inside = all(page is None or _is_inside(page) for page in (page_url, came_from))
        is_inside = is_inside and (page_url or came_from) is not None
        key = _key(url, is_inside=is_inside)
        # Those of this moment: what begins now is not for whoever asks after the lists have changed.
        remembered, under_way = self._known, self._under_way
        known = remembered.get(key)
        if known is not None and known.is_settled:
            return known
        if key in under_way:
            turn = promise()
            under_way[key].append(turn)
            shared: Fetched = await turn.awaitable()
            return shared
        under_way[key] = []
        fetched = Fetched("error")
        try:
            if known is not None:
                fetched = await self._settled(known, is_inside=is_inside)
            else:
                async with self._first_comers.turn(url):
                    fetched = await self._fetch(url, page_url, Ticket(page_is_private=is_inside))
        finally:
            remembered.put(key, fetched)
            for turn in under_way.pop(key):
                turn.keep(fetched)
        return fetched

    async def _settled(self, known: Fetched, *, is_inside: bool) -> Fetched:
        """Return what the spider's own fetch has found, once the file of the image's host was asked for."""
        reason = await self._opt_outs.before_fetching(known.final_url, is_inside=is_inside)
        return Fetched("opted_out", opted_out=reason) if reason else replace(known, is_settled=True)

    async def _fetch(self, url: str, page_url: str | None, ticket: Ticket) -> Fetched:
        try:
            request = self._request(url, page_url, ticket)
            # What is refused anyway is no reason to talk to its host.
            if refusal(self._runtime, request, ticket) is None and (
                reason := await self._opt_outs.before_fetching(url, is_inside=ticket.page_is_private)
            ):
                return Fetched("opted_out", opted_out=reason)
            response = await self._crawler.engine.download_async(request)
        except IgnoreRequest as ignored:
            return _ignored(ignored)
        except Exception:  # noqa: BLE001 - a host that does not answer, a URL that cannot be one: Scrapy has logged it
            return Fetched("error")
        return await self._judged(response, ticket)

    async def _judged(self, response: Response, ticket: Ticket) -> Fetched:
        """Return what an answer comes to; that somebody has opted out counts once the guard has nothing against it."""
        if response.status not in _OK or response.status == _PARTIAL_CONTENT:
            return Fetched("status")
        verdict = ticket.verdict_for(response)
        if verdict is None or verdict.outcome is not Outcome.NO_KNOWN_MATCH or verdict.image is None:
            return Fetched(str(verdict.outcome) if verdict else "error")
        if reason := await self._opt_outs.of_image(ticket.hops, is_inside=ticket.page_is_private):
            return Fetched("opted_out", opted_out=reason)
        return _passed(response, verdict, ticket.attestation)

    def _request(self, url: str, page_url: str | None, ticket: Ticket) -> Request:
        headers = {"Accept": "image/*,*/*;q=0.5"}
        if page_url and (referrer := _referrer(page_url, url)):
            headers["Referer"] = referrer
        return Request(
            url,
            headers=headers,
            meta={META_KEY: ticket, "allow_offsite": True, "dont_cache": True, "handle_httpstatus_all": False},
            dont_filter=True,
            priority=-1,
        )


def _ignored(why: IgnoreRequest) -> Fetched:
    """Tell what a refusal says: the gate's, one of the request itself, or one of somebody else's."""
    if isinstance(why, ImageBlocked):
        return Fetched("held" if why.action is Action.HOLD else why.outcome, action=why.action)
    by_robots_txt = "robots_txt" if str(why) == _BY_ROBOTS_TXT else None
    return Fetched("refused", action=why.action if isinstance(why, RequestRefused) else None, opted_out=by_robots_txt)


def _key(url: str, *, is_inside: bool) -> str:
    """Return the key under which what was found is kept.

    What a page inside the network was given, or a page outside of it was refused, is not for the other one.
    """
    asker = "anybody" if not is_private(url) else "inside" if is_inside else "outside"
    return f"{asker} {url}"


def _is_inside(page_url: str) -> bool:
    return bool(host_of(page_url)) and is_private(page_url)


def _passed(response: Response, verdict: Verdict, attestation: Mapping[str, Any]) -> Fetched:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Fetched("no_known_match", verdict, response.url, now, attestation=attestation)


def _referrer(page_url: str, url: str) -> str | None:
    """Return the whole page URL for its own host, only its origin for others, as browsers do by default.

    None for what is not a web page, and from https to http.
    """
    scheme = page_url.split("/", 1)[0].lower()
    if not page_url.lower().startswith(("http://", "https://")) or (
        scheme == "https:" and not url.lower().startswith("https:")
    ):
        return None
    page = page_url.split("#", 1)[0].split("/", 3)
    if "@" in page[2]:
        page[2] = page[2].rsplit("@", 1)[1]
    same_origin = url.split("/", 3)[:3] == page[:3]
    return "/".join(page) if same_origin else "/".join(page[:3]) + "/"
