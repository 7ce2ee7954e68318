"""The addresses of what matched, for as long as log lines about it may come.

Scrapy goes on about a request after the guard has dropped its response: a media pipeline logs which file it did not
get, an errback's error names its request. The address of a match must not stand there. It is kept in the memory of this
process alone, and only the newest ones are.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from cachetools import LRUCache
from scrapy.http import Request, Response

from ingest_guard.urls.data_scheme import redact_data_urls

_MOST = 1 << 10
WITHHELD = "(withheld by ingest_guard)"
# As a URL stands in a log line: <GET http://...>, 'http://...', or by itself.
_REST = re.compile(r"[^\s<>'\"]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*$")
_LONGEST_SCHEME = 64

_urls: LRUCache[str, None] = LRUCache(_MOST)
_seen_any = False


def note(request: Request) -> None:
    """Remember the address of a request whose response matched, and those that it was redirected from."""
    global _seen_any  # noqa: PLW0603 - as long as nothing matched, log lines need no second look
    _seen_any = True
    redirected: Iterable[Any] = request.meta.get("redirect_urls") or ()
    for url in (request.url, *redirected):
        if isinstance(url, str):
            _urls[_key(url)] = None


def forget() -> None:
    """Forget all of them: a crawl has ended."""
    global _seen_any  # noqa: PLW0603 - see note
    _seen_any = False
    _urls.clear()


def is_withheld(url: str) -> bool:
    """Return whether this is the address of a match."""
    return _seen_any and _key(url) in _urls


def redact(text: str, *, every_url: bool = False) -> str:
    """Return a text without ``data:`` URLs and without the addresses of matches; with ``every_url``, without any."""
    text = redact_data_urls(text, WITHHELD)
    if not (every_url or _seen_any) or "://" not in text:
        return text
    kept: list[str] = []
    at = 0
    for start, stop in _urls_in(text):
        if every_url or is_withheld(text[start:stop]):
            kept += (text[at:start], WITHHELD)
            at = stop
    return "".join([*kept, text[at:]])


def _urls_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the addresses of a line start and stop, in time that grows with its length alone."""
    at = 0
    while (colon := text.find("://", at)) >= 0:
        rest = _REST.match(text, colon + 3)
        scheme = _SCHEME.search(text, max(at, colon - _LONGEST_SCHEME), colon)
        at = rest.end() if rest else colon + 3
        if rest and scheme:
            yield scheme.start(), at


def names_withheld(value: Any) -> bool:
    """Return whether a value of a log record is, or holds, a request or response at such an address."""
    if isinstance(value, Request | Response):
        return is_withheld(value.url)
    return isinstance(value, str) and redact(value) != value


def _key(url: str) -> str:
    # Log lines end sentences, and put addresses in brackets.
    return url.split("#", 1)[0].rstrip(".,;:)]}")
