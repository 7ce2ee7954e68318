from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ingest_guard.hashing.registry import Algorithm, FrameSource, Hasher, HasherError, load
from ingest_guard.testing import DrawnFrame, HasherContract, check_hasher, distance, draw

BITS = Algorithm("toy", 8, "bits", "hamming", 4)


class Good:
    """phash under another name."""

    algorithm = BITS

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return one value."""
        return list(load(["phash"])["phash"].hash(source))


class TestContractAsInAPlugInsOwnTests(HasherContract):
    """The documented use: derive, say how it is made, and let pytest collect the rules."""

    def make(self) -> Hasher:
        """Return the hasher."""
        return Good()


class Moody(Good):
    """Another value each time."""

    count = 0

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return a count."""
        Moody.count += 1
        return [Moody.count.to_bytes(8, "big")]


class Blind(Good):
    """The same value for everything."""

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return zeros."""
        return [bytes(8)]


class Scribbler(Good):
    """Writes into the picture."""

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return a value after damage."""
        if source.luma.flags.writeable:
            source.luma[:] = 0
        return super().hash(source)


class Touchy(Good):
    """Every pixel counts."""

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return a digest in disguise."""
        return [(hash(source.luma.tobytes()) & (2**64 - 1)).to_bytes(8, "big")]


class Fussy(Good):
    """Fails on tiny pictures."""

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return a value of large pictures."""
        if min(source.luma.shape) < 8:
            raise ValueError
        return super().hash(source)


class Silent(Good):
    """Never a value."""

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return nothing."""
        return []


class Undescribed(Good):
    """No algorithm to speak of."""

    algorithm: Any = "toy"


class FileHasher:
    """A toy that reads the file."""

    algorithm = Algorithm("toy_files", 4, "bytes", "l1", 40, source="bytes")

    def hash(self, source: bytes, /) -> list[bytes]:
        """Return means of quarters of the decoded picture."""
        small = Image.open(io.BytesIO(source)).convert("L").resize((2, 2), Image.Resampling.BOX)
        return [small.tobytes()]


def test_good_hashers_pass() -> None:
    """A sound hasher passes every rule, made by a callable or found by name."""
    check_hasher(Good)
    check_hasher("dhash")


def test_a_hasher_of_files_is_given_files() -> None:
    """Rules that need a source hand the file to a hasher that wants it."""
    for rule in (
        "test_a_recompressed_copy_is_near",
        "test_the_source_is_left_as_it_is",
        "test_odd_pictures_do_not_break_it",
    ):

        class Files(HasherContract):
            def make(self) -> Hasher:
                return FileHasher()

        getattr(Files(), rule)()


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (Moody, "different values|other values"),
        (Blind, "pairs of different pictures match"),
        (Scribbler, "changed the picture"),
        (Touchy, "recompressed copy is beyond"),
        (Silent, "has no value"),
        (Undescribed, "must be an ingest_guard"),
    ],
)
def test_each_fault_is_found_and_named(broken: type[Good], text: str) -> None:
    """A hasher that breaks a rule fails with a text that says which."""
    with pytest.raises(AssertionError, match=text):
        check_hasher(broken)


def test_an_exception_on_a_tiny_picture_is_found() -> None:
    """A hasher that fails where others return nothing would make such images not scannable."""
    with pytest.raises(HasherError, match="toy raised ValueError"):
        check_hasher(Fussy)


def test_an_unknown_entry_point_is_named() -> None:
    """The text asks for what is most likely wrong."""
    with pytest.raises(AssertionError, match="no entry point 'nothing'"):
        check_hasher("nothing")


def test_distances() -> None:
    """Each of the three distances, by hand."""
    for name, values, expected in (("hamming", "bits", 3.0), ("l1", "bytes", 7.0), ("l2", "bytes", 5.0)):
        algorithm = Algorithm("toy", 2, values, name, 1)  # type: ignore[arg-type]
        assert distance(algorithm, bytes([0, 9]), bytes([3, 13])) == (expected if name != "hamming" else 3.0)


def test_drawings_are_the_same_for_the_same_numbers() -> None:
    """Plug-in tests can rely on them; the luma of a frame cannot be written to."""
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert draw(1, 40, 30).size == (40, 30)
    frame = DrawnFrame.of(draw(1))
    assert not frame.luma.flags.writeable
    assert frame.colour is not None
    assert np.array_equal(np.asarray(frame.colour()), np.asarray(draw(1)))
