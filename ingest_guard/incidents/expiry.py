"""Entries that are settled and old go from a log, and leave a stub: the chain of digests holds as before.

The officer's journal says of each that it has expired, signed, before it goes: once by the digest of the entry's line,
and once by that of the stub, since no other line vouches for its day and run. A stub without both is tampering.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard._clock import format_time
from ingest_guard.errors import IncidentError
from ingest_guard.files.atomic import flush_folder, whole_file
from ingest_guard.incidents import chain
from ingest_guard.incidents import officers_journal as journal
from ingest_guard.incidents.lines import Entry, Line, Stub, read_lines, read_segment, segments, to_line
from ingest_guard.incidents.log import locked
from ingest_guard.incidents.officers_journal import SETTLED, Journal, State

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PRIVATE = 0o600


def expire(folder: Path, book: Path, key: Ed25519PrivateKey, retention: timedelta) -> int:
    """Remove the entries that are settled and older than the retention; return how many.

    Crawls that write to the log wait meanwhile. A run that was killed is finished by the next one.

    Parameters
    ----------
    folder
        Of the log.
    book
        The officer's journal.
    key
        The officer's.
    retention
        Entries that are reported or dismissed go when their day, and that of the decision, are as long ago as that.

    Raises
    ------
    IncidentError
        The log or the journal does not hold, or cannot be read or written. Then nothing was removed that the journal
        does not call expired.
    """
    public = key.public_key().public_bytes_raw().hex()
    try:
        with locked(folder):
            found = chain.verify(folder)
            known = journal.read(book, {public})
            problems = [*found.problems, *known.problems]
            problems += [f"entry {n} was blanked by another hand" for n, *_ in unvouched(found.blanked, known)]
            if problems:
                raise IncidentError(f"{folder}: nothing was removed, because something does not hold: {problems[0]}")
            due = _due(folder, known, _day_before(retention))
            said = [
                (entry.n, digest, known.marks[line.digest].reference)
                for line, entry in due
                for digest in (line.digest, hashlib.sha256(to_line(_stub_of(line, entry))).hexdigest())
                if known.state_of(digest) != State.EXPIRED
            ]
            journal.mark(book, said, State.EXPIRED, key, after=known.head)
            digests = {line.digest for line, _ in due}
            for segment in segments(folder):
                _blank(segment, digests)
            flush_folder(folder)
    except OSError as error:
        raise IncidentError(f"{folder}: the log of incidents cannot be written: {error.strerror}") from None
    return len(due)


def unvouched(blanked: list[tuple[int, str, str]], known: Journal) -> list[tuple[int, str, str]]:
    """Return the stubs that a journal does not vouch for: for the entry that went, and for what stands there now."""
    return [each for each in blanked if any(known.state_of(digest) != State.EXPIRED for digest in each[1:])]


def _due(folder: Path, known: Journal, before: str) -> list[tuple[Line, Entry]]:
    """Return each entry that is to go, with its line."""
    return [
        (line, line.content)
        for line in read_lines(folder)
        if isinstance(line.content, Entry)
        and (
            known.state_of(line.digest) is State.EXPIRED
            or (known.state_of(line.digest) in SETTLED and _since(line, known) <= before)
        )
    ]


def _since(line: Line, known: Journal) -> str:
    """Return the day from which on the retention counts: of the entry, or of its last mark."""
    day = line.content.day if isinstance(line.content, Entry) else ""
    return max(day, known.marks[line.digest].time[:10])


def _day_before(retention: timedelta) -> str:
    """Return the last day that is as long ago as that."""
    try:
        return format_time(datetime.now(UTC) - retention)[:10]
    except OverflowError:
        return ""


def _blank(segment: Path, digests: set[str]) -> None:
    """Put stubs in the place of entries: the segment is the old or the new one at any moment."""
    lines = list(read_segment(segment))
    if not any(line.digest in digests for line in lines):
        return
    with whole_file(segment, _PRIVATE) as file:
        file.writelines(_stub(line, digests) + b"\n" for line in lines)


def _stub(line: Line, digests: set[str]) -> bytes:
    entry = line.content
    if not isinstance(entry, Entry) or line.digest not in digests:
        return line.raw
    return to_line(_stub_of(line, entry))


def _stub_of(line: Line, entry: Entry) -> Stub:
    return Stub(entry.n, entry.day, entry.run, entry.prev, line.digest)
