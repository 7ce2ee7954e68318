"""The registrable domain of a host: what somebody has to register, and pay for, such as ``example.co.uk``.

By the public suffix list that tldextract ships: nothing is fetched and nothing is written. Only the part of registries
counts, so all users of ``github.io`` are one domain: a name below it costs nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ingest_guard.urls.hosts import host_of, is_address

if TYPE_CHECKING:
    from tldextract import TLDExtract

_REMEMBERED = 1 << 13


@lru_cache(maxsize=1)
def suffixes() -> TLDExtract:
    """Return tldextract with its bundled list."""
    from tldextract import TLDExtract  # noqa: PLC0415 - a tenth of a second, and few programs need it

    return TLDExtract(suffix_list_urls=(), cache_dir=None)


def load() -> None:
    """Read the list of public suffixes now; else the first look-up does, which takes a tenth of a second."""
    _domain("example.org")


def domain_of(url: str) -> str:
    """Return the registrable domain of an address; its host where it has none (an IP address), empty without a host."""
    return _domain(host_of(url))


@lru_cache(maxsize=_REMEMBERED)
def _domain(host: str) -> str:
    if is_address(host):
        return host
    found = suffixes()(host)
    return f"{found.domain}.{found.suffix}" if found.domain and found.suffix else host
