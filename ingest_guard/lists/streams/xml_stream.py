"""XML of any size as calls of a handler, over expat: several documents in one file, no DTDs, in bounded memory.

A document type, and with it any entity that could be blown up, is refused. What a hostile file could still make expat
keep (a tag without end, nesting without end, names without end) has a limit each.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from xml.parsers import expat

from ingest_guard.errors import ListFormatError

CHUNK = 1 << 16
"""Bytes that are read at once."""
MAX_TAG = 1 << 20
"""Longest tag or comment in bytes."""
MAX_DEPTH = 64
"""Deepest nesting."""
MAX_NAMES = 10_000
"""Most different names of tags and attributes in one document."""

_ANOTHER = expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
_BOM = b"\xef\xbb\xbf"


class DocumentError(ListFormatError):
    """A file is no XML, is cut off, has a document type or something beyond a limit, or is another document."""


class Handler(Protocol):
    """Takes a document's parts, in their order."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Enter an element; its name as ``namespace}local``, or ``local``."""

    def end(self) -> None:
        """Leave an element."""

    def text(self, text: str) -> None:
        """Take a piece of an element's text; there may be several."""


def feed(path: Path, handler: Handler) -> Iterator[None]:
    """Parse a file of one or more documents, and yield after each piece of it.

    Raises
    ------
    DocumentError
        It is no XML, ends in its midst, or has a document type or something beyond a limit. The text names the line.
    ListFormatError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from feed_file(file, path, handler)
    except OSError as error:
        raise ListFormatError(f"list file {path} cannot be read: {error.strerror}; check the path") from error


def feed_file(file: BinaryIO, path: Path, handler: Handler) -> Iterator[None]:
    """Parse what is open already, as :func:`feed` does; `path` is what errors call it."""
    documents = _Documents(path, handler)
    while chunk := file.read(CHUNK):
        documents.feed(chunk)
        yield
    documents.close()
    yield


class _Documents:
    """Splits a file into its documents: expat takes one."""

    def __init__(self, path: Path, handler: Handler) -> None:
        self.path = path
        self.handler = handler
        self.line = 1
        self._new()

    def _new(self) -> None:
        self.names: dict[str, str] = {}
        self.parser = expat.ParserCreate(namespace_separator="}", intern=self.names)
        self.parser.buffer_text = True
        if hasattr(self.parser, "SetReparseDeferralEnabled"):
            # It is there for tags without end; here those have a limit, and what was read should show at once.
            self.parser.SetReparseDeferralEnabled(False)  # noqa: FBT003 - takes no name
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.handler.text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.depth = 0
        self.is_over = False
        self.fed = 0
        self.since = b""

    def feed(self, chunk: bytes) -> None:
        """Parse a piece; where a document ends in it and another one begins, go on with a new parser."""
        while chunk:
            # What follows a document's last tag is kept until it shows whether it begins another document.
            self.since += chunk
            self.fed += len(chunk)
            start = self.fed - len(self.since)
            failed = self._parsed(chunk)
            if failed is None:
                self._check(chunk)
                if not self.is_over:
                    self.since = self.since[max(0, self.parser.CurrentByteIndex - start) :]
                return
            rest = self.since[max(0, self.parser.ErrorByteIndex - start) :]
            # Another document begins with a tag, or with a byte-order mark, of which a part may be here.
            begins = self.parser.ErrorCode == _ANOTHER and rest.startswith(b"<")
            if not self.is_over or not rest or not (begins or rest.startswith(_BOM) or _BOM.startswith(rest)):
                raise self._broken(failed)
            self.line += failed - 1
            self._new()
            chunk = rest

    def close(self) -> None:
        """Take the end of the file, which must be the end of a document."""
        if not self.fed:
            raise self._error("there is nothing in it", 1)
        failed = self._parsed(b"", final=True)
        if failed is not None and not self.is_over:
            raise self._error("it is cut off: it ends inside a document; get it again, whole", failed)
        if failed is not None:
            raise self._broken(failed)

    def _parsed(self, chunk: bytes, *, final: bool = False) -> int | None:
        """Parse, and return the line of a fault. Nothing of the fault itself is kept: it may name what it stands in."""
        try:
            self.parser.Parse(chunk, final)
        except expat.ExpatError as error:
            return error.lineno
        return None

    def _check(self, chunk: bytes) -> None:
        if self.fed - max(0, self.parser.CurrentByteIndex) > MAX_TAG or len(self.since) > MAX_TAG + len(chunk):
            raise self._error(f"there is a tag, a comment or an end of more than {MAX_TAG >> 20} MiB")
        if len(self.names) > MAX_NAMES:
            raise self._error(f"there are more than {MAX_NAMES:,} different names in it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"it is nested more than {MAX_DEPTH} levels deep")
        self.handler.start(name, attributes)

    def _end(self, name: str) -> None:
        del name
        self.depth -= 1
        self.handler.end()
        self.is_over = not self.depth

    def _doctype(self, *declared: Any) -> None:
        del declared
        raise self._error("it has a document type (DTD), which lists do not need and attacks do")

    def _broken(self, line: int) -> DocumentError:
        return self._error("it is no sound XML; get it again, or check that the format's name is right", line)

    def _error(self, why: str, line: int | None = None) -> DocumentError:
        at = self.line - 1 + (self.parser.CurrentLineNumber if line is None else line)
        return DocumentError(f"list file {self.path}, line {at}: {why}")
