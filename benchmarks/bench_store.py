"""The blocklist store: a build, opening it, a day's changes on top, compaction; seconds and memory of each.

    python benchmarks/bench_store.py             10 M entries of mixed types, some ten minutes, 3 GB of disk
    python benchmarks/bench_store.py --quick     100,000 entries, some seconds

Four tenths MD5, two SHA-1, one SHA-256, three PDQ. Each step runs in a process of its own, whose peak memory is told.
``private_mb`` is what an open blocklist adds to a process, after a few look-ups: memory that it has written to. The
maps of the files are shared by all processes that have them open.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.build.changes import compare
from ingest_guard.blocklist.build.compact import compact
from ingest_guard.blocklist.build.update import update
from ingest_guard.blocklist.parts.load import load

MIX = {"md5": (16, 0.4), "sha1": (20, 0.2), "sha256": (32, 0.1), "pdq": (32, 0.3)}
CHUNK = 100_000
KEY = hashlib.sha256(b"a key for a benchmark").digest()


def main() -> int:
    """Run the steps one after another, each in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--delta", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="100,000 entries")
    parser.add_argument("--no-confirm", action="store_true", help="filters without tables of values")
    parser.add_argument("--sealed", action="store_true", help="with a key")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.entries = 100_000
    if options.step:
        print(json.dumps(step(options)))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        base = Path(name)
        make(base / "base.txt", options.entries, 1)
        make(base / "delta.txt", options.delta, 2)
        with (base / "base.txt").open("rb") as file:
            (base / "gone.txt").write_bytes(b"".join(next(file) for _ in range(options.delta // 10)))
        steps = ["build", "open", "update", "open", "update again", "open", "compare"]
        steps += [] if options.no_confirm else ["compact", "open"]
        for each in steps:
            words = [sys.executable, __file__, *sys.argv[1:], "--folder", name, "--step", each]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return 1
            print(done.stdout.strip(), flush=True)
    return 0


def make(path: Path, entries: int, seed: int) -> None:
    """Write a plain list of made-up values."""
    rng = np.random.default_rng(seed)
    with path.open("w", encoding="ascii") as file:
        for start in range(0, entries, CHUNK):
            count = min(CHUNK, entries - start)
            for name, (size, share) in MIX.items():
                text = rng.bytes(size * round(count * share)).hex()
                file.writelines(f"{name} {text[at : at + size * 2]}\n" for at in range(0, len(text), size * 2))


def step(options: argparse.Namespace) -> dict[str, Any]:
    """Do one step and say what it took."""
    folder: Path = options.folder
    store = folder / "store"
    key = KEY if options.sealed else None
    told: dict[str, Any] = {"step": options.step}
    start = time.perf_counter()
    if options.step == "build":
        report = build(store, [ListSource("a", "plain", folder / "base.txt")], confirm=not options.no_confirm, key=key)
        told["rows_a_second"] = round(report.lists[0].rows / (time.perf_counter() - start))
        told["accepted"] = dict(report.lists[0].accepted)
    elif options.step.startswith("update"):
        path = folder / f"{options.step}.txt"
        make(path, options.delta, len(options.step))
        gone = [] if options.no_confirm or options.step != "update" else [folder / "gone.txt"]
        start = time.perf_counter()
        removals = [ListSource("a", "plain", each) for each in gone]
        report = update(store, [ListSource("a", "plain", path)], removals=removals, key=key)
        told["changes"] = {name: change.to_json() for name, change in report.lists[0].changes.items()}
    elif options.step == "compact":
        compact(store)
    elif options.step == "compare":
        versions = sorted((store / "versions").iterdir(), key=lambda path: path.stat().st_mtime)
        told["changes"] = compare(versions[0], versions[-1]).to_json()["changes"]
    else:
        told.update(opened(store, key, start))
    told.setdefault("seconds", round(time.perf_counter() - start, 2))
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    inodes = {path.stat().st_ino: path.stat().st_size for path in (store / "versions").glob("*/*")}
    told["store_mb"] = sum(inodes.values()) >> 20
    return told


def opened(store: Path, key: bytes | None, start: float) -> dict[str, Any]:
    """Open the store, look things up, and say what private memory that took."""
    before = private()
    with Blocklist.open(store, key=key) as blocklist:
        seconds = time.perf_counter() - start
        queries = np.random.default_rng(9).integers(0, 256, (8, 32), dtype=np.uint8)
        blocklist.match_near("pdq", queries)
        blocklist.match_exact({"md5": "00" * 16})
        told = {"seconds": round(seconds, 2), "private_mb": round((private() - before) / 1024, 1)}
    begin = time.perf_counter()
    load(store, unchecked=lambda _: True)
    return {**told, "seconds_without_digests": round(time.perf_counter() - begin, 2)}


def private() -> int:
    """Return the memory in KiB that this process has written to and shares with no other."""
    text = Path(f"/proc/{os.getpid()}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty"))


if __name__ == "__main__":
    raise SystemExit(main())
