"""The plain list format: one ``algorithm value`` a line.

::

    # full-line comments, blank lines, CRLF line ends, a byte-order mark and UTF-16 are fine
    md5 0123456789abcdef0123456789abcdef
    pdq f8f8f0cce0f4e84d0e370a22028f67f0b36e2ed596623e1d33e6b39c4e9c9b22  # so are comments after a value
    url https://example.org/picture.jpg
    domain example.org

Hashes are hex, in either case; perceptual hashes as imagehash prints them at its default size (16 hex digits). Where a
hasher plug-in is installed, its name is an algorithm like the others, and a value is as many bytes as it says. What
md5sum and sha1sum print is read, too (``DIGEST  NAME``, ``DIGEST *NAME``, ``MD5 (NAME) = DIGEST``).
"""

import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.files.text import HEAD, encoding_of, open_text
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Algorithm, Kind, find
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.lists.address_lists import NotCompared, Unusable, domains
from ingest_guard.lists.entries import Entry, Rejected
from ingest_guard.urls import hosts
from ingest_guard.urls.normalise import split

MAX_LINE = 1 << 14
"""Longest line in bytes; longer ones are rejected, whatever they are, so that memory stays bounded."""

# md5sum, sha1sum and the like: an escaped name has a backslash before its line, a binary file a star before its name.
_SUM = linear(rb"^\\?([0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}) [ *][^\r\n]")
_TAGGED_SUM = linear(rb"^\\?(MD5|SHA1|SHA256) \(.*\) = ([0-9A-Fa-f]+)$")
_BOM = b"\xef\xbb\xbf"


def read(path: Path) -> Iterator[Entry | Rejected]:
    """Yield the rows of a plain list file, one at a time.

    Raises
    ------
    ListFormatError
        The file cannot be read, or a row is of a hasher plug-in that is broken or has values that lists cannot hold.
    """
    try:
        with _opened(path) as file:
            for row, line in _lines(file):
                found = _parsed(line, row, path)
                if found is not None:
                    yield found
    except OSError as error:
        raise ListFormatError(f"list file {path} cannot be read: {error.strerror}; check the path") from error


def _parsed(line: bytes | None, row: int, path: Path) -> Entry | Rejected | None:
    try:
        return parse(line, row)
    except BlocklistError as error:
        raise ListFormatError(f"list file {path}, row {row}: {error}") from error


def parse(line: bytes | None, row: int) -> Entry | Rejected | None:
    """Make an entry of one line; None for a blank line or a comment.

    Parameters
    ----------
    line
        Without its line end; None where it was too long.
    row
        Its number from 1.

    Raises
    ------
    BlocklistError
        Its algorithm is that of a hasher plug-in that cannot be loaded, or whose values lists cannot hold.
    """
    if line is None:
        return Rejected(row, "line_too_long")
    if row == 1:
        line = line.removeprefix(_BOM)
    try:
        words = line.decode("utf-8").split()
    except UnicodeDecodeError:
        return _of_sums(line, row) or Rejected(row, "not_utf8")
    for number, word in enumerate(words):
        if word.startswith("#"):
            del words[number:]
            break
    if not words:
        return None
    algorithm = find(words[0].lower())
    if algorithm is None:
        return _of_sums(line, row) or Rejected(row, "unknown_algorithm")
    if len(words) != 2:  # noqa: PLR2004 - algorithm and value
        return _of_sums(line, row) or Rejected(row, "missing_value" if len(words) == 1 else "too_many_fields")
    return _entry(algorithm, words[1], row)


def _of_sums(line: bytes, row: int) -> Entry | Rejected | None:
    """Make an entry of a line as md5sum and its kin print it; None for any other line."""
    if found := _SUM.match(line):
        digest = found[1]
        # Tools print a PDQ and a name in the same way, and a PDQ taken for a SHA-256 would never match.
        if len(digest) == algorithms.get("sha256").length * 2:
            return Rejected(row, "sha256_or_pdq")
        name = "md5" if len(digest) == algorithms.get("md5").length * 2 else "sha1"
    elif found := _TAGGED_SUM.match(line):
        name, digest = found[1].decode().lower(), found[2]
    else:
        return None
    return _entry(algorithms.get(name), digest.decode(), row)


def _entry(algorithm: Algorithm, text: str, row: int) -> Entry | Rejected:
    if algorithm.name == "domain":
        return _domain(text, row)
    if algorithm.kind is Kind.URL:
        return Entry(algorithm.name, text, row) if _is_url(text) else Rejected(row, "bad_url")
    if len(text) != algorithm.length * 2:
        return Rejected(row, "bad_length")
    try:
        return Entry(algorithm.name, binascii.unhexlify(text), row)
    except ValueError:
        return Rejected(row, "not_hex")


def _domain(text: str, row: int) -> Entry | Rejected:
    try:
        found = domains(text)
    except (NotCompared, Unusable) as reason:
        return Rejected(row, str(reason))
    return Entry("domain", found[0][1], row) if found else Rejected(row, "bad_domain")


def _is_url(text: str) -> bool:
    try:
        scheme, authority, _, _ = split(text)
    except ValueError:
        return False
    host = hosts.host_of(text)
    is_host = hosts.is_address(host) or hosts.is_name(host)
    return is_host and scheme in {"http", "https"} and not authority.endswith(":0")


class _AsUtf8:
    """A file in another encoding, read by lines of UTF-8; what is no text in it becomes U+FFFD."""

    def __init__(self, text: TextIO) -> None:
        self._text = text

    def readline(self, longest: int) -> bytes:
        return self._text.readline(longest).encode("utf-8", "replace")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | _AsUtf8]:
    with path.open("rb") as file:
        if encoding_of(file.peek(HEAD)[:HEAD]).startswith("utf-8"):
            yield file
            return
    with open_text(path, newline="\n") as text:
        yield _AsUtf8(text)


def _lines(file: BinaryIO | _AsUtf8) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number from 1, line without its end); None for a line that is too long."""
    row = 0
    while line := file.readline(MAX_LINE + 2):
        row += 1
        too_long = len(line.rstrip(b"\r\n")) > MAX_LINE
        while not line.endswith(b"\n"):
            rest = file.readline(MAX_LINE)
            if not rest:
                break
            too_long = True
            line = rest
        yield row, None if too_long else line.rstrip(b"\r\n")
