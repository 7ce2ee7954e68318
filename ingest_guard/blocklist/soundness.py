"""What an operator is told of a list, and when a blocklist is not sound enough to open: empty, or too old."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# A clock that is a little wrong is common; a blocklist from next week would never grow stale.
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ListInfo:
    """One list of a blocklist.

    Attributes
    ----------
    id
        As the operator named it.
    version
        Digest of what it held when the blocklist was built.
    owner, source
        Whose it is and where it came from, as far as the operator said.
    counts
        Algorithm -> number of values.
    thresholds
        Near algorithm -> bits apart that still count as a match.
    """

    id: str
    version: str
    owner: str | None
    source: str
    counts: Mapping[str, int]
    thresholds: Mapping[str, int]


def refuse_empty(lists: Sequence[ListInfo], where: Path) -> None:
    """Refuse a blocklist without lists, and lists without entries."""
    advice = "build it from a list that has some, or allow it: allow_empty: true"
    if not lists:
        raise BlocklistError(f"{where} holds no list, so nothing would be blocked; {advice}")
    for info in lists:
        if not sum(info.counts.values()):
            raise BlocklistError(f"{where}: list {info.id} has no entry, so it would block nothing; {advice}")


def refuse_old(created: datetime, max_age: timedelta, where: Path) -> None:
    """Refuse a blocklist that is older than allowed, or from the future."""
    age = datetime.now(timezone.utc) - created
    if age > max_age:
        raise BlocklistError(
            f"{where} is {_spoken(age)} old, more than the {_spoken(max_age)} allowed; fetch the lists and rebuild it: "
            "ingest-guard blocklist build"
        )
    if age < -_CLOCK_SKEW:
        raise BlocklistError(f"{where} was built {_spoken(-age)} in the future; set the clock, then rebuild it")


def _spoken(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
