"""From one decoded picture to the views of it that a browser, or another program, would show."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest_guard.imaging.pixels.model import Frame, Shot
from ingest_guard.imaging.pixels.modes import flatten_mode, stretched
from ingest_guard.imaging.pixels.pillow import borrowed, decoding

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_WHITE, _BLACK = 255, 0
_VISIBLE = 0.5
"""Mean levels of luma, of 255, by which a second view must differ from the first to be worth a hash."""


def frames_of(shot: Shot) -> Iterator[Frame]:
    """Yield the views of one picture: first as it is on white, then those that differ from it."""
    with decoding():
        opaque, alpha = flatten_mode(shot.image, shot.depth)
        wide = stretched(shot.image)
    yield from _grounds(shot, opaque, alpha, "")
    if wide is not None:
        yield _frame(shot, wide, "stretched")
    if shot.conversion is not None:
        with decoding():
            coloured = shot.in_colour() if shot.in_colour is not None else None
            converted = shot.conversion(coloured if coloured is not None else _for_conversion(shot, opaque))
        yield from _grounds(shot, converted, alpha, "icc")


def _for_conversion(shot: Shot, opaque: Image.Image) -> Image.Image:
    """Return what the conversion was made for: CMYK as it is, anything else as RGB or L."""
    return shot.image if shot.image.mode == "CMYK" else opaque


def _grounds(shot: Shot, opaque: Image.Image, alpha: Image.Image | None, view: str) -> Iterator[Frame]:
    """Yield one picture on white, and where that matters on black and with its transparency ignored."""
    if alpha is None:
        yield _frame(shot, opaque, view, shot.in_colour if view == "" else None)
        return
    with decoding():
        white, black = _on(opaque, alpha, _WHITE), _on(opaque, alpha, _BLACK)
        bare = _luma(opaque)
        on_white, on_black = _luma(white), _luma(black)
        see_black = _differ(on_white, on_black)
        see_bare = _differ(bare, on_white) and _differ(bare, on_black)
    yield _frame(shot, white, view)
    if see_black:
        yield _frame(shot, black, f"{view}/black".lstrip("/"))
    if see_bare:
        yield _frame(shot, opaque, f"{view}/opaque".lstrip("/"))


def _on(opaque: Image.Image, alpha: Image.Image, ground: int) -> Image.Image:
    colour = (ground, ground, ground) if opaque.mode == "RGB" else ground
    return Image.composite(opaque, Image.new(opaque.mode, opaque.size, colour), alpha)


def _luma(image: Image.Image) -> NDArray[np.uint8]:
    return borrowed(image if image.mode == "L" else image.convert("L"))


def _differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return float(np.abs(one.astype(np.int16) - other).mean()) > _VISIBLE


def _frame(shot: Shot, image: Image.Image, view: str, in_colour: Callable[[], Image.Image] | None = None) -> Frame:
    """Return the view, turned as EXIF says."""
    turn = _TURNS.get(shot.orientation)
    name = shot.name if not view else view if shot.name == "native" else f"{shot.name}/{view}"
    with decoding():
        luma = _luma(image.transpose(turn) if turn is not None else image)

    def colour() -> Image.Image:
        with decoding():
            picture = (in_colour() if in_colour is not None else image).convert("RGB")
            return picture.transpose(turn) if turn is not None else picture

    width, height = shot.full_size or image.size
    return Frame(name, luma, colour, (width, height) if shot.orientation in _SIDEWAYS else (height, width))
