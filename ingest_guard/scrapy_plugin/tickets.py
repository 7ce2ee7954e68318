"""How the check pipeline hears what the gate found in the image that it asked for.

A fetch of the check pipeline carries a ticket in ``request.meta``, which survives redirects and retries. It asks the
gate for two things: to note the verdict on the ticket, and to hand on an empty body. It vouches for nothing: whoever
copies it gets empty bodies, and a verdict counts only for the URL that the gate saw.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scrapy import Request
    from scrapy.http import Response

    from ingest_guard.verdict import Verdict

META_KEY = "ingest_guard_ticket"


@dataclass(eq=False, slots=True)
class Ticket:
    """What the gate found for one fetch.

    Attributes
    ----------
    page_is_private
        True where the page that shows the image has a private address itself.
    verdict, url, attestation
        Of the last response that the gate has seen for this fetch: what was found, where, and held against what.
    """

    page_is_private: bool = False
    verdict: Verdict | None = None
    url: str | None = None
    attestation: Mapping[str, Any] = field(default_factory=dict)

    def note(self, response: Response, verdict: Verdict, attestation: Mapping[str, Any]) -> None:
        """Keep a verdict, what it is about, and what the body was held against."""
        self.verdict, self.url, self.attestation = verdict, response.url, attestation

    def verdict_for(self, response: Response) -> Verdict | None:
        """Return the verdict if it is about this response."""
        return self.verdict if self.url == response.url else None


def ticket_of(request: Request) -> Ticket | None:
    """Return the ticket that a request carries."""
    ticket = request.meta.get(META_KEY)
    return ticket if isinstance(ticket, Ticket) else None
