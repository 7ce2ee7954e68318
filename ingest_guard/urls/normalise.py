"""One spelling for each address, so that a listed one is found however a page, a list or Scrapy writes it.

An address is read as browsers read it (the WHATWG's URL standard, by ``ada-url``). Then each escape of a printable
ASCII character is undone that does not stand for a delimiter of its part, and a ``%`` that escapes nothing becomes
``%25``: what browsers, Scrapy and list makers leave as it is or escape, each by rules of their own, is one. The
fragment, which no server ever sees, and the user's name, with which the same is asked for, go. What may name another
resource stays: query, case of the path, ``http`` or ``https``. Hosts are spelled by :mod:`ingest_guard.urls.hosts`.

A listed domain is kept as the digest of its host, and looked up by the host of an address and each domain above it.
What is changed here changes what blocklists hold: count :data:`ADDRESS_FORMAT` up.
"""

import hashlib
import re
from collections.abc import Mapping

from ingest_guard.urls import hosts

ADDRESS_FORMAT = 2
"""Number of the way in which :func:`url_key` and :func:`domain_key` are made."""

_PORT = re.compile(r"(.*?)(:[0-9]+)?")
_BACKSLASH = re.compile("%5c", re.IGNORECASE)
# A lone percent sign, or an escape that is not left as it is: of ASCII, or with a digit in lower case.
_ESCAPE = re.compile(r"%(?![0189A-F][0-9A-F])([0-9A-Fa-f]{2})?")


def escapes(delimiters: str) -> Mapping[str | None, str]:
    """Return what :func:`undo_escapes` makes of the two digits of an escape, and of none, in one part of an address.

    Parameters
    ----------
    delimiters
        Characters whose escapes stay, because they mean something else when they stand there themselves.
    """
    made: dict[str | None, str] = {None: "%25"}
    for code in range(256):
        stays = not 0x20 < code < 0x7F or chr(code) in delimiters  # noqa: PLR2004 - what is printable in ASCII
        spelled = f"%{code:02X}" if stays else chr(code)
        digits = f"{code:02x}"
        for one in {digits[0], digits[0].upper()}:
            for other in {digits[1], digits[1].upper()}:
                made[one + other] = spelled
    return made


_IN_PATH = escapes("/\\?#%")
_IN_QUERY = escapes("&=+;#%")


def undo_escapes(text: str, made: Mapping[str | None, str]) -> str:
    """Return one part of an address in its one spelling, where browsers have spelled it before.

    Parameters
    ----------
    text
        The part.
    made
        From :func:`escapes`.
    """
    return _ESCAPE.sub(lambda found: made[found[1]], text) if "%" in text else text


def split(url: str) -> tuple[str, str, str, str]:
    """Return the parts of an address in their one spelling: scheme, host with its port, path, and query.

    Raises
    ------
    ValueError
        Not an absolute address with a host; the text does not show it.
    """
    read = hosts.as_browsers(url)
    if read is None:
        raise ValueError("not an absolute address with a host")
    scheme, authority, path, query = read
    if "%5" in path and _BACKSLASH.search(path):
        # Some releases of w3lib escape what browsers take for a slash.
        return split(f"{scheme}://{authority}{_BACKSLASH.sub('/', path)}{'?' if query else ''}{query}")
    if "." in (authority[0], authority[-1]) or ".:" in authority:
        authority = _without_dots(authority)
    return scheme, authority, undo_escapes(path, _IN_PATH) or "/", undo_escapes(query, _IN_QUERY)


def _without_dots(authority: str) -> str:
    found = _PORT.fullmatch(authority)
    host, port = found.groups("") if found else (authority, "")
    return f"{hosts.canonical(host)}{port}"


def normalise(url: str) -> str:
    """Return the one spelling of an address.

    Raises
    ------
    ValueError
        Not an absolute address with a host.
    """
    scheme, authority, path, query = split(url)
    return f"{scheme}://{authority}{path}{'?' if query else ''}{query}"


def url_key(url: str) -> str:
    """Return what is stored of an address: SHA-256 of its one spelling, lower-case hex.

    Raises
    ------
    ValueError
        Not an absolute address with a host.
    """
    return _digest(normalise(url))


def domain_key(host: str) -> str:
    """Return what is stored of a domain: SHA-256 of the one spelling of its host, lower-case hex.

    Parameters
    ----------
    host
        A name or an IP address, without port and user.

    Raises
    ------
    ValueError
        No host.
    """
    return _digest(hosts.canonical(host))


def domain_keys(url: str) -> list[str]:
    """Return the :func:`domain_key` of an address's host and of each domain that it lies in.

    Of ``http://a.example.org/`` those of ``a.example.org`` and ``example.org``; never of the last label alone, unless
    it is the host. None for what is no address with a host. A host that no browser takes is looked up all the same.
    """
    names = [name for reading in hosts.readings(url) for name in hosts.parents(hosts.host_of(reading))]
    return [_digest(name) for name in dict.fromkeys(names)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
