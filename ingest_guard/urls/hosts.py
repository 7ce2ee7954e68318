"""One spelling for each host, as browsers and resolvers understand it.

Letter case, trailing dots, ``%``-escapes, other scripts (IDNA 2003, as Scrapy writes its requests), the numbers that an
IPv4 address may be written with (https://url.spec.whatwg.org/#host-parsing) and the zeros of an IPv6 address go.
"""

import ipaddress
import re
from collections.abc import Container
from urllib.parse import unquote, urlsplit

_DOTS = re.compile("[.\u3002\uff0e\uff61]")
# What a host cannot hold (WHATWG, "forbidden domain code points"): an escape that hides one of them stays an escape.
_FORBIDDEN = re.compile(r"[\x00-\x20#%/:<>?@\[\\\]^|\x7f]")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_LONGEST = 1024
_LONGEST_NAME = 253
_OCTETS = 4


def host_of(url: str, schemes: Container[str] | None = None) -> str:
    """Return the host of an address, in lower case and else as written; empty where it has none, or is no address.

    Parameters
    ----------
    url
        The address.
    schemes
        An address with another scheme counts as one without a host; None takes all.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    return host if schemes is None or parts.scheme in schemes else ""


def canonical(host: str) -> str:
    """Return the one spelling of a host name or address (of IPv6 without brackets).

    Parameters
    ----------
    host
        Without port and user.

    Raises
    ------
    ValueError
        Empty, too long, or in letters that no host name has.
    """
    return _canonical(host, strict=True)


def parents(host: str) -> list[str]:
    """Return the one spelling of a host and of each domain that it lies in, but for the last label alone.

    ``a.b.example.org`` lies in ``b.example.org`` and ``example.org``. Letters that no host name has are no error here:
    the domains above them are found all the same. An address lies in no domain.

    Raises
    ------
    ValueError
        Empty or too long.
    """
    whole = _canonical(host, strict=False)
    if is_address(whole):
        return [whole]
    labels = whole.split(".")
    return [".".join(labels[start:]) for start in range(max(len(labels) - 1, 1))]


def ends_in_number(host: str) -> bool:
    """Return whether a resolver takes a host for an IPv4 address, however odd: ``127.1``, ``0x7f.1``, ``0177.0.0.1``.

    See https://url.spec.whatwg.org/#ends-in-a-number-checker.
    """
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def is_address(host: str) -> bool:
    """Return whether a host in its one spelling is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_name(host: str) -> bool:
    """Return whether a host in its one spelling is a name that the DNS could have (underscores included)."""
    return len(host) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in host.split("."))


def _canonical(host: str, *, strict: bool) -> str:
    host = host.strip()
    if len(host) > _LONGEST:
        raise ValueError("the host is too long")
    if ":" in host or host.startswith("["):
        return _ipv6(host)
    if "%" in host and not _FORBIDDEN.search(decoded := unquote(host, errors="surrogateescape")):
        host = decoded
    name = ".".join(_label(label, strict=strict) for label in _DOTS.split(host)).strip(".")
    if not name:
        raise ValueError("the host is empty")
    return _ipv4(name) or name


def _label(label: str, *, strict: bool) -> str:
    lower = label.lower()
    if lower.isascii():
        return lower
    try:
        return lower.encode("idna").decode("ascii").lower()
    except UnicodeError:
        if strict:
            raise ValueError("the host cannot be encoded") from None
        return lower


def _ipv6(host: str) -> str:
    try:
        return ipaddress.IPv6Address(host.strip("[]").partition("%")[0]).compressed
    except ValueError:
        # Its own text shows the address.
        raise ValueError("the host is no IPv6 address") from None


def _ipv4(name: str) -> str | None:
    """Return the dotted form of an address in any of the old notations: ``0x7f.1``, ``2130706433``, ``0177.0.0.1``."""
    parts = name.split(".")
    if len(parts) > _OCTETS or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    try:
        *first, last = [_number(part) for part in parts]
    except ValueError:
        return None
    if any(part > 0xFF for part in first) or last >= 1 << 8 * (_OCTETS - len(first)):  # noqa: PLR2004 - an octet
        return None
    value = last + sum(part << 8 * (_OCTETS - 1 - place) for place, part in enumerate(first))
    return str(ipaddress.IPv4Address(value))


def _number(text: str) -> int:
    if len(text) > _LONGEST_NAME:
        raise ValueError("too long a number")
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if len(text) > 1 and text[0] == "0" else 10)
