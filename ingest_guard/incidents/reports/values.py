"""Which values of an incident a report can hold as they are. What it cannot hold is left out, never changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ingest_guard.incidents.sealing import may_be_shortened

LONGEST_ADDRESS = 2083
"""Characters of an address where no schema says otherwise: what the service takes for the one whose length it names."""
LONGEST_TEXT = 1000

_ADDRESS = re.compile(r"(?i)https?://[^/?#]")


@dataclass(frozen=True, slots=True, order=True)
class LeftOut:
    """A value that a report lacks: the number of its entry (0: of the report itself), its field, and why."""

    entry: int
    field: str
    why: str

    def __str__(self) -> str:
        """Return it in words, without the value."""
        return f"{f'entry {self.entry}, ' if self.entry else ''}{self.field}: {self.why}"


def address_problem(text: str, *, is_cut: bool = False, longest: int | None = LONGEST_ADDRESS) -> str | None:
    """Return why a report cannot hold an address; None where it can.

    Parameters
    ----------
    text
        The address.
    is_cut
        The incident says that addresses in this field were shortened.
    longest
        Characters that it may have; None for any number.
    """
    if any(each.isspace() for each in text):
        return "white space in it"
    if not text.isprintable():
        return "a control character or another that cannot be printed"
    if not _ADDRESS.match(text):
        return "no http or https address"
    if longest is not None and len(text) > longest:
        return f"more than {longest} characters"
    if is_cut and may_be_shortened(text):
        return "its end may be missing, the crawler shortened it"
    return None


def text_problem(text: str) -> str | None:
    """Return why the text of a report cannot hold a value; None where it can."""
    if not text.isprintable():
        return "a control character or another that cannot be printed"
    return f"more than {LONGEST_TEXT} characters" if len(text) > LONGEST_TEXT else None


def read_moment(text: str) -> datetime | None:
    """Return the moment that a time names; None where it has no zone, lies in the future, or is none."""
    try:
        moment = datetime.fromisoformat(text)
        # A zone may take the first and the last day out of what a calendar can hold.
        known = moment.astimezone(UTC) if moment.tzinfo is not None and text.isascii() else None
    except (ValueError, OverflowError):
        return None
    return known if known is not None and known <= datetime.now(UTC) else None
