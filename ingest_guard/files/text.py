"""In which encoding a text file of the operator is: editors and shells on Windows write UTF-16."""

import codecs
import io
from pathlib import Path
from typing import TextIO

# Those of UTF-32 come first: the mark of UTF-16 LE is the beginning of theirs.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HEAD = 4
"""Bytes from the beginning of a file that tell its encoding."""


def encoding_of(head: bytes, default: str = "utf-8") -> str:
    """Return the encoding of a text by its first bytes.

    Parameters
    ----------
    head
        The first :data:`HEAD` bytes, or all of them where there are fewer.
    default
        Of a text without a mark whose first two characters are not ASCII in UTF-16.

    Returns
    -------
    encoding
        For Python's codecs. Those of texts with a mark take the mark away.
    """
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    zeros = [not byte for byte in head[:HEAD]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    if zeros == [True, False, True, False]:
        return "utf-16-be"
    return default


def open_text(path: Path, default: str = "utf-8", *, newline: str | None = None) -> TextIO:
    """Open a file as text in its own encoding: see :func:`encoding_of`. What is no text in it becomes U+FFFD.

    The file is opened once, so that it may be a pipe; OSError where it cannot be read.
    """
    file = path.open("rb")
    try:
        return io.TextIOWrapper(file, encoding_of(file.peek(HEAD)[:HEAD], default), errors="replace", newline=newline)
    except BaseException:
        file.close()
        raise
