"""Borders: the bars, frames and blurred sides that a picture was given on its way, and the picture inside them.

Parts are numpy views of the same memory. Times are for 512 x 384 pixels on one core of the machine that the benchmarks
were sized for.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 12
"""Grey levels by which a border's pixels may be off its own: the noise of a JPEG of quality 30."""

_STRAYS = 0.03
"""Share of a border line's pixels that may be further off: ripples next to the picture, specks, a small sign."""

_INK = 0.6
"""Share of a line's pixels that may be off where the line runs through the words of a caption."""

_CAPTION = 0.15
"""Share of the height that one line of words may have."""

_SMALLEST_BORDER = 0.005
"""Thinner borders, as a share of the side, do not change a hash enough to need a view of their own."""

_SMALLEST_SHARE = 0.2
"""What is left must have at least this share of either side: less is no picture in a frame, but a sign on a wall."""

_SMALLEST_SIDE = 32

_SAMPLE = 128
"""Pixels of a line that are looked at first: enough to know that a line of up to some thousands is not plain."""

_GROUPS = 16
"""Parts of a line that are compared with the same parts of the next lines."""

_GROUP_PIXELS = 4
"""Pixels of each part that are looked at: enough to take the noise out."""

_SEAM = 2
"""Mean change in grey levels, from a line to the one after the next, that makes a seam."""

_SEAM_CAP = 40
"""Grey levels from which on a change counts no more: one bright thing makes no seam."""

_SEAM_WIDTH = 2
"""Changes that a seam is in: those to the line after the next from both lines before it."""

_OUTSTANDING = 2.5
"""How many times the change at a seam must be that of each line outside of it."""

_HALVED = 1.25
"""How many times the second change at a seam is the first where the first line after it is mixed."""

_UNEVEN = 0.02
"""Share of the side by which seams on opposite sides may lie at different depths."""


Box: TypeAlias = tuple[slice, slice]
"""Rows and columns of a picture."""


def trim_borders(luma: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the picture without its bars, its frame or its blurred sides: in the ways in which it may have some.

    First without plain bars and frames. Each side may have a colour of its own, and bars above and below may bear
    words: a line of them counts as border if plain lines follow it. Then without borders of any kind that are equally
    wide on opposite sides and end in straight lines: the picture itself, blurred, as phones' editors put it beside a
    tall picture; a gradient; noise. 0.15 ms without a border, some 0.3 ms with one, more with words.

    Parameters
    ----------
    luma
        uint8[height, width].

    Returns
    -------
    list of uint8[h, w]
        None to two views of ``luma``. A border that is thinner than 0.5 % of the side is none; nor is one that leaves
        nearly nothing: a blank picture has no border.
    """
    if min(luma.shape) < _SMALLEST_SIDE:
        return []
    plain, seams = _inside_plain(luma), _inside_seams(luma)
    boxes = [] if plain is None else [plain]
    if seams is not None and not (plain and _alike(plain, seams, luma.shape)):
        boxes.append(seams)
    return [luma[rows, columns] for rows, columns in boxes]


def _alike(first: Box, second: Box, shape: tuple[int, ...]) -> bool:
    """Return whether two boxes are the same to some pixels."""
    return all(
        max(abs(one.start - other.start), abs(one.stop - other.stop)) <= max(2, _SMALLEST_BORDER * side)
        for one, other, side in zip(first, second, shape, strict=True)
    )


def _inside_plain(luma: NDArray[np.uint8]) -> Box | None:
    height, width = luma.shape
    if not _may_have_plain_sides(luma):
        return None
    top = _depth(luma, words=True)
    bottom = _depth(luma[::-1], words=True) if top < height else 0
    inner = luma[top : height - bottom]
    if len(inner) < max(_SMALLEST_SIDE, _SMALLEST_SHARE * height):
        return None
    # A frame has one colour. Under bars of another, plain columns are the picture's own: a wall, a sky.
    bars = [_level(line) for line, depth in ((luma[0], top), (luma[-1], bottom)) if depth]
    left = _depth(inner.T) if _matches(inner[:, 0], bars) else 0
    right = _depth(inner.T[::-1]) if left < width and _matches(inner[:, -1], bars) else 0
    if width - left - right < max(_SMALLEST_SIDE, _SMALLEST_SHARE * width):
        return None
    if top + bottom < _SMALLEST_BORDER * height and left + right < _SMALLEST_BORDER * width:
        return None
    return slice(top, height - bottom), slice(left, width - right)


def _may_have_plain_sides(luma: NDArray[np.uint8]) -> bool:
    """Return False only where none of the outermost lines is as plain as a border: so it is with most pictures.

    A part of each line's pixels is looked at. Where more of them are strays than the whole line may have, whatever its
    level is, the line is not plain.
    """
    sample = _outermost(luma.shape, min(_SAMPLE, *luma.shape))
    alike = sample[0].shape[1] - 1 - int(_STRAYS * max(luma.shape))
    if alike < 1:
        return True
    levels = np.sort(luma[sample], axis=1)
    spans = levels[:, alike - 1 :] - levels[:, : levels.shape[1] - alike + 1]
    return bool(spans.min() <= 2 * _TOLERANCE)


@lru_cache(maxsize=64)
def _outermost(shape: tuple[int, int], count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns, each intp[4, count], of so many pixels of each of the four outermost lines."""
    height, width = shape
    down, across = (np.arange(count) * side // count for side in shape)
    top = left = np.zeros(count, np.intp)
    return np.stack([top, top + height - 1, down, down]), np.stack([across, across, left, left + width - 1])


def _inside_seams(luma: NDArray[np.uint8]) -> Box | None:
    rows, columns = _between_seams(_changes(luma.T), _changes(luma))
    if rows is None and columns is None:
        return None
    return rows or slice(0, luma.shape[0]), columns or slice(0, luma.shape[1])


def _changes(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return float64[width - 2]: how much the picture changes from each column to the one after the next.

    Parts of columns are compared, not pixels, which leaves out what changes from pixel to pixel: noise, grass.
    """
    groups = min(_GROUPS, len(luma))
    step = len(luma) // groups
    pixels = min(step, _GROUP_PIXELS)
    sums = luma[: groups * step : step].astype(np.int16, order="C")
    for number in range(1, pixels):
        sums += luma[number : groups * step : step]
    change = sums[:, _SEAM_WIDTH:] - sums[:, :-_SEAM_WIDTH]
    np.abs(change, out=change)
    np.minimum(change, _SEAM_CAP * pixels, out=change)
    return np.asarray(change.sum(axis=0, dtype=np.int32) / (groups * pixels))


def _between_seams(*changes: NDArray[np.float64]) -> list[slice | None]:
    """Return for each axis the lines between two seams that are as deep on either side; None where there are none."""
    ends = np.zeros((2 * len(changes), max(map(len, changes))))
    for number, along in enumerate(changes):
        ends[2 * number, : len(along)] = along
        ends[2 * number + 1, : len(along)] = along[::-1]
    seams = list(_seams(ends))
    return [_between(len(along) + 2, *seams[2 * number :][:2]) for number, along in enumerate(changes)]


def _between(size: int, start: int, end: int) -> slice | None:
    """Return what of so many lines lies between two seams, where they may be those of a border."""
    inside = size - start - end
    if abs(start - end) > max(2, _UNEVEN * size) or min(start, end) < _SMALLEST_BORDER * size:
        return None
    return slice(start, start + inside) if inside >= max(_SMALLEST_SIDE, _SMALLEST_SHARE * size) else None


def _seams(changes: NDArray[np.float64]) -> Iterator[int]:
    """Yield for each row of changes how many lines stand before the first that is well above all before it; or 0."""
    outside = np.maximum.accumulate(changes[:, :-_SEAM_WIDTH], axis=1)
    above = changes[:, _SEAM_WIDTH:] > np.maximum(outside * _OUTSTANDING, _SEAM)
    for row, first in enumerate(above.argmax(axis=1).tolist()):
        if not above[row, first]:
            yield 0
            continue
        at = first + _SEAM_WIDTH
        # Of a picture that was made smaller, one line may be half border, half picture.
        halved = at + 1 < changes.shape[1] and changes[row, at + 1] > _HALVED * changes[row, at]
        yield at + _SEAM_WIDTH + int(halved)


def _depth(lines: NDArray[np.uint8], *, words: bool = False) -> int:
    """Return how many lines from the first on are as plain as a border, and of one colour; or have words on it."""
    size = len(lines)
    level = _level(lines[0])
    low = max(0, level - _TOLERANCE)
    span = min(255, level + _TOLERANCE) - low
    strays, ink = bytearray(), bytearray()  # for each line that was looked at, 1 where it has more of them than it may

    def look(stop: int) -> None:
        start = len(strays)
        # One comparison does for both ends: what is below wraps around to large values.
        is_off = lines[start:stop] - np.uint8(low) > span
        # Several times as fast as np.count_nonzero by axis.
        share = is_off.view(np.uint8).sum(axis=1, dtype=np.uint32) / lines.shape[1]
        strays.extend((share > _STRAYS).tobytes())
        ink.extend((share > _INK).tobytes())

    depth = 0
    while True:
        at = strays.find(1, depth)
        while at < 0 and len(strays) < size:
            look(2 * len(strays) or 1)  # most pictures have no border: look at one line first, then at more and more
            at = strays.find(1, depth)
        if at < 0:
            return size
        depth = at
        if not words or not depth:
            return depth
        # They may all be words on a border, if two plain ones follow.
        stop = min(size, depth + int(_CAPTION * size))
        if len(strays) < stop:
            look(max(stop, 2 * len(strays)))
        end = strays.find(b"\0\0", depth, stop)
        if end < 0 or ink.find(1, depth, end) >= 0:
            return depth
        depth = end


def _level(line: NDArray[np.uint8]) -> int:
    """Return the median of a line's pixels."""
    return int(np.partition(line, len(line) // 2)[len(line) // 2])


def _matches(line: NDArray[np.uint8], bars: list[int]) -> bool:
    """Return whether a line may belong to a frame with these levels of the bars above and below, if there are any."""
    level = _level(line)
    return not bars or any(abs(level - bar) <= _TOLERANCE for bar in bars)
