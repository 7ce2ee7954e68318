"""Job directories: whether the crawl that used one before ended as it should have.

Scrapy writes which requests wait when a crawl is closed, and which were seen as it goes on. After a crash, a resumed
crawl therefore takes what waited for done, finds nothing to do, and ends as ``finished`` with the rest missing. So the
guard leaves a note of its own in the directory, and a crawl that finds the note of one that never ended does not start.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.errors import SetupError

if TYPE_CHECKING:
    from scrapy.settings import BaseSettings

NOTE = "ingest_guard.json"
_SEEN, _QUEUE, _STATE = "requests.seen", "requests.queue", "spider.state"
_RUNNING, _CLOSED = "running", "closed"


def job_folder(settings: BaseSettings) -> Path | None:
    """Return the crawl's job directory, whether it exists or not; None for a crawl without one."""
    value = settings.get("JOBDIR")
    return Path(str(value)) if value else None


def require_clean(folder: Path) -> None:
    """Raise SetupError where the crawl that used a job directory before was not closed."""
    if not was_closed(folder):
        raise SetupError(
            f"ingest_guard: the last crawl in the job directory {folder} did not end as it should have; resumed, it "
            "would end without an error and without what it had still to do. Start it again from its first pages, "
            "leaving out what has a record: the same ingest-guard crawl with --recover (or remove the directory)"
        )


def was_closed(folder: Path) -> bool:
    """Tell whether a job directory is new, or was left by a crawl that was closed."""
    note = _read_note(folder)
    if note is not None:
        return note == _CLOSED
    # A directory from before the guard: seen requests, and no list of those that wait.
    seen = folder / _SEEN
    return not (seen.is_file() and seen.stat().st_size and not (folder / _QUEUE / "active.json").is_file())


def was_used(folder: Path) -> bool:
    """Tell whether a crawl has used a job directory before."""
    return _read_note(folder) is not None or (folder / _SEEN).is_file()


def begin(folder: Path) -> None:
    """Note that a crawl has begun."""
    _write_note(folder, _RUNNING)


def close(folder: Path) -> None:
    """Note that it was closed, after everything else."""
    _write_note(folder, _CLOSED)


def start_over(folder: Path) -> None:
    """Forget what waits and what was seen, so that a crawl begins with its first pages."""
    for name in (_SEEN, _STATE, NOTE):
        (folder / name).unlink(missing_ok=True)
    queue = folder / _QUEUE
    if queue.is_dir():
        # Some queues are files, others folders of files.
        shutil.rmtree(queue)


def _read_note(folder: Path) -> str | None:
    try:
        note = json.loads((folder / NOTE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return _RUNNING
    return note.get("state") if isinstance(note, dict) else _RUNNING


def _write_note(folder: Path, state: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    hidden = folder / f".{NOTE}"
    with hidden.open("w", encoding="utf-8") as file:
        json.dump({"state": state}, file)
        file.flush()
        os.fsync(file.fileno())
    hidden.replace(folder / NOTE)
