"""``plus:DataMining`` in XMP: what IPTC's photo metadata says of data mining, with the vocabulary of PLUS.

After the IPTC Photo Metadata Standard 2023.1 (``DMI-...`` of http://ns.useplus.org/ldf/vocab/). A packet is parsed by
expat from its root on, in any form of RDF and under any prefix. A document type can only stand before the root, so
there are no entities. Of a packet that cannot be parsed, each word of the vocabulary counts: a statement must not get
lost. What leaves this module is in :data:`VALUES`, whatever a file says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from xml.parsers import expat

from ingest_guard.imaging.sniffing.patterns import linear

OTHER: Final = "other"
"""A value that is not in the vocabulary."""
UNREADABLE: Final = "unreadable"
"""The property is there, in a packet that cannot be parsed, and no word of the vocabulary is."""
VALUES: Final = (
    "DMI-UNSPECIFIED",
    "DMI-ALLOWED",
    "DMI-PROHIBITED",
    "DMI-PROHIBITED-AIMLTRAINING",
    "DMI-PROHIBITED-GENAIMLTRAINING",
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
    "DMI-PROHIBITED-SEECONSTRAINT",
    "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR",
    "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR",
    OTHER,
    UNREADABLE,
)

_NAME: Final = b"DataMining"
# In the namespace http://ns.useplus.org/ldf/xmp/1.0/, and in what is nearly that.
_PLUS: Final = "ns.useplus.org/"
# In UTF-16 and UTF-32, of either byte order.
_WIDE: Final = tuple((b"\0" * gap).join(bytes([letter]) for letter in _NAME) for gap in (1, 3))
_ROOT: Final = linear(rb"<(?:[A-Za-z_][A-Za-z0-9_.-]*:)?(?:xmpmeta|xapmeta|RDF)[\t\n\r />]")
_ROOT_ENDS: Final = (b"xmpmeta>", b"xapmeta>", b"RDF>")
_MARKUP: Final = linear(rb"[<:]DataMining[\t\n\r =/>]")
_WORD: Final = linear(rb"(?i)DMI-[A-Z0-9_-]{1,60}")
_MOST_PACKETS: Final = 32
_MOST_BYTES: Final = 4 << 20
_MOST_DEPTH: Final = 64
# Where the root of a packet that is cut off is looked for.
_HEAD: Final = 1 << 16
# A character beyond ASCII matters for no name and no value that is looked for.
_ASCII: Final = bytes(code if code < 0x80 else 0x3F for code in range(256))  # noqa: PLR2004 - 7 bits; a question mark


class XmpReader:
    """Read the parts of one file: at most 4 MiB of all its packets are parsed, whatever they unpack to."""

    def __init__(self) -> None:
        self._left = _MOST_BYTES
        self._packets = 0

    def read(self, piece: bytes) -> Iterator[str]:
        """Yield the values of ``DataMining`` in a part of a file, of :data:`VALUES`; the same one may come twice."""
        if _NAME in piece:
            yield from self._values(piece)
        elif _is_cut_off(piece):
            yield UNREADABLE
        if any(name in piece for name in _WIDE):
            yield from self._values(piece.translate(None, b"\0"))

    def _values(self, piece: bytes) -> Iterator[str]:
        text = piece.translate(_ASCII)
        end = 0
        for root in _ROOT.finditer(text):
            if root.start() < end:
                continue
            packet = _Packet()
            self._packets += 1
            is_whole = self._packets <= _MOST_PACKETS and packet.parse(text[root.start() : root.start() + self._left])
            self._left -= packet.length if is_whole else self._left
            if not is_whole:
                yield from sorted(_guessed(text))
                return
            yield from sorted(packet.values)
            end = root.start() + packet.length
        if not end:
            yield from sorted(_guessed(text))


def _is_cut_off(piece: bytes) -> bool:
    """Return whether a packet begins here that ends nowhere: one that was not unpacked any further."""
    is_long = len(piece) >= _MOST_BYTES and _ROOT.search(piece[:_HEAD])
    return bool(is_long) and not any(end in piece for end in _ROOT_ENDS)


def _guessed(text: bytes) -> set[str]:
    """Return what a text may say that cannot be parsed."""
    words = _words(text)
    return words if words or not _MARKUP.search(text) else {UNREADABLE}


def _words(text: bytes) -> set[str]:
    """Return the words of the vocabulary in a text; for others, which may be a part of one, :data:`OTHER`."""
    found = (word[0].rstrip(b"-_").decode("ascii").upper() for word in _WORD.finditer(text))
    return {word if word in VALUES else OTHER for word in found}


class _End(Exception):  # noqa: N818 - it ends the parsing, and is no error
    """The root's end, or more depth than is read."""


class _Packet:
    """One packet, from its root to the end of that.

    Prefixes are looked up here: expat would copy the whole address of a namespace for each name. One that was bound to
    PLUS at any place, or nowhere, is that of PLUS.

    Attributes
    ----------
    values
        Of the property, wherever in the packet it stands, each once.
    length
        Bytes up to the end of the root.
    """

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.length = 0
        self._depth = 0
        self._property = 0
        self._texts: list[str] = []
        self._prefixes = {"": False}
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text

    def parse(self, text: bytes) -> bool:
        """Read a packet; return whether its root was read to its end."""
        with suppress(_End, expat.ExpatError):
            self._parser.Parse(text, True)  # noqa: FBT003 - expat takes no keywords
        return bool(self.length)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise _End
        for key, value in attributes.items():
            if key.startswith("xmlns"):
                self._bind(key[6:], value)
        for key, value in attributes.items():
            if self._is_property(key):
                self._add([value])
        if self._property:
            self._texts.append(" ")
        elif self._is_property(name):
            self._property = self._depth
        if self._property:
            self._texts += [f" {value} " for value in attributes.values()]

    def _bind(self, prefix: str, address: str) -> None:
        self._prefixes[prefix] = self._prefixes.get(prefix, False) or _PLUS in address

    def _is_property(self, name: str) -> bool:
        prefix, _, local = name.rpartition(":")
        return local == "DataMining" and self._prefixes.get(prefix, True)

    def _end(self, _name: str) -> None:
        if self._depth == self._property:
            self._add(self._texts)
            self._property, self._texts = 0, []
        elif self._property:
            self._texts.append(" ")
        self._depth -= 1
        if not self._depth:
            self.length = max(1, self._parser.CurrentByteIndex)
            raise _End

    def _text(self, text: str) -> None:
        if self._property:
            self._texts.append(text)

    def _add(self, texts: list[str]) -> None:
        text = "".join(texts).strip()
        if text:
            self.values |= _words(text.encode("ascii", "replace")) or {OTHER}
