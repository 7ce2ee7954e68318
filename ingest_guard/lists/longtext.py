"""Texts in JSON that are too long for memory: their rest is passed over before a parser sees it.

A parser keeps a text until it has its end. Where one has none for megabytes, what the parser has of it is made
whole, and the file's bytes are passed over until the quote that ends it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ingest_guard.errors import ListFormatError

if TYPE_CHECKING:
    from pathlib import Path

_TAIL = 256
# What a number, or nothing but white space, is made of: of that nobody can tell whether it stands inside a text.
_NO_TEXT = re.compile(rb"[\s0-9.eE+,:-]*")
_UNFINISHED = re.compile(rb"(\\+)(u[0-9a-fA-F]{0,3})?$")
_ESCAPE_OR_QUOTE = re.compile(rb'\\.|"', re.DOTALL)


class LongText:
    """Stands before a parser: :meth:`passed` gives what is to be fed of each piece of a file."""

    def __init__(self) -> None:
        self.tail = b""
        self.is_inside = False
        self.is_escaped = False

    def passed(self, chunk: bytes) -> bytes:
        """Return the piece; or, while a text is passed over, its part from the quote on that ends the text."""
        if self.is_inside:
            end = self._end(chunk)
            if end is None:
                return b""
            self.is_inside = False
            chunk = chunk[end:]
        self.tail = (self.tail + chunk[-_TAIL:])[-_TAIL:]
        return chunk

    def begin(self, path: Path, offset: int, fed: bytes) -> bytes:
        """Pass over the rest of the text that the parser is in; return what completes a character that was cut.

        Parameters
        ----------
        path, offset
            The file, and how many of its bytes were read.
        fed
            The piece that was fed last, and made no event.

        Raises
        ------
        ListFormatError
            There is no telling whether this is a text, or where a character in it ends.
        """
        unfinished = _UNFINISHED.search(self.tail)
        if _NO_TEXT.fullmatch(fed) or (unfinished and len(unfinished[1]) > _TAIL // 2):
            raise ListFormatError(
                f"list file {path}: there is nothing but digits, blanks or backslashes for megabytes before byte "
                f"{offset:,}; get it again, whole"
            )
        self.is_inside = True
        self.is_escaped = False
        if unfinished is None or len(unfinished[1]) % 2 == 0:
            return b""
        if unfinished[2] is None:
            self.is_escaped = True
            return b"n"
        return b"0" * (5 - len(unfinished[2]))

    def _end(self, chunk: bytes) -> int | None:
        """Return where the quote is that ends the text, if it is in this piece."""
        done = int(self.is_escaped)
        for found in _ESCAPE_OR_QUOTE.finditer(chunk, done):
            if found[0] == b'"':
                return found.start()
            done = found.end()
        self.is_escaped = done < len(chunk) and chunk.endswith(b"\\")
        return None
