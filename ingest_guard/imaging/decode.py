"""From the bytes of an image to everything that a browser, or another program, would show of it.

The container is read by ourselves, up to its end marker; Pillow is handed one picture at a time, its size checked
and its metadata taken out. What a file shows is yielded first and what is wrong with it is raised last, so that a
match in a damaged file is still a match.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from ingest_guard.imaging.contents import Contents
from ingest_guard.imaging.formats import READERS
from ingest_guard.imaging.formats.base import Reader, gaps
from ingest_guard.imaging.pixels.model import Budget, Frame, Limits, NotScannable
from ingest_guard.imaging.pixels.pillow import decoding, quiet
from ingest_guard.imaging.pixels.render import frames_of
from ingest_guard.imaging.sniffing.documents import find_document, is_zip
from ingest_guard.imaging.sniffing.signatures import find_images
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.verdict import Reason, Statement

__all__ = ["Frame", "Limits", "NotScannable", "Picture", "open_picture"]

_PADDING: Final = b"\0\t\n\r \xff"
"""What servers, cameras and broken tools leave after the end of a good file."""
_MOST_TRIES: Final = 2000
"""Signatures that may turn out to be no image (three bytes of JPEG's occur by chance) before a file is refused."""


class Picture:
    """An image file that opened; its frames are decoded as they are asked for.

    Attributes
    ----------
    format
        Pillow's name: ``JPEG``, ``PNG`` ...
    width, height
        As displayed, pixels: EXIF orientation applied.
    frame_count
        Frames, pages or sub-images. At least one more than the limit where there are more than that.
    """

    def __init__(self, data: bytes, reader: Reader, budget: Budget) -> None:
        self._data = data
        self._reader = reader
        self._budget = budget
        self.format = reader.format
        self.width = reader.width
        self.height = reader.height
        self.frame_count = reader.frame_count
        self._contents = Contents(budget, _try_open)
        self._searched = 0
        self._yielded = 0

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What the metadata says of the file's use, as far as it was looked through: :meth:`frames` does so last."""
        return self._contents.statements.found

    def files(self, *, behind_samples: bool = False) -> Iterator[bytes]:
        """Yield what is inside the file beside its frames: see :class:`~ingest_guard.imaging.contents.Contents`.

        What was yielded before is left out.

        Parameters
        ----------
        behind_samples
            Look behind the samples, too. After :meth:`frames`, when they are decoded, hardly any are left to search.
        """
        inside = self._inside(samples=behind_samples)
        start, self._yielded = self._yielded, len(inside.files)
        yield from islice(inside.files, start, self._yielded)

    def _inside(self, *, samples: bool) -> Contents:
        steps = (self._search_parts, self._search_samples)[self._searched : 1 + samples]
        self._searched += len(steps)
        for step in steps:
            try:
                with decoding():
                    step()
            except NotScannable as error:
                self._contents.problem = self._contents.problem or error.reason
        return self._contents

    def _search_parts(self) -> None:
        self._contents.search(self._reader)
        self._search_tail(self._contents)

    def _search_samples(self) -> None:
        self._contents.search_samples(self._reader)

    def _search_tail(self, inside: Contents) -> None:
        """Add what follows the end, and what is inside the pictures there."""
        data, skip = self._data, self._reader.end
        if not data[skip:].strip(_PADDING):
            return
        inside.add(data[skip:])
        spans = [(0, skip)]
        for offset in islice(find_images(data, skip), _MOST_TRIES):
            reader = _try_open(data[offset:], self._budget) if offset >= skip else Reason.CORRUPT
            if not isinstance(reader, Reason):
                skip = offset + max(1, reader.end)
                spans.append((offset, skip))
                inside.add(reader.data)
                inside.search(reader, 1)
                inside.search_samples(reader, 1)
        for piece in gaps(data, spans, len(data)):
            inside.statements.read(piece)

    def frames(self) -> Iterator[Frame]:
        """Yield every frame, and every view of it that differs; then thumbnails, and images after the end.

        Can be used once.

        Yields
        ------
        Frame
            One at a time: nothing of the one before is kept.

        Raises
        ------
        NotScannable
            After the last frame, where anything could not be looked at or is not as it must be.
        """
        problems: list[Reason] = []
        yield from self._guarded(_shown(self._reader, self._chosen()), problems)
        if self._reader.problem is not None:
            problems.insert(0, self._reader.problem)
        yield from self._guarded(self._hidden(), problems)
        if self.frame_count > self._budget.limits.frames and not self._sampled():
            problems.append(Reason.FRAMES)
        yield from self._guarded(self._after(problems), problems)
        if problems:
            raise NotScannable(problems[0])

    @staticmethod
    def _guarded(frames: Iterator[Frame], problems: list[Reason]) -> Iterator[Frame]:
        while True:
            try:
                frame = next(frames, None)
            except NotScannable as error:
                problems.append(error.reason)
                return
            if frame is None:
                return
            yield frame

    def _sampled(self) -> bool:
        return self._budget.limits.sample_frames and self.frame_count <= self._budget.most_frames

    def _chosen(self) -> Collection[int]:
        most = self._budget.limits.frames
        if self.frame_count <= most or not self._sampled():
            return range(most)
        return frozenset(number * (self.frame_count - 1) // max(1, most - 1) for number in range(most))

    def _hidden(self) -> Iterator[Frame]:
        """Yield the thumbnails. No program shows a broken one, and it is no fault of the picture."""
        inside = self._inside(samples=True)
        for number, reader in enumerate(inside.pictures, 1):
            name = "thumbnail" if number == 1 else f"thumbnail:{number}"
            yield from self._guarded(_shown(reader, range(self._budget.limits.frames), name), [])
        if inside.problem is not None:
            raise NotScannable(inside.problem)

    def _after(self, problems: list[Reason]) -> Iterator[Frame]:
        """Yield the images after the end."""
        data, end = self._data, self._reader.end
        if find_document(data, end, len(data)) or (end < len(data) and is_zip(data[end:])):
            problems.append(Reason.TRAILING_DATA)
        if not data[end:].strip(_PADDING):
            return
        skip, number, strange = end, 0, not getattr(self._reader, "is_multi_picture", False)
        for tries, offset in enumerate(find_images(data, end)):
            if tries > _MOST_TRIES:
                raise NotScannable(Reason.TRAILING_DATA)
            if offset < skip:
                continue
            reader = _try_open(data[offset:], self._budget)
            if isinstance(reader, Reason):
                if reader not in {Reason.CORRUPT, Reason.TRUNCATED}:
                    problems.append(reader)
                continue
            self._budget.extra()
            number += 1
            strange = strange or bool(data[skip:offset].strip(_PADDING))
            skip = offset + max(1, reader.end)
            yield from self._guarded(_shown(reader, range(self._budget.limits.frames), f"trailing:{number}"), problems)
            if reader.problem is not None:
                problems.append(reader.problem)
        if self._budget.limits.trailing == "refuse" and (strange or data[skip:].strip(_PADDING)):
            problems.append(Reason.TRAILING_DATA)


def _shown(reader: Reader, chosen: Collection[int], prefix: str = "") -> Iterator[Frame]:
    shots = reader.shots(chosen)
    while True:
        with decoding(), quiet():
            shot = next(shots, None)
        if shot is None:
            return
        for frame in frames_of(shot):
            if prefix:
                frame = replace(frame, name=prefix if frame.name == "native" else f"{prefix}/{frame.name}")  # noqa: PLW2901 - renamed, not replaced
            yield frame


def _try_open(data: bytes, budget: Budget) -> Reader | Reason:
    sniffed = sniff(data)
    if sniffed.kind is not Kind.IMAGE:
        return Reason.CORRUPT
    try:
        with decoding(), quiet():
            return READERS[sniffed.format](data, budget)
    except NotScannable as error:
        return error.reason


def open_picture(data: bytes, limits: Limits) -> Picture:
    """Open an image by what its bytes are.

    Parameters
    ----------
    data
        The whole body.
    limits
        What it may ask for.

    Raises
    ------
    NotScannable
        Nothing of it can be decoded: no image of a type that is read here, cut off or broken before its first pixel,
        or larger than the limits.
    """
    if len(data) > limits.bytes:
        raise NotScannable(Reason.TOO_LARGE)
    if sniff(data).kind is not Kind.IMAGE:
        raise NotScannable(Reason.UNSUPPORTED_TYPE)
    budget = Budget(limits)
    reader = _try_open(data, budget)
    if isinstance(reader, Reason):  # raised here, with no decoder's error behind it
        raise NotScannable(reader)
    return Picture(data, reader, budget)
