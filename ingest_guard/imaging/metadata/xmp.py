"""``plus:DataMining`` in XMP: what IPTC's photo metadata says of data mining, with the vocabulary of PLUS.

After the IPTC Photo Metadata Standard 2023.1 (``DMI-...`` of http://ns.useplus.org/ldf/vocab/). A packet is parsed by
expat, in any form of RDF and under any prefix. A document type, and with it any entity, is refused. Of a packet that
cannot be parsed, each word of the vocabulary counts: a statement must not get lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

from ingest_guard.imaging.sniffing.patterns import linear

OTHER: Final = "other"
"""A value that has no word of the vocabulary."""

_NAME: Final = b"DataMining"
_PROPERTY: Final = "http://ns.useplus.org/ldf/xmp/1.0/}DataMining"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
# In UTF-16 and UTF-32, of either byte order.
_WIDE: Final = tuple((b"\0" * gap).join(bytes([letter]) for letter in _NAME) for gap in (1, 3))
_ROOT: Final = linear(rb"<(?:[A-Za-z_][A-Za-z0-9_.-]*:)?(?:xmpmeta|xapmeta|RDF)[\t\n\r />]")
_WORD: Final = linear(rb"(?i)DMI-[A-Z-]{1,60}")
_MOST_PACKETS: Final = 32
_MOST_BYTES: Final = 4 << 20
_MOST_DEPTH: Final = 64
_MOST_WORDS: Final = 16
_LONGEST_VALUE: Final = 4096
# A character beyond ASCII matters for no name and no value that is looked for.
_ASCII: Final = bytes(code if code < 0x80 else 0x3F for code in range(256))  # noqa: PLR2004 - 7 bits; a question mark


class XmpReader:
    """Read the parts of one file: at most 4 MiB of all its packets are parsed, whatever they unpack to."""

    def __init__(self) -> None:
        self._left = _MOST_BYTES
        self._packets = 0

    def read(self, piece: bytes) -> Iterator[str]:
        """Yield the values of ``DataMining`` in a part of a file, such as ``DMI-PROHIBITED``, in upper case."""
        if _NAME in piece:
            yield from self._values(piece)
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
                yield from _words(text)
                return
            yield from packet.values
            end = root.start() + packet.length
        if not end:
            yield from _words(text)


def _words(text: bytes) -> Iterator[str]:
    """Yield the words of the vocabulary in a text, each once."""
    found: dict[str, None] = {}
    for word in _WORD.finditer(text):
        found[word[0].rstrip(b"-").decode("ascii").upper()] = None
        if len(found) >= _MOST_WORDS:
            break
    yield from found


class _End(Exception):  # noqa: N818 - it ends the parsing, and is no error
    """The root's end, or something that is refused."""


class _Packet:
    """One packet, from its root to the end of that.

    Attributes
    ----------
    values
        Of the property, wherever in the packet it stands.
    length
        Bytes up to the end of the root.
    """

    def __init__(self) -> None:
        self.values: list[str] = []
        self.length = 0
        self._depth = 0
        self._property = 0
        self._texts: list[str] = []
        self._parser = parser = expat.ParserCreate("utf-8", "}")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse

    def parse(self, text: bytes) -> bool:
        """Read a packet; return whether its root was read to its end."""
        try:
            self._parser.Parse(text, True)  # noqa: FBT003 - expat takes no keywords
        except (_End, expat.ExpatError):
            return bool(self.length)
        return False

    def _refuse(self, *_: object) -> None:
        raise _End

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise _End
        if _PROPERTY in attributes:
            self._add([attributes[_PROPERTY]])
        if self._property:
            self._texts.append(" ")
        elif name == _PROPERTY:
            self._property = self._depth
        if self._property:
            self._texts += [f" {value} " for key, value in attributes.items() if key.startswith(_RDF)]

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
        if len(self.values) < _MOST_WORDS:
            words = list(_words("".join(texts)[:_LONGEST_VALUE].encode("ascii", "replace")))
            self.values += words or [OTHER]
