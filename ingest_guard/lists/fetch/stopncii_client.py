"""StopNCII.org's API: JSON, from a time on, with a token for the next page.

A token does not live long, so that one from an earlier run is used only if it is young; else the pages begin anew at
the checkpoint. That moves to the time which the service itself names, once it says that it has no more records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ingest_guard.lists.exchanges import stopncii_rows
from ingest_guard.lists.fetch.errors import AnswerError, FetchError, PagingError, StatusError
from ingest_guard.lists.fetch.http import Http
from ingest_guard.lists.fetch.pages import Page, get_list, get_text, parse_object, read_rows
from ingest_guard.lists.fetch.sources import StopNciiSource

_BEGINNING = 10
"""The first time that the service takes."""

_TOKEN_LIFE = 3600
_GONE = (400, 404, 410)
_MOST_RESTARTS = 3


class StopNcii:
    """The pages of StopNCII.org."""

    def __init__(self, http: Http, *, page_size: int, now: Callable[[], float]) -> None:
        self._http = http
        self._page_size = page_size
        self._now = now

    @classmethod
    def from_source(cls, source: StopNciiSource, now: Callable[[], float]) -> StopNcii:
        """Make it of what the file of sources says."""
        headers = {
            "x-functions-key": source.function_key.read(),
            "Ocp-Apim-Subscription-Key": source.subscription_key.read(),
        }
        http = Http(source.url, headers=headers, check=source.check, patience=source.patience)
        return cls(http, page_size=source.page_size, now=now)

    def pages(self, position: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages from a position up to now.

        Raises
        ------
        FetchError
            A page cannot be had, or the tokens lead nowhere, time and again.
        """
        start = position.get("from", _BEGINNING)
        token = position.get("token") if 0 <= self._now() - position.get("at", 0) <= _TOKEN_LIFE else None
        for restart in range(_MOST_RESTARTS + 1):
            try:
                yield from self._from(start, token)
            except PagingError as error:
                if restart == _MOST_RESTARTS:
                    raise FetchError(f"{error}, {restart + 1} times; fetch again later") from None
                token = None
            else:
                return

    def _from(self, start: int, token: str | None) -> Iterator[Page]:
        seen = set[str]()
        while True:
            answer = self._ask(start, token)
            rows = read_rows(get_list(answer, "hashRecords"), stopncii_rows)
            if not answer["hasMoreRecords"]:
                yield Page(rows, {"from": self._next_start(start, answer)})
                return
            seen.add(token or "")
            token = get_text(answer.get("nextPageToken"))
            if token is None or token in seen:
                raise PagingError(f"{self._http.host} has more pages, but its tokens do not lead to them")
            yield Page(rows, {"from": start, "token": token, "at": self._now()})

    def _ask(self, start: int, token: str | None) -> dict[str, Any]:
        query = {"startTimestamp": str(start), "pageSize": str(self._page_size)}
        try:
            return self._http.get("/FetchHashes", query | ({"nextPageToken": token} if token else {}), _answer)
        except StatusError as error:
            if token and error.status in _GONE:
                raise PagingError(f"{self._http.host} does not know the token of a page any more") from None
            raise

    def _next_start(self, start: int, answer: dict[str, Any]) -> int:
        """Return the time that the service names; never an earlier one, nor one that is still to come."""
        named = answer.get("nextSetTimestamp")
        if isinstance(named, bool) or not isinstance(named, int):
            return start
        return max(start, min(named, int(self._http.server_time or self._now())))


def _answer(body: bytes) -> dict[str, Any]:
    answer = parse_object(body)
    if not isinstance(answer.get("hasMoreRecords"), bool):
        raise AnswerError("answer that does not say whether there are more records")
    return answer
