"""Extraction, compared with what a browser shows: each visible ``img`` of real pages, its chosen source and its alt.

    make bench-extract                                      documentation on this machine, 400 pages
    make bench-extract BENCH_ARGS="--root FOLDER --pages 1000"

The pages are those with an ``img`` in documentation that Debian packages and wheels have left here; nothing is
downloaded. For more and better ones: ``apt-get install python-sklearn-doc python-skimage-doc gimp-help-en
debian-handbook`` (or unpack these packages anywhere, and name the folder). They are served from this machine, opened
in headless Chromium, and the images that it has loaded and shows are looked up among those that extraction finds. Then
the same with generated pages after the shapes of common themes, and with the captions that Chromium shows on them.

For each policy: ``same`` is the very address that Chromium chose, ``copy`` another copy of the same image (a larger
one, say), ``alt`` those of the found ones with the same text, and ``missed`` the rest. Images whose file the page does
not name are made by its scripts, and counted apart. Then the speed, on one core.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import sys
import sysconfig
import threading
import time
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from PIL import Image
from support.devtools import browser
from support.shown import Shown, shown_images
from support.themes import CAPTIONS_SCRIPT, THEMES, theme_page

from ingest_guard.pages.extract import PageImage, extract_images
from ingest_guard.policy.records import Extract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCREEN = 1280
POLICIES = {
    "nearest": Extract(choose="nearest", width=SCREEN, screen=SCREEN),
    "largest": Extract(choose="largest", screen=SCREEN),
}
ROOTS = ("/usr/share/doc", "/usr/share/gimp", "/usr/share/javascript", sysconfig.get_paths()["purelib"])
MOST_BYTES = 4 << 20
NEEDED = 0.99
"""Of the visible images, what must be found."""


def main() -> int:
    """Compare; exit code 1 where too few of the visible images are found."""
    options = parse_arguments()
    pages = choose_pages([Path(root) for root in options.root], options.pages, options.seed)
    if not pages:
        print("no page with an image here: install one of the packages that --help names", file=sys.stderr)
        return 2
    results = [compare(pages[at : at + 200]) for at in range(0, len(pages), 200)]
    rows = {name: sum((each[name] for each in results), Counter()) for name in POLICIES}
    themes = compare_themes(options.themes)
    speed = measure_speed(pages)
    report(rows, themes, speed, len(pages), as_json=options.json)
    if themes["found"] < themes["visible"] or themes["same_caption"] < themes["captions"]:
        return 1
    return 0 if all(row["same"] + row["copy"] >= NEEDED * row["visible"] for row in rows.values()) else 1


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", nargs="+", default=list(ROOTS), metavar="FOLDER")
    parser.add_argument("--pages", type=int, default=400, metavar="N")
    parser.add_argument("--themes", type=int, default=20, metavar="N", help="generated pages of each theme")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def choose_pages(roots: Sequence[Path], wanted: int, seed: int) -> list[tuple[Path, Path]]:
    """Return some pages with images, each with its root; a package with many of them does not push out the others."""
    packages: dict[str, list[tuple[Path, Path]]] = {}
    for root in roots:
        for file in html_files(root):
            packages.setdefault("/".join(file.relative_to(root).parts[:4][:-1]), []).append((root, file))
    chosen: list[tuple[Path, Path]] = []
    shuffled = [random.Random(seed).sample(files, len(files)) for _, files in sorted(packages.items())]
    while shuffled and len(chosen) < wanted:
        shuffled = [files for files in shuffled if files]
        chosen += [page for files in shuffled if has_image((page := files.pop())[1])]
    return chosen[:wanted]


def html_files(root: Path) -> Iterator[Path]:
    """Yield the HTML files below a folder."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.endswith((".html", ".htm", ".xhtml")):
                yield Path(folder, name)


def has_image(file: Path) -> bool:
    """Tell whether a page of ordinary length has an ``img``."""
    try:
        return file.stat().st_size <= MOST_BYTES and b"<img" in file.read_bytes()
    except OSError:
        return False


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, says nothing."""

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def compare(pages: Sequence[tuple[Path, Path]]) -> dict[str, Counter[str]]:
    """Open pages in a browser, and count what extraction finds of what it shows."""
    rows: dict[str, Counter[str]] = {name: Counter() for name in POLICIES}
    servers = {root: serve(root) for root, _ in pages}
    with browser() as chromium:
        for root, file in pages:
            url = f"http://127.0.0.1:{servers[root].server_address[1]}/{quote(str(file.relative_to(root)))}"
            try:
                shown = shown_images(chromium, url, width=SCREEN)
            except AssertionError as error:
                print(f"{file}: {error}", file=sys.stderr)
                continue
            for name, policy in POLICIES.items():
                found = extract_images(file.read_bytes(), url, content_type="text/html", policy=policy)
                rows[name] += judge(shown, found, file, tell=name == "nearest")
    for server in servers.values():
        server.shutdown()
    return rows


def serve(root: Path) -> ThreadingHTTPServer:
    """Serve a folder on 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def compare_themes(each: int) -> Counter[str]:
    """Open generated pages in a browser; count sources, texts and captions, and those that extraction has as well."""
    row: Counter[str] = Counter()
    drawn = io.BytesIO()
    Image.new("RGB", (40, 30), (40, 90, 200)).save(drawn, "PNG")

    class Themes(Quiet):
        """Serves a theme's page at /THEME/SEED.html, and a picture anywhere else."""

        def do_GET(self) -> None:
            """Answer."""
            name, _, seed = self.path.strip("/").removesuffix(".html").rpartition("/")
            body = theme_page(name, int(seed), self.headers["Host"]) if name in THEMES else drawn.getvalue()
            self.send_response(200)
            self.send_header("Content-Type", "text/html" if name in THEMES else "image/png")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Themes)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    host = f"127.0.0.1:{server.server_address[1]}"
    with browser() as chromium:
        for name, seed in ((name, seed) for name in THEMES for seed in range(each)):
            url = f"http://{host}/{name}/{seed}.html"
            shown = [image for image in shown_images(chromium, url, width=SCREEN) if not image.url.startswith("data:")]
            found = extract_images(
                theme_page(name, seed, host), url, content_type="text/html", policy=POLICIES["nearest"]
            )
            texts = {copy: image.alt for image in found for copy in image.candidates}
            captions = [each for each in chromium.run(CAPTIONS_SCRIPT) if not each["alt"]]
            row["pages"] += 1
            row["visible"] += len(shown)
            row["found"] += sum(image.url in texts for image in shown)
            row["with_alt"] += sum(bool(image.alt) for image in shown)
            row["same_alt"] += sum(bool(image.alt) and texts.get(image.url) == folded(image.alt) for image in shown)
            row["captions"] += len(captions)
            row["same_caption"] += sum(texts.get(each["url"]) == folded(each["text"]) for each in captions)
    server.shutdown()
    return row


def judge(shown: Sequence[Shown], found: Sequence[PageImage], file: Path, *, tell: bool) -> Counter[str]:
    """Count the images of one page."""
    row: Counter[str] = Counter(pages=1, found=len(found))
    chosen = {image.url: image for image in found}
    copies = {url: image for image in found for url in image.candidates}
    # An image that stands on the page several times is one item, with the best of its texts.
    texts: dict[str, set[str]] = {}
    for each in shown:
        texts.setdefault(each.url, set()).add(folded(each.alt))
    for each in shown:
        if each.url.startswith("data:"):
            row["data"] += 1
            continue
        address = each.url.partition("#")[0]
        image = chosen.get(address) or copies.get(address)
        if image is None:
            if named(address) not in file.read_text("utf-8", "replace"):
                row["by_script"] += 1
                continue
            row["visible"] += 1
            row["missed"] += 1
            if tell:
                print(f"missed: {each.url}  on {file}", file=sys.stderr)
            continue
        row["visible"] += 1
        row["same" if address in chosen else "copy"] += 1
        if not any(texts[each.url]):
            row["without_alt"] += 1
        elif folded(image.alt) in texts[each.url]:
            row["alt"] += 1
        else:
            row["other_text"] += 1
            if tell:
                print(f"other text: {each.alt!r} is {image.alt!r} ({image.alt_source})  on {file}", file=sys.stderr)
    return row


def named(address: str) -> str:
    """Return the name of the file at an address: an image that no script has made stands with it in the page."""
    return unquote(address.partition("?")[0].rpartition("/")[2])


def folded(text: str) -> str:
    """Return a text with its blanks collapsed."""
    return re.sub(r"\s+", " ", text).strip()


def measure_speed(pages: Sequence[tuple[Path, Path]]) -> dict[str, float]:
    """Return how fast extraction is on these pages, on one core."""
    bodies = [file.read_bytes() for _, file in pages]
    started = time.perf_counter()
    images = sum(len(extract_images(body, "http://127.0.0.1/", content_type="text/html")) for body in bodies)
    seconds = time.perf_counter() - started
    megabytes = sum(map(len, bodies)) / 1e6
    return {"pages_s": len(pages) / seconds, "megabytes_s": megabytes / seconds, "images_s": images / seconds}


def report(
    rows: dict[str, Counter[str]], themes: Counter[str], speed: dict[str, Any], pages: int, *, as_json: bool
) -> None:
    """Print the figures."""
    if as_json:
        print(json.dumps({"pages": pages, "policies": rows, "themes": themes, "speed": speed}))
        return
    print(f"{pages} pages, screen {SCREEN} pixels wide")
    for name, row in rows.items():
        with_alt = row["alt"] + row["other_text"]
        print(
            f"{name:8}  visible img {row['visible']:6}  same source {row['same']:6}  other copy {row['copy']:5}  "
            f"missed {row['missed']:4}  alt the same {row['alt']:6} of {with_alt}  (without alt: {row['without_alt']}; "
            f"left out: data: URLs {row['data']}, made by scripts {row['by_script']}; found in all: {row['found']})"
        )
    print(
        f"themes    {themes['pages']} pages  visible img {themes['visible']}  found {themes['found']}  alt the same "
        f"{themes['same_alt']} of {themes['with_alt']}  captions {themes['same_caption']} of {themes['captions']}"
    )
    print(
        f"speed     {speed['pages_s']:.0f} pages/s, {speed['megabytes_s']:.1f} MB/s, {speed['images_s']:.0f} images/s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
