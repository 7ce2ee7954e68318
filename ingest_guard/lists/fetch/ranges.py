"""Fetching by ranges of time, for services that page through a range in no order of time.

The checkpoint moves when a range is exhausted, and only then: until the last page, any entry of the range may still
come. Inside a range a page's address leads on, but not for long, and only with the very same range. So a page that is
gone, too old, or leads in circles costs the range: it starts anew, and smaller. Records are kept by key, so getting one
twice does no harm.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from ingest_guard.lists.entries import Row
from ingest_guard.lists.fetch.errors import FetchError, PagingError, StatusError, UnansweredError
from ingest_guard.lists.fetch.pages import Page

PAGE_LIFE = 12 * 3600
"""Seconds after which a page's address is not trusted any more."""

_SETTLE = 30
"""Seconds that the end of a range stays behind the clock: what is being written now may get a time that has passed."""

_OVERLAP = 300
"""Seconds before the checkpoint at which a run begins, for what was written late."""

_CLOCK_SLACK = 3600
_GONE = (400, 404, 410)
_SHRINK = 4
_CALM = 16
"""Ranges that must have been answered before longer ones than have gone unanswered are tried again."""

_SHORT = 3600
"""Seconds of a range that no service should find too long to answer."""

_MOST_RESTARTS = 6


@dataclass(frozen=True, slots=True)
class RangePage:
    """One answer within a range.

    Attributes
    ----------
    rows
        What it holds.
    next
        What leads to the next answer, for :meth:`RangeApi.follow`; None at the end. Free of credentials.
    estimate
        How many entries the range has, as far as the service lets one guess.
    """

    rows: tuple[Row, ...] = field(repr=False)
    next: str | None = field(repr=False)
    estimate: int = 0


class RangeApi(Protocol):
    """What a service with ranges can be asked. Times are whole seconds since 1970."""

    @property
    def server_time(self) -> float | None:
        """The service's clock as of the last answer."""

    def first(self, start: int, end: int) -> RangePage:
        """Ask for the first page of a range."""

    def follow(self, next_: str) -> RangePage:
        """Ask for a further page."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A range of which some pages have been kept."""

    begin: int
    to: int
    horizon: int | None
    next: str = field(repr=False)
    at: float


class Ranges:
    """The pages of a service that is asked for ranges of time.

    Parameters
    ----------
    api
        The service.
    now
        The clock; its zone does not matter.
    most_entries
        Ranges that seem to hold more are split, down to a second; None: ranges are never split.
    """

    def __init__(self, api: RangeApi, *, now: Callable[[], float], most_entries: int | None = None) -> None:
        self._api = api
        self._now = now
        self._most = most_entries
        self._from = 0
        self._span: int | None = None
        self._ceiling: int | None = None
        self._answered = 0

    def pages(self, position: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages from a position up to now.

        Raises
        ------
        FetchError
            A page cannot be had, or the service's pages lead nowhere, time and again.
        """
        self._from, self._span = position.get("from", 0), position.get("span")
        self._ceiling = position.get("ceiling")
        now = int(self._now())
        if self._from > now + _CLOCK_SLACK:
            raise FetchError(
                f"this machine's clock is {self._from - now} s behind the checkpoint; set the clock, then fetch again"
            )
        end = now - _SETTLE
        resumed = _Open(**position["open"]) if position.get("open") else None
        # A negative age: the clock was set back, and nothing can be said of the page's.
        if resumed and not 0 <= self._now() - resumed.at <= PAGE_LIFE:
            resumed = None
        begin = resumed.begin if resumed else max(0, self._from - _OVERLAP)
        restarts = 0
        while resumed or begin < end:
            to = resumed.to if resumed else min(end, begin + (self._span or end))
            try:
                begin, horizon = yield from self._range(begin, to, resumed, patient=restarts > 0)
            except PagingError as error:
                restarts += 1
                if restarts > _MOST_RESTARTS:
                    raise FetchError(
                        f"{error}, {restarts} times in one range of time; what was fetched before it stays. Fetch "
                        "again later, and ask the source if it goes on"
                    ) from None
                self._shrink(begin, min(to, begin + (self._span or to)))
            else:
                # The service's clock decides: what it writes after its own present must not fall behind ours.
                end = end if horizon is None else min(end, horizon)
                restarts = 0
            resumed = None

    def _range(
        self, begin: int, to: int, resumed: _Open | None, *, patient: bool
    ) -> Generator[Page, None, tuple[int, int | None]]:
        """Yield the pages of one range; return up to when it is known to be complete, and the service's present."""
        count = 0
        seen: set[str] = set()
        if resumed:
            horizon = resumed.horizon
            seen.add(resumed.next)
            page = self._follow(resumed.next)
        else:
            page = yield from self._first(begin, to)
            while self._most is not None and page.next is not None and to - begin > 1 and page.estimate > self._most:
                self._shrink(begin, to, page.estimate)
                to = min(to, begin + (self._span or to))
                page = yield from self._first(begin, to)
            clock = self._api.server_time
            horizon = None if clock is None else int(clock) - _SETTLE
        while page.next is not None:
            count += len(page.rows)
            if page.next in seen:
                raise PagingError("the service's pages run in circles")
            seen.add(page.next)
            opened = _Open(begin, to, horizon, page.next, self._now())
            yield Page(page.rows, self._position(opened))
            page = self._follow(page.next)
            if page.next is None and not page.rows and not patient:
                # An address that has gone stale can lead straight to the end. Believed only when it happens again.
                raise PagingError("the service's pages end with an empty one")
        count += len(page.rows)
        if resumed and count == 0 and not patient:
            raise PagingError("the service's pages end with an empty one")
        self._adapt(begin, to, count)
        reached = to if horizon is None else min(to, horizon)
        self._from = max(self._from, reached)
        yield Page(page.rows, self._position(None))
        return reached, horizon

    def _first(self, begin: int, to: int) -> Generator[Page, None, RangePage]:
        """Ask for a range's first page. A service that cannot answer at all may have been asked for too much."""
        try:
            return self._api.first(begin, to)
        except UnansweredError:
            if self._most is None or to - begin <= _SHORT:
                raise
            self._ceiling = self._span = max(_SHORT, (to - begin) // _SHRINK)
            # Kept, so that the next run asks for less.
            yield Page((), self._position(None))
            if not self._answered:
                # Most likely it is down.
                raise
            self._answered = 0
            raise PagingError("the service does not answer for a range of time") from None

    def _follow(self, next_: str) -> RangePage:
        try:
            return self._api.follow(next_)
        except StatusError as error:
            if error.status in _GONE:
                raise PagingError("the address of a page is not valid any more") from None
            raise

    def _position(self, opened: _Open | None) -> dict[str, Any]:
        position = {"from": self._from, "span": self._span, "open": asdict(opened) if opened else None}
        return position if self._ceiling is None else {**position, "ceiling": self._ceiling}

    def _shrink(self, begin: int, to: int, estimate: int = 0) -> None:
        if self._most is None:
            return
        span = (to - begin) // _SHRINK
        if estimate:
            span = min(span, (to - begin) * self._most // (2 * estimate))
        self._span = max(1, span)

    def _adapt(self, begin: int, to: int, count: int) -> None:
        """Choose the next range's length: shrink fast, grow slowly, as a range that is too large is what costs."""
        self._answered += 1
        if self._ceiling is not None and self._answered % _CALM == 0:
            self._ceiling *= 2
        if self._most is None or self._span is None:
            return
        if count > self._most:
            self._span = max(1, (to - begin) // _SHRINK)
        elif count < self._most // _SHRINK:
            self._span = min(2 * self._span, self._ceiling or 2 * self._span)
