"""Pages: the guard's reader, compared with what Chromium shows; ordinary pages; mutated texts.

    make bench-pages                                          2,000 generated pages in Chromium and in the guard
    make bench-pages BENCH_ARGS="--pages 20000 --state FILE"  many, to be taken up again where a run was stopped
    make bench-pages BENCH_ARGS="--against FOLDER"            what another state of the project lets through of them
    make bench-pages BENCH_ARGS=--ordinary                    how many ordinary pages are refused, and why
    make bench-pages BENCH_ARGS="--mutations 100000"          how long mutated texts take in the workers

A page has one listed photograph inline: in one of many carriers, spelt in one of many ways, nested, in some charset
and content coding, all by its seed. *Shown* means that the guard itself finds the photograph in Chromium's
screenshot of the page. Whatever is shown, the guard must not let the page pass: exit code 1 otherwise, or where less
than 30 % of the pages are shown. Ordinary pages are documentation on this machine and pages after the shapes of themes;
at most 0.5 % of them may end as ``not_scannable``. Of mutated texts, every fiftieth has about 1 MB.
Nothing is downloaded; the servers are on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pages import comparison, mutations, ordinary
from benchmarks.pages.judge import make_list
from ingest_guard import Guard, Policy

NEEDED = 0.3
"""Of the generated pages, what Chromium must show for a run to say anything."""


def main() -> int:
    """Run what was asked for."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        try:
            policy = make_list(Path(folder))
            if options.ordinary:
                return int(
                    not ordinary.measure(Guard.from_policy(Policy.load(policy)), options.most, 200, options.first)
                )
            if options.mutations:
                return int(not mutations.measure(policy, options.mutations, options.first))
            return run_generated(options, policy)
        finally:
            for path in Path(folder).rglob("*"):
                if path.is_dir():
                    path.chmod(0o755)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=2000, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--state", type=Path, metavar="FILE", help="remembers what Chromium showed")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="a checkout of another state of the project")
    parser.add_argument("--ordinary", action="store_true", help="measure ordinary pages instead")
    parser.add_argument("--most", type=int, default=2000, metavar="N", help="pages of each documentation")
    parser.add_argument("--mutations", type=int, default=0, metavar="N", help="measure mutated texts instead")
    return parser.parse_args()


def run_generated(options: argparse.Namespace, policy: Path) -> int:
    """Compare generated pages with Chromium."""
    started = time.perf_counter()
    seeds = range(options.first, options.first + options.pages)
    result = comparison.compare(seeds, policy, options.state, options.against)
    comparison.report(result, time.perf_counter() - started)
    if options.against is not None:
        print(f"missed by {options.against}: {len(result.missed_by_older)}")
    return int(bool(result.missed) or result.shown < NEEDED * result.pages)


if __name__ == "__main__":
    sys.exit(main())
