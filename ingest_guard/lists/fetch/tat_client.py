"""Tech Against Terrorism's hash list: JSON, in the order of updates.

Each answer names the time and number of its last record, and the next one is asked for what comes after that. As the
order is that of the updates, such a mark stays good, so that the checkpoint moves with every page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from ingest_guard.lists.exchanges import tat_rows
from ingest_guard.lists.fetch.errors import AnswerError, FetchError, RefusedError
from ingest_guard.lists.fetch.http import Http
from ingest_guard.lists.fetch.pages import Page, get_list, get_text, parse_object, read_rows
from ingest_guard.lists.fetch.sources import TatSource

_LOGIN = "/token-auth/tcap/"
_LIST = "/api/hash-list/v2/all"


class Tat:
    """The pages of Tech Against Terrorism's hash list."""

    def __init__(self, http: Http, *, user: str, password: str) -> None:
        self._http = http
        self._login = {"username": user, "password": password, "resend": "False"}

    @classmethod
    def from_source(cls, source: TatSource) -> Tat:
        """Make it of what the file of sources says."""
        http = Http(source.url, check=source.check, patience=source.patience)
        return cls(http, user=source.user.read(), password=source.password.read())

    def pages(self, position: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages after a position.

        Raises
        ------
        FetchError
            A page cannot be had, or does not lead on.
        """
        after = position.get("after", "")
        self._log_in()
        more = True
        while more:
            answer = self._ask(after)
            records = get_list(answer, "results")
            reached = get_text(answer.get("checkpoint"))
            more = bool(answer.get("next"))
            if more and (not records or reached in (None, after)):
                raise FetchError(f"{self._http.host} has more pages, but does not lead to them; fetch again later")
            after = reached or after
            yield Page(read_rows(records, tat_rows), {"after": after})

    def _ask(self, after: str) -> dict[str, Any]:
        query = {"order": "asc", "after": after}
        try:
            return self._http.get(_LIST, query, parse_object)
        except RefusedError:
            # Tokens run out, and a long fetch outlives them.
            self._log_in()
            return self._http.get(_LIST, query, parse_object)

    def _log_in(self) -> None:
        self._http.headers.pop("Authorization", None)
        token = self._http.ask(self._http.base + _LOGIN, _token, urlencode(self._login).encode())
        self._http.headers["Authorization"] = f"Bearer {token}"


def _token(body: bytes) -> str:
    token = get_text(parse_object(body).get("token"))
    if token is None or not (token.isascii() and token.isprintable()):
        raise AnswerError("answer without a token")
    return token
