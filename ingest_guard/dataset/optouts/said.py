"""One signal of a publisher's: where it stood, what it is called, its words as written, and what they decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Source: TypeAlias = Literal["robots.txt", "header", "page", "file", "tdmrep.json", "ai.txt"]
"""Where a signal stands. ``file`` is the image's own metadata."""

Decision: TypeAlias = Literal["no", "yes", "unknown"]
"""What a signal says about the use of an image in a data set."""

LONGEST_QUOTE = 200
"""Characters of :attr:`Signal.said`."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What one source says about the use of an image.

    Attributes
    ----------
    source
        Where it stands.
    name
        The reason under which it is counted, such as ``content_usage``.
    said
        The words as written: printable ASCII, at most :data:`LONGEST_QUOTE` characters; see :func:`quote_words`.
    decision
        ``no`` keeps the image out where the policy heeds the signal.
    digest
        SHA-256, in hexadecimal, of the file that says it; None for a header.
    """

    source: Source
    name: str
    said: str
    decision: Decision
    digest: str | None = None


def quote_words(words: str | bytes) -> str:
    r"""Return words from outside as printable ASCII, cut to :data:`LONGEST_QUOTE` characters.

    Bytes are read as Latin-1. Control characters, and all characters beyond ASCII, are written as escapes (``\xe9``).
    """
    text = words[:LONGEST_QUOTE].decode("latin-1") if isinstance(words, bytes) else words[:LONGEST_QUOTE]
    return text.encode("unicode_escape").decode("ascii")[:LONGEST_QUOTE]
