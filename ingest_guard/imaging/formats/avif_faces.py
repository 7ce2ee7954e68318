"""The other pictures of an AVIF: which one is shown depends on who looks.

A file may have a still and a track (https://aomediacodec.github.io/av1-avif/), and items beside the primary one:
thumbnails, and pictures that no viewer shows. Each is brought forward in a copy of the file, for the decoder to open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ingest_guard.imaging.formats.boxes import Box, boxes

_PICTURES = frozenset({b"av01", b"grid", b"hvc1", b"iovl", b"iden", b"jpeg"})


class _Items(NamedTuple):
    """What ``meta`` says: where the primary item's number stands and how long it is, and which items there are."""

    at: int
    size: int
    primary: int
    pictures: tuple[int, ...]


def other_faces(data: bytes, top: list[Box], most: int) -> Iterator[tuple[str, bytes]]:
    """Yield name and file of each picture but the one that is shown first.

    Parameters
    ----------
    data
        The file.
    top
        Its outermost boxes.
    most
        So many at most.
    """
    if {b"meta", b"moov"} <= {box.name for box in top}:
        is_track = data[8:12] == b"avis"
        yield "still" if is_track else "track", b"".join([data[:8], b"avif" if is_track else b"avis", data[12:]])
    for box in top:
        if box.name != b"meta":
            continue
        items = _read_items(data, box)
        if items is None:
            continue
        for number, item in enumerate(items.pictures[:most], 2):
            place = item.to_bytes(items.size, "big")
            file = b"".join([data[: items.at], place, data[items.at + items.size :]])
            # A thumbnail is no picture of its own to a decoder, unless nothing says that it is one.
            yield (
                f"item:{number}",
                file[: box.start] + file[box.start : box.stop].replace(b"thmb", b"free") + file[box.stop :],
            )


def _read_items(data: bytes, meta: Box) -> _Items | None:
    inside = {box.name: box for box in boxes(data, meta.start + 4, min(meta.stop, len(data)))}
    if b"pitm" not in inside or b"iinf" not in inside:
        return None
    at, size = inside[b"pitm"].start + 4, 4 if data[inside[b"pitm"].start] else 2
    primary = int.from_bytes(data[at : at + size], "big")
    known = _numbers(data, inside[b"iinf"])
    parts = _parts(data, inside[b"iref"], primary) if b"iref" in inside else frozenset()
    return _Items(at, size, primary, tuple(number for number in known if number != primary and number not in parts))


def _numbers(data: bytes, info: Box) -> Iterator[int]:
    """Yield the numbers of the items that are pictures."""
    for box in boxes(data, info.start + (8 if data[info.start] else 6), min(info.stop, len(data))):
        size = 4 if data[box.start] > 2 else 2  # noqa: PLR2004 - the version with longer numbers
        if box.name == b"infe" and data[box.start + 6 + size : box.start + 10 + size] in _PICTURES:
            yield int.from_bytes(data[box.start + 4 : box.start + 4 + size], "big")


def _parts(data: bytes, references: Box, primary: int) -> frozenset[int]:
    """Return the items that are shown with the primary one: its alpha, and the tiles of a grid."""
    size, found = 4 if data[references.start] else 2, set[int]()
    for box in boxes(data, references.start + 4, min(references.stop, len(data))):
        numbers = [
            int.from_bytes(data[at : at + size], "big")
            for at in (box.start, *range(box.start + size + 2, min(box.stop, len(data)), size))
        ]
        if box.name == b"auxl" and primary in numbers[1:]:
            found.add(numbers[0])
        elif box.name == b"dimg" and numbers[0] == primary:
            found.update(numbers[1:])
    return frozenset(found)
