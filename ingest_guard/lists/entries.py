"""What a reader of list files yields: values, and what became of rows that give none."""

import re
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_TEXT = 1 << 14
"""Longest text of a value; a longer one is rejected unread."""

_SEVERITY = re.compile(r"[A-Z0-9][A-Z0-9_.-]{0,15}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a list.

    Attributes
    ----------
    algorithm
        A name from :mod:`ingest_guard.hashing.algorithms`.
    value
        The raw bytes of a hash; the address or host itself, as listed, for ``url`` and ``domain``. Not shown in the
        ``repr``.
    row
        Where it stands in the file: the line's number from 1, or the record's. Values of one record share it.
    key
        What the source calls the record, where it has names for them. Of the records with one key, the last counts.
    severity
        The source's classification of the record, in upper case (``A1``, ``2``), where it has one.
    """

    algorithm: str
    value: bytes | str = field(repr=False)
    row: int
    key: str | None = field(default=None, repr=False)
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """The source withdraws a record: what it gave under this key before no longer counts.

    Attributes
    ----------
    row
        Where it stands in the file.
    key
        What the source calls the record.
    """

    row: int
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unsupported:
    """One well-formed value of a kind that is not compared: a video's hash, say. Counted, and no fault.

    Attributes
    ----------
    row
        Where it stands in the file.
    what
        The kind, one of a reader's few fixed words; never anything of the row itself.
    """

    row: int
    what: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row, or one value of it, that could not be used.

    Attributes
    ----------
    row
        Where it stands in the file.
    reason
        One of a reader's few fixed words (``bad_length``, say), never anything of the row itself.
    """

    row: int
    reason: str


Row: TypeAlias = "Entry | Removed | Unsupported | Rejected"


def severity_of(text: object) -> str | None:
    """Return a classification as lists keep it, upper-case; None for what cannot be one."""
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        return None
    upper = str(text).strip().upper()
    return upper if _SEVERITY.fullmatch(upper) else None
