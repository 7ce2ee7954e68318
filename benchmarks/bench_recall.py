"""How many edited copies are found, by algorithm and view, and how often unrelated pictures match.

    python benchmarks/bench_recall.py                        writes docs/recall.md; some ten minutes
    python benchmarks/bench_recall.py --quick --output -     a rough look, on the screen
    python benchmarks/bench_recall.py --photographs FOLDER   with more photographs: Debian's mate-backgrounds, say

Listed are crops of the photographs that ship in the wheels of scikit-image and scikit-learn and of as many generated
pictures, hashed as list makers hash: by pdqhash and imagehash, from the full picture. Each edit of each is decoded and
hashed as the guard does it, and is found where one of its values is within the default threshold (of a view: within its
own) of the listed one. Unrelated pairs are crops of different pictures, each hashed once as a listed picture and once
as a crawled one.
Needs pdqhash (``pip install ingest-guard[bench]``).
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
sys.path.insert(0, str(Path(__file__).parent))

import imagehash
import numpy as np
import pdqhash
from corpus import crops, encode, generated, in_folder, photographs, sized
from edits import CLASSES, EDITS

from ingest_guard.hashing.pdq import pdq
from ingest_guard.hashing.pdq_views import pdq_views, radius_cap
from ingest_guard.hashing.perceptual import perceptual
from ingest_guard.hashing.segments import SEGMENTS_IN_COMMON, segments_in_common
from ingest_guard.imaging.borders import trim_borders
from ingest_guard.imaging.decode import Limits, NotScannable, open_picture
from ingest_guard.imaging.views import normalise_contrast, quadrants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray
    from PIL import Image

    from ingest_guard.hashing.pdq_views import PdqView
    from ingest_guard.imaging.decode import Frame

THRESHOLD = 31
MIN_QUALITY, LOW_QUALITY_DISTANCE = 50, 12
FAMILY = ("phash", "phash_simple", "dhash", "dhash_vertical", "ahash", "whash")
FAMILY_THRESHOLD = 4
LISTERS = {
    "phash": imagehash.phash,
    "phash_simple": imagehash.phash_simple,
    "dhash": imagehash.dhash,
    "dhash_vertical": imagehash.dhash_vertical,
    "ahash": imagehash.average_hash,
    "whash": partial(imagehash.whash, image_scale=256),
}
COLUMNS = ("native", "+ scale", "+ trim", "+ turned, inverse", "all default", "+ quadrants")
SIDE = 900


@dataclass
class Listed:
    """What a list knows of one picture."""

    pdq: NDArray[np.uint8]
    family: dict[str, int]
    regions: bytes


@dataclass
class Seen:
    """What the guard computes of one file: PDQ values with their groups and radii, and the rest of the family."""

    bits: list[NDArray[np.uint8]] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    radius: list[int] = field(default_factory=list)
    family: list[dict[str, int]] = field(default_factory=list)
    regions: list[bytes] = field(default_factory=list)

    def add(self, bits: NDArray[np.uint8], group: str, quality: int, cap: int = THRESHOLD) -> None:
        """Keep one view's value."""
        self.bits.append(bits)
        self.group.append(group)
        self.radius.append(min(cap, LOW_QUALITY_DISTANCE) if quality < MIN_QUALITY else cap)


def list_picture(picture: Image.Image) -> Listed:
    """Hash a picture as a list maker does."""
    vector, _ = pdqhash.compute(np.asarray(picture))
    family = {name: int(str(lister(picture)), 16) for name, lister in LISTERS.items()}
    return Listed(np.packbits(vector), family, perceptual("crop_resistant", picture))


def look_at(data: bytes, *, family: bool = True) -> Seen:
    """Hash a file as the guard does, with every view that it knows."""
    seen = Seen()
    for frame in _frames(data):
        native_quality = 0
        for view in _all_views(frame, frame.luma):
            if view.name == "native":
                native_quality = view.quality
            group = {"native": "native", "scale": "scale"}.get(view.name, "turned")
            seen.add(view.bits, group, view.quality, radius_cap(view.name) or THRESHOLD)
        for trimmed in trim_borders(frame.luma):
            for view in _all_views(frame, trimmed):
                group = {"native": "trim", "scale": "trim, scale"}.get(view.name, "trim, turned")
                seen.add(view.bits, group, view.quality, radius_cap(view.name) or THRESHOLD)
        if native_quality < MIN_QUALITY:
            _add(seen, frame, normalise_contrast(frame.luma), "normalised")
        for part in quadrants(frame.luma):
            _add(seen, frame, part, "quadrants")
        if family:
            seen.family.append({name: int.from_bytes(perceptual(name, frame.luma), "big") for name in FAMILY})
            seen.regions.append(perceptual("crop_resistant", frame.luma))
    return seen


def _frames(data: bytes) -> Iterator[Frame]:
    try:
        yield from open_picture(data, Limits()).frames()
    except NotScannable as problem:
        print(f"not scannable: {problem}", file=sys.stderr)


def _all_views(frame: Frame, luma: NDArray[np.uint8]) -> list[PdqView]:
    return pdq_views(luma, orientations=True, inverse=True, scale=True, original=frame.size_in_original(luma))


def _add(seen: Seen, frame: Frame, luma: NDArray[np.uint8], group: str) -> None:
    bits, quality = pdq(luma, frame.size_in_original(luma))
    seen.add(np.frombuffer(bits, np.uint8), group, quality)


GROUPS = {
    "native": {"native"},
    "+ scale": {"native", "scale"},
    "+ trim": {"native", "trim"},
    "+ turned, inverse": {"native", "turned"},
    "all default": {"native", "scale", "trim", "turned", "trim, scale", "trim, turned", "normalised"},
}
GROUPS["+ quadrants"] = {*GROUPS["all default"], "quadrants"}


def found(seen: Seen, listed: Listed) -> dict[str, bool]:
    """Tell by which columns of the table a copy is found."""
    hits = dict.fromkeys((*COLUMNS, *FAMILY, "crop_resistant"), False)
    if seen.bits:
        near = np.bitwise_count(np.stack(seen.bits) ^ listed.pdq).sum(axis=1) <= np.array(seen.radius)
        by_group = {group for group, hit in zip(seen.group, near.tolist(), strict=True) if hit}
        hits |= {column: bool(by_group & groups) for column, groups in GROUPS.items()}
    for family in seen.family:
        for name, value in family.items():
            hits[name] |= (value ^ listed.family[name]).bit_count() <= FAMILY_THRESHOLD
    for regions in seen.regions:
        hits["crop_resistant"] |= segments_in_common(listed.regions, regions) >= SEGMENTS_IN_COMMON
    return hits


def recall(pictures: list[Image.Image]) -> dict[str, dict[str, float]]:
    """Return the share found, by edit and column."""
    listed = [list_picture(picture) for picture in pictures]
    table: dict[str, dict[str, float]] = {}
    for name, edit in EDITS.items():
        hits = [found(look_at(edit(picture)), entry) for picture, entry in zip(pictures, listed, strict=True)]
        table[name] = {column: float(np.mean([hit[column] for hit in hits])) for column in hits[0]}
        print(f"{name:<34} native {table[name]['native']:.3f}  all {table[name]['all default']:.3f}", file=sys.stderr)
    return table


def turned_distances(pictures: list[Image.Image]) -> dict[str, NDArray[np.int64]]:
    """Return how far turned and inverted copies are from the listed hash, by the view that undoes the edit."""
    undone = {
        "mirror": ["mirror"],
        "mirror, half size, JPEG 70": ["mirror"],
        "mirror, 128 px": ["mirror"],
        "rotation 90 degrees": ["rotate270"],
        "rotation 180 degrees": ["rotate180"],
        "inverse": ["inverse"],
        "inverse, half size, JPEG 70": ["inverse"],
    }
    distances: dict[str, list[int]] = {name: [] for name in undone}
    for picture in pictures:
        listed = list_picture(picture).pdq
        for name, views in undone.items():
            for frame in _frames(EDITS[name](picture)):
                near = [v.bits for v in _all_views(frame, frame.luma) if v.name in views]
                distances[name].append(int(np.bitwise_count(near[0] ^ listed).sum()))
    return {name: np.array(values) for name, values in distances.items()}


@dataclass
class Unrelated:
    """Pairs of crops of different photographs, and how many of them match."""

    pictures: int
    pairs: int
    matches: dict[str, int]
    nearest: dict[str, int]


def unrelated(number: int, pictures: Mapping[str, Image.Image]) -> Unrelated:
    """Hold crops of different pictures against each other."""
    parts = list(crops(number, share=(0.25, 0.6), seed=11, pictures=pictures))
    names = np.array([part.photograph for part in parts])
    seen = [look_at(encode(sized(part.picture, 320), "JPEG", quality=85)) for part in parts]
    listed = np.stack([entry.bits[entry.group.index("native")] for entry in seen])
    matches: dict[str, int] = {}
    nearest: dict[str, int] = {}
    pairs = 0
    for index, entry in enumerate(seen):
        other = names != names[index]
        pairs += int(other.sum())
        apart = np.bitwise_count(np.stack(entry.bits)[:, np.newaxis] ^ listed[other]).sum(axis=2, dtype=np.int32)
        near = apart <= np.array(entry.radius)[:, np.newaxis]
        for column, groups in GROUPS.items():
            chosen = [group in groups for group in entry.group]
            matches[column] = matches.get(column, 0) + int(near[chosen].any(axis=0).sum())
            nearest[column] = min(nearest.get(column, 256), int(apart[chosen].min()))
    matches |= _unrelated_family(seen, names)
    return Unrelated(len(parts), pairs, matches, nearest)


def _unrelated_family(seen: list[Seen], names: NDArray[np.str_]) -> dict[str, int]:
    matches = {}
    other = names[:, np.newaxis] != names
    for name in FAMILY:
        values = np.array([entry.family[0][name] for entry in seen], np.uint64)
        near = np.bitwise_count(values[:, np.newaxis] ^ values) <= FAMILY_THRESHOLD
        matches[name] = int((near & other).sum())
    regions = [entry.regions[0] for entry in seen]
    sample = range(0, len(regions), max(1, len(regions) // 300))
    kept = [(i, j) for i in sample for j in sample if other[i, j]]
    share = np.mean([segments_in_common(regions[i], regions[j]) >= SEGMENTS_IN_COMMON for i, j in kept])
    matches["crop_resistant"] = round(float(share) * int(other.sum()))
    return matches


def markdown(
    table: dict[str, dict[str, float]], turns: dict[str, NDArray[np.int64]], pairs: Unrelated, listed: int
) -> Iterable[str]:
    """Yield the lines of the page."""
    columns = (*COLUMNS, *FAMILY, "crop_resistant")
    yield f"Share of {listed} listed pictures found, by class of edits (the mean of its edits), and by edit:"
    yield ""
    yield "| edit | " + " | ".join(columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for kind, edits in CLASSES.items():
        means = (float(np.mean([table[name][column] for name in edits])) for column in columns)
        yield f"| *{kind}* | " + " | ".join(_share(mean) for mean in means) + " |"
        for name in edits:
            yield f"| {name} | " + " | ".join(_share(table[name][column]) for column in columns) + " |"
    yield ""
    yield f"False matches among {pairs.pairs:,} pairs of {pairs.pictures} crops of different pictures:"
    yield ""
    yield "| | " + " | ".join(columns) + " |"
    yield "|---|" + "---|" * len(columns)
    yield "| pairs that match | " + " | ".join(f"{pairs.matches[column]:,}" for column in columns) + " |"
    rates = (pairs.matches[column] / pairs.pairs * 1e6 for column in columns)
    yield "| in a million | " + " | ".join(f"{rate:.1f}" for rate in rates) + " |"
    yield "| smallest distance | " + " | ".join(str(pairs.nearest.get(column, "")) for column in columns) + " |"
    yield ""
    yield "Distance of turned and inverted copies, in bits, and the share of them within a radius:"
    yield ""
    radii = (7, 11, 15, 19, 23, 27, 31)
    yield "| edit | mean | largest | " + " | ".join(f"<= {radius}" for radius in radii) + " |"
    yield "|---|---|---|" + "---|" * len(radii)
    for name, values in turns.items():
        shares = " | ".join(_share(float((values <= radius).mean())) for radius in radii)
        yield f"| {name} | {values.mean():.1f} | {values.max()} | {shares} |"


def _share(value: float) -> str:
    return "**1**" if value == 1 else ("0" if value == 0 else f"{value:.2f}")


MARK = "<!-- measured: everything below is written by benchmarks/bench_recall.py -->"


def main() -> int:
    """Measure, and write the tables below the mark in the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half of the listed pictures, 300 unrelated ones")
    parser.add_argument("--listed", type=int, help="number of listed pictures; by default a crop of each")
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", help="a folder with more photographs")
    parser.add_argument("--unrelated", type=int, default=1200, help="number of unrelated crops; pairs are its square")
    parser.add_argument("--output", default=str(Path(__file__).parents[1] / "docs" / "recall.md"), help="- to print")
    options = parser.parse_args()
    found_here = photographs() | (in_folder(options.photographs) if options.photographs else {})
    everything = found_here | generated(len(photographs()))
    number = len(everything) // 2 if options.quick else options.listed or len(everything)
    chosen = crops(number, share=(0.6, 1.0), seed=5, pictures=everything)
    pictures = [sized(crop.picture, SIDE, seed=index) for index, crop in enumerate(chosen)]
    pairs = unrelated(300 if options.quick else options.unrelated, everything)
    lines = list(markdown(recall(pictures), turned_distances(pictures), pairs, number))
    if options.output == "-":
        print("\n".join(lines))
        return 0
    page = Path(options.output)
    text = page.read_text(encoding="utf-8") if page.exists() else f"# Recall\n\n{MARK}\n"
    page.write_text(text.partition(MARK)[0] + "\n".join([MARK, "", *lines, ""]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
