"""Scan workers on a large list: the memory that each adds, how soon they are there, and what a hot swap holds up.

    python benchmarks/bench_workers.py              10 M values, some minutes, 3 GB of disk
    python benchmarks/bench_workers.py --quick      50,000 values, under a minute

Values are made up. Workers tell their own memory, since nobody else may look into them: ``private`` are written pages
that no other process shares, ``pss`` is that and a share of all that is shared (the program, the lists). The swap is
what a crawl does: while images are scanned without a pause, the same version is opened again, gets workers of its own,
and takes over.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ingest_guard import Guard, Policy
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.workers import pool as pool_module
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1 << 20
CHUNK = 100_000
LIMIT = 60 * MIB
"""What a worker may add."""


def main() -> int:
    """Measure what was asked for; exit code 1 where a worker adds more than it may."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        store = options.store or build_store(Path(name), 50_000 if options.quick else options.size)
        images = pictures(24)
        rows = [asyncio.run(measure(store, count, images, options.images)) for count in options.workers]
        swapped = asyncio.run(swap(store, images))
        release(Path(name))
    if options.json:
        print(json.dumps({"workers": rows, "swap": swapped}))
    return 0 if all(row["private_max"] <= LIMIT for row in rows) else 1


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4, 8], metavar="N")
    parser.add_argument("--images", type=int, default=40, help="that each worker scans before it is asked")
    parser.add_argument("--folder", type=Path, help="where the list is built (the system's folder for such things)")
    parser.add_argument("--store", type=Path, help="a store to use instead")
    parser.add_argument("--quick", action="store_true", help="50,000 values only")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    return parser.parse_args()


def build_store(folder: Path, size: int) -> Path:
    """Build a store of made-up PDQ values."""
    started = time.perf_counter()
    rng = np.random.default_rng(1)
    listed = folder / "listed.txt"
    with listed.open("w") as file:
        for start in range(0, size, CHUNK):
            values = rng.integers(0, 256, (min(CHUNK, size - start), 32), dtype=np.uint8)
            file.write("".join(f"pdq {value.tobytes().hex()}\n" for value in values))
    build(folder / "store", [ListSource("made-up", "plain", listed)])
    listed.unlink()
    print(f"{size:,} values, built in {time.perf_counter() - started:.0f} s")
    return folder / "store"


def release(folder: Path) -> None:
    """Let the folders of a store be removed."""
    for path in folder.glob("store/versions/*"):
        path.chmod(0o755)


def pictures(count: int) -> list[bytes]:
    """Return JPEGs of one to two megapixels."""
    rng = np.random.default_rng(2)
    made = []
    for number in range(count):
        coarse = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        size = (1024 + 32 * number, 768 + 24 * number)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return made


def _failed(why: str) -> None:
    sys.exit(why)


async def measure(store: Path, count: int, images: Sequence[bytes], each: int) -> dict[str, Any]:
    """Start workers, let them scan, and have them tell their memory."""
    guard = Guard.from_policy(Policy(blocklist=store, workers=count))
    pool = WorkerPool(guard, _failed)
    started = time.perf_counter()
    pool.start()
    try:
        await pool.ready()
        ready = time.perf_counter() - started
        at_start = [dict(worker.memory) for worker in pool._workers]  # noqa: SLF001 - what it is all about
        await asyncio.gather(*(pool.scan(images[number % len(images)]) for number in range(each * count)))
        after = await reports(pool)
        nursery = dict(pool._source.nursery.memory) if pool._source.nursery else {}  # noqa: SLF001 - as above
    finally:
        pool.close()
    row: dict[str, Any] = {
        "workers": count,
        "ready_seconds": round(ready, 2),
        "nursery_private": nursery["private"],
        "private_at_start_max": max(told["private"] for told in at_start),
        "private_max": max(told["private"] for told in after),
        "private_mean": sum(told["private"] for told in after) // count,
        "pss_mean": sum(told["pss"] for told in after) // count,
    }
    print(
        f"{count} workers, ready after {ready:.1f} s: private {row['private_max'] / MIB:.0f} MiB at most, "
        f"{row['private_mean'] / MIB:.0f} MiB on average ({row['private_at_start_max'] / MIB:.0f} MiB at the start); "
        f"PSS {row['pss_mean'] / MIB:.0f} MiB on average; the process that they come from: "
        f"{nursery['private'] / MIB:.0f} MiB private, once"
    )
    return row


async def reports(pool: WorkerPool) -> list[dict[str, int]]:
    """Return what each worker says of its memory now."""
    workers = list(pool._workers)  # noqa: SLF001 - as above
    for worker in workers:
        worker.memory = {}
        worker.ask_for_report()
    while not all(worker.memory for worker in workers):  # noqa: ASYNC110 - nobody tells when a report has come
        await asyncio.sleep(0.01)
    return [dict(worker.memory) for worker in workers]


async def swap(store: Path, images: Sequence[bytes]) -> dict[str, float]:
    """Bring in a version under load; return how long that took and what it held up."""
    policy = Policy(blocklist=store, workers=1)
    current = WorkerPool(Guard.from_policy(policy), _failed)
    current.start()
    await current.ready()
    pools = [current]
    waits: list[float] = []
    lags: list[float] = []
    is_over = False

    async def scanning(offset: int) -> None:
        number = offset
        while not is_over:
            began = time.perf_counter()
            await pools[-1].scan(images[number % len(images)])
            waits.append(time.perf_counter() - began)
            number += 1

    async def ticking() -> None:
        while not is_over:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            lags.append(time.perf_counter() - began - 0.005)

    tasks = [asyncio.create_task(scanning(number)) for number in range(4)]
    tasks.append(asyncio.create_task(ticking()))
    await asyncio.sleep(2)
    before, idle_lag = max(waits), max(lags)
    waits.clear()
    lags.clear()
    began = time.perf_counter()
    guard = await asyncio.to_thread(Guard.from_policy, policy)
    opened = time.perf_counter() - began
    coming = WorkerPool(guard, _failed, current.budget)
    coming.start()
    await coming.ready()
    took = time.perf_counter() - began
    pools.append(coming)
    await asyncio.sleep(1)
    is_over = True
    await asyncio.gather(*tasks)
    current.retire()
    current.close()
    coming.close()
    row = {
        "open_seconds": round(opened, 2),
        "swap_seconds": round(took, 2),
        "longest_wait_before": round(before, 3),
        "longest_wait": round(max(waits), 3),
        "longest_lag_before": round(idle_lag, 3),
        "longest_lag": round(max(lags), 3),
    }
    print(
        f"swap under load: opened in {opened:.1f} s, taken over after {took:.1f} s; the longest that an image waited: "
        f"{row['longest_wait']:.2f} s (before: {before:.2f} s); the longest pause of the event loop: "
        f"{row['longest_lag'] * 1000:.0f} ms (before: {idle_lag * 1000:.0f} ms)"
    )
    return row


if __name__ == "__main__":
    pool_module._REPORT_EVERY = 1e9  # noqa: SLF001 - asked for here
    sys.exit(main())
