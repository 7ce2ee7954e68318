"""Verifying a log without any key that opens it: the chain of lines, the numbers, and the signatures of checkpoints."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest_guard.incidents.lines import (
    FIRST,
    Checkpoint,
    Damaged,
    Entry,
    Line,
    Point,
    Stub,
    has_unfinished_line,
    read_lines,
    segment_number,
)
from ingest_guard.signing.signature_file import Signature, SignatureFormat

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CHECKPOINTS = SignatureFormat("ingest-guard incident checkpoints 1", "sha256", b"ingest_guard incidents v1\0")
MOST_PROBLEMS = 100
"""How many problems are named; the others are left out."""


@dataclass(slots=True)
class Chain:
    """What was found in a log.

    Attributes
    ----------
    entries, stubs, checkpoints
        How many lines of each kind there are.
    last
        Number of the last entry, 0 where there is none.
    head
        SHA-256 of the last line.
    first_day
        Of the oldest entry that is not a stub; None where there is none.
    last_checkpoint
        The last one; None where there is none.
    keys
        Public keys of the signatures that hold.
    blanked
        Number, SHA-256 that the line had, and SHA-256 of the line that it is now, of each stub: only the officer's
        journal says whether that was right.
    is_unfinished
        Whether a last line has no end: its writer was killed before it counted, or it was cut.
    problems
        What does not hold: file, line, and why. The first hundred. A log without a line is one of them: each run
        begins with a checkpoint.
    """

    entries: int = 0
    stubs: int = 0
    checkpoints: int = 0
    last: int = 0
    head: str = FIRST
    first_day: str | None = None
    last_checkpoint: Checkpoint | None = None
    keys: set[str] = field(default_factory=set)
    blanked: list[tuple[int, str, str]] = field(default_factory=list)
    is_unfinished: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found that does not hold."""
        return not self.problems


def verify(folder: Path, *, checkpoints: Collection[Checkpoint] = (), keys: Collection[str] | None = None) -> Chain:
    """Verify all lines of a log.

    Parameters
    ----------
    folder
        Of the log.
    checkpoints
        From elsewhere, such as an ``attestation.json``: each must stand in the log, so that a cut before one is found.
        What was cut away behind the last known checkpoint cannot be seen.
    keys
        Public keys (64 hex digits); each checkpoint must be signed with one of them. None: with any that its
        signature holds for, and checkpoints without a signature.

    Raises
    ------
    IncidentError
        The folder or a segment cannot be read.
    """
    chain = Chain()
    wanted = {(each.checkpoint.entries, each.checkpoint.head): each for each in checkpoints}
    segment: Path | None = None
    for line in read_lines(folder):
        if line.segment != segment:
            _follow(chain, segment, line.segment)
            segment = line.segment
        _look(chain, line, keys)
        if isinstance(line.content, Checkpoint):
            wanted.pop((line.content.checkpoint.entries, line.content.checkpoint.head), None)
    if segment is None:
        _note(chain, f"{folder}: there is no line: nothing was written here, or all of it was taken away")
    chain.is_unfinished = has_unfinished_line(folder)
    for each in wanted.values():
        _note(
            chain,
            f"{folder}: the checkpoint of {each.checkpoint.time} after entry {each.checkpoint.entries} is not in the "
            "log: it was cut or replaced",
        )
    return chain


def sign(point: Point, prev: str, key: Ed25519PrivateKey | None) -> Checkpoint:
    """Return a checkpoint, signed where there is a key."""
    if key is None:
        return Checkpoint(point, prev, None, None)
    signed = CHECKPOINTS.sign(point.digest(), key)
    return Checkpoint(point, prev, signed.public_key.hex(), signed.signature.hex())


def is_signed(checkpoint: Checkpoint, keys: Collection[str] | None = None) -> bool:
    """Return whether a checkpoint's signature holds, and is of one of the keys where some are given."""
    if checkpoint.key is None or checkpoint.signature is None:
        return False
    try:
        signature = Signature(bytes.fromhex(checkpoint.key), bytes.fromhex(checkpoint.signature))
    except ValueError:
        return False
    return (keys is None or checkpoint.key in keys) and CHECKPOINTS.holds(signature, checkpoint.checkpoint.digest())


def summary(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a checkpoint for a manifest: what it says, by whom. Nothing in it leads to an entry."""
    return {**asdict(checkpoint.checkpoint), "key": checkpoint.key, "signature": checkpoint.signature}


def _look(chain: Chain, line: Line, keys: Collection[str] | None) -> None:
    content = line.content
    if isinstance(content, Damaged):
        _note(chain, f"{_place(line)}: {content.why}")
        chain.head = line.digest
        return
    if content.prev != chain.head:
        _note(chain, f"{_place(line)}: the line before it was changed, cut or replaced")
    chain.head = line.digest
    if isinstance(content, Checkpoint):
        _look_at_checkpoint(chain, line, content, keys)
        return
    if content.n != chain.last + 1:
        _note(chain, f"{_place(line)}: its number is {content.n}, and {chain.last + 1} is next")
    chain.last = content.n
    if isinstance(content, Stub):
        chain.stubs += 1
        chain.blanked.append((content.n, content.sha256, hashlib.sha256(line.raw).hexdigest()))
    else:
        chain.entries += 1
        chain.first_day = chain.first_day or content.day


def _look_at_checkpoint(chain: Chain, line: Line, content: Checkpoint, keys: Collection[str] | None) -> None:
    chain.checkpoints += 1
    chain.last_checkpoint = content
    if (content.checkpoint.entries, content.checkpoint.head) != (chain.last, content.prev):
        _note(chain, f"{_place(line)}: the checkpoint does not fit what stands before it")
    if is_signed(content, keys):
        chain.keys.add(str(content.key))
    elif content.key is not None or keys is not None:
        _note(chain, f"{_place(line)}: the checkpoint is not signed by a key that counts, or its signature is wrong")


def _follow(chain: Chain, before: Path | None, segment: Path) -> None:
    expected = 1 if before is None else segment_number(before) + 1
    if segment_number(segment) != expected:
        _note(chain, f"{segment}: segments before it are missing")


def _place(line: Line) -> str:
    number = f", entry {line.content.n}" if isinstance(line.content, Entry | Stub) else ""
    return f"{line.segment.name}, line {line.number}{number}"


def _note(chain: Chain, problem: str) -> None:
    if len(chain.problems) < MOST_PROBLEMS:
        chain.problems.append(problem)
