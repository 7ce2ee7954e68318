"""Recheck: a million records against what a list gained, compared with a brute-force answer.

    python -m benchmarks.bench_recheck            a million records, some minutes, 2 GB of memory
    python -m benchmarks.bench_recheck --quick    50,000 records, some seconds

Records are made up, in the native outfit, as Parquet of 100,000 rows a shard: random digests and PDQ values, half of
them of low quality. The list has a hundred thousand entries; then it gains 10,000 PDQ values and 10,000 digests, some
of them planted in the records (PDQ values at distances around the thresholds). Four ways of asking are measured, in
seconds of one processor core, opening the list included; the set of removed records must be that of the brute force:
every record against every entry.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

# Before NumPy is imported: its thread pools must not help anybody.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np

from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.dataset.recheck.added_entries import Earlier, version_folder
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.shards.shards import read_rows
from ingest_guard.dataset.shards.writer import write_parquet
from ingest_guard.policy.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Values = npt.NDArray[np.uint8]

SIZES = {"pdq": 32, "md5": 16, "sha1": 20, "sha256": 32}
SHARD = 100_000
GAINED = 10_000
RADIUS, LOW_RADIUS, LOW_QUALITY = 31, 12, 50
PLANTED = 200


def main() -> int:
    """Run it; exit code 1 where the answers differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="50,000 records")
    parser.add_argument("--no-brute-force", action="store_true", help="measure alone")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    options = parser.parse_args()
    count = 50_000 if options.quick else options.records
    with tempfile.TemporaryDirectory() as folder:
        rows = run(Path(folder), count, brute_force=not options.no_brute_force)
    for row in rows:
        print(json.dumps(row) if options.json else spoken(row))
    return 0 if all(row.get("same", True) for row in rows) else 1


def spoken(row: dict[str, Any]) -> str:
    """Return a row as text."""
    same = {True: ", the same as the brute force", False: ", NOT what the brute force finds", None: ""}
    return (
        f"{row['what']:<46} {row['records']:>9,} records  {row['search_per_second']:>9,.0f}/s compared  "
        f"{row['total_per_second']:>9,.0f}/s in all  {row['removed']:>6,} removed{same[row['same']]}"
    )


def run(folder: Path, count: int, *, brute_force: bool) -> list[dict[str, Any]]:
    """Make records and lists, and measure each way of asking."""
    rng = np.random.default_rng(20240229)
    old = {name: values(rng, 25_000, size) for name, size in SIZES.items()}
    new = {name: values(rng, GAINED if name == "pdq" else GAINED // 3 + 1, size) for name, size in SIZES.items()}
    records = {name: values(rng, count, size) for name, size in SIZES.items()}
    quality = rng.integers(0, 101, count)
    plant(rng, records, new)
    write_records(folder / "records", records, quality)
    expected = None
    if brute_force:
        started = time.perf_counter()
        expected = {f"{number:032x}" for number in brute(records, quality, new)}
        print(f"brute force: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    measured = []
    for confirm in (False, True):
        store = folder / f"list-{confirm}"
        first = build(store, [write_list(folder / "old.txt", old)], confirm=confirm).version
        both = {name: np.concatenate([old[name], new[name]]) for name in SIZES}
        build(store, [write_list(folder / "new.txt", both)], confirm=confirm)
        build(folder / f"gain-{confirm}", [write_list(folder / "gain.txt", new)], confirm=confirm)
        kind = "with tables of its values" if confirm else "Bloom filters alone"
        since = (Earlier(version_folder(store, first)),)
        for what, plan in (
            (f"what it gained, {kind}", Plan(Policy(blocklist=store), since=since)),
            (f"a list of that alone, {kind}", Plan(Policy(blocklist=folder / f"gain-{confirm}"))),
        ):
            measured.append(measure(folder, what, plan, expected))
    return measured


def measure(folder: Path, what: str, plan: Plan, expected: set[str] | None) -> dict[str, Any]:
    """Run one recheck into a new folder, and hold what it removed against what it should have."""
    clean = folder / f"clean-{what.replace(' ', '-')}"
    # Seconds of the processor: what else the machine does has no part in them.
    started = time.process_time()
    recheck(folder / "records", plan, Output())
    searched = time.process_time() - started
    started = time.process_time()
    report = recheck(folder / "records", plan, Output(clean))
    seconds = time.process_time() - started
    kept = {row["uid"] for file in sorted(clean.glob("*.parquet")) for row in read_rows(file)}
    every = {f"{number:032x}" for number in range(report.records)}
    return {
        "what": what,
        "records": report.records,
        "removed": report.removed,
        "search_per_second": report.records / searched,
        "total_per_second": report.records / seconds,
        "same": None if expected is None else every - kept == expected,
    }


def values(rng: np.random.Generator, count: int, size: int) -> Values:
    """Return random values."""
    return rng.integers(0, 256, (count, size), dtype=np.uint8)


def plant(rng: np.random.Generator, records: dict[str, Values], new: dict[str, Values]) -> None:
    """Put some values of the list into the records; PDQ values at distances of 0 to 60 bits."""
    for name, listed in new.items():
        where = rng.choice(len(records[name]), PLANTED, replace=False)
        taken = listed[rng.integers(0, len(listed), PLANTED)].copy()
        if name == "pdq":
            for row in taken:
                flips = rng.choice(256, int(rng.integers(0, 60)), replace=False)
                bits = np.unpackbits(row)
                bits[flips] ^= 1
                row[:] = np.packbits(bits)
        records[name][where] = taken


def brute(records: dict[str, Values], quality: npt.NDArray[np.int64], new: dict[str, Values]) -> set[int]:
    """Return the numbers of all records that must go: each value against each entry, nothing clever."""
    found: set[int] = set()
    for name in ("md5", "sha1", "sha256"):
        listed = {row.tobytes() for row in new[name]}
        found |= {number for number, row in enumerate(records[name]) if row.tobytes() in listed}
    radius = np.where(quality < LOW_QUALITY, LOW_RADIUS, RADIUS)
    entries = np.ascontiguousarray(new["pdq"].view(np.uint64).T)
    for number, row in enumerate(records["pdq"].view(np.uint64)):
        apart = np.bitwise_count(entries[0] ^ row[0]).astype(np.uint16)
        for word in (1, 2, 3):
            apart += np.bitwise_count(entries[word] ^ row[word])
        if apart.min() <= radius[number]:
            found.add(number)
    return found


def write_records(folder: Path, records: dict[str, Values], quality: npt.NDArray[np.int64]) -> None:
    """Write shards in the native outfit."""
    folder.mkdir()
    for shard, start in enumerate(range(0, len(quality), SHARD)):
        rows = record_rows(records, quality, range(start, min(start + SHARD, len(quality))))
        write_parquet(folder / f"records-{shard:05d}.parquet", rows, outfit("native"))


def record_rows(records: dict[str, Values], quality: npt.NDArray[np.int64], numbers: range) -> Iterator[dict[str, Any]]:
    """Yield rows that look as a crawl's."""
    attestation = {
        "check_set": "0" * 16,
        "lists": [{"id": "old", "version": "0" * 64}],
        "algorithms": list(SIZES),
        "guard": "ingest_guard",
    }
    for number in numbers:
        url = f"https://images{number % 1000}.example.org/{number:08x}/picture.jpg"
        yield {
            "uid": f"{number:032x}",
            "url": url,
            "final_url": url,
            "alt": f"A text of the usual length that tells what picture number {number} shows",
            "page_url": f"https://www.example.org/{number // 7}.html",
            "width": 640,
            "height": 480,
            "format": "JPEG",
            **{name: records[name][number].tobytes().hex() for name in SIZES},
            "pdq_quality": int(quality[number]),
            "fetched_at": "2024-02-29T12:00:00Z",
            "attestation": attestation,
        }


def write_list(file: Path, listed: dict[str, Values]) -> ListSource:
    """Write a list file."""
    file.write_text("".join(f"{name} {row.tobytes().hex()}\n" for name, rows in listed.items() for row in rows))
    return ListSource("list", "plain", file)


if __name__ == "__main__":
    sys.exit(main())
