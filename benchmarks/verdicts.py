"""Guards over made-up lists, as rows for the fingerprint benchmark: whole verdicts, look-ups included."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest_guard import Guard, Policy
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.policy.policy import Views

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 1_000_000
OFF = Views(orientations=False, inverse=False, scale=False, normalise=False, trim=False)


@cache
def made_up(entries: int, *, with_phash: bool) -> Path:
    """Build a blocklist of made-up PDQ hashes and as many MD5 (and pHash); return its folder."""
    work = Path(tempfile.mkdtemp(prefix="bench-fingerprint-"))
    atexit.register(shutil.rmtree, work, ignore_errors=True)
    rng = np.random.default_rng(8)
    plain = work / "made-up.txt"
    sizes = {"pdq": 32, "md5": 16, **({"phash": 8} if with_phash else {})}
    with plain.open("w") as file:
        for algorithm, size in sizes.items():
            values = rng.bytes(entries * size).hex()
            step = 2 * size
            file.writelines(f"{algorithm} {values[at : at + step]}\n" for at in range(0, len(values), step))
    build(work / "blocklist", [ListSource("made-up", "plain", plain)], accept=True)
    return work / "blocklist"


def verdict(entries: int, *, views: Views, with_phash: bool = False) -> Callable[[], Callable[[bytes], object]]:
    """Return what makes a check against a list of that many entries."""

    def make() -> Callable[[bytes], object]:
        return Guard.from_policy(Policy(blocklist=made_up(entries, with_phash=with_phash), views=views)).check

    return make


CHECKS = {
    "whole verdict, views off, PDQ + MD5, 10,000 each": verdict(10_000, views=OFF),
    "whole verdict, views off, PDQ + MD5, 1 M each": verdict(LARGE, views=OFF),
    "whole verdict, default views, the same": verdict(LARGE, views=Views()),
    "whole verdict, views off, with 1 M pHash on top": verdict(LARGE, views=OFF, with_phash=True),
    "whole verdict, default views, the same with pHash": verdict(LARGE, views=Views(), with_phash=True),
}
"""Rows: sniff, decode, three digests, fingerprints, look-ups, verdict."""
