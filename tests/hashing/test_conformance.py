from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.blocklists import make_blocklist

from ingest_guard.blocklist.build.build import ListSource
from ingest_guard.blocklist.build.update import update
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import conformance, perceptual
from ingest_guard.hashing.conformance import NAMES, require_conformance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VALUE = "1f2e3d4c5b6a7988"


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    """Nothing is remembered from one test to the next."""
    conformance._deviates.cache_clear()
    yield
    conformance._deviates.cache_clear()


def flipped(monkeypatch: pytest.MonkeyPatch, names: set[str], bits: int, *, every: int = 1) -> None:
    """Let our values of some algorithms differ by some bits, for one picture in so many."""
    # What takes the function by its name must have the real one, or it would keep this one for good.
    importlib.import_module("ingest_guard.hashing.builtin")
    real, calls = perceptual.perceptual, [0]

    def wrong(name: str, picture: object) -> bytes:
        value = int.from_bytes(real(name, picture), "big")  # type: ignore[arg-type]
        calls[0] += name in names
        if name in names and calls[0] % every == 0:
            value ^= (1 << bits) - 1
        return value.to_bytes(8, "big")

    monkeypatch.setattr(perceptual, "perceptual", wrong)


def test_values_conform_with_these_libraries() -> None:
    """On this machine, with these versions, all values are imagehash's; it takes a fraction of a second."""
    importlib.import_module("imagehash")
    importlib.import_module("pywt")
    start = time.process_time()
    require_conformance(NAMES)
    assert time.process_time() - start < 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("bits", "every"), [(5, 20), (64, 20), (2, 1)])
def test_a_deviation_is_named(monkeypatch: pytest.MonkeyPatch, name: str, bits: int, every: int) -> None:
    """More bits than a threshold in one picture, or two in every picture, are an error for that algorithm alone."""
    flipped(monkeypatch, {name}, bits, every=every)
    with pytest.raises(BlocklistError, match=rf"^{name}: the values computed here are not those of the imagehash"):
        require_conformance(NAMES)
    require_conformance(set(NAMES) - {name})


def test_a_bit_that_rounding_decides_is_no_deviation(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit in one picture of ten is what equal numbers may come to."""
    flipped(monkeypatch, set(NAMES), 1, every=10)
    require_conformance(NAMES)


def test_algorithms_of_others_are_left_out() -> None:
    """Digests, PDQ and the values of plug-ins have no counterpart in imagehash."""
    require_conformance({"pdq", "md5", "url", "photodna", "colorhash"})


def test_pictures_are_generated_and_of_many_shapes() -> None:
    """Twenty pictures in colour, the same each time, tall ones and wide ones."""
    pictures = conformance._pictures()
    assert len(pictures) == 20
    assert len({picture.size for picture in pictures}) == 20
    assert {picture.width > picture.height for picture in pictures} == {True, False}
    assert all(np.asarray(picture).std() > 20 for picture in pictures)


@pytest.mark.parametrize("name", ["phash", "dhash", "ahash", "whash"])
def test_no_blocklist_is_built_of_values_that_would_not_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A build and an update stop, nothing is written, and lists without such values are not concerned."""
    good = make_blocklist(tmp_path / "good", {"l": [("md5", "ab" * 16)]})
    before = (good / "current").read_text()
    flipped(monkeypatch, {name}, 20)
    with pytest.raises(BlocklistError, match=name):
        make_blocklist(tmp_path / "bad", {"l": [(name, VALUE)]})
    assert not (tmp_path / "bad" / "current").exists()
    added = tmp_path / "added.txt"
    added.write_text(f"{name} {VALUE}\n")
    with pytest.raises(BlocklistError, match=name):
        update(good, [ListSource("l", "plain", added)])
    assert (good / "current").read_text() == before
    make_blocklist(tmp_path / "other", {"l": [("md5", "ab" * 16), ("pdq", "ab" * 32)]})
