"""Patterns of paths, as robots.txt and the files that borrow its rules have them: a prefix, ``*`` and a last ``$``.

After RFC 9309, 2.2.2 and 2.2.3. Patterns and addresses are compared in one spelling
(:mod:`ingest_guard.urls.normalise`); path and query are one text.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from ingest_guard.urls.hosts import as_browsers
from ingest_guard.urls.normalise import escapes, undo_escapes

_LONGEST_TARGET = 4096
# An asterisk and a dollar sign stay escaped: in a pattern, those that mean themselves are.
_ESCAPES = escapes("/?#%&=+;*$")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_LITERAL = str.maketrans({"*": "%2A", "$": "%24"})


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern of paths, split at its asterisks.

    Attributes
    ----------
    parts
        What stands before, between and behind the asterisks, in the spelling of addresses.
    is_anchored
        True where a match must end with the path.
    """

    parts: tuple[str, ...]
    is_anchored: bool = False

    @classmethod
    def parse(cls, text: str | bytes) -> PathPattern:
        """Return a pattern; any text is one. Bytes beyond ASCII count as they are, whatever their encoding."""
        if isinstance(text, bytes):
            text = quote(text, safe=_PRINTABLE)
        anchored = text.endswith("$")
        pattern = text.removesuffix("$")
        if not pattern.startswith(("/", "*")):
            pattern = "/" + pattern
        return cls(tuple(map(_spelled, pattern.split("*"))), anchored)

    @property
    def length(self) -> int:
        """How specific it is: its characters, each asterisk and a last dollar sign included."""
        return sum(map(len, self.parts)) + len(self.parts) - 1 + self.is_anchored

    def matches(self, target: str) -> bool:
        """Return whether the pattern matches a path and query from its beginning, in linear time.

        Each part between two asterisks is sought as far to the left as it goes: what follows can only gain by it.
        """
        first, *others = self.parts
        if not target.startswith(first):
            return False
        if not others:
            return not self.is_anchored or len(target) == len(first)
        at = len(first)
        last = others.pop() if self.is_anchored else None
        for part in others:
            at = target.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return last is None or (target.endswith(last) and len(target) - len(last) >= at)


def target_of(url: str) -> str | None:
    """Return path and query of an address, in the spelling of patterns; None where it is no address."""
    read = as_browsers(url)
    if read is None:
        return None
    _, _, path, query = read
    return undo_escapes(f"{path}?{query}".removesuffix("?"), _ESCAPES).translate(_LITERAL)[:_LONGEST_TARGET]


def _spelled(text: str) -> str:
    """Return a part of a pattern in the spelling of addresses."""
    escaped = quote(text, safe=_PRINTABLE, errors="surrogatepass")
    return undo_escapes(escaped, _ESCAPES).replace("$", "%24")
