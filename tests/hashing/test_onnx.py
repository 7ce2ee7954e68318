from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support.networks import encoder_of, small_network

from ingest_guard import PolicyError
from ingest_guard.hashing import algorithms, registry
from ingest_guard.hashing.onnx import Encoding, as_bytes, distance_of, install, output_named
from ingest_guard.hashing.registry import HasherError
from ingest_guard.policy.networks import Encoder
from ingest_guard.testing import DrawnFrame, distance, draw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def none_left() -> Iterator[None]:
    """Forget the encoders of a test."""
    before = dict(registry.described())
    yield
    registry._DESCRIBED.clear()
    registry._DESCRIBED.update(before)


def made(folder: Path, network: bytes | None = None, **keys: Any) -> Encoding:
    """Return the hasher of a small network."""
    said = encoder_of(folder, small_network() if network is None else network, **keys)
    return Encoding("small", Encoder.model_validate(said))


def expected(picture: Image.Image, order: tuple[int, int, int] = (0, 1, 2)) -> np.ndarray:
    """Return what ``inner`` of the small network is, as a unit vector."""
    values = (np.asarray(picture.resize((8, 8), Image.Resampling.BILINEAR, reducing_gap=3.0), float) - 127.5) / 64
    flat = values[..., list(order)].transpose(2, 0, 1).reshape(-1)
    return flat / np.linalg.norm(flat)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_values_are_the_inner_tensor_at_unit_length(tmp_path: Path, channels: str) -> None:
    """Size, mean, scale, order of channels and the name of an inner tensor are heeded; bytes are 128 + 127 x."""
    (value,) = made(tmp_path, channels=channels).hash(DrawnFrame.of(draw(1)))
    unit = expected(draw(1), (0, 1, 2) if channels == "rgb" else (2, 1, 0))
    assert np.abs(np.frombuffer(value, np.uint8) - (128 + 127 * unit)).max() <= 0.51


def test_an_output_of_the_network_itself_is_taken_too(tmp_path: Path) -> None:
    """A name that is an output already needs no other one: what Relu makes is nowhere negative."""
    (value,) = made(tmp_path, output="y").hash(DrawnFrame.of(draw(1)))
    assert min(value) == 128 < max(value)


def test_a_frame_without_colour_is_grey(tmp_path: Path) -> None:
    """Where there is only the luma, all three channels are the luma."""
    grey = Image.fromarray(DrawnFrame.of(draw(1)).luma).convert("RGB")
    encoding = made(tmp_path)
    assert encoding.hash(DrawnFrame(DrawnFrame.of(draw(1)).luma)) == encoding.hash(DrawnFrame.of(grey))


@pytest.mark.parametrize("cosine", [0.6, 0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("length", [64, 512, 1024, 4096])
def test_distances_are_those_of_cosines(cosine: float, length: int) -> None:
    """The distance of two values says the cosine of their vectors within 0.015, at each length."""
    rng = np.random.default_rng(length)
    first, other = rng.normal(size=(2, length))
    first /= np.linalg.norm(first)
    other -= first * (first @ other)
    other = cosine * first + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    algorithm = registry.Algorithm("any", length, "bytes", "l2")
    apart = distance(algorithm, *(as_bytes(each.astype(np.float32)) for each in (first, other)))
    tolerance = 0.015 if length <= 1024 else 0.05
    assert 1 - (apart / 127) ** 2 / 2 == pytest.approx(cosine, abs=tolerance)
    assert 1 - (distance_of(cosine) / 127) ** 2 / 2 == pytest.approx(cosine)


def test_the_appended_output_is_24_bytes_for_a_name_of_18() -> None:
    """The wire form of graph { output { name } }, and of names for which a length takes two bytes."""
    assert output_named("/Cast_306_output_0") == b":\x16b\x14\n\x12/Cast_306_output_0"
    assert output_named("n" * 200) == b":\xce\x01b\xcb\x01\n\xc8\x01" + b"n" * 200


BAD = {
    "another length": ({"length": 191}, None, "one vector"),
    "another size": ({"size": 16}, None, "one vector"),
    "another layout": ({"layout": "nhwc"}, None, "one vector"),
    "an output that is none": ({"output": "nowhere"}, None, "tensor of the name"),
    "not a network": ({}, b"no network at all", "tensor of the name"),
    "an empty file": ({}, b"", "tensor of the name"),
    "cut off": ({}, small_network()[:-20], "tensor of the name"),
    "an operator that is none": ({}, small_network(last="Nothing"), "tensor of the name"),
    "numbers that are none": ({"output": "y", "mean": (1e6,) * 3}, small_network(last="Log"), "one vector"),
    "nothing but zeros": ({"scale": (0.0,) * 3}, None, "one vector"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_network_that_cannot_be_used_is_a_clear_error(tmp_path: Path, kind: str) -> None:
    """It names the policy's key and what to do, and stays an error when it is tried again."""
    keys, network, said = BAD[kind]
    encoding = made(tmp_path, network, **keys)
    for _ in range(2):
        with pytest.raises(PolicyError, match=rf"key encoders\.small: .*{said}"):
            encoding.prepare()
    with pytest.raises(HasherError):
        registry.run(encoding, DrawnFrame.of(draw(1)))


def test_another_file_than_the_policy_says_is_refused(tmp_path: Path) -> None:
    """The digest of the file is checked before anything reads it as a network; so is that it can be read."""
    with pytest.raises(PolicyError, match=r"encoders\.small\.sha256: the file has another SHA-256"):
        made(tmp_path, sha256=hashlib.sha256(b"").hexdigest())
    with pytest.raises(PolicyError, match=r"encoders\.small\.file: cannot be read"):
        made(tmp_path, file=tmp_path / "absent.onnx")


def test_too_large_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is not read beyond a bound."""
    monkeypatch.setattr("ingest_guard.hashing.onnx._MOST_BYTES", 100)
    with pytest.raises(PolicyError, match="choose a smaller network"):
        made(tmp_path)


def test_without_onnxruntime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PolicyError, match=r"install ingest-guard\[onnx\]"):
        made(tmp_path).prepare()


def test_a_picture_without_a_direction_is_an_error_of_that_picture(tmp_path: Path) -> None:
    """Features that are all zero, or no numbers, are no value: a doubt about the picture and not a pass."""
    encoding = made(tmp_path, mean=(128,) * 3)
    with pytest.raises(HasherError, match="hasher small raised ValueError"):
        registry.run(encoding, DrawnFrame.of(Image.new("RGB", (64, 48), "#808080")))
    assert registry.run(encoding, DrawnFrame.of(draw(1)))


def test_an_encoder_of_a_policy_is_an_algorithm(tmp_path: Path) -> None:
    """Its name is known wherever lists are read; a policy with another network under it takes its place."""
    said = encoder_of(tmp_path, small_network())
    for similarity in (0.9, 0.8):
        install({"small": Encoder.model_validate({**said, "similarity": similarity})})
        assert algorithms.get("small").threshold == pytest.approx(distance_of(similarity))
    first = registry.load(["small"])["small"]
    install({"small": Encoder.model_validate({**said, "similarity": 0.8})})
    assert registry.load(["small"])["small"] is first


@pytest.mark.parametrize("name", ["pdq", "md5", "url", "colorhash", "Upper", "a b", ""])
def test_a_name_that_is_taken_or_none_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing that is known already can be put in an encoder's place."""
    with pytest.raises(PolicyError, match=f"encoders.{name}: "):
        install({name: Encoder.model_validate(encoder_of(tmp_path, small_network()))})
