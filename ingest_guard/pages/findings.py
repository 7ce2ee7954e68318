"""What a reading of a page asks for, passes around and returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

NESTING: Final = "nesting"
"""Doubt: documents in documents are deeper than the limit."""
EMBEDDED: Final = "embedded"
"""Doubt: an inline body is cut, broken or over a limit, or a part of the text that can hold one was not read."""

SMALLEST_PICTURE: Final = 24
"""Bytes. What is left of a broken body and is shorter than this holds no picture, whatever its format."""


@dataclass(frozen=True, slots=True)
class PageLimits:
    """How much one page may ask for. What is over a limit and can hold an inline body is a doubt.

    Attributes
    ----------
    text
        Bytes of one text, before it is decoded.
    css
        Characters of one style sheet; its tokens take some 90 times as much memory.
    css_tokens
        Tokens of all style sheets and ``style`` attributes together; 100,000 take about a second.
    bodies
        Number of inline bodies; as many again that no browser shows.
    body_bytes
        Bytes of all inline bodies together.
    nesting
        Depth of documents in documents: ``srcdoc``, SVG in a ``data:`` URL, HTML in JSON.
    pieces
        Number of attributes, style sheets and strings that are looked at one by one.
    """

    text: int = 16 * 2**20
    css: int = 2 * 2**20
    css_tokens: int = 400_000
    bodies: int = 1000
    body_bytes: int = 64 * 2**20
    nesting: int = 4
    pieces: int = 200_000


@dataclass(frozen=True, slots=True)
class InlineBody:
    """What one ``data:`` URL, or one run of base64, holds.

    Attributes
    ----------
    data
        Decoded.
    media_type
        Lower case, without parameters; empty where none is given.
    is_whole
        False where the URL is cut off or is no valid base64: ``data`` is what can be made of it.
    is_shown
        False where it was found where no browser follows URLs (comments, running text, bare base64), or with another
        decoder than a browser's: it can match, and what is wrong with it is no doubt about the page.
    """

    data: bytes
    media_type: str
    is_whole: bool = True
    is_shown: bool = True


class Kind(StrEnum):
    """What a piece of a page is."""

    URL = "url"
    HTML = "html"
    XML = "xml"
    CSS = "css"
    SCRIPT = "script"
    JSON = "json"
    STRING = "string"
    BASE64 = "base64"
    BYTES = "bytes"
    TEXT = "text"
    DOUBT = "doubt"


class Piece(NamedTuple):
    """A part of a page that another reader is to look at.

    Attributes
    ----------
    kind
        ``string``: of any kind, to be seen from the text itself. ``text``: running text. ``bytes``: one character is
        one byte. ``doubt``: the text is the reason.
    text
        With the escapes of the document around it undone.
    is_shown
        False where browsers show nothing of it: bodies are taken, doubts are not.
    is_cut
        True where the document ended before the piece did.
    is_document
        True where this is one level deeper.
    """

    kind: Kind
    text: str
    is_shown: bool = True
    is_cut: bool = False
    is_document: bool = False


@dataclass(slots=True)
class Findings:
    """The bodies and the doubt of a reading, as they come in."""

    limits: PageLimits
    doubt: str | None = None
    _bodies: dict[bytes, InlineBody] = field(default_factory=dict)
    _count: list[int] = field(default_factory=lambda: [0, 0])
    _bytes: list[int] = field(default_factory=lambda: [0, 0])

    def add_doubt(self, reason: str) -> None:
        """Note a doubt; the first one stays."""
        self.doubt = self.doubt or reason

    def add(self, body: InlineBody) -> bool:
        """Take a body; return whether it is to be looked into: it is a new one, or is shown only now.

        A shown one that is not whole is a doubt where what is left of it can hold a picture. Those that are not
        shown have limits of their own, and are left out beyond them.
        """
        if not body.data:
            return False
        if body.is_shown and not body.is_whole and len(body.data) >= SMALLEST_PICTURE:
            self.add_doubt(EMBEDDED)
        key = blake2b(body.data, digest_size=32).digest()
        known = self._bodies.get(key)
        if known is not None:
            better = (body.is_shown, body.is_whole) > (known.is_shown, known.is_whole)
            if better:
                self._bodies[key] = body
            return better and not known.is_shown
        which = int(body.is_shown)
        if self._count[which] >= self.limits.bodies or self._bytes[which] + len(body.data) > self.limits.body_bytes:
            if body.is_shown:
                self.add_doubt(EMBEDDED)
            return False
        self._count[which] += 1
        self._bytes[which] += len(body.data)
        self._bodies[key] = body
        return True

    @property
    def bodies(self) -> list[InlineBody]:
        """Each body once."""
        return list(self._bodies.values())
