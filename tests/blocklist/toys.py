"""Toy hashers, installed as a package in a folder: what a licensed hash looks like, and some broken ones."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SOURCE = '''
"""Toy hashers."""
import numpy as np
from PIL import Image
from ingest_guard.hashing.registry import Algorithm

def small(source, side):
    return np.asarray(Image.fromarray(source.luma).resize((side, side), Image.Resampling.BOX))

class Bits:
    algorithm = Algorithm("toy_bits", 8, "bits", "hamming", 5.5)

    def hash(self, source):
        parts = small(source, 8)
        return [np.packbits(parts > np.median(parts)).tobytes()]

class Grid:
    algorithm = Algorithm("toy_grid", 144, "bytes", "l1", 700)

    def hash(self, source):
        return [small(source, 12).tobytes()]

class File:
    """Works on the file: its first sixteen bytes after the header that all JPEGs share."""

    algorithm = Algorithm("toy_file", 16, "bytes", "l2", 2.5, source="bytes")
    runs = 0

    def hash(self, source):
        type(self).runs += 1
        return [source[-16:]]

class Raising:
    algorithm = Algorithm("toy_raising", 8, "bits", "hamming", 5)

    def hash(self, source):
        raise ValueError("the picture is " + repr(source))

class RaisingFile:
    algorithm = Algorithm("toy_raising_file", 16, "bytes", "l1", 5, source="bytes")

    def hash(self, source):
        raise ValueError("the file is " + repr(source))

class Greedy:
    algorithm = Algorithm("toy_greedy", 16, "bytes", "l1", 5, source="bytes")

    def hash(self, source):
        raise MemoryError

class Odd:
    algorithm = Algorithm("toy_odd", 10, "bits", "hamming", 5)

    def hash(self, source):
        return []

class Wide:
    """Generous: more than an eighth of its bits, even more than a quarter."""

    algorithm = Algorithm("toy_wide", 8, "bits", "hamming", 20)

    def hash(self, source):
        return []

class Broken:
    def __init__(self):
        raise RuntimeError("no licence")
'''

POINTS = {
    "toy_bits": "Bits",
    "toy_grid": "Grid",
    "toy_file": "File",
    "toy_raising": "Raising",
    "toy_raising_file": "RaisingFile",
    "toy_greedy": "Greedy",
    "toy_odd": "Odd",
    "toy_wide": "Wide",
    "toy_broken": "Broken",
}

_numbers = itertools.count()


def install(folder: Path, source: str = SOURCE, points: Mapping[str, str] = POINTS) -> str:
    """Install hashers into a folder for the module search path; return their module's name, a new one each time."""
    module = f"toy_hashers_{next(_numbers)}"
    info = folder / f"{module}-1.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n", encoding="utf-8")
    lines = "".join(f"{name} = {module}:{made}\n" for name, made in points.items())
    (info / "entry_points.txt").write_text(f"[ingest_guard.hashers]\n{lines}", encoding="utf-8")
    return module
