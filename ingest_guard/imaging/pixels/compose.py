"""The canvas of an animation: frames are drawn on it and taken off it as browsers do for GIF and APNG."""

from enum import Enum

from PIL import Image

_CLEAR = (0, 0, 0, 0)


class Disposal(Enum):
    """What happens to a frame's area before the next frame is drawn."""

    KEEP = 0
    CLEAR = 1
    """To fully transparent: browsers ignore the background colour that a GIF names."""
    RESTORE = 2
    """To what was there before."""


class Canvas:
    """A picture that frames are drawn on, one after the other.

    Parameters
    ----------
    size
        Width and height, pixels. Whatever reaches beyond is cut off.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._image = Image.new("RGBA", size, _CLEAR)

    def draw(self, patch: Image.Image, place: tuple[int, int], disposal: Disposal, *, over: bool) -> Image.Image:
        """Draw one frame, return what is seen, and dispose of the frame.

        Parameters
        ----------
        patch
            The frame's own picture; any mode that converts to RGBA.
        place
            Its left upper corner on the canvas.
        disposal
            What happens to it afterwards.
        over
            True: blended over what is there. False: put in its place, transparency and all.
        """
        left, top = place
        width, height = self._image.size
        box = (left, top, min(left + patch.width, width), min(top + patch.height, height))
        if box[0] >= box[2] or box[1] >= box[3]:
            return self._image.copy()
        before = self._image.crop(box) if disposal is Disposal.RESTORE else None
        visible = patch.convert("RGBA").crop((0, 0, box[2] - left, box[3] - top))
        if over:
            self._image.alpha_composite(visible, place)
        else:
            self._image.paste(visible, place)
        seen = self._image.copy()
        if before is not None:
            self._image.paste(before, place)
        elif disposal is Disposal.CLEAR:
            self._image.paste(_CLEAR, box)
        return seen
