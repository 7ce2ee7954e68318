"""The demo's two lists as plain files: some values of the listed originals among thousands that belong to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import imagehash
import numpy as np

from demo.listed import HOTLINE_A, HOTLINE_B, originals
from ingest_guard.hashing.digests import digests
from ingest_guard.hashing.pdq import pdq

if TYPE_CHECKING:
    from pathlib import Path

MADE_UP = 4000
"""Made-up values of each algorithm."""
_BITS = {HOTLINE_A: {"md5": 128, "sha1": 160, "sha256": 256}, HOTLINE_B: {"pdq": 256, "phash": 64}}


def plain_lists(seed: int) -> dict[str, str]:
    """Return list id -> text in the plain format: one ``algorithm value`` a line."""
    rng = np.random.default_rng(seed)
    lines = {
        name: [
            f"{algorithm} {rng.bytes(bits // 8).hex()}"
            for algorithm, bits in algorithms.items()
            for _ in range(MADE_UP)
        ]
        for name, algorithms in _BITS.items()
    }
    for original in originals().values():
        if HOTLINE_A in original.lists:
            lines[HOTLINE_A].append(f"{original.digest} {digests(original.file)[original.digest]}")
        if HOTLINE_B in original.lists:
            value, _quality = pdq(np.asarray(original.picture.convert("L")))
            lines[HOTLINE_B] += [f"pdq {value.hex()}", f"phash {imagehash.phash(original.picture)}"]
    heading = "# {}: a made-up list for a demo. Nothing in here is a hash of abuse imagery.\n"
    return {name: heading.format(name) + "\n".join(sorted(entries)) + "\n" for name, entries in lines.items()}


def write_lists(folder: Path, seed: int) -> dict[str, Path]:
    """Write each list to ``folder``; return list id -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.txt" for name in _BITS}
    for name, text in plain_lists(seed).items():
        files[name].write_text(text, encoding="ascii")
    return files
