"""Which hosts are inside a network: private, loopback and link-local addresses, and names that mean one.

The ranges are those of IANA's registries of special-purpose addresses (RFC 6890 and its updates). They stand here
because Python's ``ipaddress`` changes its mind about some from version to version.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ingest_guard.urls.hosts import readings, scheme_and_host

_LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost")
_LOCAL_SUFFIXES = (".localhost", ".local", ".localdomain", ".internal", ".home.arpa")
_NOT_GLOBAL = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Of IPv6, only this much was ever handed out, and these parts of it are for other ends.
_GLOBAL6 = IPv6Network("2000::/3")
_NOT_GLOBAL6 = tuple(IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")
# What no browser takes for an address, and a resolver may.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def is_private(url: str) -> bool:
    """Return whether the host of a URL is an address inside a network, or a name that means one.

    An IPv6 address that stands for IPv4 ones (6to4, NAT64, Teredo, IPv4-mapped) is judged by those. Names are not
    looked up: a public name that resolves to a private address counts as public here.
    """
    try:
        if "\\" not in url:
            return _is_private_host(scheme_and_host(url)[1])
        return any(_is_private_host(scheme_and_host(each)[1]) for each in readings(url))
    except ValueError:
        return True


@lru_cache(maxsize=4096)
def _is_private_host(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host in _LOCAL_NAMES or host.endswith(_LOCAL_SUFFIXES) or _ends_in_number(host)
    if isinstance(address, IPv4Address):
        return _is_private4(address)
    inside = _inside(address)
    if inside:
        return any(_is_private4(each) for each in inside)
    return address not in _GLOBAL6 or any(address in network for network in _NOT_GLOBAL6)


def _ends_in_number(host: str) -> bool:
    """Return whether a resolver takes a host for an IPv4 address: https://url.spec.whatwg.org/#ends-in-a-number-checker."""
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def _is_private4(address: IPv4Address) -> bool:
    return any(address in network for network in _NOT_GLOBAL)


def _inside(address: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for."""
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in inner if each is not None]
