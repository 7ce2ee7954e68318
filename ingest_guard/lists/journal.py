"""What ``blocklist fetch`` keeps of a source: JSON Lines with a record in each, that are only ever appended to.

::

    {"key": "42/1701", "severity": "A1", "values": {"md5": "0123...", "pdq": "f8f8..."}, "deleted": false}
    {"key": "42/1702", "severity": null, "values": {}, "deleted": true}

The last line of a key counts. Hashes are lower-case hex, addresses and hosts stand as the source has them; several
values of one algorithm are a list. Beside ``ID.journal`` stands ``ID.checkpoint``, which says how many of the journal's
bytes count, and their SHA-256: what a killed fetch appended after that is not read. A journal without a checkpoint (a
copy) counts whole, and must then end with a whole line.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.hashing.algorithms import Kind, find
from ingest_guard.lists.checkpoints import Mark, changed, counting
from ingest_guard.lists.entries import Entry, Rejected, Removed, Row, Unsupported, severity_of

MAX_LINE = 1 << 16
"""Longest line in bytes, its end included; what is longer is not written, and rejected where it is found."""

MAX_KEY = 512


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a source in its latest state.

    Attributes
    ----------
    key
        What the source calls it.
    severity
        The source's classification, if any.
    values
        Algorithm -> values: hex, or the text itself for addresses and hosts. Empty if `deleted`.
    deleted
        The source has withdrawn it.
    """

    key: str = field(repr=False)
    severity: str | None = None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    deleted: bool = False

    def to_line(self) -> bytes:
        """Return the record as a line of a journal."""
        values = {name: each[0] if len(each) == 1 else list(each) for name, each in self.values.items()}
        state = {"key": self.key, "severity": self.severity, "values": values, "deleted": self.deleted}
        return json.dumps(state, separators=(",", ":")).encode() + b"\n"


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a journal, one at a time.

    Raises
    ------
    ListFormatError
        It cannot be read, is not what its checkpoint says, has never been fetched to the end, or ends within a line.
    """
    try:
        with path.open("rb") as file:
            yield from _rows(file, path, counting(file, path))
    except OSError as error:
        raise ListFormatError(f"journal {path} cannot be read: {error.strerror}; check the path") from error


def _rows(file: BinaryIO, path: Path, mark: Mark | None) -> Iterator[Row]:
    file.seek(0)
    left = None if mark is None else mark.length
    hashed = hashlib.sha256()
    row = 0
    while left != 0:
        line = file.readline(MAX_LINE if left is None else min(MAX_LINE, left))
        if not line:
            if left is None:
                return
            raise changed(path)
        row += 1
        whole = line.endswith(b"\n")
        while True:
            hashed.update(line)
            left = None if left is None else left - len(line)
            if line.endswith(b"\n") or left == 0:
                break
            rest = file.readline(MAX_LINE if left is None else min(MAX_LINE, left))
            if not rest:
                raise ListFormatError(
                    f"journal {path} ends in the middle of line {row}: it is not the whole file; copy or fetch it again"
                )
            line = rest
        yield from _read_line(line, row, path) if whole else (Rejected(row, "line_too_long"),)
    if mark is not None and hashed.hexdigest() != mark.sha256:
        raise changed(path)


def _read_line(line: bytes, row: int, path: Path) -> Iterator[Row]:
    try:
        record = parse(line)
    except ValueError:
        yield Rejected(row, "bad_record")
        return
    if record.deleted or not record.values:
        yield Removed(row, record.key)
        return
    for name, texts in record.values.items():
        try:
            algorithm = find(name)
        except BlocklistError as error:
            raise ListFormatError(f"journal {path}, row {row}: {error}") from error
        if algorithm is None:
            # A plug-in's, that is not installed here.
            yield Unsupported(row, "other")
            continue
        for text in texts:
            value = text if algorithm.kind is Kind.URL else _bytes(text, algorithm.length)
            if value:
                yield Entry(name, value, row, record.key, record.severity)
            else:
                yield Rejected(row, "bad_value")


def parse(line: bytes) -> Record:
    """Make a record of a line.

    Raises
    ------
    ValueError
        It is not one. The text says nothing of the line.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("no record")  # noqa: TRY004 - a bad line, not a wrong type of ours
    key, values, deleted = found.get("key"), found.get("values"), found.get("deleted")
    if not isinstance(key, str) or not key or not isinstance(values, dict) or not isinstance(deleted, bool):
        raise ValueError("no record")
    texts = {name: tuple(each) if isinstance(each, list) else (each,) for name, each in values.items()}
    if any(not isinstance(text, str) for each in texts.values() for text in each):
        raise ValueError("no text")
    return Record(key, severity_of(found.get("severity")), texts, deleted)


def _bytes(text: str, size: int) -> bytes | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == size and len(text) == size * 2 else None
