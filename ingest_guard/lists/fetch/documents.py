"""JSON answers: whole, an object, and with the fields that paging needs; anything else is another try's business."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ingest_guard.lists.entries import Rejected
from ingest_guard.lists.fetch.errors import AnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ingest_guard.lists.entries import Row


def document(body: bytes) -> dict[str, Any]:
    """Parse an answer that is a JSON object.

    Raises
    ------
    AnswerError
        It is not.
    """
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError("answer that is cut off or no JSON") from None
    if not isinstance(told, dict):
        raise AnswerError("answer that is no JSON object")
    return told


def items(told: dict[str, Any], name: str) -> list[Any]:
    """Return a list in an answer.

    Raises
    ------
    AnswerError
        There is none.
    """
    found = told.get(name)
    if not isinstance(found, list):
        raise AnswerError(f"answer without {name}")
    return found


def rows(records: Iterable[Any], read: Callable[[dict[str, Any], int], Iterable[Row]]) -> tuple[Row, ...]:
    """Return the rows of an answer's records; one that is no object is rejected."""
    return tuple(
        row
        for number, record in enumerate(records, start=1)
        for row in (read(record, number) if isinstance(record, dict) else (Rejected(number, "bad_record"),))
    )


def text(value: object) -> str | None:
    """Return a field's text; None if it is empty, or no text."""
    return value if isinstance(value, str) and value else None
