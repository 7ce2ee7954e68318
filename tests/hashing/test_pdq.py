from __future__ import annotations

import io

import numpy as np
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from ingest_guard.hashing.pdq import pdq


def reference(picture: Image.Image) -> tuple[np.ndarray, int]:
    """Return the reference's vector and quality of a picture."""
    vector, quality = pdqhash.compute(np.asarray(picture.convert("RGB")))
    return np.asarray(vector, np.uint8), quality


def bits(value: bytes) -> np.ndarray:
    """Return a hash as 256 zeros and ones."""
    return np.unpackbits(np.frombuffer(value, np.uint8))


def apart(first: bytes, second: bytes) -> int:
    """Return the Hamming distance of two hashes."""
    return int((bits(first) != bits(second)).sum())


def steady(luma: np.ndarray) -> bool:
    """Tell whether the reference hashes a picture much as it does after changes of one grey level.

    Where frequencies are missing (stripes, grids, tiny pictures blown up) its bits are the signs of rounding errors.
    """
    vector, _ = reference(Image.fromarray(luma))
    for seed in range(4):
        noise = np.random.default_rng(seed).integers(-1, 2, luma.shape)
        changed, _ = reference(Image.fromarray(np.clip(luma + noise, 0, 255).astype(np.uint8)))
        if (changed != vector).sum() > 4:
            return False
    return True


SIZES = [(512, 512), (640, 427), (301, 517), (128, 96), (64, 64), (63, 200), (37, 23), (1100, 760)]


def test_hash_and_quality_are_the_references(pictures: dict[str, Image.Image]) -> None:
    """Over photographs, drawings and patterns in many sizes: within 10 bits where quality is 80, 2 on average."""
    distances = []
    for picture in pictures.values():
        for size in SIZES:
            resized = picture.resize(size)
            vector, quality = reference(resized)
            ours, our_quality = pdq(np.asarray(resized.convert("L")))
            assert abs(our_quality - quality) <= 3
            if quality >= 80:
                distances.append(int((bits(ours) != vector).sum()))
    assert len(distances) > 60
    assert max(distances) <= 10
    assert np.mean(distances) <= 0.5


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(5, 300), st.integers(5, 300)),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["noise", "waves", "blobs", "blocks"]),
)
def test_any_made_up_picture_hashes_as_the_reference_does(size: tuple[int, int], seed: int, kind: str) -> None:
    """A property: whatever the size and the content, ours is within 10 bits where quality is 80 or more."""
    rng = np.random.default_rng(seed)
    height, width = size
    y, x = np.mgrid[0:height, 0:width] / max(size)
    values = {
        "noise": lambda: rng.integers(0, 256, size),
        "waves": lambda: sum(np.sin(rng.uniform(3, 60) * x + rng.uniform(3, 60) * y) for _ in range(4)) * 30 + 128,
        "blobs": lambda: sum(
            200 * np.exp(-((x - rng.uniform()) ** 2 + (y - rng.uniform()) ** 2) / rng.uniform(0.002, 0.1))
            for _ in range(8)
        ),
        "blocks": lambda: np.kron(rng.integers(0, 256, (8, 8)), np.ones((40, 40)))[:height, :width],
    }[kind]()
    luma = np.clip(values, 0, 255).astype(np.uint8)
    vector, quality = reference(Image.fromarray(luma))
    ours, our_quality = pdq(luma)
    assert abs(our_quality - quality) <= 3
    if quality >= 80 and steady(luma):
        assert (bits(ours) != vector).sum() <= 10


@pytest.mark.parametrize("pattern", ["stripes", "checks", "slope"])
def test_quality_of_regular_patterns_is_the_references(pattern: str) -> None:
    """Where the reference's bits are rounding errors, its quality is still a number to agree on."""
    y, x = np.mgrid[0:240, 0:320]
    values = {"stripes": x // 9 % 2 * 255, "checks": (x // 20 + y // 20) % 2 * 255, "slope": x * 255 / 319}[pattern]
    luma = values.astype(np.uint8)
    assert not steady(luma) or pattern == "checks"
    assert abs(pdq(luma)[1] - reference(Image.fromarray(luma))[1]) <= 1


def test_first_bit_is_the_highest_frequency() -> None:
    """The hash reads like the hex that PDQ tools print: coefficient (15, 15) first, (0, 0) last."""
    cosine = np.cos(np.pi / 128 * 16 * (2 * np.arange(64) + 1))
    luma = np.round(128 + 100 * np.outer(cosine, cosine)).astype(np.uint8)
    value, _ = pdq(luma)
    assert value[0] & 0x80
    lowest = np.cos(np.pi / 128 * (2 * np.arange(64) + 1))
    value, _ = pdq(np.round(128 + 100 * np.outer(lowest, lowest)).astype(np.uint8))
    assert value[-1] & 1


@pytest.mark.parametrize("shape", [(4, 4), (4, 500), (500, 4), (1, 1), (0, 10), (0, 0)])
def test_pictures_too_small_for_the_reference_have_no_hash(shape: tuple[int, int]) -> None:
    """A side below 5 pixels gives zeros and quality 0, as the reference does it."""
    assert pdq(np.full(shape, 9, np.uint8)) == (bytes(32), 0)


def test_a_blank_picture_has_quality_0() -> None:
    """Nothing to see, nothing to compare: the quality says so."""
    value, quality = pdq(np.full((100, 90), 77, np.uint8))
    assert len(value) == 32
    assert quality == 0


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((9, 9)),
        np.zeros((9, 9), np.int16),
        np.zeros((9, 9, 3), np.uint8),
        np.zeros(81, np.uint8),
        [[1, 2], [3, 4]],
        None,
    ],
)
def test_anything_but_two_dimensions_of_uint8_is_refused(wrong: object) -> None:
    """A picture in another shape or type is a ValueError, not a hash of something else."""
    with pytest.raises(ValueError, match="2-D uint8"):
        pdq(wrong)  # type: ignore[arg-type]


@given(hnp.arrays(np.uint8, st.tuples(st.integers(5, 90), st.integers(5, 90))))
@settings(max_examples=30, deadline=None)
def test_memory_order_does_not_matter(luma: np.ndarray) -> None:
    """Views, turned and sliced arrays hash as copies of them do, and nothing is written to them."""
    luma.flags.writeable = False
    assert pdq(luma.T) == pdq(np.ascontiguousarray(luma.T))
    assert pdq(luma[::-1, ::-1]) == pdq(np.ascontiguousarray(luma[::-1, ::-1]))


def test_a_large_picture_hashes_in_parts_as_it_would_whole() -> None:
    """Pictures of more pixels than one block hash as the reference does."""
    small = np.random.default_rng(3).integers(0, 256, (33, 41), dtype=np.uint8)
    large = Image.fromarray(small).resize((2100, 1300), Image.Resampling.BICUBIC)
    vector, quality = reference(large)
    ours, our_quality = pdq(np.asarray(large))
    assert (bits(ours) != vector).sum() <= 2
    assert abs(our_quality - quality) <= 1


@pytest.mark.parametrize("longest", [820, 1001, 1600])
def test_a_draft_hashes_as_its_original(pictures: dict[str, Image.Image], longest: int) -> None:
    """From a JPEG draft of 256 pixels or more, told the original's size: within 6 bits, 2 on average."""
    distances = []
    for name in ("astronaut", "chelsea", "coffee", "rocket", "china", "flower", "drawn 1"):
        picture = pictures[name]
        size = (round(picture.width * longest / max(picture.size)), round(picture.height * longest / max(picture.size)))
        buffer = io.BytesIO()
        picture.resize(size).save(buffer, "JPEG", quality=85)
        vector, quality = reference(Image.open(io.BytesIO(buffer.getvalue())))
        image = Image.open(io.BytesIO(buffer.getvalue()))
        image.draft("L", (256, 256))
        assert image.size != size
        ours, our_quality = pdq(np.asarray(image), (size[1], size[0]))
        assert abs(our_quality - quality) <= 3
        distances.append(int((bits(ours) != vector).sum()))
    assert max(distances) <= 6
    assert np.mean(distances) <= 2


def test_a_draft_cannot_be_larger_than_its_original() -> None:
    """A size that does not fit is a mistake of the caller, and said to be one."""
    with pytest.raises(ValueError, match="draft of 20 x 10 pixels cannot have an original of 19 x 10"):
        pdq(np.zeros((10, 20), np.uint8), (10, 19))


def test_a_draft_of_an_original_that_is_too_small_has_no_hash() -> None:
    """It is the original that counts, not the draft."""
    assert pdq(np.zeros((2, 300), np.uint8), (4, 600)) == (bytes(32), 0)


def test_recompression_moves_few_bits(pictures: dict[str, Image.Image]) -> None:
    """The hash is a perceptual one: a JPEG of quality 50 stays within the usual 31 bits."""
    picture = pictures["chelsea"]
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=50)
    before, _ = pdq(np.asarray(picture.convert("L")))
    after, _ = pdq(np.asarray(Image.open(buffer).convert("L")))
    other, _ = pdq(np.asarray(pictures["coffee"].convert("L")))
    assert apart(before, after) <= 31 < apart(before, other)
