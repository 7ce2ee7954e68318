"""The exception that a spider or a pipeline sees when the guard drops something."""

from __future__ import annotations

from scrapy.exceptions import IgnoreRequest

from ingest_guard.dataset.optouts.said import Signal
from ingest_guard.verdict import Action, Reason, Verdict


class ImageBlocked(IgnoreRequest):
    """A response was dropped: it matched a list, or could not be scanned.

    It is an ``IgnoreRequest``, so Scrapy neither retries nor logs it as an error. It carries no URL, no hash value and
    no body, so that it can be logged.

    Attributes
    ----------
    outcome
        ``match`` or ``not_scannable``.
    reason
        Why it could not be scanned; None for a match.
    lists
        Ids of the lists that matched.
    action
        What the policy says is to be done about the match: ``drop``, ``drop_page`` or ``hold``; None where nothing
        matched.
    """

    def __init__(
        self,
        outcome: str,
        reason: Reason | None = None,
        lists: tuple[str, ...] = (),
        action: Action | None = None,
    ) -> None:
        detail = ", ".join(lists) if lists else str(reason or "")
        super().__init__(f"ingest_guard dropped this response: {outcome} ({detail})")
        self.outcome = outcome
        self.reason = reason
        self.lists = lists
        self.action = action

    @classmethod
    def from_verdict(cls, verdict: Verdict) -> ImageBlocked:
        """Return the exception for a verdict."""
        lists = tuple(dict.fromkeys(match.list_id for match in verdict.matches))
        return cls(str(verdict.outcome), verdict.reason, lists, verdict.action)


class OptedOut(IgnoreRequest):
    """A request for an image whose host's robots.txt says that it must not be used.

    Attributes
    ----------
    signal
        What says so.
    """

    def __init__(self, signal: Signal) -> None:
        super().__init__(f"ingest_guard does not ask for this image: {signal.name}")
        self.signal = signal


class RequestRefused(IgnoreRequest):
    """A request that the guard does not let out: a ``data:`` URL, a URL on a list, a download straight to disk.

    Attributes
    ----------
    action
        What the policy says is to be done about a URL on a list; None for other requests.
    """

    def __init__(self, message: str, action: Action | None = None) -> None:
        super().__init__(message)
        self.action = action
