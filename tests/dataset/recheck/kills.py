"""Runs rechecks in forks and kills each at another change to the file system, or at a random moment.

    python kills.py FOLDER BLOCKLIST in_place|clean|both|neighbours

Prints what it saw as JSON. A step is each file that is opened to be written, each flush to the disk, each rename, link
and removal, before it is done: a kill at the next step is one right after it. It is a process of its own, so that forks
are of one that has no threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest_guard.dataset.embeddings.embedding_files import find_embeddings
from ingest_guard.dataset.neighbours.candidates import write_candidates
from ingest_guard.dataset.neighbours.checkpoint import Checkpoint
from ingest_guard.dataset.neighbours.finding import Seeds, neighbours
from ingest_guard.dataset.neighbours.nearest import Wanted
from ingest_guard.dataset.neighbours.removal import RemovedNeighbours, remove_found
from ingest_guard.dataset.recheck.cleaning import Target, cleaning
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.dataset.recheck.sealed_lines import refuse_inside
from ingest_guard.errors import PolicyError
from ingest_guard.policy.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

RANDOM_KILLS = 8
WANTED = Wanted(0, 0.99)
# Audit events of Python; a rename that replaces is an os.rename, too.
_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.copyfile"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main(folder: Path, blocklist: Path, mode: str) -> None:
    """Kill at every step, then at random moments; after each kill look, run to the end, and look again."""
    plan = Plan(Policy(blocklist=blocklist))
    work, clean = folder / "work", folder / "clean"

    def run() -> None:
        if mode == "neighbours":
            remove_neighbours(work, clean, folder)
        else:
            further = RemovedNeighbours(work, WANTED, threads=1) if mode == "both" else None
            recheck(work, plan, Output(in_place=True) if mode == "in_place" else Output(clean), further)

    # Whatever is imported late is imported now, once, rather than in each fork.
    restore(folder)
    recheck(work, plan, Output(folder / "warm"))
    restore(folder)
    run()
    seen = []
    step = 0
    while True:
        restore(folder)
        step += 1
        ended, took, what = forked(run, at_step=step)
        seen.append({"kill": f"step {step}", "before": what, **look(folder, mode)})
        if ended:
            break
        seen.append({"kill": None, "ended": forked(run)[0], **look(folder, mode)})
    generator = random.Random(7)
    for _ in range(RANDOM_KILLS):
        restore(folder)
        forked(run, after=generator.random() * took)
        seen.append({"kill": "random", **look(folder, mode)})
        seen.append({"kill": None, "ended": forked(run)[0], **look(folder, mode)})
    print(json.dumps(seen))  # noqa: T201 - read by the test


def remove_neighbours(work: Path, clean: Path, notes: Path) -> None:
    """Do what ``neighbours --remove`` does, with the candidates in the first file of their names that is free."""
    with cleaning(work, Target(clean)) as records:
        files = find_embeddings(work)
        seeds = Seeds("vectors", np.load(work / "c.npy")[7:8].astype(np.float32))
        checkpoint = Checkpoint(files, seeds.vectors, WANTED)
        found, summary = neighbours(files, seeds, WANTED, threads=1, checkpoint=checkpoint)
        free, number = notes / "candidates-0.jsonl", 0
        while free.exists():
            # As the command does before it refuses a name that is taken.
            with contextlib.suppress(PolicyError):
                refuse_inside("-o", free, what="candidates")
            number += 1
            free = notes / f"candidates-{number}.jsonl"
        write_candidates(free, {}, files, found, ())
        remove_found(records, found, seeds, summary)
        checkpoint.remove()


def restore(folder: Path) -> None:
    """Bring everything back to how it was."""
    for path in folder.iterdir():
        if path.name != "original":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(folder / "original", folder / "work")


def forked(run: Callable[[], None], *, at_step: int = 0, after: float = 0.0) -> tuple[bool, float, str]:
    """Run in a fork, which is killed before a step or after some time.

    Return whether it came to its end, how long that took, and before which kind of step it was killed.
    """
    reading, writing_end = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        run_in_child(run, at_step, writing_end)
    os.close(writing_end)
    if after and not select.select([reading], [], [], after)[0]:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    what = os.read(reading, 64).decode()
    os.close(reading)
    return status == 0, time.monotonic() - started, what


def run_in_child(run: Callable[[], None], at_step: int, pipe: int) -> NoReturn:
    """Run, and die before a step."""
    steps = 0

    def count(event: str) -> None:
        nonlocal steps
        steps += 1
        if steps == at_step:
            os.write(pipe, event.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            count(event)

    fsync = os.fsync

    def counted_fsync(descriptor: int) -> None:
        count("os.fsync")
        fsync(descriptor)

    os.fsync = counted_fsync  # type: ignore[assignment]
    sys.addaudithook(watch)
    code = 1
    with contextlib.suppress(BaseException):
        run()
        code = 0
    os._exit(code)


def look(folder: Path, mode: str) -> dict[str, object]:
    """Return the bytes of each shard that a reader would see, and what lies around."""
    shown = folder / ("work" if mode == "in_place" else "clean")
    shards = {path.name: path.read_bytes().hex() for path in shown.glob("[!.]*")} if shown.is_dir() else None
    hidden = [path.name for path in folder.rglob(".*")]
    notes = [*folder.glob("*tombstones*"), *folder.glob("candidates*")]
    graves = [line for path in notes for line in path.read_text().splitlines()]
    uids = sorted({json.loads(line)["uid"] for line in graves if "uid" in json.loads(line)})
    return {"shards": shards, "hidden": hidden, "uids": uids}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
