"""Lines of a text file, one at a time and never longer than memory can take, whatever the file holds."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ingest_guard.errors import ListFormatError
from ingest_guard.files.text import open_text

MAX_LINE = 1 << 16
"""Longest line in characters; longer ones are rejected, whatever they are, so that memory stays bounded."""

# What stands for bytes that are no text in the file's encoding, halves of surrogate pairs, and NUL.
_UNREADABLE = re.compile("[\x00\ufffd\ud800-\udfff]")


@contextmanager
def opened(path: Path, encoding: str = "utf-8", newline: str = "") -> Iterator[TextIO]:
    r"""Open a list file as text; bytes that are none become U+FFFD, so that the rest of their line can be read.

    Parameters
    ----------
    path
        The list file.
    encoding
        Of the text. Where it is UTF-8, a file that is UTF-16 or UTF-32 by its mark is read as that.
    newline
        ``""``: lines end with LF, CR LF or CR; ``"\n"``: with LF.

    Raises
    ------
    ListFormatError
        It cannot be read, also later on, while the block runs.
    """
    try:
        is_utf8 = encoding.startswith("utf-8")
        with (
            open_text(path, encoding, newline=newline)
            if is_utf8
            else path.open(encoding=encoding, errors="replace", newline=newline)
        ) as file:
            yield file
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        # Of ValueErrors (a NUL in the path, say) the text may show what was read.
        raise ListFormatError(f"list file {path} cannot be read: {why}; check the path") from None


def lines(file: TextIO, longest: int = MAX_LINE) -> Iterator[tuple[int, str | None]]:
    """Yield (number from 1, line with its end) of an open file; None for a line that is longer than `longest`."""
    number = 0
    end = ""
    while line := file.readline(longest + 2):
        # Both halves of a CR LF that stood where reading stopped.
        if end == "\r" and line == "\n":
            end = line
            continue
        number += 1
        if number == 1:
            line = line.lstrip("\ufeff")
        too_long = len(line.rstrip("\r\n")) > longest
        while line and line[-1] not in "\r\n" and (rest := file.readline(longest)):
            too_long = True
            line = rest
        end = line[-1:]
        yield number, None if too_long else line


def readable(text: str) -> bool:
    """Return whether text is as it was in the file: no byte of it was outside the encoding."""
    return not _UNREADABLE.search(text)
