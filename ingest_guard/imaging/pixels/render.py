"""From one decoded picture to the views of it that a browser, or another program, would show."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest_guard.imaging.pixels.model import Frame, Shot
from ingest_guard.imaging.pixels.modes import flatten_mode, stretched
from ingest_guard.imaging.pixels.pillow import borrowed, decoding

_ORIENTATION = 0x0112
_SHORT, _LONG = 3, 4
_MAX_ENTRIES = 1000
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_BACK = {**_TURNS, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
_SIDEWAYS = (5, 6, 7, 8)
_WHITE, _BLACK = 255, 0
_VISIBLE = 0.5
"""Mean levels of luma, of 255, by which a second view must differ from the first to be worth a hash."""


def orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that an EXIF block asks for: the one value of it that changes what browsers show.

    Read by hand from the first directory: Pillow's EXIF reader parses every tag, warns, and falls back to XMP, which
    browsers ignore.

    Parameters
    ----------
    exif
        A TIFF header and what follows, with or without the six bytes before it that say ``Exif``.

    Returns
    -------
    int
        As in EXIF 2.32, tag 0x0112; 1 (as stored) where there is none or it makes no sense.
    """
    if exif.startswith(b"Exif\0"):
        exif = exif[6:]
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        for entry in range(min(count, _MAX_ENTRIES)):
            tag, kind, _ = struct.unpack_from(order + "HHI", exif, first + 2 + 12 * entry)
            if tag == _ORIENTATION and kind in {_SHORT, _LONG}:
                (value,) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), exif, first + 10 + 12 * entry)
                return int(value) if 1 <= value <= 8 else 1  # noqa: PLR2004 - the eight that EXIF knows
    except struct.error:
        pass
    return 1


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
            if shot.in_colour is not None:
                made_for = shot.in_colour()
            else:  # CMYK as it is, anything else as RGB or L
                made_for = shot.image if shot.image.mode == "CMYK" else opaque
            converted = shot.conversion(made_for)
        yield from _grounds(shot, converted, alpha, "icc")


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
    """Return the view, turned as EXIF says, and with it the one that was stored."""
    name = shot.name if not view else view if shot.name == "native" else f"{shot.name}/{view}"
    width, height = shot.full_size or image.size
    turn, back = _TURNS.get(shot.orientation), _BACK.get(shot.turned)

    def colour() -> Image.Image:
        with decoding():
            return (in_colour() if in_colour is not None else image).convert("RGB")

    with decoding():
        grey = image if image.mode == "L" else image.convert("L")
        frame = Frame(name, borrowed(grey), colour, (height, width))
        other = back if turn is None else turn  # the first of them is 0
        if other is None:
            return frame
        luma = borrowed(grey.transpose(other))
    sideways = shot.orientation in _SIDEWAYS or shot.turned in _SIDEWAYS
    size = (width, height) if sideways else (height, width)
    turned = Frame(name, luma, lambda: colour().transpose(other), size)
    shown, stored = (turned, frame) if turn is not None else (frame, turned)
    return replace(shown, stored=replace(stored, name="stored" if name == "native" else f"{name}/stored"))
