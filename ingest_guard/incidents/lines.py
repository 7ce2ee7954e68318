"""The lines of a log: entries, what is left of expired ones, and checkpoints.

A log is a folder of segments, ``000001.log`` and on. Each line names the SHA-256 of the line before, across segments.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ingest_guard.errors import IncidentError

FIRST = "0" * 64
"""``prev`` of the first line of a log."""
LONGEST = 1 << 16
"""Bytes that a line can have; a longer one is damaged."""

_SEGMENT = re.compile(r"(\d{6,9})\.log")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_RUN = re.compile(r"[0-9a-zA-Z_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line with a sealed incident: number (from 1), day (UTC), run, and the ciphertext in base64."""

    n: int
    day: str
    run: str
    prev: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stub:
    """What stands for an entry that has expired: all but the ciphertext, and the SHA-256 that the line had."""

    n: int
    day: str
    run: str
    prev: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Point:
    """What a checkpoint says: the number of the last entry, the SHA-256 of the last line, when, by whom, and why."""

    entries: int
    head: str
    time: str
    run: str
    why: str

    def digest(self) -> str:
        """Return the SHA-256 that a checkpoint's signature is of."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A line that says how far the log went, signed.

    Attributes
    ----------
    checkpoint
        What it says.
    prev
        SHA-256 of the line before.
    key
        Public Ed25519 key of the signer, 64 hex digits; None where the policy names no key.
    signature
        In hex, of :meth:`Point.digest` with ``ingest_guard.incidents.chain.CHECKPOINTS``.
    """

    checkpoint: Point
    prev: str
    key: str | None
    signature: str | None


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that is none of these, and what is wrong with it."""

    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line, and where it stands.

    Attributes
    ----------
    content
        What it says.
    digest
        SHA-256 by which the next line names it: of all its bytes but the line feed; of a stub, that of the line it
        stands for.
    segment, number
        File, and number in it, from 1.
    raw
        Its bytes, without the line feed.
    """

    content: Entry | Stub | Checkpoint | Damaged
    digest: str
    segment: Path
    number: int
    raw: bytes = field(repr=False)


def segments(folder: Path) -> list[Path]:
    """Return the segments of a log in their order; IncidentError where the folder cannot be read."""
    try:
        found = [(int(match[1]), entry) for entry in folder.iterdir() if (match := _SEGMENT.fullmatch(entry.name))]
    except OSError as error:
        raise IncidentError(f"{folder}: the log of incidents cannot be read: {error.strerror}") from None
    return [path for _, path in sorted(found)]


def segment_path(folder: Path, number: int) -> Path:
    """Return the path of a segment by its number."""
    return folder / f"{number:06d}.log"


def segment_number(path: Path) -> int:
    """Return the number of a segment."""
    return int(path.stem)


def read_lines(folder: Path) -> Iterator[Line]:
    """Iterate over the lines of a log, in constant memory.

    A last line without its line feed was never finished, and is left out.

    Raises
    ------
    IncidentError
        The folder or a segment cannot be read.
    """
    paths = segments(folder)
    for path in paths:
        yield from read_segment(path, is_last=path == paths[-1])


def read_segment(path: Path, *, is_last: bool = True) -> Iterator[Line]:
    """Iterate over the lines of a segment; see :func:`read_lines`."""
    try:
        with path.open("rb") as file:
            number = 0
            while raw := file.readline(LONGEST + 1):
                number += 1
                is_whole = raw.endswith(b"\n")
                if not is_whole and len(raw) <= LONGEST and is_last:
                    return
                line = raw.removesuffix(b"\n")
                content = parse(line) if is_whole else Damaged("it is too long, or has no end")
                yield Line(content, digest_of(line, content), path, number, line)
    except OSError as error:
        raise IncidentError(f"{path}: the log of incidents cannot be read: {error.strerror}") from None


def has_unfinished_line(folder: Path) -> bool:
    """Return whether the last segment ends in a line without its line feed; raises as :func:`read_lines`."""
    paths = segments(folder)
    if not paths:
        return False
    try:
        with paths[-1].open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 1))
            return file.read(1) not in {b"", b"\n"}
    except OSError as error:
        raise IncidentError(f"{paths[-1]}: the log of incidents cannot be read: {error.strerror}") from None


def digest_of(line: bytes, content: Entry | Stub | Checkpoint | Damaged) -> str:
    """Return the SHA-256 by which the next line names a line."""
    return content.sha256 if isinstance(content, Stub) else hashlib.sha256(line).hexdigest()


def parse(line: bytes) -> Entry | Stub | Checkpoint | Damaged:
    """Return what a line says. A line has one spelling only: :func:`to_line`."""
    try:
        value = json.loads(line.decode("ascii"))
        content = _content(value)
    except (ValueError, TypeError, KeyError, RecursionError):
        return Damaged("it is no line of a log")
    return content if to_line(content) == line else Damaged("it is spelled in another way than this package does")


def to_line(content: Entry | Stub | Checkpoint) -> bytes:
    """Return a line without its line feed: JSON in ASCII."""
    shallow = {name: getattr(content, name) for name in _FIELDS[type(content)]}
    return _encode(shallow).encode("ascii")


_FIELDS = {kind: tuple(each.name for each in fields(kind)) for kind in (Entry, Stub, Checkpoint)}
# asdict copies all that is inside, and takes ten times as long.
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=asdict).encode


def _content(value: dict[str, Any]) -> Entry | Stub | Checkpoint:
    if "checkpoint" in value:
        point = Point(**value["checkpoint"])
        _require(type(point.entries) is int and point.entries >= 0)
        _require(bool(_DIGEST.fullmatch(point.head) and _DIGEST.fullmatch(value["prev"])))
        _require(all(type(each) is str for each in (point.time, point.run, point.why)))
        _require((value["key"] is None) == (value["signature"] is None))
        return Checkpoint(**{**value, "checkpoint": point})
    _require(type(value["n"]) is int and value["n"] > 0)
    _require(bool(_DAY.fullmatch(value["day"]) and _RUN.fullmatch(value["run"]) and _DIGEST.fullmatch(value["prev"])))
    if "sha256" in value:
        _require(bool(_DIGEST.fullmatch(value["sha256"])))
        return Stub(**value)
    _require(type(value["sealed"]) is str)
    return Entry(**value)


def _require(condition: bool) -> None:  # noqa: FBT001 - reads as a sentence where it is called
    if not condition:
        raise ValueError
