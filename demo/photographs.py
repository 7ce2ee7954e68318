"""Photographs in the public domain that ship inside scikit-image's wheel; read from there, never downloaded.

Each entry names its licence as scikit-image's own documentation states it (``help(skimage.data.coffee)`` and so on).
Pictures of the same wheel whose documentation states none (``moon``, ``motorcycle``, ``page``) are left out, and so are
scikit-learn's two, which are under CC BY.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from PIL import Image

from ingest_guard.errors import IngestGuardError


@dataclass(frozen=True, slots=True)
class Photograph:
    """One photograph: where it is, what it shows, who made it free.

    Attributes
    ----------
    file
        Its file in ``skimage/data``.
    shows
        What it shows, as the middle of a sentence.
    licence
        Its licence and source.
    """

    file: str
    shows: str
    licence: str


PHOTOGRAPHS = {
    "astronaut": Photograph("astronaut.png", "an astronaut in an orange suit", "public domain (NASA)"),
    "brick": Photograph("brick.png", "a brick wall in grey light", "CC0 (CC0Textures)"),
    "camera": Photograph("camera.png", "a photographer behind a tripod", "CC0 (Lav Varshney)"),
    "cell": Photograph("cell.png", "a cell floating in saline", "CC0 (Paul Müller and others)"),
    "chelsea": Photograph("chelsea.png", "a tabby cat called Chelsea", "CC0 (Stefan van der Walt)"),
    "clock": Photograph("clock_motion.png", "a wall clock, blurred", "public domain (Stefan van der Walt)"),
    "coffee": Photograph("coffee.png", "a cup of coffee on a wooden table", "CC0 (Rachel Michetti)"),
    "coins": Photograph("coins.png", "Greek coins from Pompeii", "no known restrictions (Brooklyn Museum)"),
    "grass": Photograph("grass.png", "grass seen from above", "CC0 (DeviantArt: linolafett)"),
    "gravel": Photograph("gravel.png", "gravel on a path", "CC0 (CC0Textures)"),
    "hubble": Photograph("hubble_deep_field.jpg", "galaxies in deep space", "public domain (NASA)"),
    "retina": Photograph("retina.jpg", "the retina of an eye", "CC0 (Mikael Häggström)"),
    "rocket": Photograph("rocket.jpg", "a rocket at its launch", "public domain (SpaceX)"),
    "tissue": Photograph("ihc.png", "stained tissue under a microscope", "no known restrictions (CMMI)"),
}


@cache
def photograph(name: str) -> Image.Image:
    """Return the photograph as RGB, at the size in which it ships.

    Raises
    ------
    IngestGuardError
        scikit-image is not installed, or ships without its pictures.
    """
    try:
        file = resources.files("skimage") / "data" / PHOTOGRAPHS[name].file
        with file.open("rb") as stream:
            return Image.open(stream).convert("RGB")
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise IngestGuardError(
            "The demo's photographs ship with scikit-image, which is not installed here. "
            "Install them with: pip install 'ingest-guard[demo]'"
        ) from error


def crop(name: str, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return a part of a photograph.

    Parameters
    ----------
    name
        A key of ``PHOTOGRAPHS``.
    box
        Left, top, right and bottom as fractions of the photograph.
    side
        The longer side of the result, in pixels.
    """
    whole = photograph(name)
    left, top, right, bottom = box
    part = whole.crop(
        (round(left * whole.width), round(top * whole.height), round(right * whole.width), round(bottom * whole.height))
    )
    scale = side / max(part.size)
    return part.resize(
        (max(1, round(part.width * scale)), max(1, round(part.height * scale))), Image.Resampling.LANCZOS
    )
