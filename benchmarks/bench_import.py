"""What importing a large VICS file costs: records a second, and the most memory that the reader ever holds.

    python -m benchmarks.bench_import                  a file of 2,000 MB; some minutes
    python -m benchmarks.bench_import --megabytes 100

The file is one line, as the tools write it, with the fields that they write; it is made in a temporary folder (or
``--folder``), read by a process of its own, and deleted. Each record has an MD5, a SHA-1, a PhotoDNA hash in base64,
and a file with the MD5 again; every thousandth has a malformed MD5. What must come out is known, and the command fails
where something else does. ``--build`` also builds a blocklist of it, in another process; its memory is that of the
values.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

BAD_EVERY = 1000
MODEL = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Media"
LIMIT_MB = 300


def record(number: int) -> str:
    """Return one record of the size and shape that tools write."""
    md5 = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest().upper()
    sha1 = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest().upper()
    photodna = base64.b64encode(hashlib.shake_128(str(number).encode()).digest(144)).decode()
    return json.dumps(
        {
            "odata.id": f'Media("{md5}")',
            "MediaFiles@odata.navigationLinkUrl": f"/Media({md5})/MediaFiles",
            "MediaID": number,
            "Category": number % 4,
            "MD5": "no digest" if number % BAD_EVERY == 0 else md5,
            "SHA1": sha1,
            "MediaSize": str(number % 900_000),
            "VictimIdentified": "false",
            "OffenderIdentified": "false",
            "IsDistributed": "true",
            "Series": "",
            "Tags": "",
            "IsPrecategorized": True,
            "MimeType": "image/jpeg",
            "RelativeFilePath": f"export\\{number % 97}\\{number}.jpg",
            "AlternativeHashes": [{"HashName": "PhotoDNA", "HashValue": photodna}],
            "MediaFiles": [
                {"MD5": md5, "FileName": f"{number}.jpg", "FilePath": "C:\\Users\\u\\Pictures", "Unallocated": "false"}
            ],
            "Exifs": [],
        },
        separators=(",", ":"),
    )


def write(path: Path, megabytes: int) -> int:
    """Write a file of at least that size; return how many records it has."""
    number = size = 0
    with path.open("w") as file:
        file.write(f'{{"@odata.context":"{MODEL}","value":[')
        while size < megabytes * 1_000_000:
            block = ",".join(record(each) for each in range(number, number + 1000))
            size += file.write("," + block if number else block)
            number += 1000
        file.write("]}")
    return number


def expected(records: int) -> dict[str, int]:
    """Return what must come out of that many records: their MD5s stand twice, and count once."""
    return {
        "Entry md5": records,
        "Entry sha1": records,
        "Unsupported pdna": records,
        "Rejected bad_length": -(-records // BAD_EVERY),
    }


def read(path: Path) -> dict[str, Any]:
    """Read the file in this process; return counts, seconds and the most memory in MB."""
    from ingest_guard.lists import Entry, Rejected, Unsupported, reader  # noqa: PLC0415 - in the measured process only

    counts: Counter[str] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, cpu = time.perf_counter(), time.process_time()
    for found in reader("vics")(path):
        if isinstance(found, Entry):
            counts[f"Entry {found.algorithm}"] += 1
        elif isinstance(found, Unsupported):
            counts[f"Unsupported {found.what}"] += 1
        elif isinstance(found, Rejected):
            counts[f"Rejected {found.reason}"] += 1
    return {
        "counts": counts,
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "before_mb": before,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def build(path: Path) -> dict[str, Any]:
    """Build a blocklist of the file in this process; return seconds and the most memory in MB."""
    from ingest_guard.blocklist.build.build import ListSource  # noqa: PLC0415 - as above
    from ingest_guard.blocklist.build.build import build as build_blocklist  # noqa: PLC0415 - as above

    start = time.perf_counter()
    build_blocklist(path.parent / "blocklist", [ListSource("vics", "vics", path)])
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _apart(task: str, path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bench_import", "--task", task, "--file", str(path)]
    return cast("dict[str, Any]", json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def main() -> int:
    """Measure, print, and say by the exit code whether the counts were right and the memory within its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where the file is written; default: a temporary folder")
    parser.add_argument("--build", action="store_true", help="also build a blocklist of it")
    parser.add_argument("--task", choices=("read", "build"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        print(json.dumps(read(options.file) if options.task == "read" else build(options.file)))
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "vics.json"
        records = write(path, options.megabytes)
        size = path.stat().st_size
        found = _apart("read", path)
        wanted, counts = expected(records), found["counts"]
        seconds, cpu = found["seconds"], found["cpu_seconds"]
        print(f"file        {size / 1e6:,.0f} MB, one line, {records:,} records")
        for name in sorted({*wanted, *counts}):
            print(f"  {name:22} expected {wanted.get(name, 0):>10,}  got {counts.get(name, 0):>10,}")
        print(f"read        {seconds:,.1f} s: {records / seconds:,.0f} records/s, {size / seconds / 1e6:,.1f} MB/s")
        print(f"CPU time    {cpu:,.1f} s: {records / cpu:,.0f} records/s, {size / cpu / 1e6:,.1f} MB/s")
        print(
            f"peak RSS    {found['peak_mb']:,.0f} MB ({found['before_mb']:,.0f} MB before reading), limit {LIMIT_MB} MB"
        )
        if options.build:
            built = _apart("build", path)
            print(f"build       {built['seconds']:,.1f} s, peak RSS {built['peak_mb']:,.0f} MB")
    return 0 if counts == wanted and found["peak_mb"] < LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
