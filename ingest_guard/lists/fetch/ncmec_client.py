"""NCMEC's hash sharing API, version 2: XML, by ranges of time.

The rows of an answer are read as those of a file are (:mod:`ingest_guard.lists.ncmec`); here is what is around them:
where the next page is, and whether the answer is whole.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from ingest_guard._clock import format_time
from ingest_guard.lists.fetch.errors import AnswerError, PagingError
from ingest_guard.lists.fetch.http import Http
from ingest_guard.lists.fetch.ranges import RangePage
from ingest_guard.lists.fetch.sources import NcmecSource
from ingest_guard.lists.ncmec import parse_answer
from ingest_guard.lists.streams.xml_stream import DocumentError

_ENTRIES = "/v2/entries"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")


class NcmecApi:
    """Ask one of NCMEC's databases; an API as :class:`~ingest_guard.lists.fetch.ranges.Ranges` wants it."""

    def __init__(self, http: Http) -> None:
        self._http = http

    @classmethod
    def from_source(cls, source: NcmecSource) -> NcmecApi:
        """Make it of what the file of sources says."""
        pair = f"{source.user.read()}:{source.password.read()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return cls(Http(source.base, headers=headers, check=source.check, patience=source.patience))

    @property
    def server_time(self) -> float | None:
        """The service's clock as of the last answer."""
        return self._http.server_time

    def first(self, start: int, end: int) -> RangePage:
        """Ask for the first page of a range."""
        page = self._http.get(_ENTRIES, {"from": _utc(start), "to": _utc(end)}, _parse_page)
        if page.next is not None:
            begin, to = (_seconds(text) for text in _window(page.next))
            if (begin or start) > start or (to or end) < end:
                raise PagingError("the address of the next page is for a smaller range of time than was asked for")
        return page

    def follow(self, next_: str) -> RangePage:
        """Ask for a further page."""
        page = self._http.ask(self._http.base + next_, _parse_page)
        if page.next is not None and _window(page.next) != _window(next_):
            raise PagingError("the address of the next page is for another range of time")
        return page


def _parse_page(body: bytes) -> RangePage:
    try:
        rows, next_ = parse_answer(body)
    except DocumentError:
        raise AnswerError("answer that is cut off, or not in NCMEC's format") from None
    if next_ is not None and not next_.startswith(_ENTRIES + "?"):
        raise PagingError("the address of the next page is none of the service's entries")
    return RangePage(rows, next_, _estimate(next_, len(rows)))


def _estimate(next_: str | None, count: int) -> int:
    """Guess the entries of a range from the parameters of the next page's address: they name the first and the last."""
    if next_ is None:
        return count
    query = parse_qs(urlsplit(next_).query)
    start, last = query.get("start", [""])[0], query.get("max", [""])[0]
    if not (start.isdecimal() and last.isdecimal() and len(start + last) < 40):  # noqa: PLR2004 - no absurd numbers
        return count + 1
    return count + max(0, int(last) - int(start))


def _window(next_: str) -> tuple[str, str]:
    query = parse_qs(urlsplit(next_).query)
    return query.get("from", [""])[0], query.get("to", [""])[0]


def _utc(seconds: int) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))


def _seconds(text: str) -> float | None:
    """Read a time in UTC; None where it is written in another way."""
    found = _TIME.fullmatch(text)
    try:
        parsed = datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S") if found else None  # noqa: DTZ007 - zone: next line
        return parsed.replace(tzinfo=UTC).timestamp() if parsed else None
    except ValueError:
        return None
