"""Which requests the guard does not let out at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.check.browsers import hands_out_pictures
from ingest_guard.scrapy_plugin.check.list_actions import note_listed_url
from ingest_guard.scrapy_plugin.core.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.core.state import GuardState
from ingest_guard.scrapy_plugin.core.tickets import Ticket
from ingest_guard.urls.data_scheme import is_data_url
from ingest_guard.urls.private import is_private

if TYPE_CHECKING:
    from scrapy import Request


def refusal(state: GuardState, request: Request, ticket: Ticket | None) -> str | None:  # noqa: PLR0911 - one return for each reason
    """Return why a request must not go out (the last part of a statistics key), or None.

    * ``data_url``: the URL is the image; queues, logs and feeds would keep it.
    * ``ftp_local_filename``: the handler would write to disk before any check.
    * ``browser_page``: in the strict level, a request for the browser's page itself, or for pictures of it.
    * ``scheme``: an image for a record is fetched over http and https only, redirects included.
    * ``private_address``: the policy keeps images of public pages from being fetched inside the network.
    * ``url_list``: the URL, or its host, is on a list.
    """
    url = request.url
    if is_data_url(url):
        return "data_url"
    if "ftp_local_filename" in request.meta:
        return "ftp_local_filename"
    if state.policy.level == "strict" and hands_out_pictures(request):
        return "browser_page"
    if ticket is not None:
        if not url.lower().startswith(("http://", "https://")):
            return "scheme"
        allowed = state.policy.records.private_addresses
        if allowed != "allow" and is_private(url) and not (allowed == "same" and ticket.page_is_private):
            return "private_address"
    if state.lists_with_url(url):
        return "url_list"
    return None


def require_allowed(state: GuardState, request: Request, ticket: Ticket | None) -> None:
    """Raise RequestRefused, and count it, where a request must not go out."""
    why = refusal(state, request, ticket)
    if why is None:
        return
    action = note_listed_url(state, request.url) if why == "url_list" else None
    state.count(f"refused/{why}")
    raise RequestRefused(f"ingest_guard does not let this request out: {why}", action)
