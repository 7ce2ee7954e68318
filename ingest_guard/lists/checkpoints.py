"""How much of a journal counts: what stands in the file ``ID.checkpoint`` beside ``ID.journal``.

A fetch may be killed at any moment, and another one may be at work while the journal is read: the checkpoint says how
many bytes of the journal are whole, and their SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ingest_guard.errors import ListFormatError

SUFFIX = ".journal"
CHECKPOINT_SUFFIX = ".checkpoint"
_MAX_CHECKPOINT = 1 << 20
_BLOCK = 1 << 20
_TRIES = 5


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
    def from_json(cls, read: Any) -> Mark:
        """Read what a checkpoint says.

        Raises
        ------
        ValueError
            It says something else.
        """
        if (
            not isinstance(read, dict)
            or not isinstance(read.get("sha256"), str)
            or any(type(read.get(name)) is not int or read[name] < 0 for name in ("length", "lines"))
        ):
            raise ValueError("no mark")
        return cls(read["length"], read["sha256"], read["lines"])


EMPTY = Mark(0, hashlib.sha256().hexdigest(), 0)


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
    document = json.loads(data)
    if not isinstance(document, dict) or not isinstance(document.get("state"), dict):
        raise ValueError("no checkpoint")  # noqa: TRY004 - a damaged file, not a wrong type of ours
    if document.get("sha256") != state_digest(document["state"]):
        raise ValueError("changed since it was written")
    state: dict[str, Any] = document["state"]
    return state


def state_digest(state: Mapping[str, Any]) -> str:
    """Return what a checkpoint's own digest must be."""
    return hashlib.sha256(json.dumps(state, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def counts(file: BinaryIO, mark: Mark) -> bool:
    """Return whether the file starts with the bytes that a mark names; it is left at the end of them."""
    return hash_start(file, mark.length).hexdigest() == mark.sha256 and file.tell() == mark.length


def hash_start(file: BinaryIO, length: int) -> hashlib._Hash:
    """Return the SHA-256 of the first `length` bytes of a file (or of all, if it has fewer), to be updated further."""
    file.seek(0)
    hashed = hashlib.sha256()
    while length:
        block = file.read(min(_BLOCK, length))
        if not block:
            break
        hashed.update(block)
        length -= len(block)
    return hashed


def counting(file: BinaryIO, path: Path) -> Mark | None:
    """Return the part of the file that counts; None if no checkpoint stands beside it, so that all of it does."""
    checkpoint = path.with_name(path.name.removesuffix(SUFFIX) + CHECKPOINT_SUFFIX)
    for _ in range(_TRIES):
        try:
            state = load_checkpoint(checkpoint)
            if state is None:
                return None
            marks = [Mark.from_json(state[name]) for name in ("journal", "pending") if state.get(name) is not None]
            completed = state["completed"]
        except (ValueError, KeyError):
            raise ListFormatError(
                f"checkpoint {checkpoint} is damaged, so it is unknown how much of the journal counts; remove it "
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
    raise changed(path)


def _reopened(file: BinaryIO, path: Path) -> BinaryIO:
    with path.open("rb") as other:
        os.dup2(other.fileno(), file.fileno(), inheritable=False)
    file.seek(0)
    return file


def changed(path: Path) -> ListFormatError:
    """Return the error that says that a journal is not what its checkpoint says."""
    return ListFormatError(
        f"journal {path} is not what its checkpoint says: it was changed or cut off since it was fetched; remove both "
        "and fetch again"
    )
