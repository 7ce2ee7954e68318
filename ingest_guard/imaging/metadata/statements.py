"""All that one file says of its own use, each thing once."""

from __future__ import annotations

from typing import Final

from ingest_guard.imaging.metadata.assertions import AssertionReader
from ingest_guard.imaging.metadata.xmp import XmpReader
from ingest_guard.verdict import Statement

MOST_STATEMENTS: Final = 32


class Statements:
    """Collect the statements of one file, and of the pictures inside it.

    Attributes
    ----------
    found
        In the order in which they were met; of more than 32, the first ones.
    """

    def __init__(self) -> None:
        self._found: dict[Statement, None] = {}
        self._xmp = XmpReader()
        self._assertions = AssertionReader()

    @property
    def found(self) -> tuple[Statement, ...]:
        """In the order in which they were met."""
        return tuple(self._found)

    def read(self, piece: bytes) -> None:
        """Take what one part of the file says: the content of a chunk, a segment, a box."""
        for said in self._xmp.read(piece):
            self._add(Statement("iptc", said))
        for said in self._assertions.read(piece):
            self._add(Statement("c2pa", said))

    def _add(self, statement: Statement) -> None:
        if len(self._found) < MOST_STATEMENTS:
            self._found[statement] = None
