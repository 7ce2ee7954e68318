"""Neighbours: rows a second with 27 and 1,000 seeds, against faiss-cpu and the machine's own sgemm, in one run.

    python -m benchmarks.bench_neighbours            a million rows, some minutes, 1.5 GB of disk
    python -m benchmarks.bench_neighbours --quick    50,000 rows, some seconds

Rows are made up: 768 half floats of about unit length, in one ``npy`` file that is mapped into memory; some lie near to
seeds. All three get the same file: this package's search; faiss's exhaustive search of blocks (``knn_ground_truth``),
which wants single precision; and the product of seeds and rows alone, on blocks that are converted already. Rounds are
taken in turns, and the least seconds of the processor count: what else the machine does has no part in them. The
answers must be those of double precision (27 seeds) and of faiss (all), up to similarities within 1e-6. The memory that
the search itself takes (``RssAnon``; mapped pages are not its own) must not grow with the rows.

Exit code 1 where an answer differs, the memory grows, the search is slower than faiss, or reaches less than 0.6 of the
product with 1,000 seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from faiss.contrib.exhaustive_search import knn_ground_truth
from threadpoolctl import threadpool_limits

from ingest_guard.dataset.neighbours.nearest import Search, Wanted
from ingest_guard.dataset.neighbours.unit_rows import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Answer = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]

WIDTH = 768
K = 100
SEEDS = (27, 1000)
PART = 1 << 16
NEAR = 1e-6
LEAST_SHARE = 0.6
GROWTH = 32 << 20


def main() -> int:
    """Run it; exit code 1 where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="cores to use; with one, other load disturbs least")
    parser.add_argument("--quick", action="store_true", help="50,000 rows")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    count = 50_000 if options.quick else options.rows
    with tempfile.TemporaryDirectory() as folder:
        rows, every = make(Path(folder) / "rows.npy", count)
        results = [race(rows, every[:number], options.rounds, options.threads) for number in SEEDS]
    for each in results:
        print(json.dumps(each) if options.json else describe(each))
    return 0 if all(each["holds"] for each in results) else 1


def describe(result: dict[str, Any]) -> str:
    """Return a result as text."""
    same = "the same answer" if result["same"] else "NOT the same answer"
    return (
        f"{result['seeds']:>5} seeds, {result['threads']} threads: {result['search']:>9,.0f} rows/s, "
        f"faiss {result['faiss']:>9,.0f} ({result['of_faiss']:.2f} times), product alone {result['product']:>9,.0f} "
        f"({result['of_product']:.2f} of it); {same}; memory {result['memory'] / 1e6:.0f} MB, grew by "
        f"{result['growth'] / 1e6:.0f} MB{'' if result['holds'] else '; DOES NOT HOLD'}"
    )


def make(path: Path, count: int) -> tuple[npt.NDArray[np.float16], Floats]:
    """Write rows, and return them as a memory map, with seeds."""
    rng = np.random.default_rng(20231220)
    seeds, _ = normalised(rng.standard_normal((max(SEEDS), WIDTH), np.float32))
    rows = np.lib.format.open_memmap(path, "w+", np.float16, (count, WIDTH))
    for start in range(0, count, PART):
        block = rng.standard_normal((min(PART, count - start), WIDTH), np.float32)
        block, _ = normalised(block)
        near = rng.random(len(block)) < 0.01
        block[near] += 2 * rng.random((int(near.sum()), 1), np.float32) * seeds[rng.integers(0, len(seeds), near.sum())]
        rows[start : start + len(block)] = normalised(block)[0]
    rows.flush()
    return np.load(path, mmap_mode="r"), seeds


def race(rows: npt.NDArray[np.float16], seeds: Floats, rounds: int, threads: int) -> dict[str, Any]:
    """Let all three answer in turns, and compare the answers."""
    faiss.omp_set_num_threads(threads)
    search = Search(seeds, Wanted(K), threads)
    memory, growth = watch_memory(lambda: search.scan(rows, 0))
    block = rows[:PART].astype(np.float32)
    runs: dict[str, Callable[[], object]] = {
        "search": lambda: Search(seeds, Wanted(K), threads).scan(rows, 0),
        "faiss": lambda: ask_faiss(seeds, (part.astype(np.float32) for part in parts(rows))),
        "product": lambda: [seeds @ block.T for _ in range(0, len(rows), PART)],
    }
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            with threadpool_limits(threads, user_api="blas"):
                started = time.process_time()
                run()
                least[name] = min(least[name], time.process_time() - started)
    speed = {name: len(rows) * threads / seconds for name, seconds in least.items()}
    # The last block of the product is a whole one, whatever is left of the rows.
    speed["product"] *= -(-len(rows) // PART) * PART / len(rows)
    result = {
        "seeds": len(seeds),
        "rows": len(rows),
        "threads": threads,
        **speed,
        "of_faiss": speed["search"] / speed["faiss"],
        "of_product": speed["search"] / speed["product"],
        "same": is_same(rows, seeds, search),
        "memory": memory,
        "growth": growth,
    }
    enough = len(seeds) < max(SEEDS) or result["of_product"] >= LEAST_SHARE
    result["holds"] = result["same"] and growth <= GROWTH and result["of_faiss"] >= 1 and enough
    return result


def parts(rows: npt.NDArray[np.float16]) -> Iterator[npt.NDArray[np.float16]]:
    """Yield the rows in parts."""
    for start in range(0, len(rows), PART):
        yield rows[start : start + PART]


def ask_faiss(seeds: Floats, blocks: Iterator[Floats]) -> Answer:
    """Return faiss's answer: similarities and rows, seed by seed."""
    similarity, row = knn_ground_truth(seeds, blocks, K, metric_type=faiss.METRIC_INNER_PRODUCT)
    return similarity, row


def is_same(rows: npt.NDArray[np.float16], seeds: Floats, search: Search) -> bool:
    """Return whether the search has found what faiss finds among rows of unit length, and double precision does."""
    hits = search.state().hits
    mine = (hits.similarity.reshape(len(seeds), K), hits.row.reshape(len(seeds), K))
    theirs = ask_faiss(seeds, (normalised(part.astype(np.float32))[0] for part in parts(rows)))
    if len(seeds) > min(SEEDS):
        return agree(mine, theirs)
    exact = []
    for part in parts(rows):
        block = part.astype(np.float64)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        exact.append(seeds.astype(np.float64) @ block.T)
    similarity = np.concatenate(exact, axis=1)
    order = np.argsort(-similarity, axis=1)[:, :K]
    return agree(mine, theirs) and agree(mine, (np.take_along_axis(similarity, order, 1), order))


def agree(one: Answer, other: Answer) -> bool:
    """Return whether two answers are equal, but for rows that are as near as the last one up to 1e-6."""
    if np.abs(one[0] - other[0]).max() > NEAR:
        return False
    for mine, row, theirs, other_row in zip(*one, *other, strict=True):
        last = mine[-1] + 2 * NEAR
        if set(row[mine > last].tolist()) - set(other_row.tolist()):
            return False
        if set(other_row[theirs > last].tolist()) - set(row.tolist()):
            return False
    return True


def watch_memory(run: Callable[[], object]) -> tuple[int, int]:
    """Return the most memory of its own that a run takes, and by how much more that is in its second half; bytes."""
    seen: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            seen.append(own_memory())

    before = own_memory()
    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    ended.set()
    watcher.join()
    if len(seen) < 2:
        return 0, 0
    half = len(seen) // 2
    return max(seen) - before, max(0, max(seen[half:]) - max(seen[:half]))


def own_memory() -> int:
    """Return the memory of this process that is no mapped file, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    sys.exit(main())
