"""One spelling for each host, as browsers understand it: the host of an address, and the domains that it lies in.

After the WHATWG's URL standard (https://url.spec.whatwg.org/#host-parsing), by ``ada-url``. Other scripts become what
browsers and registries make of them (UTS 46, non-transitional): ``straße.example`` is ``xn--strae-oqa.example``.
Python's own codec, which Scrapy uses, is IDNA 2003 and says ``strasse.example``, another site. So whoever makes a
request of an address spells its host with :func:`with_host_spelled` first. Trailing dots go.
"""

import ipaddress
import re
from collections.abc import Container, Iterator
from contextlib import suppress
from functools import lru_cache
from urllib.parse import urlsplit

from ada_url import URL, normalize_url

# What would end the host of an address, or start another part of it.
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_DELIMITER = re.compile(r"[\x00-\x20/?#@\\\[\]:]")
_PARTS = re.compile(r"([a-z][a-z0-9+.-]*)://(?:[^/?#@]*@)?([^/?#@]{1,1100})(/[^?#]*|)(?:\?([^#]*))?(?:#|\Z)")
# What all addresses of a server begin with. Where it looks like this, nothing behind it changes how it is read.
_PLAIN = re.compile(r"https?://[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?=[/?#]|\Z)")
_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_PLACE = re.compile(r"(\s*[a-zA-Z][a-zA-Z0-9+.-]*:[/\\]{2}(?:[^/?#\\]*@)?)(\[[^/?#\\\]]*\]|[^/?#\\@:]*)")
_WEB = frozenset({"http", "https"})
_LONGEST = 1024
_LONGEST_NAME = 253
_REMEMBERED = 1 << 12


def host_of(url: str, schemes: Container[str] | None = None) -> str:
    """Return the host of an address in its one spelling (of IPv6 without brackets); empty where it has none.

    A host that no browser takes, while Python's resolver may, is given in lower case and else as written.

    Parameters
    ----------
    url
        The address.
    schemes
        An address with another scheme counts as one without a host; None takes all.
    """
    try:
        scheme, host = scheme_and_host(url)
    except ValueError:
        return ""
    return host if schemes is None or scheme in schemes else ""


def scheme_and_host(url: str) -> tuple[str, str]:
    """Return the scheme of an address, and what :func:`host_of` returns.

    Raises
    ------
    ValueError
        It is no address at all.
    """
    plain = plain_origin(url)
    return _read_host(url) if plain is None else _of_origin(plain)


def plain_origin(url: str) -> str | None:
    """Return scheme, host and port of a web address where nothing in them needs to be spelled anew; else None."""
    plain = _PLAIN.match(url)
    return None if plain is None else plain[0]


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of an address; None where it is none of http or https."""
    plain = plain_origin(url)
    if plain is not None:
        return plain
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme.lower() in {"http", "https"} and parts.hostname:
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()
    return None


@lru_cache(maxsize=_REMEMBERED)
def _of_origin(origin: str) -> tuple[str, str]:
    return _read_host(origin)


def _read_host(url: str) -> tuple[str, str]:
    read = as_browsers(url)
    if read is not None:
        return read[0], _of_authority(read[1])
    parts = urlsplit(url.strip())
    host = parts.hostname or ""
    try:
        return parts.scheme, canonical(host) if host else ""
    except ValueError:
        return parts.scheme, ".".join(map(_odd_label, _DOTS.split(host))).strip(".") if len(host) <= _LONGEST else ""


def as_browsers(url: str) -> tuple[str, str, str, str] | None:
    """Return the parts of an address as browsers spell them; None where these find no host in it.

    Scheme, host with its port, path, and query ("" also where there is an empty one).
    """
    try:
        found = _PARTS.match(normalize_url(url))
    except ValueError:  # lone surrogates too, which no address can be sent with
        return None
    return None if found is None else (found[1], found[2], found[3], found[4] or "")


def _of_authority(authority: str) -> str:
    """Return the host of what a browser has spelled, without its port and outer dots."""
    if authority[0] == "[":
        return authority[1:].partition("]")[0]
    host = authority.partition(":")[0]
    if host[:1] == "." or host[-1:] == ".":
        with suppress(ValueError):
            return canonical(host)
    return host.strip(".")


def _odd_label(label: str) -> str:
    """Return a label of a host that no browser takes: the domains above it are found all the same."""
    if not label.isascii():
        with suppress(ValueError):
            return canonical(label)
    return label.lower()


def readings(url: str) -> Iterator[str]:
    """Yield an address as browsers read it and, where that differs, as Python does.

    A backslash ends the host for a browser, and is a part of it, or of the user's name, for Python.
    """
    yield url
    if "\\" in url:
        yield url.replace("\\", "%5C")


@lru_cache(maxsize=_REMEMBERED)
def canonical(host: str) -> str:
    """Return the one spelling of a host name or address (of IPv6 without brackets).

    Parameters
    ----------
    host
        Without port and user.

    Raises
    ------
    ValueError
        Empty, too long, or nothing that a browser takes for a host; the text does not show it.
    """
    text = host.strip()
    if len(text) > _LONGEST:
        raise ValueError("the host is too long")
    if text.startswith("[") or text.count(":") > 1:
        text = f"[{text.strip('[]').partition('%')[0]}]"
    else:
        text = text.strip(".")
        if _DELIMITER.search(text):
            raise ValueError("the host is none that a browser takes")
    if not text:
        raise ValueError("the host is empty")
    try:
        name = str(URL(f"http://{text}/").hostname).strip("[]")
    except ValueError:
        # Its own text shows the address.
        raise ValueError("the host is none that a browser takes") from None
    if name[:1] == "." or name[-1:] in {"", "."}:
        # What is a dot in another script has become one.
        return canonical(name)
    return name


def with_host_spelled(url: str) -> str:
    """Return an address whose host is spelled as browsers ask for it, the rest as it was.

    What is no address with a host stays as it is.
    """
    place = _PLACE.match(url)
    if place is None:
        return url
    try:
        host = canonical(place[2])
    except ValueError:
        return url
    if host == place[2]:
        return url
    return f"{place[1]}{f'[{host}]' if ':' in host else host}{url[place.end() :]}"


def listed_host(text: str) -> str:
    """Return the host that an entry of a list of domains names, in its one spelling.

    ``example.org``, ``*.example.org``, ``.example.org``, ``example.org:8080`` and ``https://example.org/`` all name
    ``example.org``; IP addresses name themselves.

    Raises
    ------
    ValueError
        Its text is ``other_scheme``, ``has_path`` or ``bad_domain``.
    """
    scheme, mark, rest = text.strip().rpartition("://")
    if mark and scheme.lower() not in _WEB:
        raise ValueError("other_scheme")
    rest = rest.removesuffix("/")
    if re.search(r"[/?#\\]", rest):
        raise ValueError("has_path")
    rest = rest.removeprefix("*").lstrip(".") if rest.startswith(("*.", ".")) else rest
    try:
        # Two colons or more and no bracket: an IPv6 address as hosts files have it.
        is_bare = rest.count(":") > 1 and "[" not in rest and "@" not in rest
        host = canonical(rest if is_bare else str(URL(f"http://{rest}/").hostname))
    except ValueError:
        raise ValueError("bad_domain") from None
    if not is_address(host) and not is_name(host):
        raise ValueError("bad_domain")
    return host


def is_within(host: str, domains: Container[str]) -> bool:
    """Return whether a host in its one spelling is one of some domains, or lies in one."""
    while host:
        if host in domains:
            return True
        host = host.partition(".")[2]
    return False


def parents(host: str) -> list[str]:
    """Return a host in its one spelling and each domain that it lies in, but for the last label alone.

    ``a.b.example.org`` lies in ``b.example.org`` and ``example.org``. An address lies in no domain.
    """
    if ":" in host or _IPV4.fullmatch(host) or not host:
        return [host] if host else []
    labels = host.split(".")
    return [".".join(labels[start:]) for start in range(max(1, len(labels) - 1))]


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
