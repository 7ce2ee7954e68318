"""Fetch the image that an item names, through the crawler's own downloader, and learn from the gate what it was.

Robots.txt, throttling, proxies, cookies and retries hold as for any request. The bytes stay at the gate. Equal URLs are
fetched once a run; what was found is remembered for as many URLs as the policy says.

The first fetch from a host returns before the others go, because it brings the host's robots.txt. Scrapy fetches that
file when the first request for a host comes by, and has the requests that come meanwhile wait for it; Scrapy 2.19 lets
all but two of those pass unchecked. A page's images on another host come all at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cachetools import LRUCache
from scrapy import Request
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from ingest_guard._clock import now
from ingest_guard.dataset.optouts.said import Signal
from ingest_guard.dataset.optouts.signals import Signals
from ingest_guard.scrapy_plugin.check.request_rules import refusal
from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked, OptedOut, RequestRefused
from ingest_guard.scrapy_plugin.core.generation import Generation
from ingest_guard.scrapy_plugin.core.single_flight import SingleFlight
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.scrapy_plugin.images.opt_outs import OptOuts
from ingest_guard.urls.hosts import host_of, with_host_spelled
from ingest_guard.urls.private import is_private
from ingest_guard.urls.registrable import domain_of
from ingest_guard.verdict import Action, Outcome, Verdict

_OK = range(200, 300)
_PARTIAL_CONTENT = 206
_PAYMENT_REQUIRED = 402
_REMEMBERED_HOSTS = 10_000
BY_ROBOTS_TXT = "Forbidden by robots.txt"
"""All that Scrapy's exception says."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of fetching an image.

    Attributes
    ----------
    result
        ``no_known_match`` (a record may be made), or why not: ``match``, ``held`` (a match on lists of that action),
        ``not_scannable``, ``not_an_image``, ``refused`` (by robots.txt, off-site rules, the guard's own), ``status``,
        ``payment_required`` (the status 402), ``error``, ``opted_out``.
    verdict, final_url, fetched_at, attestation
        Nothing unless a record may be made. The attestation is that of the lists which the verdict was made with.
    action
        What is to be done about a match, or about a URL on a list; None for everything else.
    opted_out
        By which opt-out it was refused, or kept out; see :mod:`ingest_guard.policy.records`.
    signal
        What said so, where it is known.
    said
        All that the responses on the way to it said of its use.
    is_settled
        False where a file of its host may have something to say against it.
    """

    result: str
    verdict: Verdict | None = None
    final_url: str = ""
    fetched_at: str = ""
    action: Action | None = None
    attestation: Mapping[str, Any] = field(default_factory=dict)
    opted_out: str | None = None
    signal: Signal | None = None
    said: tuple[Signal, ...] = ()
    is_settled: bool = True


_ERROR = Fetched("error")


class Fetcher:
    """Fetch images for records."""

    def __init__(self, state: GuardState, opt_outs: OptOuts) -> None:
        self._state = state
        self._opt_outs = opt_outs
        self._known_hosts: LRUCache[str, bool] = LRUCache(_REMEMBERED_HOSTS)
        self._first_of_host: SingleFlight[Fetched] = SingleFlight(_ERROR)
        self.forget()

    def forget(self, _guard: object = None) -> None:
        """Forget what was found, and what is being fetched just now: other lists have come into use."""
        self._known: LRUCache[str, Fetched] = LRUCache(self._state.policy.records.remembered_urls)
        self._under_way: SingleFlight[Fetched] = SingleFlight(_ERROR)

    def learn(
        self, request: Request, response: Response, verdict: Verdict, generation: Generation, signals: Signals
    ) -> None:
        """Remember an image that the spider fetched by itself, so that a record of it needs no second fetch.

        What counts is the URL of the very request that brought the response; what its meta says of earlier ones does
        not.
        """
        if generation is not self._state.current:
            return
        if request.method == "GET" and response.status in _OK and verdict.image is not None:
            passed = _passed(response, verdict, generation.guard.attestation, signals.said)
            if signal := self._opt_outs.at_once(signals):
                passed = _opted_out(signal, signals.said)
            elif self._opt_outs.asks_for_files(signals):
                passed = replace(passed, is_settled=False)
            self._known[_key(request.url.split("#", 1)[0], is_inside=True)] = passed

    async def fetch(self, url: str, page_url: str | None, came_from: str | None = None) -> Fetched:
        """Fetch one image, or wait for the fetch of the same one that is under way; never raises.

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
        # The cache of this moment: what begins now is not for those who ask after the lists have changed.
        remembered = self._known
        known = remembered.get(key)
        if known is not None and known.is_settled:
            return known

        async def look_up() -> Fetched:
            fetched = _ERROR
            try:
                if known is not None:
                    fetched = await self._settled(known, is_inside=is_inside)
                else:
                    payer = domain_of(came_from or page_url or url)
                    async with self._state.budget.fetch(payer):
                        ticket = Ticket(page_is_private=is_inside, domain=payer, page=came_from or page_url)
                        fetched = await self._fetch_in_turn(url, page_url, ticket)
            finally:
                remembered[key] = fetched
            return fetched

        return await self._under_way.run(key, look_up)

    async def _fetch_in_turn(self, url: str, page_url: str | None, ticket: Ticket) -> Fetched:
        """Hold a fetch while the first one from the same host is under way."""
        origin = "/".join(url.split("/", 3)[:3]).lower()
        if origin in self._first_of_host:
            await self._first_of_host.wait(origin)
        elif not self._known_hosts.get(origin, False):
            try:
                return await self._first_of_host.run(origin, lambda: self._fetch(url, page_url, ticket))
            finally:
                self._known_hosts[origin] = True
        return await self._fetch(url, page_url, ticket)

    async def _settled(self, known: Fetched, *, is_inside: bool) -> Fetched:
        """Return what the spider's own fetch has found, once the files of the image's host were asked for."""
        signals = Signals(known.said)
        signal = await self._opt_outs.before_fetching(known.final_url, is_inside=is_inside, signals=signals)
        return _opted_out(signal) if signal else replace(known, is_settled=True)

    async def _fetch(self, url: str, page_url: str | None, ticket: Ticket) -> Fetched:
        try:
            request = self._request(url, page_url, ticket)
            # What is refused anyway is no reason to talk to its host.
            if refusal(self._state, request, ticket) is None and (
                signal := await self._opt_outs.before_fetching(url, is_inside=ticket.page_is_private)
            ):
                return _opted_out(signal)
            response = await self._state.crawler.engine.download_async(request)
        except IgnoreRequest as ignored:
            return _ignored(ignored)
        except Exception:  # noqa: BLE001 - a host that does not answer, a URL that cannot be one: Scrapy has logged it
            return _ERROR
        return await self._read_answer(response, ticket)

    async def _read_answer(self, response: Response, ticket: Ticket) -> Fetched:
        """Return what an answer comes to; an opt-out counts only where the guard has nothing against the image."""
        if response.status not in _OK or response.status == _PARTIAL_CONTENT:
            return Fetched("payment_required" if response.status == _PAYMENT_REQUIRED else "status")
        verdict = ticket.verdict_for(response)
        if verdict is None or verdict.outcome is not Outcome.NO_KNOWN_MATCH or verdict.image is None:
            return Fetched(str(verdict.outcome)) if verdict else _ERROR
        said = tuple(dict.fromkeys(each for hop in ticket.hops for each in hop.signals.said))
        if signal := await self._opt_outs.of_image(ticket.hops, is_inside=ticket.page_is_private):
            return _opted_out(signal, said)
        return _passed(response, verdict, ticket.attestation, said)

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
    """Return what a refusal comes to: the gate's, one of the request itself, or another component's."""
    if isinstance(why, ImageBlocked):
        return Fetched("held" if why.action is Action.HOLD else why.outcome, action=why.action)
    if isinstance(why, OptedOut):
        return _opted_out(why.signal)
    by_robots_txt = "robots_txt" if str(why) == BY_ROBOTS_TXT else None
    return Fetched("refused", action=why.action if isinstance(why, RequestRefused) else None, opted_out=by_robots_txt)


def _opted_out(signal: Signal, said: tuple[Signal, ...] = ()) -> Fetched:
    return Fetched("opted_out", opted_out=signal.name, signal=signal, said=said or (signal,))


def _key(url: str, *, is_inside: bool) -> str:
    """Return the key under which what was found is kept.

    What a page inside the network was given, or a page outside of it was refused, is not for the other one.
    """
    asker = "anyone" if not is_private(url) else "inside" if is_inside else "outside"
    return f"{asker} {url}"


def _is_inside(page_url: str) -> bool:
    return bool(host_of(page_url)) and is_private(page_url)


def _passed(response: Response, verdict: Verdict, attestation: Mapping[str, Any], said: tuple[Signal, ...]) -> Fetched:
    return Fetched("no_known_match", verdict, response.url, now(), attestation=attestation, said=said)


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
