"""An encoder as a hasher: the features that a network in an ONNX file has of a picture, as a vector of bytes.

Vectors are brought to unit length and kept as whole numbers: a byte is 128 + 127 * component. So the L2 distance of two
values is 127 * sqrt(2 - 2 * cosine), within about 0.01 of the cosine.

The file is read, and held to the policy's digest, where a hasher is made. The session, some 75 MB, is made by
:meth:`Encoding.prepare`: in the nursery before it forks, and in no process that does not scan.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest_guard.errors import PolicyError
from ingest_guard.hashing import algorithms, registry
from ingest_guard.hashing.registry import Algorithm, FrameSource
from ingest_guard.policy.networks import Encoder

_MOST_BYTES = 1 << 30
_SILENT = 4
# Protocol buffers: field number << 3 | 2, of what is written with its length before it.
_GRAPH, _OUTPUT, _NAME = 7 << 3 | 2, 12 << 3 | 2, 1 << 3 | 2


def install(encoders: Mapping[str, Encoder]) -> None:
    """Make a policy's encoders known as hashers, in this process. Reads their files; makes no session.

    Raises
    ------
    PolicyError
        A name is another hasher's, a file cannot be read, or is another one than the policy says.
    """
    for name, encoder in encoders.items():
        if algorithms.built_in(name) or name in registry.installed():
            raise PolicyError(f"policy: key encoders.{name}: another hasher has this name; choose one of your own")
        known = registry.described().get(name)
        if not (isinstance(known, Encoding) and known.encoder == encoder):
            registry.describe(Encoding(name, encoder))


def distance_of(cosine: float) -> float:
    """Return the L2 distance of the values of two vectors with this cosine."""
    return 127 * math.sqrt(max(0.0, 2 - 2 * cosine))


class Encoding:
    """The hasher of one encoder.

    Attributes
    ----------
    algorithm
        ``bytes`` with the distance ``l2``; the threshold is that of the encoder's similarity.
    encoder
        What the policy says of it.

    Raises
    ------
    PolicyError
        The name is not one that algorithms have, or the file is missing, too large, or has another digest.
    """

    def __init__(self, name: str, encoder: Encoder) -> None:
        self._key = f"policy: key encoders.{name}"
        try:
            self.algorithm = Algorithm(name, encoder.length, "bytes", "l2", distance_of(encoder.similarity))
        except ValueError as error:
            raise PolicyError(f"{self._key}: {error}") from None
        self.encoder = encoder
        # Read again where a session is made: the crawl, which makes none, need not keep it.
        _read(self._key, encoder)
        self._session: Any = None

    def prepare(self) -> None:
        """Make the session and run it once, with one thread; nothing where that was done.

        Raises
        ------
        PolicyError
            onnxruntime is not installed, the file is no network, has not this output, takes other pictures or returns
            anything but one vector of that length.
        """
        if self._session is not None:
            return
        runtime = load_runtime(self._key)
        model = _read(self._key, self.encoder)
        try:
            try:
                session = open_network(runtime, model + output_named(self.encoder.output))
            except Exception:  # noqa: BLE001 - it is an output already, or the network is none: the next line says it
                session = open_network(runtime, model)
            if self.encoder.output not in {output.name for output in session.get_outputs()}:
                raise ValueError("no such tensor")  # noqa: TRY301 - as any other fault of the file
            (self._input,) = [each.name for each in session.get_inputs()]
        except Exception as error:  # noqa: BLE001 - its errors have no common class
            raise PolicyError(
                f"{self._key}: {type(error).__name__}: its file is no ONNX network with one input and a tensor of the "
                "name in output; correct the key, or name another file"
            ) from None
        self._session = session
        ramp = np.add.outer(np.arange(64), 2 * np.arange(64)).astype(np.uint8)
        try:
            self._features(np.stack([ramp, ramp.T, 255 - ramp], axis=-1))
        except Exception as error:  # noqa: BLE001 - as above
            self._session = None
            raise PolicyError(
                f"{self._key}: {type(error).__name__}: a picture of {self.encoder.size} pixels a side does not give "
                f"one vector of {self.encoder.length} finite numbers; correct output, length, size or layout"
            ) from None

    def hash(self, source: FrameSource, /) -> list[bytes]:
        """Return one value.

        Raises
        ------
        ValueError
            The vector has no direction, or numbers that are none.
        """
        self.prepare()
        picture = source.colour() if source.colour else None
        pixels = np.asarray(picture) if picture else np.repeat(source.luma[..., np.newaxis], 3, axis=2)
        return [as_bytes(self._features(pixels))]

    def _features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the unit vector, float32[length], of a picture, uint8[height, width, 3]."""
        encoder = self.encoder
        side = (encoder.size, encoder.size)
        # From large pictures in two steps: the first one halves quickly.
        resized = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR, reducing_gap=3.0)
        values = np.asarray(resized, np.float32)
        if encoder.channels == "bgr":
            values = values[..., ::-1]
        values = (values - np.array(encoder.mean, np.float32)) * np.array(encoder.scale, np.float32)
        if encoder.layout == "nchw":
            values = values.transpose(2, 0, 1)
        feed = {self._input: np.ascontiguousarray(values[np.newaxis])}
        (found,) = self._session.run([encoder.output], feed)
        vector = np.asarray(found, np.float32).reshape(-1)
        if len(vector) != encoder.length:
            raise ValueError("a vector of another length")
        size = float(np.linalg.norm(vector.astype(np.float64)))
        if not 0 < size < math.inf:
            raise ValueError("a vector without direction")
        unit: NDArray[np.float32] = (vector / size).astype(np.float32)
        return unit


def as_bytes(unit: NDArray[np.float32]) -> bytes:
    """Return a unit vector, float32[n], as a value of n bytes: what a list holds."""
    return (np.rint(unit * 127) + 128).astype(np.uint8).tobytes()


def output_named(name: str) -> bytes:
    """Return what makes a tensor inside of a network an output, appended to its file: messages merge."""
    text = name.encode()
    return _field(_GRAPH, _field(_OUTPUT, _field(_NAME, text)))


def _field(tag: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while size > 0x7F:  # noqa: PLR2004 - seven bits a byte
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([tag, *length, size]) + body


def load_runtime(key: str) -> Any:
    """Return onnxruntime; PolicyError, with the policy's key that needs it, where it is not installed."""
    try:
        import onnxruntime  # noqa: PLC0415 - an extra, and heavy: for those who use it
    except ImportError:
        raise PolicyError(f"{key}: needs onnxruntime; install ingest-guard[onnx]") from None
    return onnxruntime


def open_network(runtime: Any, model: bytes) -> Any:
    """Return a session of a network, with one thread; the runtime's own errors where it is none."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # It would write to standard error.
    options.log_severity_level = _SILENT
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _read(key: str, encoder: Encoder) -> bytes:
    path = Path(encoder.file)
    try:
        with path.open("rb") as file:
            model = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise PolicyError(f"{key}.file: cannot be read ({error.strerror}); name an existing file") from None
    if len(model) > _MOST_BYTES:
        raise PolicyError(f"{key}.file: more than {_MOST_BYTES >> 30} GiB; choose a smaller network")
    if hashlib.sha256(model).hexdigest() != encoder.sha256:
        raise PolicyError(f"{key}.sha256: the file has another SHA-256; restore the file, or correct the key")
    return model
