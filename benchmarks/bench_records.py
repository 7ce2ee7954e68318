"""Records a second that leave the pipelines, without a network, and whether memory stays flat over a million of them.

Items go through the guard's two pipelines and Scrapy's own feed exports, as in a crawl; only the fetching and the
checking of the image are left out: each image is said to have been found clean, with digests and a PDQ of its own. So
the figure is what one core of a crawl can write, on top of what fetching and checking cost. Each format and outfit runs
in a process of its own. Every tenth item is one that was there before.

Run it with ``make bench-records``; ``BENCH_ARGS="--records 100000"`` for a shorter one. It ends with 1 if the memory of
a run grows by more than 64 bytes a record over its second half: the table of uids takes 10 to 15.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

GROWTH = 64
"""Bytes a record that count as flat: the uids that are remembered, and what an allocator's fragments make."""
_STEPS = 20
_RUNS = (("parquet", "native"), ("parquet", "laion"), ("parquet", "img2dataset"), ("jsonl", "native"))
_WORDS = ("photograph", "of", "two", "cats", "and", "one", "dog", "on", "the", "red", "sofa", "in", "front", "of", "an")


def item_of(number: int) -> dict[str, Any]:
    """Return an item as a spider yields it."""
    site, page = number % 9973, number // 20
    name = "-".join(_WORDS[(number * step) % len(_WORDS)] for step in (3, 5, 7))
    text = " ".join(_WORDS[(number * step + 1) % len(_WORDS)] for step in range(3, 14))
    url = f"https://images{site % 5}.site{site}.example/uploads/2026/11/{name}-{number}-1024x768.jpg"
    page_url = f"https://www.site{site}.example/blog/{page}/"
    return {"image_url": url, "alt": f"{text} {number}", "page_url": page_url, "alt_source": "alt", "language": "en"}


def verdict_of(url: str, attestation: dict[str, Any]) -> Any:
    """Return what the guard would say of an image that nobody knows."""
    from ingest_guard import ImageFacts, Outcome, Verdict  # noqa: PLC0415 - in the child alone
    from ingest_guard.scrapy_plugin.images.fetch import Fetched  # noqa: PLC0415 - as above

    digest = hashlib.sha512(url.encode()).hexdigest()
    facts = ImageFacts("JPEG", 1024, 768, 1, 100, {"pdq": digest[64:]})
    digests = {"md5": digest[:32], "sha1": digest[:40], "sha256": digest[:64]}
    verdict = Verdict(Outcome.NO_KNOWN_MATCH, image=facts, digests=digests)
    return Fetched("no_known_match", verdict, url, "2026-11-23T05:00:00Z", attestation=attestation)


def resident() -> int:
    """Return the resident memory of this process, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024


async def feed(crawler: Any, records: int) -> dict[str, Any]:
    """Send items through everything; return the seconds that it took, and the memory at each step."""
    from scrapy import signals  # noqa: PLC0415 - in the child alone
    from scrapy.exceptions import DropItem  # noqa: PLC0415 - as above
    from scrapy.extensions.feedexport import FeedExporter  # noqa: PLC0415 - as above
    from scrapy.pipelines import ItemPipelineManager  # noqa: PLC0415 - as above

    from ingest_guard.scrapy_plugin.runtime import Runtime  # noqa: PLC0415 - as above

    runtime = Runtime.of(crawler)
    exporter = next(part for part in crawler.extensions.middlewares if isinstance(part, FeedExporter))
    pipelines = ItemPipelineManager.from_crawler(crawler)
    attestation = runtime.state.guard.attestation

    async def fetch(url: str, *_: object, **__: object) -> Any:
        return verdict_of(url, attestation)

    runtime.fetcher.fetch = fetch  # type: ignore[method-assign,assignment]
    crawler.spider = crawler._create_spider()  # noqa: SLF001 - what crawl() does
    crawler.engine = SimpleNamespace(downloader=None)
    exporter.open_spider(crawler.spider)
    memory, done, number = [], 0, 0
    began, used = time.perf_counter(), time.process_time()
    while done < records:
        number += 1
        again = number % 10 == 0
        try:
            record = await pipelines.process_item_async(item_of(number - 5 if again else number))
        except DropItem:  # those that were there before
            if not again:
                raise
            continue
        await crawler.signals.send_catch_log_async(signal=signals.item_scraped, item=record, spider=crawler.spider)
        done += 1
        if done % (records // _STEPS) == 0:
            await asyncio.sleep(0)
            memory.append(resident())
    await exporter.close_spider(crawler.spider)
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used, "memory": memory}


def child(kind: str, outfit: str, records: int, work: Path) -> None:
    """Run one format and outfit; print what came of it."""
    from scrapy.utils.test import get_crawler  # noqa: PLC0415 - in the child alone

    from ingest_guard.blocklist.build.build import ListSource, build  # noqa: PLC0415 - as above

    (work / "list.txt").write_text(f"md5 {'0' * 31}1\npdq {'0123456789abcdef' * 4}\n")
    build(work / "blocklist", [ListSource("listed", "plain", work / "list.txt")])
    policy = "blocklist: blocklist\nworkers: inline\nopt_outs: {robots_txt: false, tdm_file: false}\n"
    (work / "policy.yaml").write_text(policy)
    settings = {
        "ADDONS": {"ingest_guard.Addon": 0},
        "INGEST_GUARD_POLICY": str(work / "policy.yaml"),
        "INGEST_GUARD_DATASET": str(work / "out"),
        "INGEST_GUARD_FORMAT": kind,
        "INGEST_GUARD_OUTFIT": outfit,
        "LOG_ENABLED": False,
    }
    told = asyncio.run(feed(get_crawler(settings_dict=settings), records))
    told["sizes"] = sorted(file.stat().st_size for file in (work / "out").glob("records-*"))
    print(json.dumps(told))


def growth(memory: list[int], records: int) -> float:
    """Return the bytes a record by which memory grows, by a line through the second half."""
    half = memory[len(memory) // 2 :]
    at = np.arange(len(half)) * (records / len(memory))
    return float(np.polyfit(at, half, 1)[0])


def main() -> int:
    """Measure each format, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--only", help="a format, or one of its outfits: jsonl, parquet/laion")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, outfit, work = options.child
        child(kind, outfit, options.records, Path(work))
        return 0
    print("format   outfit        records/s  us CPU/record  B/record  shards  MB/shard  RSS MB  growth")
    failed = False
    for kind, outfit in _RUNS:
        if options.only not in {None, kind, f"{kind}/{outfit}"}:
            continue
        with tempfile.TemporaryDirectory(prefix="ingest-guard-bench-") as work:
            command = [sys.executable, "-m", "benchmarks.bench_records", "--records", str(options.records)]
            done = subprocess.run(
                [*command, "--child", kind, outfit, work], capture_output=True, text=True, check=False
            )
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            return 1
        told = json.loads(done.stdout.splitlines()[-1])
        slope = growth(told["memory"], options.records)
        failed = failed or slope > GROWTH
        sizes = told["sizes"]
        print(
            f"{kind:8} {outfit:12} {options.records / told['seconds']:10,.0f} "
            f"{told['cpu'] / options.records * 1e6:14.0f} "
            f"{sum(sizes) / options.records:9.0f} "
            f"{len(sizes):7} {max(sizes) / 1e6:9.1f} {max(told['memory']) / 1e6:7.0f} {slope:+.1f} B/record",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
