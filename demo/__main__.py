"""``python -m demo``, for ``make demo``, which puts the tests' search for traces on the path."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from demo.run import run_demo
from demo.site import SEED


def main(arguments: list[str] | None = None) -> int:
    """Run the demo from a command line."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Crawl a made-up site with the guard, and search what the crawl wrote for what it dropped.",
    )
    parser.add_argument("--folder", type=Path, help="where everything goes and stays; a temporary folder if not given")
    parser.add_argument("--seed", type=int, default=SEED, help="what the site is made from")
    options = parser.parse_args(arguments)
    return run_demo(options.folder, seed=options.seed)


if __name__ == "__main__":
    sys.exit(main())
