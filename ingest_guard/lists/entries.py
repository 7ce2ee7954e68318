"""What a reader of list files yields: accepted rows and rejected ones."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a list.

    Attributes
    ----------
    algorithm
        A name from :mod:`ingest_guard.blocklist.algorithms`.
    value
        The raw bytes of a hash; the address itself, as listed, for ``url``. Not shown in the ``repr``.
    row
        Where it stands in the file: the line's number from 1, or the record's.
    """

    algorithm: str
    value: bytes | str = field(repr=False)
    row: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that could not be used.

    Attributes
    ----------
    row
        Where it stands in the file.
    reason
        One of a reader's few fixed words (``bad_length``, say), never anything of the row itself.
    """

    row: int
    reason: str
