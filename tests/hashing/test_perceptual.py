from __future__ import annotations

import imagehash
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pictures import drawn

from ingest_guard.hashing import lanczos
from ingest_guard.hashing.perceptual import COLOUR_HASH_BYTES, NAMES, perceptual

ORACLE = {
    "phash": imagehash.phash,
    "phash_simple": imagehash.phash_simple,
    "dhash": imagehash.dhash,
    "dhash_vertical": imagehash.dhash_vertical,
    "ahash": imagehash.average_hash,
    "whash": imagehash.whash,
}
SIZES = [(512, 512), (700, 411), (97, 60), (20, 31), (1100, 300)]


def apart(value: bytes, oracle: object) -> int:
    """Return how many bits a value is from what imagehash prints."""
    return (int.from_bytes(value, "big") ^ int(str(oracle).replace(",", ""), 16)).bit_count()


@pytest.mark.parametrize("name", ORACLE)
def test_values_are_imagehashs_within_two_bits(name: str, pictures: dict[str, Image.Image]) -> None:
    """Over photographs, drawings and patterns in five sizes: at most 2 bits off, 0.2 on average."""
    distances = []
    for picture in list(pictures.values())[:: 3 if name == "whash" else 1]:
        for size in SIZES:
            resized = picture.resize(size)
            value = perceptual(name, resized)
            assert len(value) == 8
            distances.append(apart(value, ORACLE[name](resized)))
    assert max(distances) <= 2
    assert np.mean(distances) <= 0.25


@pytest.mark.parametrize("size", [4, 16])
@pytest.mark.parametrize("name", ORACLE)
def test_other_hash_sizes_are_imagehashs_too(name: str, size: int) -> None:
    """The hash size squared is the number of bits, and they are imagehash's."""
    picture = drawn(5)
    value = perceptual(name, picture, size)
    assert len(value) == size * size // 8
    assert apart(value, ORACLE[name](picture, size)) <= size * size // 32


def test_bits_that_fill_no_byte_get_zeros_in_front() -> None:
    """49 bits are 7 bytes whose hex is what imagehash prints."""
    picture = drawn(6)
    assert perceptual("phash", picture, 7).hex() == str(imagehash.phash(picture, 7)).rjust(14, "0")


def test_hex_is_what_imagehash_prints() -> None:
    """A list made with imagehash matches by plain comparison."""
    assert perceptual("phash", drawn(1)).hex() == str(imagehash.phash(drawn(1)))


def test_luma_and_picture_give_the_same_value() -> None:
    """An array of brightness is as good as the picture it came from."""
    picture = drawn(2)
    luma = np.asarray(picture.convert("L"))
    for name in set(NAMES) - {"colorhash"}:
        assert perceptual(name, luma) == perceptual(name, picture), name


def test_colorhash_is_imagehashs_own(pictures: dict[str, Image.Image]) -> None:
    """42 bits in 6 bytes, exactly as imagehash has them; another size has more."""
    for picture in pictures.values():
        assert (
            apart(perceptual("colorhash", picture.resize((90, 70))), imagehash.colorhash(picture.resize((90, 70)))) == 0
        )
    assert len(perceptual("colorhash", drawn(1))) == COLOUR_HASH_BYTES
    assert len(perceptual("colorhash", drawn(1), 4)) == 7
    assert perceptual("colorhash", np.asarray(drawn(1).convert("L"))) == perceptual("colorhash", drawn(1).convert("L"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I"])
def test_any_mode_will_do(mode: str) -> None:
    """Pillow's modes are converted as imagehash converts them."""
    picture = drawn(3).convert("L").convert(mode) if mode in {"LA", "I"} else drawn(3).convert(mode)
    assert apart(perceptual("dhash", picture), imagehash.dhash(picture)) <= 2


def test_unknown_names_and_sizes_are_refused() -> None:
    """A wrong name lists the right ones; impossible sizes say so."""
    with pytest.raises(ValueError, match="unknown perceptual hash 'xhash'; known: phash, "):
        perceptual("xhash", drawn(1))
    with pytest.raises(ValueError, match="2 or more, not 1"):
        perceptual("phash", drawn(1), 1)
    with pytest.raises(ValueError, match="power of two, not 6"):
        perceptual("whash", drawn(1), 6)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([8, 9, 32]), st.integers(0, 1000))
def test_resize_is_pillows(height: int, width: int, size: int, seed: int) -> None:
    """Any picture, enlarged or shrunk, is Pillow's Lanczos resize to one grey level."""
    # Which way tall pictures are resized first, and so what is rounded, changed in Pillow 13.
    assume(height - size <= 2 * (width - size) or height <= size)
    rng = np.random.default_rng(seed)
    luma = np.clip(rng.normal(128, 20, (height, width)), 0, 255).astype(np.uint8)
    expected = np.asarray(Image.fromarray(luma).resize((size, size), Image.Resampling.LANCZOS)).astype(int)
    got = lanczos.resize(luma, size, size).astype(int)
    assert np.abs(got - expected).max() <= 1
    assert (got != expected).mean() <= 0.15


@pytest.mark.parametrize("size", [(300, 1200), (60, 400), (20, 31)])
def test_tall_pictures_too_are_imagehashs_within_two_bits(size: tuple[int, int]) -> None:
    """Pictures much taller than wide are turned on their side by Pillow, as it were; the values stay near."""
    picture = drawn(4).resize(size)
    assert apart(perceptual("phash", picture), imagehash.phash(picture)) <= 2
    assert apart(perceptual("dhash", picture), imagehash.dhash(picture)) <= 2


def test_a_large_picture_is_resized_in_parts() -> None:
    """More pixels than one block make no difference."""
    luma = np.random.default_rng(1).integers(0, 256, (700, 900), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(luma).resize((32, 32), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(lanczos.resize(luma, 32, 32).astype(int) - expected).max() <= 1
