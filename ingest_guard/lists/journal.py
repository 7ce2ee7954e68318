"""What ``blocklist fetch`` keeps of a source: a file of JSON Lines that is only ever appended to, one record a line.

::

    {"key": "42/1701", "severity": "A1", "values": {"md5": "0123...", "pdq": "f8f8..."}, "deleted": false}
    {"key": "42/1702", "severity": null, "values": {}, "deleted": true}

The last line of a key counts. Hashes are lower-case hex, addresses and hosts stand as the source has them; an algorithm
of which a record has several values has a list of them. Beside ``ID.journal`` stands ``ID.checkpoint``, which says how
many of the journal's bytes count, and their SHA-256: what a killed fetch appended after that is not read. A journal
without a checkpoint (a copy) counts whole, and must then end with a whole line.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingest_guard.blocklist.algorithms import Kind, find
from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists.entries import Entry, Rejected, Removed, Row, Unsupported, severity_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

SUFFIX = ".journal"
CHECKPOINT_SUFFIX = ".checkpoint"
MAX_LINE = 1 << 16
"""Longest line in bytes, its end included; what is longer is not written, and rejected where it is found."""

MAX_KEY = 512
_MAX_CHECKPOINT = 1 << 20
_BLOCK = 1 << 20
_TRIES = 5


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
        told = {"key": self.key, "severity": self.severity, "values": values, "deleted": self.deleted}
        return json.dumps(told, separators=(",", ":")).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Mark:
    """How much of a journal counts.

    Attributes
    ----------
    length
        Bytes from its start.
    sha256
        Their digest, in hex.
    lines
        Lines in them.
    """

    length: int
    sha256: str
    lines: int

    @classmethod
    def from_json(cls, told: Any) -> Mark:
        """Read what a checkpoint says.

        Raises
        ------
        ValueError
            It says something else.
        """
        if (
            not isinstance(told, dict)
            or not isinstance(told.get("sha256"), str)
            or any(type(told.get(name)) is not int or told[name] < 0 for name in ("length", "lines"))
        ):
            raise ValueError("no mark")
        return cls(told["length"], told["sha256"], told["lines"])


EMPTY = Mark(0, hashlib.sha256().hexdigest(), 0)


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a journal, one at a time.

    Raises
    ------
    ListFormatError
        It cannot be read, is not what its checkpoint says, has never been fetched to the end, or ends within a line.
    """
    try:
        with path.open("rb") as file:
            yield from _rows(file, path, _counting(file, path))
    except OSError as error:
        raise ListFormatError(f"journal {path} cannot be read: {error.strerror}; check the path") from error


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Return what a checkpoint file says, None if there is none.

    Raises
    ------
    ValueError
        It is damaged.
    OSError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_CHECKPOINT + 1)
    except FileNotFoundError:
        return None
    told = json.loads(data)
    if not isinstance(told, dict) or not isinstance(told.get("state"), dict):
        raise ValueError("no checkpoint")  # noqa: TRY004 - a damaged file, not a wrong type of ours
    if told.get("sha256") != state_digest(told["state"]):
        raise ValueError("changed since it was written")
    state: dict[str, Any] = told["state"]
    return state


def state_digest(state: Mapping[str, Any]) -> str:
    """Return what a checkpoint's own digest must be."""
    return hashlib.sha256(json.dumps(state, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def counts(file: BinaryIO, mark: Mark) -> bool:
    """Return whether the file starts with the bytes that a mark speaks of; it is left at the end of them."""
    return digest(file, mark.length) == mark.sha256


def digest(file: BinaryIO, length: int) -> str | None:
    """Return the SHA-256 of the first `length` bytes of a file; None if it has fewer."""
    file.seek(0)
    hashed = hashlib.sha256()
    while length:
        block = file.read(min(_BLOCK, length))
        if not block:
            return None
        hashed.update(block)
        length -= len(block)
    return hashed.hexdigest()


def _counting(file: BinaryIO, path: Path) -> Mark | None:
    """Return the part of the file that counts; None if no checkpoint stands beside it, so that all of it does."""
    checkpoint = path.with_name(path.name.removesuffix(SUFFIX) + CHECKPOINT_SUFFIX)
    for _ in range(_TRIES):
        try:
            told = load_checkpoint(checkpoint)
            if told is None:
                return None
            marks = [Mark.from_json(told[name]) for name in ("journal", "pending") if told.get(name) is not None]
            completed = told["completed"]
        except (ValueError, KeyError):
            raise ListFormatError(
                f"checkpoint {checkpoint} is damaged, so that nobody knows how much of the journal counts; remove it "
                "and the journal, and fetch again"
            ) from None
        if completed is None:
            raise ListFormatError(
                f"journal {path} is of a source that was never fetched to its end; run 'ingest-guard blocklist fetch' "
                "until it is (it goes on where it stopped)"
            )
        # A fetch may have put a compacted journal in the place of the one that we opened: then ours has no mark.
        if os.fstat(file.fileno()).st_ino != path.stat().st_ino:
            file = _reopened(file, path)
            continue
        if len(marks) == 1:
            return marks[0]
        for mark in marks:
            if counts(file, mark):
                return mark
        break
    raise _changed(path)


def _reopened(file: BinaryIO, path: Path) -> BinaryIO:
    with path.open("rb") as other:
        os.dup2(other.fileno(), file.fileno(), inheritable=False)
    file.seek(0)
    return file


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
            raise _changed(path)
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
        raise _changed(path)


def _changed(path: Path) -> ListFormatError:
    return ListFormatError(
        f"journal {path} is not what its checkpoint says: it was changed or cut off since it was fetched; remove both "
        "and fetch again"
    )


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
            value = text if algorithm.kind is Kind.URL else _bytes(text, algorithm.size)
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
        told = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(told, dict):
        raise ValueError("no record")  # noqa: TRY004 - a bad line, not a wrong type of ours
    key, values, deleted = told.get("key"), told.get("values"), told.get("deleted")
    if not isinstance(key, str) or not key or not isinstance(values, dict) or not isinstance(deleted, bool):
        raise ValueError("no record")
    texts = {name: tuple(each) if isinstance(each, list) else (each,) for name, each in values.items()}
    if any(not isinstance(text, str) for each in texts.values() for text in each):
        raise ValueError("no text")
    return Record(key, severity_of(told.get("severity")), texts, deleted)


def _bytes(text: str, size: int) -> bytes | None:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return None
    return value if len(value) == size and len(text) == size * 2 else None
