"""The updates of a privacy group of Meta's ThreatExchange: JSON, by ranges of time, with cursors.

The service writes the access token into the address of each next page. It is taken out before the address gets into a
checkpoint, and put in again when the page is asked for.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ingest_guard.lists.entries import Row
from ingest_guard.lists.exchanges import update_rows
from ingest_guard.lists.fetch.errors import PagingError
from ingest_guard.lists.fetch.http import Http, same_origin
from ingest_guard.lists.fetch.pages import get_list, get_text, parse_object, read_rows
from ingest_guard.lists.fetch.ranges import RangePage
from ingest_guard.lists.fetch.sources import ThreatExchangeSource

_FIELDS = "id,indicator,type,last_updated,should_delete,descriptors{id,status}"
_HARMLESS = "NON_MALICIOUS"
_TOKEN = "access_token"  # noqa: S105 - the parameter's name
_TIMES = ("start_time", "stop_time")


class ThreatExchangeApi:
    """Ask for a group's updates; an API as :class:`~ingest_guard.lists.fetch.ranges.Ranges` wants it."""

    def __init__(self, http: Http, *, token: str, privacy_group: int, page_size: int) -> None:
        self._http = http
        self._token = token
        self._path = f"/{privacy_group}/threat_updates/"
        self._page_size = page_size

    @classmethod
    def from_source(cls, source: ThreatExchangeSource) -> ThreatExchangeApi:
        """Make it of what the file of sources says."""
        http = Http(source.url, check=source.check, patience=source.patience)
        return cls(http, token=source.token.read(), privacy_group=source.privacy_group, page_size=source.page_size)

    @property
    def server_time(self) -> float | None:
        """The service's clock as of the last answer."""
        return self._http.server_time

    def first(self, start: int, end: int) -> RangePage:
        """Ask for the first page of a range."""
        query = {"start_time": str(start), "stop_time": str(end), "limit": str(self._page_size), "fields": _FIELDS}
        if not start:
            # No beginning at all is how the service wants to be asked for everything.
            del query["start_time"]
        return self._ask(query)

    def follow(self, next_: str) -> RangePage:
        """Ask for a further page."""
        return self._ask(dict(parse_qsl(next_)))

    def _ask(self, query: dict[str, str]) -> RangePage:
        answer = self._http.get(self._path, {**query, _TOKEN: self._token}, parse_object)
        rows = read_rows(get_list(answer, "data"), _update)
        paging = answer.get("paging")
        address = get_text(paging.get("next")) if isinstance(paging, dict) else None
        return RangePage(rows, None if address is None else self._next(address, query), len(rows))

    def _next(self, address: str, asked: dict[str, str]) -> str:
        parts = urlsplit(address)
        ours = urlsplit(self._http.base)
        if not same_origin(address, self._http.base) or parts.path.strip("/") != (ours.path + self._path).strip("/"):
            raise PagingError("the address of the next page is not one of the group's updates")
        query: dict[str, Any] = dict(parse_qsl(parts.query))
        query.pop(_TOKEN, None)
        if any(query.get(name, asked.get(name)) != asked.get(name) for name in _TIMES):
            raise PagingError("the address of the next page is for another range of time")
        return urlencode(query)


def _update(record: dict[str, Any], row: int) -> list[Row]:
    """Leave out the opinions that say it is harmless: an update that has no other is a withdrawal."""
    opinions = record.get("descriptors")
    if isinstance(opinions, dict):
        opinions = opinions.get("data")
    if isinstance(opinions, list):
        opinions = [each for each in opinions if not (isinstance(each, dict) and each.get("status") == _HARMLESS)]
    return update_rows({**record, "descriptors": opinions}, row)
