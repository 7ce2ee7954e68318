from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.pictures import drawn

from ingest_guard.errors import IngestGuardError
from ingest_guard.hashing import registry
from ingest_guard.hashing.pdq import pdq
from ingest_guard.hashing.perceptual import perceptual
from ingest_guard.hashing.registry import BUILT_IN, GROUP, Algorithm, Hasher, HasherError, installed, load, run
from ingest_guard.testing import DrawnFrame, check_hasher

if TYPE_CHECKING:
    from collections.abc import Callable

TOY = Algorithm("toy_grid", 144, "bytes", "l2", threshold=300.0)


class ToyGrid:
    """A toy in the shape of a licensed hash: mean brightness of 12 x 12 parts as 144 bytes."""

    algorithm = TOY

    def hash(self, source: DrawnFrame, /) -> list[bytes]:
        """Return one value."""
        small = Image.fromarray(source.luma).resize((12, 12), Image.Resampling.BOX)
        return [small.tobytes()]


class FromBytes:
    """A toy that wants the file."""

    algorithm = Algorithm("toy_bytes", 4, "bytes", "l1", 10, source="bytes")

    def hash(self, source: bytes, /) -> list[bytes]:
        """Return the length of the file."""
        return [len(source).to_bytes(4, "big")]


def make_toy_grid() -> ToyGrid:
    """Make one, as a plug-in that needs a set-up does."""
    return ToyGrid()


def returning(value: Any) -> Hasher:
    """Return a hasher that returns something, or raises it."""

    class Odd:
        algorithm = TOY

        def hash(self, source: object, /) -> Any:
            if isinstance(value, BaseException):
                raise value
            return value

    return Odd()


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what installs entry points for the time of a test: name=object."""

    def install(*, value: str = "toy_plugin:{name}", **objects: object) -> None:
        module = types.ModuleType("toy_plugin")
        vars(module).update(objects)
        monkeypatch.setitem(sys.modules, "toy_plugin", module)
        points = [EntryPoint(name, value.format(name=name), GROUP) for name in objects]
        monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
        registry._made.cache_clear()

    return install


def test_built_in_hashers_come_through_the_same_door() -> None:
    """Each is loaded by its entry point and is a hasher of that name."""
    names = [point.name for point in BUILT_IN]
    assert list(installed())[: len(names)] == names
    for name, hasher in load(names).items():
        assert hasher.algorithm.name == name
        assert isinstance(hasher, Hasher)


def test_built_in_values_are_those_of_the_functions() -> None:
    """pdq, the imagehash family and its regions: the registry's values are the module's own."""
    picture = drawn(1)
    frame = DrawnFrame.of(picture)
    hashers = load([point.name for point in BUILT_IN])
    assert run(hashers["pdq"], frame) == [pdq(frame.luma)[0]]
    assert run(hashers["phash"], frame) == [perceptual("phash", frame.luma)]
    assert run(hashers["colorhash"], frame) == [perceptual("colorhash", picture)]
    assert run(hashers["colorhash"], DrawnFrame(frame.luma)) == [perceptual("colorhash", frame.luma)]
    assert b"".join(run(hashers["crop_resistant"], frame)) == perceptual("crop_resistant", frame.luma)


def test_pdq_of_a_tiny_frame_has_no_value() -> None:
    """What the reference cannot hash is not compared as zeros."""
    assert run(load(["pdq"])["pdq"], DrawnFrame(np.zeros((4, 90), np.uint8))) == []


@pytest.mark.parametrize("made", [ToyGrid, ToyGrid(), make_toy_grid])
def test_a_plug_in_is_a_hasher_or_makes_one(plug: Callable[..., None], made: object) -> None:
    """An instance, a class and a function will do; the same one is handed out again."""
    plug(toy_grid=made)
    hasher = load(["toy_grid"])["toy_grid"]
    assert hasher.algorithm == TOY
    assert load(["toy_grid"])["toy_grid"] is hasher
    assert len(run(hasher, DrawnFrame.of(drawn(1)))[0]) == 144


def test_a_hasher_may_want_the_file() -> None:
    """Where the source is bytes, it gets the bytes."""
    assert run(FromBytes(), b"abc") == [b"\0\0\0\3"]


def test_unknown_names_are_told(plug: Callable[..., None]) -> None:
    """An unknown name is an error that lists the known ones, plug-ins included."""
    plug(toy_grid=ToyGrid)
    with pytest.raises(HasherError, match=r"unknown hasher 'photodna'; installed: pdq, .*toy_grid"):
        load(["photodna"])


def test_two_hashers_of_one_name_are_refused(plug: Callable[..., None]) -> None:
    """A plug-in cannot take the place of what ships."""
    plug(pdq=ToyGrid)
    with pytest.raises(HasherError, match="two hashers are called pdq"):
        installed()


def test_our_own_entry_points_may_be_declared_too(plug: Callable[..., None]) -> None:
    """The same entry point twice is no conflict."""
    plug(value="ingest_guard.hashing.builtin:{name}", phash=None)
    assert "phash" in installed()


def raising() -> Hasher:
    """Fail as a plug-in without its library does."""
    raise OSError("no such library")


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (raising, r"hasher toy_grid \(toy_plugin:toy_grid\) cannot be loaded: OSError"),
        (7, "cannot be loaded: TypeError"),
        (dict, r"has no algorithm and hash\(\)"),
        (lambda: types.SimpleNamespace(algorithm="pdq", hash=print), r"has no algorithm and hash\(\)"),
        (FromBytes, "entry point toy_grid leads to a hasher called toy_bytes"),
    ],
)
def test_what_is_no_hasher_is_refused_at_start(plug: Callable[..., None], made: object, text: str) -> None:
    """Whatever is wrong with a plug-in shows when it is loaded, as one kind of error that names it."""
    plug(toy_grid=made)
    with pytest.raises(HasherError, match=text) as caught:
        load(["toy_grid"])
    assert isinstance(caught.value, IngestGuardError)


@pytest.mark.parametrize("error", [ValueError("secret 00ff"), RecursionError(), SystemExit(3), KeyError("secret")])
def test_a_hasher_that_raises_is_one_error_without_its_text(error: BaseException) -> None:
    """What it said may hold a part of the image: only the kind of error gets out, and no traceback of it."""
    with pytest.raises(HasherError, match=f"hasher toy_grid raised {type(error).__name__}") as caught:
        run(returning(error), b"")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_hasher_prepares_once_it_is_asked_to_and_fails_without_its_text() -> None:
    """A method ``prepare`` is called; what it raises becomes one error, and a hasher need not have one."""
    prepared = []

    class Slow(ToyGrid):
        def prepare(self) -> None:
            prepared.append(self)
            if len(prepared) > 1:
                raise ValueError("secret")

    hasher = Slow()
    registry.prepare(ToyGrid())
    registry.prepare(hasher)
    assert prepared == [hasher]
    with pytest.raises(HasherError, match=r"toy_grid cannot be prepared: ValueError$"):
        registry.prepare(hasher)


def test_memory_is_the_callers_concern() -> None:
    """A MemoryError passes as it is: the limit of the worker was reached, not a rule broken."""
    with pytest.raises(MemoryError):
        run(returning(MemoryError()), b"")


@pytest.mark.parametrize("value", [[b"short"], [bytearray(144)], ["x" * 144], b"x" * 144, 5, None, [None]])
def test_values_of_another_shape_are_refused(value: object) -> None:
    """A value of another type or length must not be compared."""
    with pytest.raises(HasherError):
        run(returning(value), b"")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": "Photo DNA"}, "lower-case letters"),
        ({"name": 5}, "lower-case letters"),
        ({"length": 0}, "length is 1 to"),
        ({"values": "words"}, "'bits' or 'bytes'"),
        ({"values": "bits"}, "bits need the distance hamming"),
        ({"distance": "hamming"}, "bytes need the distance l1 or l2"),
        ({"threshold": -1}, "threshold must be at least 0 and below 3060"),
        ({"threshold": 3060.0}, "at which everything matches"),
        ({"threshold": float("nan")}, "threshold must be"),
        ({"source": "pixels"}, "'frames' or 'bytes'"),
    ],
)
def test_an_algorithm_that_makes_no_sense_is_refused(change: dict[str, Any], text: str) -> None:
    """Names, lengths, types, distances and thresholds are checked where they are written."""
    right = {"name": "toy", "length": 144, "values": "bytes", "distance": "l2", "threshold": 1.0}
    Algorithm(**right)
    with pytest.raises(ValueError, match=text):
        Algorithm(**{**right, **change})


def test_largest_distances() -> None:
    """All bits, all of each byte, and the root of their squares."""
    assert Algorithm("a", 8, "bits", "hamming", 4).largest_distance == 64
    assert Algorithm("a", 144, "bytes", "l1", 4).largest_distance == 255 * 144
    assert Algorithm("a", 144, "bytes", "l2", 4).largest_distance == 255 * 12


def test_the_toy_plug_in_passes_the_contract(plug: Callable[..., None]) -> None:
    """A hasher of byte vectors goes through the kit by its entry point's name."""
    plug(toy_grid=ToyGrid)
    check_hasher("toy_grid")
