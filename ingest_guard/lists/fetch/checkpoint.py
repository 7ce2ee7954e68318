"""The checkpoint: where a source's fetch goes on, and how much of its journal counts; replaced whole, by a rename."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ingest_guard.files.atomic import whole_file
from ingest_guard.lists.checkpoints import EMPTY, Mark, load_checkpoint, state_digest
from ingest_guard.lists.fetch.errors import FetchError

VERSION = 1
FILE_MODE = 0o600


@dataclass
class State:
    """What is known of a source between two runs. All times are seconds since 1970, in UTC.

    Attributes
    ----------
    source
        Digest of what the source is (service, collection; no credentials): a checkpoint is of no use to another one.
    position
        Where to go on; only the service's own module reads it. Empty: from the beginning.
    journal
        How much of the journal counts.
    pending
        What the journal will be once its compacted form has been put in its place; set around that rename only.
    live
        Lines after the last compaction.
    full_from
        Where in the journal a full fetch began: what stands before it no longer counts once the fetch is done.
    completed
        When the source was last fetched to its end; None: never.
    """

    source: str
    position: Mapping[str, Any] = field(default_factory=dict)
    journal: Mark = EMPTY
    pending: Mark | None = None
    live: int = 0
    full_from: int | None = None
    completed: float | None = None

    def save(self, path: Path) -> None:
        """Write the checkpoint so that a kill or a power cut leaves the old one or the new one."""
        state = {"version": VERSION, **asdict(self)}
        with whole_file(path, FILE_MODE) as file:
            file.write(json.dumps({"state": state, "sha256": state_digest(state)}, indent=1).encode())

    @classmethod
    def load(cls, path: Path) -> State | None:
        """Read a checkpoint; None if there is none.

        Raises
        ------
        FetchError
            It is damaged, or of a later version of this program.
        """
        try:
            read = load_checkpoint(path)
            if read is None:
                return None
            if read["version"] != VERSION:
                raise FetchError(f"checkpoint {path} is of another version of ingest-guard; use that one")
            return cls(
                read["source"],
                read["position"],
                Mark.from_json(read["journal"]),
                None if read["pending"] is None else Mark.from_json(read["pending"]),
                read["live"],
                read["full_from"],
                read["completed"],
            )
        except (ValueError, KeyError):
            raise FetchError(
                f"checkpoint {path} is damaged; remove it and the journal beside it, and fetch from the beginning"
            ) from None
        except OSError as error:
            raise FetchError(f"checkpoint {path} cannot be read: {error.strerror}") from error


def private(path: Path, flags: int, mode: str) -> Any:
    """Open a file that only its owner can read, and no link; return the file object."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    os.fchmod(descriptor, FILE_MODE)
    return os.fdopen(descriptor, mode)
