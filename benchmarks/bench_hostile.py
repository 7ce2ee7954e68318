"""Does a page hold the crawl up? For each kind of hostile text: a crawl of 40 small pages and one of 10 MB in gzip.

Prints how many of the pages were served and the longest pause of the crawl's event loop. The kinds are those
of ``tests/support/hostile_texts.py``, which the tests use in smaller sizes. The spider is ``ImageTextSpider``, which
takes images and links from each page. Run it with ``make bench-hostile``; it ends with 1 where a page was not served
or a pause was longer than 50 ms.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.hostile_texts import KINDS

PAGES = 40
LONGEST_PAUSE = 0.05
SECONDS = 120
SPIDER = """
import asyncio, json, sys, time
import scrapy
from scrapy.crawler import AsyncCrawlerProcess
from ingest_guard import ImageTextSpider

base, policy, pages = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Pages(ImageTextSpider):
    name = "pages"
    domains = "127.0.0.1"
    longest = busiest = 0.0
    depth = 1

    async def start(self):
        self.watching = asyncio.ensure_future(self.watch())
        for number in range(pages):
            yield scrapy.Request(f"{base}/{'hostile' if number == 5 else number}")

    async def watch(self):
        last, used = time.monotonic(), time.thread_time()
        while True:
            await asyncio.sleep(0.002)
            now, now_used = time.monotonic(), time.thread_time()
            self.longest, last = max(self.longest, now - last), now
            self.busiest, used = max(self.busiest, now_used - used), now_used

    def closed(self, reason):
        self.watching.cancel()
        print(json.dumps({"longest": self.longest, "busiest": self.busiest, "reason": reason}))

process = AsyncCrawlerProcess({
    "ADDONS": {"ingest_guard.Addon": 0}, "INGEST_GUARD_POLICY": policy, "ROBOTSTXT_OBEY": False,
    "CONCURRENT_REQUESTS": 4, "AUTOTHROTTLE_ENABLED": False, "DOWNLOAD_DELAY": 0,
    "LOG_LEVEL": "ERROR", "TELNETCONSOLE_ENABLED": False,
})
process.crawl(Pages, seeds=base)
process.start()
"""


class Site:
    """A server of small pages and one hostile one."""

    def __init__(self, hostile: bytes) -> None:
        self.served: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.served.append(self.path)
                body = hostile if self.path == "/hostile" else b"<!doctype html><p>x</p>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                if self.path == "/hostile":
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def crawl(name: str, size: int, work: Path) -> bool:
    """Crawl with one hostile page; print a line, and return whether nothing was held up."""
    site = Site(gzip.compress(KINDS[name](size), 1))
    command = [sys.executable, "-c", SPIDER, site.url, str(work / "policy.yaml"), str(PAGES)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        found = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        found = {"longest": float("inf"), "busiest": float("inf"), "reason": "did not end"}
    finally:
        site.server.shutdown()
    holds = len(site.served) == PAGES and found["reason"] == "finished" and found["longest"] < LONGEST_PAUSE
    print(
        f"{name:28} {len(site.served):3} of {PAGES} served, longest pause {found['longest'] * 1000:6.0f} ms, "
        f"of it at work {found['busiest'] * 1000:6.0f} ms",
        flush=True,
    )
    return holds


def main() -> int:
    """Run all kinds."""
    from ingest_guard.blocklist.build.build import ListSource, build  # noqa: PLC0415 - not for --help

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=10)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "list.txt").write_text("md5 " + "0" * 31 + "1\n")
        build(work / "blocklist", [ListSource("made-up", "plain", work / "list.txt")])
        (work / "policy.yaml").write_text(f"blocklist: {work / 'blocklist'}\nworkers: 1\n")
        held = [crawl(name, options.megabytes << 20, work) for name in options.kinds]
        for path in (work / "blocklist").rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
