"""How fast is a guarded crawl? The same crawl with and without the guard, in turns, in one run.

A local nginx serves pages with photographs; Scrapy crawls them with 32 concurrent requests:

* ``plain``: the spider requests every image itself; no guard, no list;
* ``guarded``: the very same spider, with the add-on;
* ``records``: the spider yields items, the guard fetches the images and makes the records;
* ``images-pipeline``: Scrapy's own ImagesPipeline, which decodes and stores.

With ``--site pages`` there are no images to fetch: each page has 100 kB of HTML, and every second one has ``data:``
URLs, JSON-LD or an inline SVG in it. The modes are then ``plain`` and ``guarded``.

Run it with ``make bench-crawl``. What counts is the ratio to ``plain`` in the same round.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np

PAGE_BYTES = 100_000
MODES = ("plain", "guarded", "records", "images-pipeline")


def build_site(folder: Path, pages: int, images: int) -> int:
    """Write pages with photographs (crops of those in scikit-image's wheel, JPEG 85); return the mean size."""
    from PIL import Image  # noqa: PLC0415 - the crawls of this same file should not pay for it
    from skimage import data as photographs  # noqa: PLC0415 - as above

    rng = np.random.default_rng(5)
    sources = [
        Image.fromarray(getattr(photographs, name)()).convert("RGB")
        for name in ("astronaut", "coffee", "chelsea", "rocket")
    ]
    sizes = []
    for page in range(pages):
        tags = []
        for number in range(images):
            source = sources[int(rng.integers(len(sources)))]
            width, height = source.size
            left, top = int(rng.integers(width // 3)), int(rng.integers(height // 3))
            crop = source.crop((left, top, left + width * 2 // 3, top + height * 2 // 3))
            side = int(rng.choice([400, 800, 1200]))
            scale = side / max(crop.size)
            crop = crop.resize((round(crop.width * scale), round(crop.height * scale)))
            buffer = io.BytesIO()
            crop.save(buffer, "JPEG", quality=85)
            name = f"{page}-{number}.jpg"
            (folder / name).write_bytes(buffer.getvalue())
            sizes.append(len(buffer.getvalue()))
            tags.append(f'<img src="/{name}" alt="picture {number} of page {page}">')
        (folder / f"{page}.html").write_text(f"<html><body>{''.join(tags)}</body></html>")
    return round(statistics.mean(sizes))


def build_page_site(folder: Path, pages: int) -> int:
    """Write pages of 100 kB without images to fetch; every second one has something inline. Return the mean size."""
    rng = random.Random(7)
    words = ("harbour", "market", "weather", "garden", "report", "price", "street", "council")
    spacer = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    icon = "<svg viewBox='0 0 24 24'><path fill='currentColor' d='M3 3h18v18H3z'/></svg>"
    linked = json.dumps({"@context": "https://schema.org", "@type": "NewsArticle", "image": [spacer], "headline": "x"})
    inline = (
        "".join(f"<img class=lazy src='{spacer}' data-src='/{n}.jpg' alt=''>" for n in range(10)),
        f"<script type='application/ld+json'>{linked}</script>",
        icon * 10 + f'<style>.i{{background:url("data:image/svg+xml,{quote(icon)}")}}</style>',
    )
    sizes = []
    for page in range(pages):
        parts = ["<!doctype html><html><head><meta charset=utf-8><title>A page</title></head><body>"]
        if page % 2:
            parts.append(inline[page // 2 % len(inline)])
        size = sum(map(len, parts))
        while size < PAGE_BYTES:
            link = (
                f"<a class='link link--{rng.randrange(9)}' href='/{rng.randrange(pages)}.html'>{rng.choice(words)}</a>"
            )
            parts.append(f"<div class='card'><h3>{link}</h3><p>{' '.join(rng.choices(words, k=30))}</p></div>")
            size += len(parts[-1])
        (folder / f"{page}.html").write_text("".join(parts))
        sizes.append(size)
    return round(statistics.mean(sizes))


def build_blocklist(folder: Path, entries: int) -> None:
    """Write a blocklist of made-up digests and PDQ hashes."""
    rng = np.random.default_rng(6)
    rows = [f"pdq {rng.bytes(32).hex()}" for _ in range(entries)] + [
        f"md5 {rng.bytes(16).hex()}" for _ in range(entries)
    ]
    plain = folder / "made-up.txt"
    plain.write_text("\n".join(rows))
    from ingest_guard.blocklist.build.build import ListSource, build  # noqa: PLC0415 - as above

    build(folder / "blocklist", [ListSource("made-up", "plain", plain)])
    (folder / "policy.yaml").write_text(f"blocklist: {folder / 'blocklist'}\n")


class Nginx:
    """A local nginx for one folder, ended by its process id."""

    def __init__(self, folder: Path, work: Path) -> None:
        if shutil.which("nginx") is None:
            sys.exit("nginx is not installed; on Debian: apt-get install nginx")
        import socket  # noqa: PLC0415 - used once

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        configuration = work / "nginx.conf"
        temporary = "".join(
            f"{kind}_temp_path {work}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration.write_text(
            f"pid {work}/nginx.pid; error_log {work}/error.log; daemon off; worker_processes 1;"
            "events { worker_connections 512; }"
            f"http {{ access_log off; {temporary} types {{ text/html html; image/jpeg jpg; }}"
            f"server {{ listen 127.0.0.1:{self.port}; root {folder}; keepalive_requests 100000; }} }}"
        )
        self._process = subprocess.Popen(["nginx", "-c", str(configuration), "-p", str(work)])  # noqa: S607 - found above
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        sys.exit("nginx did not start")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)


def settings_for(mode: str, work: Path) -> dict[str, object]:
    """Return the settings of a crawl."""
    settings: dict[str, object] = {
        "CONCURRENT_REQUESTS": 32,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 32,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
        # As in Scrapy's own template, and as the add-on has it where nobody says otherwise.
        "ROBOTSTXT_OBEY": True,
        "FEEDS": {str(work / f"{mode}.jsonl"): {"format": "jsonlines", "overwrite": True}},
    }
    if mode in ("guarded", "records"):
        settings |= {"ADDONS": {"ingest_guard.Addon": 0}, "INGEST_GUARD_POLICY": str(work / "policy.yaml")}
    if mode == "images-pipeline":
        store = work / "store"
        shutil.rmtree(store, ignore_errors=True)
        settings |= {"ITEM_PIPELINES": {"scrapy.pipelines.images.ImagesPipeline": 1}, "IMAGES_STORE": str(store)}
    return settings


def crawl(mode: str, port: int, pages: int, work: Path) -> None:
    """Run one crawl in this process and print its figures as JSON."""
    import scrapy  # noqa: PLC0415 - only the child processes of a run need it
    from scrapy.crawler import AsyncCrawlerProcess  # noqa: PLC0415 - as above

    class Gallery(scrapy.Spider):
        name = "gallery"

        async def start(self):  # noqa: ANN202 - Scrapy's signature
            for page in range(pages):
                yield scrapy.Request(f"http://127.0.0.1:{port}/{page}.html")

        def parse(self, response):  # noqa: ANN001, ANN202 - Scrapy's signature
            for image in response.css("img:not(.lazy)"):
                url, alt = response.urljoin(image.attrib["src"]), image.attrib["alt"]
                if mode in ("plain", "guarded"):
                    yield scrapy.Request(url, callback=self.parse_image, cb_kwargs={"alt": alt})
                elif mode == "records":
                    yield {"image_url": url, "alt": alt}
                else:
                    yield {"image_urls": [url], "alt": alt}

        def parse_image(self, response, alt):  # noqa: ANN001, ANN202 - Scrapy's signature
            yield {"image_url": response.url, "alt": alt}

    process = AsyncCrawlerProcess(settings_for(mode, work))
    crawler = process.create_crawler(Gallery)
    cpu: list[float] = []
    for signal in (scrapy.signals.spider_opened, scrapy.signals.spider_closed):
        crawler.signals.connect(lambda: cpu.append(time.process_time()), signal=signal, weak=False)
    process.crawl(crawler)
    process.start()
    stats = crawler.stats.get_stats()
    seconds = stats["elapsed_time_seconds"]
    print(
        json.dumps(
            {
                "rate": stats["response_received_count"] / seconds,
                "responses": stats["response_received_count"],
                "items": stats.get("item_scraped_count", 0),
                "checked": stats.get("ingest_guard/checked", 0),
                "cpu": cpu[1] - cpu[0],
                "cpu_workers": sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]),
            }
        )
    )


def run(mode: str, port: int, pages: int, work: Path) -> dict[str, float]:
    """Run one crawl in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--crawl",
        mode,
        "--port",
        str(port),
        "--pages",
        str(pages),
        "--work",
        str(work),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    """Build the site, run the rounds, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--entries", type=int, default=100_000, help="made-up PDQ hashes, and as many digests")
    parser.add_argument("--modes", nargs="+", choices=MODES, help="all, or those that the site has")
    parser.add_argument("--site", choices=("images", "pages"), default="images")
    parser.add_argument("--crawl", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crawl:
        crawl(options.crawl, options.port, options.pages, options.work)
        return
    is_pages = options.site == "pages"
    options.modes = options.modes or (["plain", "guarded"] if is_pages else list(MODES))
    with tempfile.TemporaryDirectory(prefix="bench-crawl-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # nginx's workers read it as another user
        (work / "site").mkdir()
        if is_pages:
            made = f"{options.pages} pages of {build_page_site(work / 'site', options.pages) / 1000:.0f} kB"
        else:
            mean = build_site(work / "site", options.pages, options.images)
            made = f"{options.pages} pages, {options.pages * options.images} JPEGs of {mean / 1000:.0f} kB on average"
        build_blocklist(work, options.entries)
        print(f"{made}; {options.entries:,} made-up PDQ hashes and as many MD5")
        server = Nginx(work / "site", work)
        try:
            rounds = [
                {mode: run(mode, server.port, options.pages, work) for mode in options.modes}
                for _ in range(options.rounds)
            ]
        finally:
            server.stop()
    print(
        f"{'mode':<18}{'responses/s':>12}{'to plain':>10}{'crawler CPU ms each':>22}{'workers':>9}"
        f"   (median of {options.rounds})"
    )
    for mode in options.modes:
        rate = statistics.median(each[mode]["rate"] for each in rounds)
        ratio = statistics.median(each[mode]["rate"] / each[options.modes[0]]["rate"] for each in rounds)
        made = f"{int(rounds[0][mode]['items'])} items, {int(rounds[0][mode]['checked'])} images checked"
        cpu = statistics.median(1000 * each[mode]["cpu"] / each[mode]["responses"] for each in rounds)
        workers = statistics.median(1000 * each[mode]["cpu_workers"] / each[mode]["responses"] for each in rounds)
        print(f"{mode:<18}{rate:>12.0f}{ratio:>10.2f}{cpu:>22.2f}{workers:>9.2f}   {made}")


if __name__ == "__main__":
    main()
