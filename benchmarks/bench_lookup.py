"""Near look-ups of PDQ values: this package's index against faiss-cpu's, in one run, on one thread.

    python benchmarks/bench_lookup.py             1 M and 10 M values, some minutes, up to 6 GB of memory
    python benchmarks/bench_lookup.py --quick     50,000 values, some seconds

Values are made up: once uniformly random, once clustered as real pictures are (bases with 2 to 25 % of their bits
flipped, the queries being the bases). Each index answers the same queries within 31 bits, and the answers must be the
same set of pairs. Needs faiss-cpu (``pip install ingest-guard[bench]``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# Before NumPy is imported: its thread pools must not help anybody.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np

from ingest_guard.blocklist.index import HammingIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Values = npt.NDArray[np.uint8]
    Search = Callable[[Values], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]

RADIUS = 31
# Different queries for the lasting look-ups: the same few would find everything in the processor's cache.
LASTING = 5000
# What one picture asks: native and scale view at the full radius, other orientations and the inverse at smaller ones.
PICTURE = np.array([31, 31, 23, 23, 23, 23, 23, 23, 23, 15])


@dataclass
class Peer:
    """One index in the race."""

    name: str
    search: Search
    milliseconds: float = 0.0
    single: float = 0.0


def main() -> int:
    """Run the races that were asked for; exit code 1 where result sets differ."""
    options = parse_arguments()
    if options.worker:
        return worker(options.worker, options.seconds)
    sizes = [50_000] if options.quick else options.sizes
    rows = []
    for size in sizes:
        for kind in options.kinds:
            rows.append(race(size, kind, options))
            if options.json:
                print(json.dumps(rows[-1]), flush=True)
    return 0 if all(row["same_results"] for row in rows) else 1


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000], metavar="N")
    parser.add_argument("--kinds", nargs="+", choices=("random", "clustered"), default=["random", "clustered"])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--cluster-size", type=int, default=50)
    parser.add_argument("--processes", type=int, default=2, help="how many look things up at once (0: leave that out)")
    parser.add_argument("--seconds", type=float, default=3.0, help="for how long they do")
    parser.add_argument("--no-multihash", action="store_true", help="leave faiss's multi-hash out: it builds slowly")
    parser.add_argument("--quick", action="store_true", help="50,000 values only")
    parser.add_argument("--json", action="store_true", help="one JSON object a race as well")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def race(size: int, kind: str, options: argparse.Namespace) -> dict[str, object]:
    """Race the indexes over one set of values and print the table."""
    values, asked = made_up(size, kind, max(options.queries, LASTING), options.cluster_size)
    queries = asked[: options.queries]
    print(f"\n{size:,} values, {kind}; {len(queries)} queries, radius {RADIUS}, one thread")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        HammingIndex.build(values, RADIUS).save(folder)
        built = time.perf_counter() - started
        on_disk = sum(path.stat().st_size for path in folder.iterdir())
        started = time.perf_counter()
        index = HammingIndex.open(folder)
        opened = time.perf_counter() - started
        ours = Peer("HammingIndex", lambda asked: index.search(asked)[:2])
        peers = [ours, *faiss_peers(values, with_multihash=not options.no_multihash)]
        sets = [measure(peer, queries) for peer in peers]
        same = all(found == sets[0] for found in sets)
        picture = per_picture(index, queries)
        row = {
            "size": size,
            "kind": kind,
            "pairs": len(sets[0]),
            "same_results": same,
            "ms_a_query": {peer.name: round(peer.milliseconds, 4) for peer in peers},
            "ms_alone": {peer.name: round(peer.single, 4) for peer in peers},
            "times_faster": {peer.name: round(peer.milliseconds / ours.milliseconds, 1) for peer in peers[1:]},
            "ms_a_picture_of_ten_views": round(picture, 4),
            "bytes_a_hash": round(on_disk / size, 1),
            "build_seconds": round(built, 1),
            "open_ms": round(opened * 1000, 1),
        }
        if options.processes:
            row[f"lookups_a_second_{options.processes}_processes"] = together(folder, asked, options)
        show(row, peers)
    return row


def made_up(size: int, kind: str, count: int, cluster_size: int) -> tuple[Values, Values]:
    """Return values and queries; every other one of the random queries lies near some value."""
    rng = np.random.default_rng(size)
    if kind == "random":
        values = rng.integers(0, 256, (size, 32), dtype=np.uint8)
        queries = rng.integers(0, 256, (count, 32), dtype=np.uint8)
        near = len(queries[::2])
        queries[::2] = values[rng.integers(0, size, near)] ^ flips(rng, rng.uniform(0, 0.15, near))
        return values, queries
    bases = rng.integers(0, 256, (-(-size // cluster_size), 32), dtype=np.uint8)
    values = np.repeat(bases, cluster_size, axis=0)[:size]
    for start in range(0, size, 1 << 16):
        part = values[start : start + (1 << 16)]
        part ^= flips(rng, rng.uniform(0.02, 0.25, len(part)))
    queries = bases[rng.choice(len(bases), count, replace=len(bases) < count)]
    rng.shuffle(values)
    return values, queries


def flips(rng: np.random.Generator, shares: npt.NDArray[np.float64]) -> Values:
    """Return values with about such a share of their bits set."""
    return np.packbits(rng.random((len(shares), 256), dtype=np.float32) < shares[:, None], axis=1)


def faiss_peers(values: Values, *, with_multihash: bool) -> Iterator[Peer]:
    """Yield faiss's indexes, filled."""
    import faiss  # noqa: PLC0415 - the workers of this file do without it

    faiss.omp_set_num_threads(1)
    indexes = {"IndexBinaryFlat": faiss.IndexBinaryFlat(256)}
    if with_multihash:
        indexes["IndexBinaryMultiHash(256,16,16) nflip 1"] = faiss.IndexBinaryMultiHash(256, 16, 16)
        indexes["IndexBinaryMultiHash(256,16,16) nflip 1"].nflip = 1
    for name, index in indexes.items():
        index.add(values)

        def search(
            asked: Values, index: faiss.IndexBinary = index
        ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
            # faiss finds what is nearer than the radius, not what is as near.
            limits, _, entries = index.range_search(asked, RADIUS + 1)
            return np.repeat(np.arange(len(asked)), np.diff(limits.astype(np.int64))), entries

        yield Peer(name, search)


def measure(peer: Peer, queries: Values) -> set[tuple[int, int]]:
    """Time a peer, in one batch and query by query, the best of three each; return the pairs that it finds."""
    query, entry = peer.search(queries)
    peer.milliseconds = 1000 / len(queries) * best(lambda: peer.search(queries))
    few = queries[:20]
    peer.single = 1000 / len(few) * best(lambda: [peer.search(few[row : row + 1]) for row in range(len(few))])
    return set(zip(query.tolist(), entry.tolist(), strict=True))


def per_picture(index: HammingIndex, queries: Values) -> float:
    """Return the milliseconds that the ten views of one picture take."""
    batches = [queries[at : at + len(PICTURE)] for at in range(0, len(queries) - len(PICTURE) + 1, len(PICTURE))]
    return 1000 / len(batches) * best(lambda: [index.search(batch, PICTURE) for batch in batches])


def best(action: Callable[[], object]) -> float:
    """Return the shortest of three runs, in seconds."""
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return min(taken)


def together(folder: Path, queries: Values, options: argparse.Namespace) -> int:
    """Return how many look-ups a second some processes reach on one saved index."""
    np.save(folder / "queries.npy", queries)
    command = [sys.executable, __file__, "--worker", str(folder), "--seconds", str(options.seconds)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(options.processes)]
    reports = [json.loads(process.communicate()[0]) for process in running]
    for report in reports:
        print(
            f"    a process: {report['rate']:,} look-ups a second ({report['cpu_rate']:,} a second of CPU), "
            f"{report['private_mb']:.0f} MB of private memory"
        )
    return sum(report["rate"] for report in reports)


def worker(folder: Path, seconds: float) -> int:
    """Look things up in batches of ten for some seconds; print rate and memory."""
    before = private_megabytes()
    index = HammingIndex.open(folder)
    queries = np.load(folder / "queries.npy")
    index.search(queries)
    done, started, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds:
        at = done % (len(queries) - 10)
        index.search(queries[at : at + 10])
        done += 10
    rate, cpu_rate = int(done / (time.perf_counter() - started)), int(done / (time.process_time() - used))
    print(json.dumps({"rate": rate, "cpu_rate": cpu_rate, "private_mb": private_megabytes() - before}))
    return 0


def private_megabytes() -> float:
    """Return the memory that this process shares with nobody: pages of files can always be shared."""
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty")) / 1024


def show(row: dict[str, object], peers: list[Peer]) -> None:
    """Print one race."""
    print(f"  {'index':42} {'ms a query':>11} {'asked alone':>12} {'ours is faster':>15}")
    for peer in peers:
        times = f"{peer.milliseconds / peers[0].milliseconds:.1f} x" if peer is not peers[0] else ""
        print(f"  {peer.name:42} {peer.milliseconds:11.3f} {peer.single:12.3f} {times:>15}")
    for key, value in row.items():
        if key not in {"ms_a_query", "ms_alone", "times_faster", "size", "kind"}:
            print(f"  {key.replace('_', ' ')}: {value}")


if __name__ == "__main__":
    raise SystemExit(main())
