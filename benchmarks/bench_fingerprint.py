"""What decoding and fingerprinting a web image costs, step by step and as a whole: one process, one thread, CPU time.

    python benchmarks/bench_fingerprint.py              210 JPEGs, 70 PNGs, 70 WebPs; some minutes
    python benchmarks/bench_fingerprint.py --quick      a tenth of that

Photographs are crops of those that ship in the wheels of scikit-image and scikit-learn, longest sides 400, 800 and
1200 pixels, JPEG of quality 85. All rows are timed in each round, file by file, so that all see the same states of the
machine; a row's figure is the mean over the files of the best of the rounds. Ratios are what counts. Needs pdqhash
(``pip install ingest-guard[bench]``); where ``perception`` is installed, its PDQ is a row too.

A whole verdict is a row by a line in :data:`CHECKS`.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import io
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

# Before NumPy is imported: its thread pools must not help anybody.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
sys.path.insert(0, str(Path(__file__).parent))

import imagehash
import numpy as np
import pdqhash
from corpus import crops, encode, sized
from PIL import Image

from benchmarks.verdicts import CHECKS as VERDICTS
from ingest_guard.hashing import pdq as pdq_module
from ingest_guard.hashing.digests import digests
from ingest_guard.hashing.pdq import pdq
from ingest_guard.hashing.pdq_views import pdq_views as all_views
from ingest_guard.hashing.perceptual import perceptual
from ingest_guard.imaging.borders import trim_borders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Row = Callable[[bytes], object]

LONGEST_SIDES = (400, 800, 1200)
DRAFT = 256
SEED = 7

CHECKS: dict[str, Callable[[], Row]] = dict(VERDICTS)
"""Name -> what makes a callable of one body (``Guard.check``, say). Each becomes a row of every table."""

FULL = "Pillow, full decode to RGB"
REFERENCE = "full decode to RGB + pdqhash.compute"
DIHEDRAL = "full decode to RGB + pdqhash.compute_dihedral"


def decode_rgb(data: bytes) -> NDArray[np.uint8]:
    """Decode as a program that wants pixels does."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def decode_luma(data: bytes) -> NDArray[np.uint8]:
    """Decode all pixels, to brightness."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


@dataclass(frozen=True)
class Draft:
    """What a JPEG's decoder hands over when it may shrink by 2, 4 or 8, and the size of the original."""

    luma: NDArray[np.uint8]
    original: tuple[int, int]

    @classmethod
    def decode(cls, data: bytes, least: int) -> Draft:
        """Decode with at least so many pixels on the shorter side, or all that there are."""
        image = Image.open(io.BytesIO(data))
        original = image.height, image.width
        image.draft("L", (least, least))
        return cls(np.asarray(image.convert("L")), original)

    def pdq(self) -> None:
        """Hash it as its original would be."""
        pdq(self.luma, self.original)

    def every_view(self) -> None:
        """Hash all default views: eight orientations, their inverse, the scale view, all of them without a border."""
        all_views(self.luma, orientations=True, inverse=True, scale=True, original=self.original)
        for trimmed in trim_borders(self.luma):
            all_views(trimmed, orientations=True, inverse=True, scale=True)


def forget_sides() -> None:
    """Drop all cached matrices, as if these sides were seen for the first time."""
    for cached in (pdq_module.sampling, pdq_module.enlarged_sampling):
        cached.cache_clear()


@dataclass
class Table:
    """Milliseconds by row."""

    title: str
    files: list[bytes]
    rows: dict[str, list[float]] = field(default_factory=dict)

    def mean(self, row: str) -> float:
        """Return the mean over all files, in milliseconds."""
        return float(np.mean(self.rows[row]))


def rows_of(
    data: bytes, draft: Draft, rgb: NDArray[np.uint8], checks: dict[str, Row]
) -> dict[str, Callable[[], object]]:
    """Return what is timed on one file, by row."""
    luma = draft.luma
    return {
        FULL: lambda: decode_rgb(data),
        "Pillow, full decode to L": lambda: decode_luma(data),
        "Pillow, draft decode to L, 512 pixels or more": lambda: Draft.decode(data, 512),
        "Pillow, draft decode to L, 256 pixels or more": lambda: Draft.decode(data, DRAFT),
        "MD5 + SHA-1 + SHA-256": lambda: digests(data),
        "our PDQ": draft.pdq,
        "our PDQ, all default views": draft.every_view,
        "pdqhash.compute, on the full picture": lambda: pdqhash.compute(rgb),
        "our phash": lambda: perceptual("phash", luma),
        "imagehash.phash, on the same": lambda: imagehash.phash(Image.fromarray(luma)),
        "our whash": lambda: perceptual("whash", luma),
        "digests + draft decode + our PDQ": lambda: (digests(data), Draft.decode(data, DRAFT).pdq()),
        "digests + draft decode + all default views": lambda: (
            digests(data),
            Draft.decode(data, DRAFT).every_view(),
        ),
        REFERENCE: lambda: pdqhash.compute(decode_rgb(data)),
        DIHEDRAL: lambda: pdqhash.compute_dihedral(decode_rgb(data)),
        **{name: lambda check=check: check(data) for name, check in checks.items()},
    }


def measure(title: str, files: list[bytes], checks: dict[str, Row], rounds: int) -> Table:
    """Time every row on every file, row by row as a worker goes from file to file; the best of the rounds counts."""
    drafts = [Draft.decode(data, DRAFT) for data in files]
    calls = [rows_of(data, draft, decode_rgb(data), checks) for data, draft in zip(files, drafts, strict=True)]
    table = Table(title, files)
    # As timeit does: when the collector runs is chance, and so is which row would pay for it.
    gc.collect()
    gc.disable()
    timed: dict[str, list[list[float]]] = {name: [] for name in calls[0]}
    for _ in range(rounds):
        for name, rounds_of_row in timed.items():
            rounds_of_row.append([_milliseconds(of_file[name]) for of_file in calls])
    for name, rounds_of_row in timed.items():
        table.rows[name] = [min(of_file) for of_file in zip(*rounds_of_row, strict=True)]
    for draft in drafts:
        table.rows.setdefault("our PDQ, sides seen for the first time", []).append(_cold(draft.pdq))
        table.rows.setdefault("all default views, sides seen for the first time", []).append(_cold(draft.every_view))
    return table


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - start) / 1e6


def _cold(call: Callable[[], object]) -> float:
    forget_sides()
    return _milliseconds(call)


def report(table: Table) -> None:
    """Print one table with the ratios that matter."""
    full, reference, dihedral = (table.mean(row) for row in (FULL, REFERENCE, DIHEDRAL))
    kilobytes = sum(map(len, table.files)) / len(table.files) / 1000
    print(f"\n{table.title}: {len(table.files)} files of {kilobytes:.0f} kB on average")
    print(f"{'':<52}{'ms':>8}{'of full':>9}{'pdqhash':>9}{'dihedral':>10}")
    print(f"{'':<52}{'':>8}{'decode':>9}{'takes x':>9}{'takes x':>10}")
    for name in table.rows:
        mean = table.mean(name)
        print(f"{name:<52}{mean:>8.3f}{mean / full:>9.2f}{reference / mean:>9.1f}{dihedral / mean:>10.1f}")


def perception_row() -> dict[str, Callable[[], Row]]:
    """Return the PDQ of the ``perception`` package as a row, if it is installed."""
    if importlib.util.find_spec("perception") is None:
        return {}

    def make() -> Row:
        from perception.hashers import PDQHash  # noqa: PLC0415 - optional

        hasher = PDQHash()
        return lambda data: hasher.compute(Image.open(io.BytesIO(data)))

    return {"perception.hashers.PDQHash": make}


def files_of(kind: str, pictures: Iterable[Image.Image], **options: object) -> list[bytes]:
    """Encode pictures."""
    return [encode(picture, kind, **options) for picture in pictures]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the files")
    parser.add_argument("--crops", type=int, default=70, help="number of crops; each makes three JPEGs")
    parser.add_argument("--rounds", type=int, default=5, help="the best of so many is taken")
    options = parser.parse_args()
    number = max(4, options.crops // (10 if options.quick else 1))
    parts = [crop.picture for crop in crops(number, share=(0.6, 1.0), seed=SEED)]
    pictures = [sized(part, side, seed=index) for index, part in enumerate(parts) for side in LONGEST_SIDES]
    checks = {name: make() for name, make in {**perception_row(), **CHECKS}.items()}
    middle = pictures[1::3]
    kinds = {
        "JPEG, quality 85, longest sides 400, 800 and 1200": files_of("JPEG", pictures, quality=85),
        "PNG, longest side 800": files_of("PNG", middle),
        "WebP, quality 80, longest side 800": files_of("WEBP", middle, quality=80),
    }
    for title, files in kinds.items():
        report(measure(title, files, checks, options.rounds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
