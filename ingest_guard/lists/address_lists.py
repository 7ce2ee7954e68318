"""Lists of addresses and of domains, one in each line.

Both: blank lines, comments (``#`` at the start or after a space) and a byte-order mark are fine; ``hxxp`` and ``[.]``
are read as what they stand for.

Addresses (:func:`read_urls`): ``https://example.org/page``; without a scheme, as in the URL list of the IWF, it is
listed for both ``http`` and ``https``. A bare host (``example.org`` or ``example.org/*``) is the whole domain.

Domains (:func:`read_domains`): ``example.org``, ``*.example.org``, ``.example.org``, ``example.org:8080``,
``https://example.org/``; the lines of a hosts file (``0.0.0.0 example.org``); ``||example.org^`` of ad blockers. Each
of them stands for the host and everything below it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ingest_guard.lists.entries import Entry, Rejected, Row, Unsupported
from ingest_guard.lists.streams.text_lines import lines, opened, readable
from ingest_guard.urls import hosts
from ingest_guard.urls.normalise import normalise
from ingest_guard.urls.registrable import suffixes

Values = list[tuple[str, str]]
"""(algorithm, value) of one line: ``url`` or ``domain``, and an address or a host."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DEFANGED = re.compile(r"\[\.\]|\(\.\)|\[dot\]", re.IGNORECASE)
_COMMENT = re.compile(r"(?:^|\s)#.*", re.DOTALL)
_ADBLOCK = re.compile(r"\|\|((?:\*\.)?[^/^$*|]+)\^?(?:\$([a-z,~-]*))?")
# Options under which a rule of an ad blocker still speaks of the whole domain.
_WHOLE = frozenset({"", "all", "doc", "document", "important", "third-party", "3p"})
_NO_HOSTS = ("localhost", "localhost.localdomain", "local", "broadcasthost", "0.0.0.0", "127.0.0.1", "::1", "::")  # noqa: S104 - nothing is bound
_IP6_NAMES = ("localhost", "loopback", "localnet", "mcastprefix", "allnodes", "allrouters")
_BOILERPLATE = frozenset([*_NO_HOSTS, *(f"ip6-{name}" for name in _IP6_NAMES)])


class Unusable(ValueError):  # noqa: N818 - caught where it is raised for; it never leaves the lists
    """An address or domain cannot be used; the text is one of a few fixed words."""


class NotCompared(ValueError):  # noqa: N818 - as above
    """It is of a kind that is not compared; the text is one of a few fixed words."""


def read_urls(path: Path) -> Iterator[Row]:
    """Yield the rows of a list of addresses, one at a time.

    Raises
    ------
    ListFormatError
        The file cannot be read.
    """
    return _read(path, addresses)


def read_domains(path: Path) -> Iterator[Row]:
    """Yield the rows of a list of domains, one at a time.

    Raises
    ------
    ListFormatError
        The file cannot be read.
    """
    return _read(path, domains)


def addresses(text: str) -> Values:
    """Return what one line of a list of addresses stands for; nothing for a comment.

    Raises
    ------
    Unusable, NotCompared
        See there.
    """
    text = _COMMENT.sub("", text).strip()
    if not text:
        return []
    if any(char.isspace() for char in text):
        raise Unusable("has_space")
    scheme, rest = _split(text)
    if scheme not in {"", "http", "https"}:
        raise NotCompared("other_scheme")
    if not scheme and not text.startswith("//") and re.fullmatch(r"[^/?#]+(/\*)?", rest):
        return [("domain", _domain(rest.removesuffix("/*")))]
    schemes = [scheme] if scheme else ["http", "https"]
    return [("url", _address(f"{each}://{rest}", dotted=not scheme)) for each in schemes]


def domains(text: str) -> Values:
    """Return what one line of a list of domains stands for; nothing for a comment.

    Raises
    ------
    Unusable, NotCompared
        See there.
    """
    if text.lstrip().startswith(("!", "[Adblock")):
        return []
    if re.search(r"#[@?$%]?#", text):
        raise NotCompared("filter_rule")
    words = _COMMENT.sub("", text).split()
    if not words:
        return []
    if len(words) > 1:
        # Only a hosts file has several words in a line.
        if not hosts.is_address(words[0].partition("%")[0]):
            raise Unusable("has_space")
        words = [word for word in words[1:] if word.lower() not in _BOILERPLATE]
    elif words[0].lower() in _BOILERPLATE:
        words = []
    if not words:
        raise NotCompared("local_name")
    return [("domain", _domain(_unruled(word))) for word in words]


def _read(path: Path, parse: Callable[[str], Values]) -> Iterator[Row]:
    with opened(path) as file:
        for row, line in lines(file):
            if line is None:
                yield Rejected(row, "line_too_long")
            elif not readable(_COMMENT.sub("", line)):
                yield Rejected(row, "unreadable_text")
            else:
                yield from address_rows(parse, line, row)


def address_rows(
    parse: Callable[[str], Values], text: str, row: int, key: str | None = None, severity: str | None = None
) -> list[Row]:
    """Return the rows of one text, which :func:`addresses` or :func:`domains` parses; nothing for a comment."""
    try:
        return [Entry(algorithm, value, row, key, severity) for algorithm, value in parse(text)]
    except NotCompared as kind:
        return [Unsupported(row, str(kind))]
    except Unusable as reason:
        return [Rejected(row, str(reason))]


def _split(text: str) -> tuple[str, str]:
    """Return the scheme in lower case ("" if there is none), and the rest with its host no longer made harmless."""
    found = _SCHEME.match(text)
    scheme = found[1].lower().replace("hxxp", "http") if found else ""
    rest = text[found.end() :] if found else text.removeprefix("//")
    cut = re.search(r"[/?#]", rest)
    end = cut.start() if cut else len(rest)
    return scheme, _DEFANGED.sub(".", rest[:end]) + rest[end:]


def _address(url: str, *, dotted: bool) -> str:
    try:
        normalise(url)
        host = hosts.canonical(urlsplit(url).hostname or "")
    except ValueError:
        raise Unusable("bad_url") from None
    if not hosts.is_address(host) and (not hosts.is_name(host) or (dotted and "." not in host)):
        raise Unusable("bad_url")
    return url


def _unruled(word: str) -> str:
    """Return the host of an ad blocker's rule; anything else as it is."""
    if word.startswith("@@"):
        raise NotCompared("exception_rule")
    if not word.startswith("|") and "^" not in word:
        return word
    found = _ADBLOCK.fullmatch(word)
    if not found or not _WHOLE.issuperset((found[2] or "").split(",")):
        raise NotCompared("filter_rule")
    return found[1]


def _domain(text: str) -> str:
    """Return the one spelling of a host, refusing what would be half the web."""
    scheme, rest = _split(text)
    if scheme not in {"", "http", "https"}:
        raise NotCompared("other_scheme")
    rest = rest.removesuffix("/")
    if re.search(r"[/?#\\]", rest):
        raise Unusable("has_path")
    rest = rest.removeprefix("*").lstrip(".") if rest.startswith(("*.", ".")) else rest
    try:
        # Two colons or more and no bracket: an IPv6 address as hosts files have it.
        bare = rest if rest.count(":") > 1 and "[" not in rest and "@" not in rest else urlsplit(f"//{rest}").hostname
        host = hosts.canonical(bare or "")
    except ValueError:
        raise Unusable("bad_domain") from None
    if hosts.is_address(host):
        return host
    if not hosts.is_name(host):
        raise Unusable("bad_domain")
    if "." not in host:
        raise Unusable("single_label")
    if _is_public_suffix(host):
        raise Unusable("public_suffix")
    return host


def _is_public_suffix(host: str) -> bool:
    """Return whether a host is one that everybody registers below, such as ``co.uk``."""
    found = suffixes()(host)
    return not found.domain and found.suffix == host
