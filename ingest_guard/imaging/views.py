"""Other views of a picture's luma: without its border, with full contrast, and parts of it.

Each takes and returns uint8[height, width]. Parts are numpy views of the same memory; only
:func:`normalise_contrast` makes a copy. Times are for 512 x 512 pixels on one core of the machine that the benchmarks
were sized for.
"""

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

_TAIL = 0.005
"""Share of the pixels at either end that may be cut off when contrast is stretched."""

_SMALLEST_RANGE = 12
"""Grey levels; what has less is blank or nearly so, and stretching it would make a picture of its noise."""

_SAMPLED = 4
"""Every fourth pixel of every fourth line is enough to know a picture's range."""


def trim_border(luma: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Return the picture without its letterbox bars or plain frame; None where it has none.

    Each side may have a colour of its own, and bars above and below may bear words: a line of them counts as border if
    plain lines follow it. 0.05 ms for a picture without a border, some 0.2 ms for one with it.

    Returns
    -------
    uint8[h, w] or None
        A view of ``luma``. None too where the border is thinner than 0.5 % of the side, or where nearly nothing would
        be left: a blank picture has no border.
    """
    height, width = luma.shape
    if min(height, width) < _SMALLEST_SIDE:
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
    inner = inner[:, left : width - right]
    if inner.shape[1] < max(_SMALLEST_SIDE, _SMALLEST_SHARE * width):
        return None
    if top + bottom < _SMALLEST_BORDER * height and left + right < _SMALLEST_BORDER * width:
        return None
    return inner


def _depth(lines: NDArray[np.uint8], *, words: bool = False) -> int:
    """Return how many lines from the first on are as plain as a border, and of one colour; or have words on it."""
    level = _level(lines[0])
    low = max(0, level - _TOLERANCE)
    span = min(255, level + _TOLERANCE) - low

    def off(start: int, stop: int) -> NDArray[np.float64]:
        # One comparison does for both ends: what is below wraps around to large values.
        counts = np.count_nonzero((lines[start:stop] - np.uint8(low)) > span, axis=1)
        return np.asarray(counts / lines.shape[1], np.float64)

    depth, step = 0, 1  # most pictures have no border: look at one line first, then at more and more
    while depth < len(lines):
        over = np.flatnonzero(off(depth, depth + step) > _STRAYS)
        if not len(over):
            depth, step = min(len(lines), depth + step), step * 2
            continue
        depth += int(over[0])
        beyond = _after_words(off(depth, depth + int(_CAPTION * len(lines)))) if words and depth else 0
        if not beyond:
            return depth
        depth, step = depth + beyond, 1
    return depth


def _level(line: NDArray[np.uint8]) -> int:
    """Return the median of a line's pixels."""
    return int(np.partition(line, len(line) // 2)[len(line) // 2])


def _matches(line: NDArray[np.uint8], bars: list[int]) -> bool:
    """Return whether a line may belong to a frame with these levels of the bars above and below, if there are any."""
    level = _level(line)
    return not bars or any(abs(level - bar) <= _TOLERANCE for bar in bars)


def _after_words(off: NDArray[np.float64]) -> int:
    """Return after how many lines, all of which may be words on a border, two plain ones follow; 0 if none do."""
    plain = off <= _STRAYS
    ends = np.flatnonzero(plain[1:] & plain[:-1])
    return int(ends[0]) if len(ends) and (off[: ends[0]] <= _INK).all() else 0


def normalise_contrast(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture with its brightness stretched to the full range.

    PDQ's bits hardly change by it, but a faded picture's quality does: by it such a picture, whose hash is as good
    as any, differs from one that has nothing to see. A nearly blank picture is returned as it is. 0.1 ms.
    """
    sample = luma[::_SAMPLED, ::_SAMPLED]
    counts = np.bincount(sample.ravel(), minlength=256).cumsum()
    low, high = np.searchsorted(counts, [sample.size * _TAIL, sample.size * (1 - _TAIL)])
    if high - low < _SMALLEST_RANGE:
        return luma
    stretched = (luma.astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    full: NDArray[np.uint8] = np.clip(stretched, 0, 255).astype(np.uint8)
    return full


def quadrants(luma: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the four quarters, in reading order, for pictures put together two by two. Costs nothing by itself."""
    row, column = luma.shape[0] // 2, luma.shape[1] // 2
    return [luma[:row, :column], luma[:row, column:], luma[row:, :column], luma[row:, column:]]


def centre_crop(luma: NDArray[np.uint8], share: float = 0.5) -> NDArray[np.uint8]:
    """Return the middle ``share`` of either side. Costs nothing by itself."""
    height, width = luma.shape
    top, left = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
    return luma[top : height - top, left : width - left]
