"""Does a long crawl keep its memory? 10,000 images, 32 requests at a time, and a media pipeline that stores them all.

A local nginx serves pages of a hundred different JPEGs each. The spider yields one item a page with all its
``image_urls``: the guard fetches each image and makes its record, Scrapy's ImagesPipeline asks for each once more and
stores it with a thumbnail. One image in a hundred is listed. Every 1,000 records the memory of the crawl's process and
of all its children is read (PSS: shared pages count by parts, so that sums mean something).

Run it with ``make bench-memory``. It ends with 1 if more was under way than the policy allows, if a listed image was
stored, or if the memory of either grows by more than 1 MB for 1,000 images, by a line through the second half.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.bench_crawl import Nginx

if TYPE_CHECKING:
    import scrapy

IN_FLIGHT = {"images": 32, "bodies": 64, "bytes": 2_000_000}
LISTED_EACH = 100
GROWTH = 1.0
"""MB for 1,000 images that count as flat: what an allocator's fragments make."""


def build_site(folder: Path, pages: int, images: int) -> list[str]:
    """Write pages of images that are all different; return the SHA-256 of those that are to be listed."""
    from PIL import Image  # noqa: PLC0415 - the crawl of this same file should not pay for it
    from skimage import data as photographs  # noqa: PLC0415 - as above

    rng = np.random.default_rng(9)
    sources = [Image.fromarray(getattr(photographs, name)()).convert("RGB") for name in ("astronaut", "coffee")]
    bodies = []
    for _ in range(200):
        source = sources[int(rng.integers(len(sources)))]
        left, top = int(rng.integers(source.width // 2)), int(rng.integers(source.height // 2))
        buffer = io.BytesIO()
        crop = source.crop((left, top, left + source.width // 2, top + source.height // 2)).resize((400, 300))
        crop.save(buffer, "JPEG", quality=85)
        bodies.append(buffer.getvalue())
    listed = []
    for page in range(pages):
        tags = []
        for number in range(images):
            serial = page * images + number
            body, mark = bodies[serial % len(bodies)], f"image {serial:08}".encode()
            # A comment of its own makes a file of its own.
            body = body[:2] + b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark + body[2:]
            (folder / f"{page}-{number}.jpg").write_bytes(body)
            if serial % LISTED_EACH == 0:
                listed.append(hashlib.sha256(body).hexdigest())
            tags.append(f'<img src="/{page}-{number}.jpg">')
        (folder / f"{page}.html").write_text(f"<html><body>{''.join(tags)}</body></html>")
    return listed


def build_blocklist(work: Path, listed: list[str]) -> None:
    """Write the blocklist and the policy."""
    from ingest_guard.blocklist.build.build import ListSource, build  # noqa: PLC0415 - as above

    (work / "list.txt").write_text("".join(f"sha256 {value}\n" for value in listed))
    build(work / "blocklist", [ListSource("listed", "plain", work / "list.txt")])
    (work / "policy.yaml").write_text(
        f"blocklist: {work / 'blocklist'}\nin_flight: {json.dumps(IN_FLIGHT)}\nflood: 0\n"
        # Without this, nobody but root may read the figures.
        "hygiene: {dumpable: true}\n"
    )


def memory() -> tuple[float, float, int]:
    """Return the PSS of this process and of its descendants in MB, and how many those are."""
    children = list(_descendants(os.getpid()))
    return _pss("self"), sum(_pss(str(pid)) for pid in children), len(children)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def _pss(pid: str) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # it has ended meanwhile
        return 0.0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1000


def crawl(port: int, pages: int, step: int, work: Path) -> None:
    """Run the crawl in this process and print what was measured as JSON."""
    import scrapy  # noqa: PLC0415 - only the child process of a run needs it
    from scrapy.crawler import AsyncCrawlerProcess  # noqa: PLC0415 - as above
    from scrapy.http import Response  # noqa: PLC0415 - as above
    from scrapy.utils.trackref import live_refs  # noqa: PLC0415 - as above

    class Gallery(scrapy.Spider):
        name = "gallery"

        async def start(self):  # noqa: ANN202 - Scrapy's signature
            for page in range(pages):
                yield scrapy.Request(f"http://127.0.0.1:{port}/{page}.html")

        def parse(self, response):  # noqa: ANN001, ANN202 - Scrapy's signature
            urls = [response.urljoin(path) for path in response.css("img::attr(src)").getall()]
            yield {"image_urls": urls, "alt": "an image"}

    process = AsyncCrawlerProcess(
        {
            "ADDONS": {"ingest_guard.Addon": 0},
            "INGEST_GUARD_POLICY": str(work / "policy.yaml"),
            "CONCURRENT_REQUESTS": 32,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 32,
            "LOG_LEVEL": "ERROR",
            "TELNETCONSOLE_ENABLED": False,
            "FEEDS": {str(work / "records.jsonl"): {"format": "jsonlines", "overwrite": True}},
            "ITEM_PIPELINES": {"scrapy.pipelines.images.ImagesPipeline": 1},
            "IMAGES_STORE": str(work / "store"),
            "IMAGES_THUMBS": {"small": (64, 64)},
        }
    )
    crawler = process.create_crawler(Gallery)
    samples: list[tuple[int, float, float, int]] = []
    held = [0, 0]
    began = time.monotonic()

    def look() -> None:
        # All bodies in memory, those included that have their verdict and are on their way to a callback or a store.
        responses = [each for cls, found in live_refs.items() if issubclass(cls, Response) for each in list(found)]
        held[:] = max(held[0], sum(1 for each in responses if each.body)), max(held[1], _size(responses))
        records = int(crawler.stats.get_value("ingest_guard/records", 0))
        if not samples or records // step > samples[-1][0] // step:
            samples.append((records, *memory()))

    for signal in (scrapy.signals.spider_opened, scrapy.signals.response_received):
        crawler.signals.connect(look, signal=signal, weak=False)
    process.crawl(crawler)
    process.start()
    stats = {key: value for key, value in crawler.stats.get_stats().items() if isinstance(value, (int, float, str))}
    print(json.dumps({"samples": samples, "held": held, "stats": stats, "seconds": time.monotonic() - began}))


def _size(responses: list[scrapy.http.Response]) -> int:
    return sum(len(each.body) for each in responses)


def growth(samples: list[list[float]], column: int) -> float:
    """Return MB for 1,000 images, by a line through all samples but the first fifth."""
    rows = np.array(samples[len(samples) // 2 :], dtype=float)
    return float(np.polyfit(rows[:, 0] / 1000, rows[:, column], 1)[0])


def report(found: dict[str, object], work: Path, listed: int) -> bool:
    """Print the table; tell whether everything is as it must be."""
    samples, stats = found["samples"], found["stats"]
    print(f"{'images':>8}{'crawl, MB':>12}{'children, MB':>14}{'children':>10}")
    for images, own, children, number in samples:
        print(f"{images:>8}{own:>12.1f}{children:>14.1f}{number:>10}")
    slopes = growth(samples, 1), growth(samples, 2)
    print(f"growth for 1,000 images: {slopes[0]:+.2f} MB in the crawl's process, {slopes[1]:+.2f} MB in its children")
    bounds = IN_FLIGHT | {"body_bytes": IN_FLIGHT["bytes"]}
    peaks = {name: int(stats[f"ingest_guard/in_flight/{name}_peak"]) for name in bounds}
    for name, most in bounds.items():
        print(f"{name} in flight: {peaks[name]:,} at the most, of {most:,} that the policy allows")
    held, size = found["held"]
    print(f"bodies in memory, those included that have their verdict: {held:,} at the most, of {size:,} bytes")
    waiting, matched = stats["ingest_guard/in_flight/waiting_peak"], stats.get("ingest_guard/matched", 0)
    stored = sum(1 for path in (work / "store" / "full").iterdir())
    records, responses = stats["ingest_guard/records"], stats["response_received_count"]
    print(f"{waiting:,} waited at the most; {records:,} records, {stored:,} images stored, {matched:,} dropped")
    print(f"{responses:,} responses in {found['seconds']:.0f} s")
    return (
        max(slopes) <= GROWTH
        and all(peaks[name] <= most for name, most in bounds.items())
        and stored == records
        and matched == listed
        and stats["finish_reason"] == "finished"
    )


def main() -> None:
    """Build the site, crawl it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--images", type=int, default=100, help="images a page")
    parser.add_argument("--step", type=int, default=1000, help="records between two looks")
    parser.add_argument("--crawl", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crawl:
        crawl(options.port, options.pages, options.step, options.work)
        return
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # nginx's workers read it as another user
        (work / "site").mkdir()
        listed = build_site(work / "site", options.pages, options.images)
        build_blocklist(work, listed)
        server = Nginx(work / "site", work)
        numbers = {"pages": options.pages, "step": options.step, "port": server.port, "work": work}
        arguments = [part for name, value in numbers.items() for part in (f"--{name}", str(value))]
        command = [sys.executable, "-m", "benchmarks.bench_memory", "--crawl", *arguments]
        try:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        finally:
            server.stop()
        is_good = report(json.loads(done.stdout.splitlines()[-1]), work, len(listed))
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
