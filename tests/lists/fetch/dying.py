"""ingest-guard, killed by itself with SIGKILL before its N-th step on the way to the disk.

A step is whatever changes what a later run finds: a write, a flush to the disk, a rename, a cut. The imports cost more
than most runs, so that one process does them and forks a child for each run. It reads one JSON object a line
(``arguments``, ``last``: N or 0, ``environment``, ``output``: a file), and writes two lines for each: the child's
number, and how it ended. At the end of a run that was not killed, the last line of its output is the number of steps.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Self

from ingest_guard.cli import main
from ingest_guard.cli.blocklist import fetch as _fetch  # noqa: F401 - so that no child has to import it
from ingest_guard.lists.fetch import checkpoint as state
from ingest_guard.lists.fetch import journal_files

last = steps = 0


def step() -> None:
    """Count, and die when it is time."""
    global steps  # noqa: PLW0603 - the point of this program
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """A file whose writes go to the disk at once, as they may at any time, and are counted."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        """Write in two parts: a kill may come between them."""
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            step()
            self._file.write(part)
            self._file.flush()
        return len(data)

    def truncate(self, size: int) -> None:
        """Cut."""
        step()
        self._file.truncate(size)


opened = state.private
fsync, replace, unlink = os.fsync, Path.replace, Path.unlink


def counted_private(*arguments: Any) -> Counted:
    """Open a file that is counted."""
    return Counted(opened(*arguments))


def before(call: Any) -> Any:
    """Count before a call."""

    def counted(*arguments: Any, **options: Any) -> Any:
        step()
        return call(*arguments, **options)

    return counted


journal_files.private = state.private = counted_private  # type: ignore[assignment]
os.fsync = before(fsync)
Path.replace = before(replace)  # type: ignore[method-assign]
Path.unlink = before(unlink)  # type: ignore[method-assign]


def child(told: dict[str, Any]) -> None:
    """Run the command, and never return."""
    global last  # noqa: PLW0603 - the point of this program
    last = told["last"]
    os.environ.update(told["environment"])
    time.tzset()
    output = os.open(told["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["ingest-guard", *told["arguments"]]
    status = 70
    try:
        main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        os.write(output, f"\n{steps}\n".encode())
        os._exit(status)


for line in sys.stdin:
    pid = os.fork()
    if not pid:
        child(json.loads(line))
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
    sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
    sys.stdout.flush()
