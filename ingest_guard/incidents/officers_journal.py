"""The officer's journal: what became of each entry. The crawler's log has one writer, and is never written to for this.

A journal is a file of the officer's own. Each line names an entry by its number and by the SHA-256 of its line, and the
SHA-256 of the journal's line before, and is signed with the officer's key. Nothing in it leads to an image or an
address but what the officer writes as a reference.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ingest_guard._clock import now
from ingest_guard.errors import IncidentError
from ingest_guard.incidents.lines import FIRST
from ingest_guard.signing.signature_file import Signature, SignatureFormat

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MARKS = SignatureFormat("ingest-guard incident journal 1", "sha256", b"ingest_guard incident journal v1\0")
LONGEST_REFERENCE = 200
MOST_LINES = 1_000_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MODE = 0o600
_LONGEST = 2048


class State(StrEnum):
    """What became of an entry."""

    NEW = "new"
    """Nothing yet; marks an earlier decision as withdrawn."""
    REPORTED = "reported"
    """Handed over to whom it concerns; the reference is theirs."""
    DISMISSED = "dismissed"
    """Looked at, and found to be no case."""
    HOLD = "hold"
    """To be kept, whatever its age: an authority has asked for it, or it is not settled."""
    EXPIRED = "expired"
    """Settled, older than the retention, and removed from the log."""
    OPINION = "opinion"
    """What a service says of it, in the reference; its state stays what it was."""


DECISIONS = (State.NEW, State.REPORTED, State.DISMISSED, State.HOLD)
"""What an officer decides."""


SETTLED = frozenset({State.REPORTED, State.DISMISSED})
"""States of entries that need nothing any more."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One line: entry ``n``, whose line has the SHA-256 ``entry``, has this state since ``time``.

    ``prev`` is the SHA-256 of the line before, 64 zeros in the first one.
    """

    n: int
    entry: str
    state: State
    reference: str
    time: str
    prev: str

    def digest(self) -> str:
        """Return the SHA-256 that the signature is of."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(slots=True)
class Journal:
    """What was found in a journal.

    Attributes
    ----------
    marks
        SHA-256 of an entry's line -> the last mark of it.
    opinions
        SHA-256 of an entry's line -> what services said of it, such as ``hma: not known``.
    head
        SHA-256 of the last line.
    keys
        Public keys of the signatures that hold.
    problems
        What does not hold: line, and why. A journal with a problem says nothing.
    """

    marks: dict[str, Mark] = field(default_factory=dict)
    opinions: dict[str, list[str]] = field(default_factory=dict)
    head: str = FIRST
    keys: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def state_of(self, entry: str) -> State:
        """Return the state of the entry whose line has this SHA-256."""
        mark = self.marks.get(entry)
        return State.NEW if mark is None else mark.state

    def answered(self, service: str) -> set[str]:
        """Return the SHA-256 of the lines that a service has said something about."""
        begin = f"{service}: "
        return {entry for entry, said in self.opinions.items() if any(each.startswith(begin) for each in said)}


def read(path: Path, keys: Collection[str] | None = None) -> Journal:
    """Read a journal; one that is not there is empty.

    Parameters
    ----------
    path
        The file.
    keys
        Public keys (64 hex digits): one of them must have signed each line; None where any may have.

    Raises
    ------
    IncidentError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _read(file, keys)
    except FileNotFoundError:
        return Journal()
    except OSError as error:
        raise IncidentError(f"{path}: the journal cannot be read: {error.strerror}") from None


def mark(
    path: Path,
    entries: Iterable[tuple[int, str, str]],
    state: State,
    key: Ed25519PrivateKey,
    *,
    after: str | None = None,
) -> None:
    """Write down that entries have a state; all of it is on the disk when this returns.

    Parameters
    ----------
    path
        The journal, made where there is none, for its owner alone.
    entries
        Of each its number, the SHA-256 of its line, and a reference of at most 200 printable characters.
    state
        What became of them.
    key
        The officer's.
    after
        SHA-256 of the last line as it was read: nothing is marked where there are others since.

    Raises
    ------
    IncidentError
        A reference is too long or has characters that do not print; the journal does not hold, has lines of another
        key, or cannot be written. Then nothing was marked.
    """
    marked = list(entries)
    if any(len(each) > LONGEST_REFERENCE or not each.isprintable() for _, _, each in marked):
        raise IncidentError(f"a reference has at most {LONGEST_REFERENCE} characters, and all of them print")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            found = _read(file, {key.public_key().public_bytes_raw().hex()})
            if found.problems:
                raise IncidentError(f"{path}: the journal does not hold, so nothing was marked: {found.problems[0]}")
            if after is not None and found.head != after:
                raise IncidentError(f"{path}: something was marked meanwhile; run the command again")
            # What a run that was killed has left behind of a line.
            file.seek(_whole(file))
            file.truncate()
            lines, head = [], found.head
            for n, entry, reference in marked:
                line = _line(Mark(n, entry, state, reference, now("milliseconds"), head), key)
                head = hashlib.sha256(line).hexdigest()
                lines.append(line + b"\n")
            file.write(b"".join(lines))
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise IncidentError(f"{path}: the journal cannot be written: {error.strerror}") from None


def _line(said: Mark, key: Ed25519PrivateKey) -> bytes:
    signed = MARKS.sign(said.digest(), key)
    return _spelt(said, signed.public_key.hex(), signed.signature.hex())


def _spelt(said: Mark, key: str, signature: str) -> bytes:
    return json.dumps({**asdict(said), "key": key, "signature": signature}, separators=(",", ":")).encode("ascii")


def _whole(file: BinaryIO) -> int:
    """Return where the last line ends that has an end."""
    file.seek(0)
    end = 0
    while (line := file.readline(_LONGEST + 1)).endswith(b"\n"):
        end += len(line)
    return end


def _read(file: BinaryIO, keys: Collection[str] | None) -> Journal:
    journal = Journal()
    for number in range(1, MOST_LINES + 2):
        raw = file.readline(_LONGEST + 1)
        if not raw.endswith(b"\n") and len(raw) <= _LONGEST:
            return journal  # the end, or a line that was never finished
        problem = _take(journal, raw.removesuffix(b"\n"), keys) if number <= MOST_LINES else "there are too many"
        if problem:
            journal.problems.append(f"line {number}: {problem}")
            return journal
    return journal


def _take(journal: Journal, raw: bytes, keys: Collection[str] | None) -> str | None:
    """Take a line in; return what is wrong with it, or None."""
    try:
        content = json.loads(raw.decode("ascii"))
        key, signature = content.pop("key"), content.pop("signature")
        said = Mark(**{**content, "state": State(content["state"])})
        signed = Signature(bytes.fromhex(key), bytes.fromhex(signature))
        is_sound = type(said.n) is int and all(map(_DIGEST.fullmatch, (said.entry, said.prev)))
        is_sound = is_sound and type(said.reference) is str and type(said.time) is str
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        is_sound = False
    if not is_sound or _spelt(said, key, signature) != raw:
        return "it is no line of a journal"
    if said.prev != journal.head:
        return "the line before it was changed, cut or replaced"
    if not MARKS.holds(signed, said.digest()):
        return "its signature is wrong"
    if keys is not None and key not in keys:
        return "it is signed with another key"
    if said.state is State.OPINION:
        journal.opinions.setdefault(said.entry, []).append(said.reference)
    else:
        journal.marks[said.entry] = said
    journal.head = hashlib.sha256(raw).hexdigest()
    journal.keys.add(key)
    return None
