"""The reader of pages, held against a browser: whatever Chromium shows of a listed picture, the guard has dropped.

    make bench-pages                                        2,000 generated pages
    make bench-pages BENCH_ARGS="--pages 20000 --against FOLDER"
    make bench-pages BENCH_ARGS=--ordinary                  how many ordinary pages end as not_scannable, by reason
    make bench-pages BENCH_ARGS="--mutations 100000"        time and memory for mutated texts, in the workers

Generated pages have one listed picture inline (tests/support/page_generator.py): carrier x escape x spelling x charset
x content coding x nesting. Headless Chromium opens them, and counts as showing the picture where the guard itself finds
it in the screenshot. ``--against`` names a checkout of another state, with its ``.venv``: how many of the pages that
Chromium shows does that one pass?
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from PIL import Image
from support.devtools import browser
from support.page_generator import GeneratedPage, make_page, picture
from support.shown_pages import AT_ONCE, PageServer, pictures_of, shows

from benchmarks.page_texts import measure_mutations, measure_ordinary
from ingest_guard import Guard, Policy
from ingest_guard.encodings.stages import content_codings, undo
from ingest_guard.hashing.pdq import pdq

if TYPE_CHECKING:
    from collections.abc import Sequence

_DROPPED = ("match", "not_scannable")
_MOST = 1 << 27
_RESTART = 64
"""Batches after which the browser is started anew: it keeps what pages leave behind."""


def main() -> int:
    """Measure; exit code 1 where a page that Chromium shows was passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=2_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first page")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout of another state")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to write pages that were missed")
    parser.add_argument("--ordinary", action="store_true", help="share of ordinary pages that cannot be scanned")
    parser.add_argument("--mutations", type=int, metavar="N", help="time of mutated texts in the workers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-pages-") as work:
        if not options.ordinary and not options.mutations:
            return compare(options, Path(work))
        guard = Guard.from_policy(Policy(blocklist=build_list(Path.cwd(), Path(work) / "list"), workers=1))
        if options.ordinary:
            return measure_ordinary(guard, options.pages)
        return measure_mutations(guard, options.mutations, options.seed)


def hash_lines() -> str:
    """Return the list: the picture's hash and digest."""
    value, _ = pdq(np.asarray(Image.open(io.BytesIO(picture())).convert("L")))
    return f"pdq {value.hex()}\nmd5 {hashlib.md5(picture(), usedforsecurity=False).hexdigest()}\n"


def build_list(checkout: Path, folder: Path) -> Path:
    """Build the blocklist with the command of a checkout."""
    lines = folder.with_suffix(".txt")
    lines.write_text(hash_lines())
    command = checkout / ".venv" / "bin" / "ingest-guard"
    subprocess.run(
        [str(command), "blocklist", "build", str(folder), "--list", f"l:plain:{lines}"], check=True, capture_output=True
    )
    return folder


class Other:
    """A guard of another state, in a process of its own."""

    _PROGRAM = (
        "import base64, json, sys\n"
        "from ingest_guard import Guard, Policy\n"
        "guard = Guard.from_policy(Policy(blocklist=sys.argv[1]))\n"
        "for line in sys.stdin:\n"
        "    body, declared = json.loads(line)\n"
        "    print(guard.check(base64.b64decode(body), declared_type=declared).outcome, flush=True)\n"
    )

    def __init__(self, checkout: Path, work: Path) -> None:
        python = checkout / ".venv" / "bin" / "python"
        store = build_list(checkout, work / "other")
        self._process = subprocess.Popen(
            [str(python), "-c", self._PROGRAM, str(store)],
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def outcome(self, page: GeneratedPage) -> str:
        """Return what it says of a page, without its coding."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([base64.b64encode(page.body).decode(), page.content_type]) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


def compare(options: argparse.Namespace, work: Path) -> int:
    """Open the pages in Chromium and in the guard."""
    guard = Guard.from_policy(Policy(blocklist=build_list(Path.cwd(), work / "list")))
    shown: Counter[tuple[str, str]] = Counter()
    made: Counter[tuple[str, str]] = Counter()
    outcomes: Counter[tuple[bool, str]] = Counter()
    missed: list[tuple[int, dict[str, str]]] = []
    others_missed = 0
    numbers = range(options.first, options.first + options.pages)
    batches = [numbers[at : at + AT_ONCE] for at in range(0, len(numbers), AT_ONCE)]
    began = time.perf_counter()
    with ExitStack() as stack:
        server = PageServer()
        stack.callback(server.stop)
        other = stack.enter_context(Other(options.against, work)) if options.against else None
        for at in range(0, len(batches), _RESTART):
            with browser() as chromium:
                for batch in batches[at : at + _RESTART]:
                    pages = [make_page(options.seed, number) for number in batch]
                    cells = list(pictures_of(chromium, server, pages))
                    for number, page, cell in zip(batch, pages, cells, strict=True):
                        is_shown = shows(cell, lambda data: guard.check(data).outcome == "match")
                        outcome = check(guard, page)
                        outcomes[is_shown, outcome] += 1
                        made.update(page.cells.items())
                        shown.update(page.cells.items() if is_shown else ())
                        if is_shown and outcome.partition(" ")[0] not in _DROPPED:
                            missed.append((number, page.cells))
                            keep(options.keep, number, page)
                        if is_shown and other is not None and other.outcome(page) not in _DROPPED:
                            others_missed += 1
            print(f"{sum(made.values()) // 6:,} pages in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    report(options, shown, made, outcomes, missed=missed, others_missed=others_missed)
    return 1 if missed else 0


def check(guard: Guard, page: GeneratedPage) -> str:
    """Return outcome and reason of a response with this page, as a crawl checks it."""
    stages = undo(page.sent, content_codings([page.coding.encode()] if page.coding else []), _MOST)
    if stages.problem:
        return "not_scannable encoding"
    verdict = guard.check(stages.bodies[-1], declared_type=page.content_type)
    return f"{verdict.outcome} {verdict.reason or ''}".strip()


def keep(folder: Path | None, number: int, page: GeneratedPage) -> None:
    """Write a page down, to look at."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.html").write_bytes(page.body)


def report(
    options: argparse.Namespace,
    shown: Counter[tuple[str, str]],
    made: Counter[tuple[str, str]],
    outcomes: Counter[tuple[bool, str]],
    *,
    missed: Sequence[tuple[int, dict[str, Any]]],
    others_missed: int,
) -> None:
    """Print the tables."""
    all_shown = sum(count for (is_shown, _), count in outcomes.items() if is_shown)
    print(f"{options.pages:,} pages (seed {options.seed}, from {options.first}), shown by Chromium: {all_shown:,}")
    for (is_shown, outcome), count in sorted(outcomes.items(), reverse=True):
        print(f"  {'shown' if is_shown else 'not shown':<10} {outcome:<26} {count:>7,}")
    print(f"shown and passed: {len(missed):,}")
    for number, cells in missed[:20]:
        print(f"  page {number}: {cells}")
    if options.against:
        print(f"shown and passed by {options.against}: {others_missed:,}")
    for dimension in dict.fromkeys(name for name, _ in made):
        row = ", ".join(
            f"{cell} {shown[name, cell]}/{count}" for (name, cell), count in sorted(made.items()) if name == dimension
        )
        print(f"{dimension} (shown / made): {row}")


if __name__ == "__main__":
    raise SystemExit(main())
