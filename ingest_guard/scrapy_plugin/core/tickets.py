"""How the check pipeline learns what the gate found in the image that it asked for.

A fetch of the check pipeline carries a ticket in ``request.meta``, which survives redirects and retries. It asks the
gate for two things: to note the verdict on the ticket, and to hand on an empty body. It vouches for nothing: a copy
of it gets empty bodies, and a verdict counts only for the URL that the gate saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest_guard.dataset.optouts.signals import Signals
from ingest_guard.urls.registrable import domain_of
from ingest_guard.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from scrapy import Request
    from scrapy.http import Response

META_KEY = "ingest_guard_ticket"
# Errors have headers of their own (noindex, as a rule) and say nothing of what would be there.
_WITH_SIGNALS = range(200, 400)
_SHOWN = (Outcome.NO_KNOWN_MATCH, Outcome.NOT_AN_IMAGE)


class Hop(NamedTuple):
    """One response on the way to an image, redirects included, and what it said of its use."""

    url: str
    signals: Signals


@dataclass(eq=False, slots=True)
class Ticket:
    """What the gate found for one fetch.

    Attributes
    ----------
    page_is_private
        True where the page that shows the image has a private address itself.
    verdict, url, attestation
        Of the last response that the gate has seen for this fetch: what was found, where, and held against what.
    for_text
        True where a text is wanted, and handed on as any page is; other bodies are emptied all the same.
    domain
        The registrable domain of the page that shows the image: the scan takes its share of the workers' time.
    page
        Address of the page that shows the image, as far as it is known.
    hops
        The responses that gate and sentinel have checked for this fetch, errors excepted.
    """

    page_is_private: bool = False
    verdict: Verdict | None = None
    url: str | None = None
    attestation: Mapping[str, Any] = field(default_factory=dict)
    for_text: bool = False
    domain: str = ""
    page: str | None = None
    hops: list[Hop] = field(default_factory=list)

    def note(self, response: Response, verdict: Verdict, attestation: Mapping[str, Any]) -> None:
        """Keep a verdict, what it is about, and what the body was held against.

        Of a verdict that drops, only the outcome is kept: the request's meta has this ticket, and error handlers,
        middlewares and signals have the request. In a verdict there are digests and fingerprints.
        """
        if verdict.outcome not in _SHOWN:
            verdict = Verdict(verdict.outcome, reason=verdict.reason, action=verdict.action)
        self.verdict, self.url, self.attestation = verdict, response.url, attestation

    def add_hop(self, response: Response, signals: Signals) -> None:
        """Keep what a response said."""
        if response.status in _WITH_SIGNALS:
            self.hops.append(Hop(response.url, signals))

    def may_keep(self, verdict: Verdict) -> bool:
        """Return whether the body is handed on all the same."""
        return self.for_text and verdict.outcome is Outcome.NOT_AN_IMAGE

    def verdict_for(self, response: Response) -> Verdict | None:
        """Return the verdict if it is about this response."""
        return self.verdict if self.url == response.url else None


def ticket_of(request: Request) -> Ticket | None:
    """Return the ticket that a request carries."""
    ticket = request.meta.get(META_KEY)
    return ticket if isinstance(ticket, Ticket) else None


def payer_of(request: Request) -> str:
    """Return the domain whose share of the workers' time a request takes: that of the page, else its own."""
    ticket = ticket_of(request)
    return (ticket and ticket.domain) or domain_of(request.url)
