"""Answers of a service -> pages of rows and where to go on after each; rows -> lines of a journal, counted."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

from ingest_guard.lists.entries import Rejected, Removed, Row, Unsupported
from ingest_guard.lists.fetch.errors import AnswerError
from ingest_guard.lists.journal import MAX_KEY, MAX_LINE, Record


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a service.

    Attributes
    ----------
    rows
        As readers of list files yield them; rows with one number are of one record.
    position
        Where a later run goes on once these rows are kept; JSON.
    """

    rows: Iterable[Row] = field(repr=False)
    position: Mapping[str, Any] = field(repr=False)


class Client(Protocol):
    """What a service's module gives: pages from a position on, until there are no more for now."""

    def pages(self, position: Mapping[str, Any]) -> Iterator[Page]:
        """Yield the pages from a position on; an empty one is the beginning."""


@dataclass
class Tally:
    """What became of a source's rows in one run.

    Attributes
    ----------
    pages
        Answers with rows.
    records
        Records that were written to the journal, withdrawals included.
    accepted
        Algorithm -> values.
    removed
        Records that the source withdrew.
    rejected
        Reason -> values or rows that could not be used.
    unsupported
        Kind -> values that are not compared.
    """

    pages: int = 0
    records: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    removed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)

    @property
    def rejected_share(self) -> float:
        """Rejected values among all that are or should have been of use."""
        bad = self.rejected.total()
        return bad / max(1, bad + self.accepted.total() + self.removed)


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse an answer that must be a JSON object.

    Raises
    ------
    AnswerError
        It is none.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("answer that is cut off or no JSON") from None
    if not isinstance(answer, dict):
        raise AnswerError("answer that is no JSON object")
    return answer


def get_list(answer: dict[str, Any], name: str) -> list[Any]:
    """Return a list in an answer.

    Raises
    ------
    AnswerError
        It has no such list.
    """
    found = answer.get(name)
    if not isinstance(found, list):
        raise AnswerError(f"answer without {name}")
    return found


def read_rows(records: Iterable[Any], read: Callable[[dict[str, Any], int], Iterable[Row]]) -> tuple[Row, ...]:
    """Return the rows of an answer's records; one that is no object is rejected."""
    return tuple(
        row
        for number, record in enumerate(records, start=1)
        for row in (read(record, number) if isinstance(record, dict) else (Rejected(number, "bad_record"),))
    )


def get_text(value: object) -> str | None:
    """Return a field's text; None if it is empty, or no text."""
    return value if isinstance(value, str) and value else None


def lines(rows: Iterable[Row], tally: Tally) -> Iterator[bytes]:
    """Make lines of a journal from rows, and count.

    A record that gives nothing of use makes no line: what was known of it stays until the source withdraws it.
    """
    for _, group in groupby(rows, key=lambda row: row.row):
        record = _record(group, tally)
        if record is None:
            continue
        line = record.to_line()
        if len(record.key) > MAX_KEY or len(line) > MAX_LINE:
            tally.rejected["too_long"] += 1
            continue
        for algorithm, values in record.values.items():
            tally.accepted[algorithm] += len(values)
        tally.removed += record.deleted
        tally.records += 1
        yield line


def _record(group: Iterable[Row], tally: Tally) -> Record | None:
    key = severity = None
    deleted = False
    values: dict[str, list[str]] = {}
    for row in group:
        if isinstance(row, Rejected):
            tally.rejected[row.reason] += 1
        elif isinstance(row, Unsupported):
            tally.unsupported[row.what] += 1
        elif isinstance(row, Removed):
            key, deleted = row.key, True
        else:
            key, severity = row.key or key, row.severity
            text = row.value if isinstance(row.value, str) else row.value.hex()
            known = values.setdefault(row.algorithm, [])
            if text not in known:
                known.append(text)
    if deleted and key is not None:
        return Record(key, deleted=True)
    if not values:
        return None
    return Record(key or _make_key(values), severity, {name: tuple(each) for name, each in values.items()})


def _make_key(values: Mapping[str, list[str]]) -> str:
    """Return a key for a record without one. Its values count all the same, but no withdrawal can find it."""
    return "no-id/" + hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
