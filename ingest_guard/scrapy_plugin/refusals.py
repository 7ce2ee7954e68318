"""Which requests the guard does not let out at all."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ingest_guard.scrapy_plugin.browsers import hands_out_pictures
from ingest_guard.scrapy_plugin.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.governing import note_listed_url

if TYPE_CHECKING:
    from scrapy import Request

    from ingest_guard.scrapy_plugin.runtime import Runtime
    from ingest_guard.scrapy_plugin.tickets import Ticket

_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")
_LOCAL_SUFFIXES = (".localhost", ".local", ".localdomain", ".internal", ".home.arpa")
# What a resolver takes for an address although it is not written as one: 127.1, 2130706433, 0x7f.1, 0177.0.0.1.
_ODD_ADDRESS = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def refusal(runtime: Runtime, request: Request, ticket: Ticket | None) -> str | None:  # noqa: PLR0911 - one a reason
    """Return why a request must not go out (the last part of a statistics key), or None.

    * ``data_url``: the URL is the image; queues, logs and feeds would keep it.
    * ``ftp_local_filename``: the handler would write to disk before anybody looks.
    * ``browser_page``: in the strict level, a request for the browser's page itself, or for pictures of it.
    * ``scheme``: an image for a record is fetched over http and https only, redirects included.
    * ``private_address``: the policy keeps images of public pages from being fetched inside the network.
    * ``url_list``: the URL, or its host, is on a list.
    """
    url = request.url
    scheme = url[:5].lower()
    if scheme == "data:":
        return "data_url"
    if "ftp_local_filename" in request.meta:
        return "ftp_local_filename"
    if runtime.policy.level == "strict" and hands_out_pictures(request):
        return "browser_page"
    if ticket is not None:
        if not scheme.startswith("http"):
            return "scheme"
        allowed = runtime.policy.records.private_addresses
        if allowed != "allow" and is_private(url) and not (allowed == "same" and ticket.page_is_private):
            return "private_address"
    if runtime.guard.blocklist.match_url(url):
        return "url_list"
    return None


def require_allowed(runtime: Runtime, request: Request, ticket: Ticket | None) -> None:
    """Raise RequestRefused, and count it, where a request must not go out."""
    why = refusal(runtime, request, ticket)
    if why is None:
        return
    action = None
    if why == "url_list":
        action = note_listed_url(runtime, request.url)
    runtime.count(f"refused/{why}")
    raise RequestRefused(f"ingest_guard does not let this request out: {why}", action)


def is_private(url: str) -> bool:
    """Tell whether the host of a URL is a private, loopback or link-local address, or a name that means one.

    Names are not looked up: a public name that resolves to a private address counts as public here.
    """
    try:
        return _is_private_host((urlsplit(url).hostname or "").rstrip("."))
    except ValueError:
        return True


@lru_cache(maxsize=4096)
def _is_private_host(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in _LOCAL_NAMES or host.endswith(_LOCAL_SUFFIXES) or _ODD_ADDRESS.fullmatch(host) is not None
    return not all(each.is_global for each in (address, *_inside(address)))


def _inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in inner if each is not None]
