"""The policy's sections for networks: encoders, whose feature vectors lists may hold, and detectors."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ingest_guard.policy.units import Section

_Number = Annotated[float, Field(strict=False, allow_inf_nan=False, ge=-1e6, le=1e6)]


class Encoder(Section):
    """A network in an ONNX file, and how pictures are handed to it.

    A picture is resized to ``size`` x ``size`` pixels; what the network gets is (value - mean) * scale, with values
    from 0 to 255. ``output`` may be a tensor inside of the network. Vectors are compared by their cosine:
    ``similarity`` is the least that is a match.
    """

    file: Path = Field(strict=False)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    output: str = Field(min_length=1, max_length=1000)
    length: int = Field(ge=2, le=4096)
    size: int = Field(224, ge=8, le=1024)
    layout: Literal["nchw", "nhwc"] = "nchw"
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[_Number, _Number, _Number] = (0.0, 0.0, 0.0)
    scale: tuple[_Number, _Number, _Number] = (1.0, 1.0, 1.0)
    similarity: float = Field(gt=0.5, lt=1)


class DetectorPolicy(Section):
    """One detector in use: its score becomes a column of the records.

    ``bound`` keeps an image out of the records whose score is that or more. Of an animation, at most ``frames`` are
    scored, evenly spread; the highest counts. ``published``: the column is part of every layout, not of ``native``
    alone.
    """

    bound: float | None = Field(None, ge=0, le=1, strict=False)
    frames: int = Field(8, ge=1, le=10_000)
    published: bool = False
