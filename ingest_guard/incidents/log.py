"""A log's folder, as its writers see it: lines are appended under a lock, and are on the disk before it is let go.

Several crawls may share a folder. Each appends a batch of lines at a time: it takes the lock, reads how far the others
got, writes, flushes once, and lets go. A line that a killed writer left without its end was never acknowledged, and is
cut away by the next one. A segment that has grown to its size is followed by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard._clock import now
from ingest_guard.errors import IncidentError
from ingest_guard.files.atomic import flush_folder
from ingest_guard.incidents import chain
from ingest_guard.incidents.lines import (
    FIRST,
    LONGEST,
    Checkpoint,
    Damaged,
    Entry,
    Point,
    digest_of,
    parse,
    read_segment,
    segment_path,
    segments,
    to_line,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEGMENT_BYTES = 16 << 20
LOCK = "lock"
_PRIVATE_FOLDER = 0o700
_PRIVATE = 0o600
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _End:
    """How far a log goes: the segment, its inode and size; the last entry's number, the last line's digest."""

    number: int
    inode: int
    size: int
    entries: int
    head: str


class Log:
    """One writer's view of a log.

    Parameters
    ----------
    folder
        Made where it is missing.
    run
        Id of the crawl, of letters and digits.
    key
        Signs checkpoints; None leaves them unsigned.
    segment_bytes
        Size from which on a segment is followed by the next.

    Raises
    ------
    IncidentError
        The folder cannot be made, or others than its owner may write to it.
    """

    def __init__(
        self, folder: Path, run: str, key: Ed25519PrivateKey | None = None, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self.folder = folder
        self.run = run
        self.checkpoint: Checkpoint | None = None
        self._key = key
        self._segment_bytes = segment_bytes
        self._end: _End | None = None
        self._reached = 0
        try:
            if not folder.is_dir():
                folder.mkdir(_PRIVATE_FOLDER, parents=True)
                flush_folder(folder.parent)
            mode = folder.stat().st_mode
        except OSError as error:
            raise _cannot_write(folder, error) from None
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise IncidentError(
                f"{folder}: others than its owner may write to the log of incidents (mode {stat.S_IMODE(mode):04o}): "
                f"chmod 700 {folder}"
            )

    def append(self, sealed: Sequence[str] = (), why: str | None = None) -> int:
        """Append entries, and a checkpoint behind them where it has a reason; they are on the disk when this returns.

        Parameters
        ----------
        sealed
            Ciphertexts, as :class:`~ingest_guard.incidents.sealing.Sealer` makes them.
        why
            ``start``, ``end`` or ``interval``.

        Returns
        -------
        int
            Number of the last entry in the log; those appended have the numbers up to it.

        Raises
        ------
        IncidentError
            They cannot be written. None of them counts as written; some may be there all the same.
        """
        try:
            with locked(self.folder):
                end = self._catch_up()
                if end.entries < self._reached:
                    raise IncidentError(f"{self.folder}: the log of incidents has lost lines since this run began")
                if end.size >= self._segment_bytes:
                    end = self._rotate(end)
                lines: list[bytes] = []
                head, entries, day = end.head, end.entries, now()[:10]
                for each in sealed:
                    entries += 1
                    lines.append(to_line(Entry(entries, day, self.run, head, each)))
                    head = hashlib.sha256(lines[-1]).hexdigest()
                checkpoint = None if why is None else self._make_checkpoint(entries, head, why)
                self._end = None  # until it is known to be on the disk
                self._end = self._write(end, lines, entries, head, checkpoint)
                self._reached = self._end.entries
                return self._reached
        except OSError as error:
            raise _cannot_write(self.folder, error) from None

    def first_entry(self) -> Entry | None:
        """Return the first entry that has not expired."""
        for path in segments(self.folder):
            for line in read_segment(path):
                if isinstance(line.content, Entry):
                    return line.content
        return None

    def _make_checkpoint(self, entries: int, head: str, why: str) -> Checkpoint:
        return chain.sign(Point(entries, head, now("milliseconds"), self.run, why), head, self._key)

    def _rotate(self, end: _End) -> _End:
        end = self._write(end, [], end.entries, end.head, self._make_checkpoint(end.entries, end.head, "rotation"))
        return self._new_segment(end.number + 1, end.entries, end.head)

    def _new_segment(self, number: int, entries: int, head: str) -> _End:
        descriptor = os.open(segment_path(self.folder, number), _OPEN | os.O_CREAT | os.O_EXCL, _PRIVATE)
        try:
            inode = os.fstat(descriptor).st_ino
        finally:
            os.close(descriptor)
        flush_folder(self.folder)
        return _End(number, inode, 0, entries, head)

    def _write(self, end: _End, lines: list[bytes], entries: int, head: str, checkpoint: Checkpoint | None) -> _End:
        """Write lines behind the end of the last segment, and flush; return the new end."""
        if checkpoint is not None:
            lines.append(to_line(checkpoint))
            head = hashlib.sha256(lines[-1]).hexdigest()
        data = b"".join(line + b"\n" for line in lines)
        if not data:
            return end
        descriptor = os.open(segment_path(self.folder, end.number), _OPEN)
        try:
            try:
                _write_all(descriptor, data, end.size)
                os.fsync(descriptor)
            except OSError:
                # What does not count must not stay, where that can be done.
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, end.size)
                raise
        finally:
            os.close(descriptor)
        self.checkpoint = checkpoint or self.checkpoint
        return _End(end.number, end.inode, end.size + len(data), entries, head)

    def _is_still(self, end: _End) -> bool:
        """Return whether the log goes no further than it did: it costs less than a look at the folder."""
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(segment_path(self.folder, end.number))  # noqa: PTH116 - as quick as it gets
            if (status.st_ino, status.st_size) != (end.inode, end.size):
                return False
            return not os.path.lexists(segment_path(self.folder, end.number + 1))
        return False

    def _catch_up(self) -> _End:
        """Return how far the log goes, after what others wrote; cut away what has no end."""
        if self._end is not None and self._is_still(self._end):
            return self._end
        paths = segments(self.folder)
        if not paths:
            return self._new_segment(1, 0, FIRST)
        number = int(paths[-1].stem)
        descriptor = os.open(paths[-1], _OPEN)
        try:
            status = os.fstat(descriptor)
            size = _cut(descriptor, status.st_size, paths[-1])
        finally:
            os.close(descriptor)
        for path in reversed(paths):
            if (last := _last_line(path)) is not None:
                return _End(number, status.st_ino, size, *last)
        return _End(number, status.st_ino, size, 0, FIRST)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a log's lock, which all who change it take; OSError where the folder is gone or read-only."""
    descriptor = os.open(folder / LOCK, _OPEN | os.O_CREAT, _PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _cut(descriptor: int, size: int, path: Path) -> int:
    """Cut away a last line without its end, and return the size that is left."""
    tail = os.pread(descriptor, min(size, LONGEST + 1), max(0, size - LONGEST - 1))
    end = tail.rfind(b"\n") + 1
    if not end and len(tail) > LONGEST:
        raise _damaged(path)
    if end < len(tail):
        size -= len(tail) - end
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    return size


def _last_line(path: Path) -> tuple[int, str] | None:
    """Return the number of the last entry and the digest of the last line of a segment; None where it has no line."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST - 1))
        tail = file.read()
    if not tail:
        return None
    line = tail.removesuffix(b"\n").rpartition(b"\n")[2]
    content = parse(line)
    if isinstance(content, Damaged):
        raise _damaged(path)
    entries = content.checkpoint.entries if isinstance(content, Checkpoint) else content.n
    return entries, digest_of(line, content)


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _damaged(path: Path) -> IncidentError:
    return IncidentError(
        f"{path}: the last line of the log of incidents is damaged, so nothing can be written behind it; keep "
        f"{path.parent} for those who look at it, and name another folder in incidents.folder"
    )


def _cannot_write(folder: Path, error: OSError) -> IncidentError:
    return IncidentError(
        f"{folder}: the log of incidents cannot be written: {error.strerror or type(error).__name__}; the policy names "
        "it in incidents.folder"
    )
