"""Kills a writer of a log at each change to the file system, once before it, and once in the middle of a write.

    python kills.py FOLDER

Prints, for each kill, what was acknowledged and what the next writer found, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from ingest_guard.incidents import chain
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.log import Log

SEGMENT = 1500


def main(folder: Path) -> None:
    """Kill at every step, with writes whole and half; after each kill, write on and verify."""
    seen = []
    for half in (False, True):
        step, ended = 0, False
        while not ended:
            step += 1
            work = folder / "work"
            shutil.rmtree(work, ignore_errors=True)
            ended, acknowledged, what = forked(work, step, half=half)
            before = work.is_dir() and [line.content.n for line in read_lines(work) if isinstance(line.content, Entry)]
            last = Log(work, "next", segment_bytes=SEGMENT).append(["bmV4dA"], why="end")
            found = chain.verify(work)
            runs = [line.content.run for line in read_lines(work) if isinstance(line.content, Entry)]
            seen.append(
                {
                    "before": what,
                    "half": half,
                    "acknowledged": acknowledged,
                    "there": before or [],
                    "last": last,
                    "entries": found.entries,
                    "runs": sorted(set(runs)),
                    "problems": found.problems,
                }
            )
    print(json.dumps(seen))  # noqa: T201 - read by the test


def forked(work: Path, step: int, *, half: bool) -> tuple[bool, int, str]:
    """Run a writer in a fork; return whether it ended, the last acknowledged number, and where it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        kill_at(step, writing, half=half)
        log = Log(work, "killed", segment_bytes=SEGMENT)
        log.append(why="start")
        for batch in range(4):
            number = log.append([f"c2VhbGVk{batch}{each}" for each in range(3)])
            os.write(writing, f"{number}\n".encode())
        log.append(why="end")
        os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as file:
        lines = file.read().split()
    numbers = [int(line) for line in lines if line.isdigit()]
    return status == 0, max(numbers, default=0), next((line for line in lines if not line.isdigit()), "")


def kill_at(step: int, pipe: int, *, half: bool) -> None:
    """Let this process die at a step."""
    steps = 0

    def is_now(what: str) -> bool:
        nonlocal steps
        steps += 1
        if steps == step:
            os.write(pipe, f"{what}\n".encode())
        return steps == step

    def replaced(name: str) -> None:
        original = getattr(os, name)

        def wrapper(*arguments: Any, **named: Any) -> Any:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return original(*arguments, **named)
            if is_now(name):
                if half and name == "pwrite":
                    descriptor, data, at = arguments
                    original(descriptor, data[: len(data) // 2], at)
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **named)

        setattr(os, name, wrapper)

    for name in ("open", "mkdir", "pwrite", "fsync", "ftruncate"):
        replaced(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
