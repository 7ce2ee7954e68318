"""Entries that are settled and old go from a log, and leave a stub: the chain of digests holds as before.

The officer's journal says of each that it has expired, signed, before it goes; a stub without such a line is tampering.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard._clock import format_time
from ingest_guard.errors import IncidentError
from ingest_guard.files.atomic import flush_folder, whole_file
from ingest_guard.incidents import chain, journal
from ingest_guard.incidents.journal import SETTLED, Journal, State
from ingest_guard.incidents.log import locked
from ingest_guard.incidents.reading import Entry, Line, Stub, read_lines, read_segment, segments, to_line

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
        Entries whose day is as long ago as that, or longer, go where the journal says that they are reported or
        dismissed.

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
            problems += [f"entry {n} was blanked by another hand" for n, _ in unvouched(found.blanked, known)]
            if problems:
                raise IncidentError(f"{folder}: nothing was removed, because something does not hold: {problems[0]}")
            due = list(_due(folder, known, _day_before(retention)))
            fresh = [(n, digest, reference) for n, digest, reference in due if known.state_of(digest) != State.EXPIRED]
            journal.mark(book, fresh, State.EXPIRED, key)
            digests = {digest for _, digest, _ in due}
            for segment in segments(folder):
                _blank(segment, digests)
            flush_folder(folder)
    except OSError as error:
        raise IncidentError(f"{folder}: the log of incidents cannot be written: {error.strerror}") from None
    return len(due)


def unvouched(blanked: list[tuple[int, str]], known: Journal) -> list[tuple[int, str]]:
    """Return the stubs of which a journal does not say that they have expired."""
    return [each for each in blanked if known.state_of(each[1]) != State.EXPIRED]


def _due(folder: Path, known: Journal, before: str) -> list[tuple[int, str, str]]:
    """Return number, digest and reference of each entry that is to go."""
    return [
        (line.content.n, line.digest, known.marks[line.digest].reference)
        for line in read_lines(folder)
        if isinstance(line.content, Entry)
        and (
            known.state_of(line.digest) is State.EXPIRED
            or (known.state_of(line.digest) in SETTLED and line.content.day <= before)
        )
    ]


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
    return to_line(Stub(entry.n, entry.day, entry.run, entry.prev, line.digest))
