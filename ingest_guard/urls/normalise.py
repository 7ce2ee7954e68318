"""One spelling for each address, so that a listed one is found however a page writes it.

After RFC 3986, section 6.2: case of scheme and host, percent-encoding, dot segments, default port, empty path; the
fragment goes, as no server ever sees it. What may name another resource stays: query, case of the path, ``http`` or
``https``. Hosts are spelled by :mod:`ingest_guard.urls.hosts`.

A listed domain is kept as the digest of its host, and looked up by the host of an address and each domain above it.
"""

import hashlib
import re
from urllib.parse import quote, urlsplit, urlunsplit

from ingest_guard.urls import hosts

_PORTS = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DOTS = {".": 0, "%2e": 0, "..": 1, "%2e%2e": 1, ".%2e": 1, "%2e.": 1}
# Everything that may stand in a path or query as it is; anything else becomes %XX of its UTF-8 bytes.
_KEPT = "%/?:@!$&'()*+,;=-._~[]|"


def normalise(url: str) -> str:
    """Return the one spelling of an address.

    Raises
    ------
    ValueError
        Not an absolute address with a host.
    """
    parts = urlsplit(url.strip())
    scheme, host = parts.scheme.lower(), parts.hostname
    if not scheme or not host:
        raise ValueError("not an absolute address with a host")
    where = hosts.canonical(host)
    if ":" in where:
        where = f"[{where}]"
    if parts.port is not None and parts.port != _PORTS.get(scheme):
        where += f":{parts.port}"
    if parts.username is not None or parts.password is not None:
        where = f"{parts.netloc.rpartition('@')[0]}@{where}"
    return urlunsplit((scheme, where, remove_dot_segments(_escaped(parts.path)) or "/", _escaped(parts.query), ""))


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
    it is the host. None for what is no address with a host.
    """
    # Browsers take a backslash for a slash, Python for a part of the host: both hosts are looked up.
    spellings = dict.fromkeys((url, url.replace("\\", "/")))
    return [_digest(name) for name in dict.fromkeys(name for text in spellings for name in _domains(text))]


def _domains(url: str) -> list[str]:
    try:
        return hosts.parents(hosts.host_of(url.strip()))
    except ValueError:
        return []


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _escaped(text: str) -> str:
    def once(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if char in _UNRESERVED else match[0].upper()

    return quote(_ESCAPE.sub(once, text), safe=_KEPT, errors="surrogatepass")


def remove_dot_segments(path: str) -> str:
    """Return a path with ``.`` and ``..`` removed (RFC 3986, section 5.2.4), also where they are written ``%2e``."""
    first, *segments = path.split("/")
    if not any(segment.lower() in _DOTS for segment in segments):
        return path
    kept: list[str] = []
    for segment in segments:
        steps = _DOTS.get(segment.lower())
        if steps is None:
            kept.append(segment)
        elif steps and kept:
            kept.pop()
    if segments[-1].lower() in _DOTS:
        kept.append("")
    return "/".join([first, *kept])
