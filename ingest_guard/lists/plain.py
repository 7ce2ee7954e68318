"""The plain list format: one ``algorithm value`` a line.

::

    # full-line comments, blank lines, CRLF line ends and a byte-order mark are fine
    md5 0123456789abcdef0123456789abcdef
    pdq f8f8f0cce0f4e84d0e370a22028f67f0b36e2ed596623e1d33e6b39c4e9c9b22  # so are comments after a value
    url https://example.org/picture.jpg
    domain example.org

Hashes are hex, in either case; perceptual hashes as imagehash prints them at its default size (16 hex digits). Where a
hasher plug-in is installed, its name is an algorithm like the others, and a value is as many bytes as it says.
"""

import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing.algorithms import Algorithm, Kind, find
from ingest_guard.lists.address_lists import NotCompared, Unusable, domains
from ingest_guard.lists.entries import Entry, Rejected
from ingest_guard.urls import hosts
from ingest_guard.urls.normalise import split

MAX_LINE = 1 << 14
"""Longest line in bytes; longer ones are rejected, whatever they are, so that memory stays bounded."""

_BOM = b"\xef\xbb\xbf"


def read(path: Path) -> Iterator[Entry | Rejected]:
    """Yield the rows of a plain list file, one at a time.

    Raises
    ------
    ListFormatError
        The file cannot be read, or a row is of a hasher plug-in that is broken or has values that lists cannot hold.
    """
    try:
        with path.open("rb") as file:
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
        return Rejected(row, "not_utf8")
    for number, word in enumerate(words):
        if word.startswith("#"):
            del words[number:]
            break
    if not words:
        return None
    algorithm = find(words[0].lower())
    if algorithm is None:
        return Rejected(row, "unknown_algorithm")
    if len(words) != 2:  # noqa: PLR2004 - algorithm and value
        return Rejected(row, "missing_value" if len(words) == 1 else "too_many_fields")
    return _entry(algorithm, words[1], row)


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


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
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
